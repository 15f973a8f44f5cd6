"""What each run of a list is about: the beginning of the first text that it was given."""

from __future__ import annotations

from collections.abc import Sequence

from ...kernel.inputs import Input, Started
from ...messages import REDACTED
from ...store.base import Store
from ...store.beginnings import KeepsBeginnings
from ...store.values import Listed
from .remembered import Remembered, run_of

_MOST_CHARACTERS = 60


def subject(first: Input) -> str:
    """Return what a run is about, in one line of at most 60 characters; empty if it was given no text.

    It is the first text of its context, or else of its messages. What was redacted is none.

    Args:
        first: the first input of its journal.
    """
    if not isinstance(first, Started):
        return ""
    given = [*first.context.values(), *(message.content for message in first.messages)]
    texts = (" ".join(each.lstrip()[: 9 * _MOST_CHARACTERS].split()) for each in given if isinstance(each, str))
    text = next((each for each in texts if each and each != REDACTED), "")
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1].rstrip()}…"


class Subjects:
    """What the runs of a store are about, each read once: the first inputs of those that are new to a list."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known = Remembered[str]()

    async def of(self, rows: Sequence[Listed]) -> list[str]:
        """Return what each run is about; empty where that cannot be read.

        Raises StoreError: if the store is away.
        """
        runs = [run_of(row) for row in rows]
        told = {run: self._known[run] for run in runs if run in self._known}
        new = [run for run in runs if run not in told]
        if new and isinstance(self._store, KeepsBeginnings):
            found = await self._store.beginnings([run_id for run_id, _ in new])
            for run in new:
                told[run] = self._known[run] = subject(found[run[0]]) if run[0] in found else ""
        return [told.get(run, "") for run in runs]
