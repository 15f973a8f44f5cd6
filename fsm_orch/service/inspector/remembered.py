"""What is known of runs and changes no more, so that it is read once."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

from ...store.values import Listed

V = TypeVar("V")

_MOST_KEPT = 10_000
"""Of how many runs it is kept: of those that were put in last."""

Run = tuple[str, float]
"""The id of a run, and when it began: once a run is forgotten, another may have its id."""


def run_of(row: Listed) -> Run:
    """Return by what a run is told from every other that there has been."""
    return row.run_id, row.began_at


class Remembered(OrderedDict[Run, V]):
    """Something of each run, of 10,000 runs at most."""

    def __setitem__(self, run: Run, value: V) -> None:
        super().__setitem__(run, value)
        while len(self) > _MOST_KEPT:
            self.popitem(last=False)
