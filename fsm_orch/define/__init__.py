"""What a user declares; all of it is checked when the class is built. Nothing runs here.

Machines are written with the names of `fsm_orch` itself; the types here are for annotations.
"""

from .context import FieldRef
from .guards import Guard
from .policies import Policy

__all__ = ["FieldRef", "Guard", "Policy"]
