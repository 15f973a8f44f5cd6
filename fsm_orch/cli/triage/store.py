"""The runs of a store as lines of a log: their journals are folded by their machines, and nothing is claimed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

from msgspec import ValidationError

from ...define.definition import Definition
from ...errors import FsmError
from ...observe.log import fields
from ...observe.triage.lines import Line, Tally, of_record
from ...store.base import Store
from ...store.values import Listed
from ..runs.fold import Folded, folded
from ..show import CommandError
from ..stored import journal_of, opened

_MANY = 500


def lines(
    url: str, codec: str | None, known: Mapping[str, Definition], tally: Tally, since: float | None
) -> Iterator[Line]:
    """Yield the records of all runs, the run that began last first.

    Args:
        known: definitions, by their digests.
        since: seconds of the epoch: runs that were stored last before it are left out.
    """
    with opened(url, codec) as kept:
        for run in _listed(kept):
            if since is not None and run.stored_at < since:
                continue
            if run.digest not in known:
                tally.unknown += 1
                continue
            try:
                told = folded(known[run.digest], run, journal_of(kept, run))
                yield from _told(told, run, tally)
            except (CommandError, FsmError, ValidationError):
                tally.unfolded += 1


def _listed(kept: Store) -> Iterator[Listed]:
    last = None
    while page := asyncio.run(kept.list(after=last, limit=_MANY)):
        yield from page
        last = page[-1].run_id


def _told(run: Folded, listed: Listed, tally: Tally) -> Iterator[Line]:
    for record in run.records:
        tally.records += 1
        # what it waited for humans is not in a record's time, so it may have been made later, never after the last
        at = min(listed.began_at + record.stamp.at, listed.stored_at)
        yield of_record(fields(record), record.kind, listed.stored_at if record.kind == "run_finished" else at)
