"""The port of prompts: what models were asked and answered, kept beside the journals for whoever looks for a mistake.

They are no part of a run: nothing is decided by them, a run goes on without them, and they are forgotten sooner.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, runtime_checkable

from msgspec import Struct

from ..amounts import Count, Usage
from ..kernel.effects import Path
from ..messages import Message


class KeptPrompt(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A request to a model, and what came of it, as far as it is kept.

    Run, path, visit and call say which one it is; records and the journal have the call under the same numbers.
    """

    run_id: str
    path: Path = ()
    """The machine in the tree whose state asked; `()` is the run itself."""
    visit: Count
    """The hops that its machine had taken when the visit began."""
    call: Count
    """Counts from 1 within the visit."""
    state: str
    model: str
    """The one that was asked, such as `openai:gpt-5-mini`."""
    at: float
    """When it was answered, or given up; seconds of the epoch."""
    messages: tuple[Message, ...]
    """What it was sent."""
    reply: str | None = None
    """What it answered; None: nothing, since the request failed or was given up."""
    ended: str = ""
    """How the reply ended, such as `stop`; empty if there is none."""
    usage: Usage | None = None
    """What the request used; None if that is not known."""


class Prompts(Protocol):
    """What is kept of prompts. Every method may be called from any event loop and any thread.

    Raises StoreError: from every method, if it cannot be done.
    """

    def keep(self, prompt: KeptPrompt, *, most: int, since: float) -> asyncio.Future[None]:
        """Keep a prompt, instead of one with the same numbers; forget what is too much, or too old.

        It is on its way once this returns: it is done, be the future cancelled or not, or its loop closed.

        Args:
            most: how many are kept of its run, the newest.
            since: seconds of the epoch before which all that was kept is forgotten, of whatever run.
        """
        ...

    async def of(self, run_id: str) -> tuple[KeptPrompt, ...]:
        """Return what is kept of a run, the oldest first; empty if nothing is."""
        ...


@runtime_checkable
class KeepsPrompts(Protocol):
    """A store that keeps prompts beside its journals, and forgets them with their runs."""

    @property
    def prompts(self) -> Prompts:
        """What is kept of the prompts of its runs."""
        ...
