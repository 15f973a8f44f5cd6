"""Prompts: what models were asked and what they answered, for debugging. Nobody is told unless a runner is."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from ..amounts import Count
from ..kernel.effects import Path
from ..models.base import Request, Response


class Prompted(Struct, frozen=True):
    """A request to a model, and what came of it. Both hold the user's own words: keep them out of logs."""

    request: Request
    response: Response | None
    """What the model answered; None if the request failed, or was given up."""
    run_id: str
    state: str
    """The name of the state whose agent asked."""
    path: Path = ()
    """The machine in the tree whose state it is; `()` is the run itself."""
    visit: Count = 0
    """The hops that its machine had taken when the visit began."""
    call: Count = 0
    """Counts from 1 within the visit, as in records."""
    model: str = ""
    """The name of the one that was asked."""
    is_redacted: bool = False
    """Whether its runner redacts fields. Any text here may tell of them: keep none of it."""


OnPrompt = Callable[[Prompted], object]
"""Called after every request, on the event loop: be quick.

What it raises is logged by its type, and does not touch the run.
"""
