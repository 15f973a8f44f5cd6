"""Effects: what the world owes a run. Each is known by where and when it is due, so that it is begun once."""

from __future__ import annotations

from msgspec import Struct

Path = tuple[int, ...]
"""A machine in the tree: the call that carries it, in each visit from the run down; `()` is the run itself."""


class Act(Struct, frozen=True, gc=False):
    """Let the agent of a state act."""

    path: Path
    hops: int
    """The hops that its machine had taken when the visit began."""
    state: str
    attempt: int
    """Counts from 1 within the visit."""


class AskHuman(Struct, frozen=True, gc=False):
    """Ask a human, and fold the answer when it comes; the run is not active meanwhile."""

    path: Path
    hops: int
    state: str
    attempt: int
    question: str


Effect = Act | AskHuman
