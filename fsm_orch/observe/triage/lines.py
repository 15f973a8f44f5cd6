"""The lines of a log that are records, as `log_records` writes them; whatever else a log holds is counted and left out.

A line may have a prefix, of docker, kubectl or journald, or be wrapped whole in another JSON object by one of these.
Nothing that a line holds raises: it may be cut, of another program, or written by an attacker.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from math import inf, isfinite
from typing import Annotated, Any, TypeVar, get_args

from msgspec import Meta, Struct, ValidationError, convert, field
from msgspec.json import Decoder

from ...kernel.records import Record

T = TypeVar("T")
LONGEST = 1 << 20
"""Bytes of the longest line that is looked at; a record has some hundred."""
_KINDS = frozenset(kind.__struct_config__.tag for kind in get_args(Record))

Name = Annotated[str, Meta(max_length=400)]
_Number = Annotated[int, Meta(ge=0, le=1 << 53)]
_Seconds = Annotated[float, Meta(ge=0, le=1e12)]


class Line(Struct, kw_only=True):
    """A record as its line tells it. What the line does not hold is None, empty or 0."""

    run_id: Name
    """Of the machine in the tree."""
    state: Name
    event: Any = None
    """The kind of the record."""
    path: Name = ""
    """The machine in the tree of the run; empty: the run itself."""
    agent: Name | None = None
    hops: _Number = 0
    settled: _Number = 0
    remaining: _Number = 0
    seconds: _Seconds = 0.0
    machine: Name | None = None
    """That it is about; None: the line is of an older version, and names it only where a run begins."""
    above: Name | None = field(default=None, name="root")
    """The machine of the run, if the line is about one inside it."""
    digest: Name | None = None
    source: Name = ""
    handoff: Name | None = None
    target: Name = ""
    reason: Name = ""
    written: Annotated[tuple[Name, ...], Meta(max_length=1_000)] = ()
    messages: _Number = 0
    cost: _Number = 0
    model: Name | None = None
    cause: Name | None = None
    input_tokens: _Number | None = None
    is_retried: bool = False
    is_repaired: bool = False
    at: float | None = field(default=None, name="fsm_orch_at")
    """Seconds of the epoch; None: the line does not say when it was written."""
    trace_id: Any = None
    timestamp: Any = None
    time: Any = None
    ts: Any = None
    elastic: Any = field(default=None, name="@timestamp")

    @property
    def run(self) -> str | None:
        """The machine of the run; None: the line does not name it."""
        return (self.above if self.path else self.machine) or None

    @property
    def root(self) -> str:
        """The id of the run; a machine inside it has `RUN:HOPS.ASK`, with another of these for each level."""
        return self.run_id.rsplit(":", self.path.count(".") + 1)[0] if self.path else self.run_id


class _Outer(Struct):
    """A line around a line."""

    log: Any = None
    """As docker's json-file has it."""
    journal: Any = field(default=None, name="MESSAGE")
    """As `journalctl -o json` has it."""
    message: Any = None
    micros: Any = field(default=None, name="__REALTIME_TIMESTAMP")
    time: Any = None


@dataclass
class Tally:
    """What was read, and what was left out."""

    lines: int = 0
    records: int = 0
    foreign: int = 0
    """Lines of something else."""
    damaged: int = 0
    """Lines that begin as records do, and are cut or hold what no record does."""
    too_long: int = 0
    untimed: int = 0
    """Records that do not say when they were made."""
    ahead: int = 0
    """Records of the future, whose times are not used: the clock of their machine is wrong, or that of this one."""
    late: int = 0
    """Records of runs that had ended by then: left out."""
    mixed: int = 0
    """Runs that began while another had their id, and lines of which do not name their machine."""
    twice: int = 0
    """Files that were named more than once, and read once."""
    runs: int = 0
    unfinished: int = 0
    """Runs whose end was not read: they go on, or it is in another file."""
    dropped: int = 0
    """Unfinished runs that were counted as they stood, since too many were open."""
    unknown: int = 0
    """Runs of a store whose machines were not named."""
    unfolded: int = 0
    """Runs of a store that their machine does not fold any more."""


@cache  # building one takes milliseconds, which no import should
def _decoder(of: type[T]) -> Decoder[T]:
    return Decoder(of)


def read(lines: Iterable[bytes], tally: Tally, *, latest: float = inf) -> Iterator[Line]:
    """Yield the records of a log.

    Args:
        lines: with or without their ends.
        tally: is counted up.
        latest: in seconds of the epoch: a time after it is not believed.
    """
    for raw in lines:
        tally.lines += 1
        if len(raw) > LONGEST:
            tally.too_long += 1
            continue
        found = _found(raw, tally)
        if found is not None:
            tally.records += 1
            if found.at is not None and found.at > latest:
                tally.ahead += 1
                found.at = None
            else:
                tally.untimed += found.at is None
            yield found


def of_record(fields: dict[str, Any], kind: str, at: float) -> Line:
    """Return a record as the line that a log has of it.

    Args:
        fields: as `observe.log.fields` makes them.
        kind: of the record.
        at: when it was made, in seconds of the epoch.

    Raises msgspec.ValidationError: if a name is longer than a line may have it.
    """
    return convert({**fields, "event": kind, "fsm_orch_at": at}, Line)


def _found(raw: bytes, tally: Tally) -> Line | None:
    if b"run_id" not in raw or (start := raw.find(b'{"')) < 0:
        tally.foreign += 1
        return None
    when = None
    try:
        if b'\\"run_id\\"' in raw:
            raw, when = _unwrapped(raw[start:])
            start = raw.find(b'{"')
        line: Line = _decoder(Line).decode(raw[max(start, 0) :])
    except ValidationError:
        is_ours = b'"hops"' in raw  # as every record has it, and hardly another line
        tally.damaged += is_ours
        tally.foreign += not is_ours
        return None
    except (ValueError, RecursionError):
        tally.damaged += 1
        return None
    if not isinstance(line.event, str) or line.event not in _KINDS:
        tally.foreign += 1
        return None
    line.at = _said(line) or when or (_moment(raw[:start].split()[:1]) if start > 0 else None)
    return line


def _unwrapped(raw: bytes) -> tuple[bytes, float | None]:
    """Return the line that another is wrapped in, and when it was written; itself if there is none."""
    outer: _Outer = _decoder(_Outer).decode(raw)
    inner = next((text for text in (outer.log, outer.journal, outer.message) if isinstance(text, str)), None)
    if inner is None:
        return raw, None
    micros = float(outer.micros) / 1e6 if isinstance(outer.micros, str) and outer.micros.isdecimal() else None
    return inner.encode(errors="replace"), micros if micros and isfinite(micros) else _clock(outer.time)


def _said(line: Line) -> float | None:
    for told in (line.timestamp, line.elastic, line.time, line.ts):
        if told is not None and (moment := _clock(told)) is not None:
            return moment
    return None


def _moment(words: list[bytes]) -> float | None:
    return _clock(words[0].decode(errors="replace")) if words and words[0][:4].isdigit() else None


def _clock(told: object) -> float | None:
    """Return seconds of the epoch; None if this is no time. A time without a zone is UTC, as structlog writes it."""
    if isinstance(told, int | float) and not isinstance(told, bool):
        if told >= 1e14:  # before it is divided: a whole number may be beyond every float
            return None
        seconds = told / 1000 if told > 1e11 else told  # some write milliseconds
        return float(seconds) if 0 < seconds < 1e11 else None
    if not isinstance(told, str) or len(told) > 64:
        return None
    try:
        moment = datetime.fromisoformat(told)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
