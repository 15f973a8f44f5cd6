"""Effects: what the world owes a run. Each is known by where and when it is due, so that it is begun once.

What is asked stands in the visit's asks, under the number of the ask.
"""

from __future__ import annotations

from msgspec import Struct

Path = tuple[int, ...]
"""A machine in the tree: the ask that runs it, in each visit from the run down; `()` is the run itself."""


class Act(Struct, frozen=True, gc=False):
    """Let the agent of a state act."""

    path: Path
    hops: int
    """The hops that its machine had taken when the visit began."""
    state: str
    attempt: int
    """Counts from 1 within the visit."""


class UseTool(Struct, frozen=True, gc=False):
    """Use a tool, and fold what it came to."""

    path: Path
    hops: int
    state: str
    attempt: int
    """The one that asked for it."""
    ask: int


class AskHuman(Struct, frozen=True, gc=False):
    """Ask a human, and fold the answer when it comes; while nothing else is due the run is not active."""

    path: Path
    hops: int
    state: str
    attempt: int
    """The one that asked for it."""
    ask: int


Effect = Act | UseTool | AskHuman
