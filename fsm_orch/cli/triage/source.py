"""What `fsm-orch triage` reads: files of logs, plain or gzipped, stdin, or the runs of a store."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from msgspec import to_builtins
from rich.console import Console
from rich.text import Text

from ... import discover
from ...define.definition import Definition
from ...define.wording import number_of
from ...errors import DefinitionError
from ...observe.triage import lines as logged
from ...observe.triage.lines import Line, Tally
from ...observe.triage.machines import by_digest
from ...observe.triage.runs import MOST_OPEN, Run, runs
from ...observe.triage.shares import Interval
from ..moments import seconds_of
from ..show import CommandError, complaints, interrupted, safe_json
from ..stored import CodecName, OptionalStoreUrl
from . import files, store

Logs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[LOG]...",
        help="Files of JSON lines as `log_records` writes them, plain or gzipped, the oldest first; - is stdin. Lines "
        "may have the prefixes of docker, kubectl or journald.",
        show_default=False,
    ),
]
Store = OptionalStoreUrl
Codec = CodecName
Machines = Annotated[
    list[str] | None,
    typer.Option(
        "--machine",
        metavar="MODULE[:Machine]",
        help="Say where the handoffs of these machines are declared, and what bounds them; a package has all modules "
        "below it. A store needs it. Repeatable.",
        show_default=False,
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        metavar="SPAN|TIME",
        help="Only runs of which something was written since then: 15m, 2h, or 2026-11-27T02:00.",
        show_default=False,
    ),
]

Top = Annotated[int, typer.Option(min=1, max=1_000, metavar="N", help="How many are shown.")]

_AHEAD_S = 60.0
"""By so many seconds the clocks of two machines may differ. A line that is later than that is of no known time."""
_MANY = 5
"""From so many files on, they are counted instead of named."""


@dataclass(frozen=True)
class Source:
    """Where lines come from, and what is known of their machines."""

    logs: Sequence[str]
    store: str | None
    codec: str | None
    machines: Sequence[str]
    since: float | None
    """Seconds of the epoch."""
    now_s: float
    tally: Tally

    @property
    def spelling(self) -> str:
        """How the command line names it, for the next command."""
        if not self.logs:
            return "--store URL"  # which may hold a password
        return shlex.join(self.logs) if len(self.logs) < _MANY else f"{len(self.logs)} files"

    @cached_property
    def known(self) -> dict[str, Definition]:
        """The definitions of the machines that were named, and of those inside them, by their digests.

        Raises DefinitionError: if one does not build.
        """
        known = dict[str, Definition]()
        for one in discover.machines_of_all(self.machines, Path.cwd()).values():
            if isinstance(one, DefinitionError):
                raise one
            known |= by_digest(one.definition)
        return known

    def lines(self) -> Iterator[Line]:
        """Yield all records.

        Raises CommandError: if a file or the store cannot be read.
        """
        if not self.logs:
            yield from store.lines(self.store or "", self.codec, self.known, self.tally, self.since)
            return
        yield from logged.read(files.lines(self.logs, self.tally), self.tally, latest=self.now_s + _AHEAD_S)

    def runs(self) -> Iterator[Run]:
        """Yield all runs that are asked for; raises as `lines` does."""
        for run in runs(self.lines(), self.tally):
            if self.since is None or (run.at is not None and run.at >= self.since):
                yield run


@contextmanager
def source(
    logs: Iterable[str] | None,
    store: str | None,
    codec: str | None,
    machines: Iterable[str] | None,
    since: str | None,
) -> Iterator[Source]:
    """Yield what a command reads; whatever it cannot do is a line on stderr, and the exit code 2.

    Raises typer.Exit: if it could not be done.
    """
    with complaints(), interrupted("nothing has changed"):
        if not logs and not store:
            raise CommandError("name a log, - for stdin, or --store URL: there is nothing to read")
        if logs and store:
            if store != os.environ.get("FSM_ORCH_STORE"):
                raise CommandError("name logs, or --store URL: one of them is read, not both")
            store = None  # it is only in the environment
        now_s = time.time()
        moment = None if since is None else _moment(since, now_s)
        read = Source(tuple(logs or ()), store, codec, tuple(machines or ()), moment, now_s, Tally())
        _ = read.known  # before anything is read
        yield read


def some(read: Source) -> None:
    """Check, once all is read, that there was something.

    Raises CommandError: if there was no record.
    """
    tally = read.tally
    if not tally.records:
        seen = _nothing_logged(tally) if read.logs else _nothing_stored(tally)
        raise CommandError(f"{read.spelling}: {seen}")
    if read.since is not None and tally.ahead and tally.ahead + tally.untimed == tally.records:
        raise CommandError(
            f"--since: each time in {read.spelling} is in the future: set the clock, or leave --since out"
        )
    if read.since is not None and tally.untimed == tally.records:
        raise CommandError(
            "--since needs to know when lines were written, and none has a timestamp: add "
            'structlog.processors.TimeStamper(fmt="iso", utc=True) to the processors'
        )


def _nothing_logged(tally: Tally) -> str:
    cut = "; it is cut or damaged" if tally.damaged else ""
    writes = "A log is written by fsm-orch serve --events, or by Runner(..., observers=[log_records()])"
    return f"none of its {number_of(tally.lines, 'line')} is a record{cut}. {writes}"


def _nothing_stored(tally: Tally) -> str:
    if tally.unknown:
        return f"no machine is named of its {number_of(tally.unknown, 'run')}: name their modules with --machine"
    return "there is no run"


def _moment(since: str, now_s: float) -> float:
    """Return seconds of the epoch of a span before now, or of a time; one without a zone is of this machine's."""
    try:
        return now_s - seconds_of(since)
    except CommandError:
        try:
            return datetime.fromisoformat(since).timestamp()
        except (ValueError, OverflowError):
            message = f"--since {since!r} is neither a span, such as 15m or 2h, nor a time, such as 2026-11-27T02:00"
            raise CommandError(message) from None


def print_json(result: Any, read: Source, **more: Any) -> None:
    """Write a result as one JSON object, with what was read for it."""
    told = {**to_builtins(result), **to_builtins(more), "read": asdict(read.tally)}
    typer.echo(safe_json(orjson.dumps(told).decode()))


def interval(share: Interval) -> str:
    """Return an interval as it is shown."""
    return f"{100 * share.rate:.1f} % [{100 * share.low:.1f}, {100 * share.high:.1f}]"


def show_more(out: Console, count: int, top: int) -> None:
    """Write how many were left out, if some were."""
    if count > top:
        out.print(Text(f"\n{count - top:,} more: --top", style="dim"))


def show_read(out: Console, read: Source) -> None:
    """Write what was read, and all that was left out."""
    tally = read.tally
    going = f", {tally.unfinished:,} of them without an end" if tally.unfinished else ""
    of = f" of {number_of(tally.runs, 'run')}" if tally.runs else ""
    said = [f"read {number_of(tally.records, 'record')}{of}{going}"]
    said += [
        f"{number_of(count, one)} {what}"
        for count, one, what in (
            (tally.foreign, "line", "of something else"),
            (tally.damaged, "line", "cut or damaged: left out"),
            (tally.too_long, "line", "too long: left out"),
            (tally.late, "record", "after the end of its run: left out"),
            (tally.mixed, "run", "with the id of another that had not ended: their lines may be mixed up"),
            (tally.ahead, "record", "of the future: the time is not used"),
            (tally.twice, "file", "named again: read once"),
            (tally.unknown, "run", "of machines that --machine does not name: left out"),
            (tally.unfolded, "run", "that their machine does not fold any more: left out"),
            (tally.dropped, "run", f"counted before their end, as more than {MOST_OPEN:,} were open"),
        )
        if count
    ]
    if read.since is not None and tally.untimed:
        said.append(f"{number_of(tally.untimed, 'record')} without a time")
    out.print(Text("\n" + "; ".join(said), style="dim"), soft_wrap=True)
