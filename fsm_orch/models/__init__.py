"""Models: the port that adapters keep, the registry that finds one by its name, and a scripted model for tests.

    class MyModel:                                # anything with these four is a `Model`
        name, price = "mine:tiny", Price(...)
        async def count(self, request: Request) -> int: ...
        async def complete(self, request: Request) -> Response: ...

One that takes `ModelSettings` says so by an `objection`, as `TakesSettings` does. The adapters are in modules of their
own (`fsm_orch.models.openai`, `.anthropic`, `.local`), which load their SDK.
"""

from ..amounts import Price, Usage
from ..errors import CallDenied, CallFailed, ModelError, ModelUnavailable
from .base import FinishReason, Model, Request, Response, TakesSettings, Warms
from .fallback import Fallback
from .metered import MeteredModel
from .probe import probe
from .registry import resolve
from .scripted import ScriptedModel

__all__ = [
    "CallDenied",
    "CallFailed",
    "Fallback",
    "FinishReason",
    "MeteredModel",
    "Model",
    "ModelError",
    "ModelUnavailable",
    "Price",
    "Request",
    "Response",
    "ScriptedModel",
    "TakesSettings",
    "Usage",
    "Warms",
    "probe",
    "resolve",
]
