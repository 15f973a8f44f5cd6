"""Runs, put together from their lines: each is told when it has ended, and then forgotten.

A machine that runs inside another is a run of its own here, told when it ends. Its tokens and calls are also its run's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

from ...kernel.hop import Hop
from .lines import Line, Tally

MOST_OPEN = 20_000
"""Runs that are kept at once. If there are more, the one that was silent for longest is counted as it stands."""
_MOST_HOPS = 1_000
_MOST_FAULTS = 1_000
_MOST_INSIDE = 1_000


class Machine(NamedTuple):
    """Which machine a run is of."""

    name: str = ""
    """Empty: lines of an older version were read, and not the first."""
    digest: str = ""
    """As the first line says; empty if that line was not read."""


class Fault(NamedTuple):
    """Something that went wrong in a visit."""

    state: str
    kind: str
    """`failed`, `refused` or `denied`."""
    reason: str
    is_final: bool
    """Whether it was the end of the visit: it was not tried again, nor repaired."""


CallEnd = Literal["answered", "unknown", "released"]
"""How a call ended: with what it used; charged in full, since nobody knows; or it provably cost nothing."""


class Run:
    """A run of a machine, as far as its lines were read."""

    __slots__ = (
        *("agents", "at", "calls", "causes", "cost", "ended", "faults", "hops", "inside", "landing", "last_hop"),
        *("machine", "models", "place", "run_id", "seconds", "state", "taken", "tokens", "visits"),
    )

    def __init__(self, run_id: str, place: str) -> None:
        self.run_id, self.place = run_id, place
        """The run that it is inside, or is itself, and the machine in its tree."""
        self.machine = Machine()
        self.taken: dict[int, tuple[Hop, float | None]] = {}
        """By its number, from 1: each hop, and when it was taken. A line that is read twice counts once."""
        self.hops = 0
        self.tokens = self.cost = self.calls = 0
        """Settled tokens, micro-dollars, and calls that were charged; those of machines inside it included."""
        self.seconds = 0.0
        self.at: float | None = None
        """When its last line was written, in seconds of the epoch."""
        self.last_hop: float | None = None
        self.state = ""
        self.landing: tuple[str, str] | None = None
        """The state it was landed from, and why."""
        self.ended = False
        self.visits = Counter[str]()
        self.faults = Counter[Fault]()
        self.models = Counter[tuple[str, CallEnd]]()
        """How often the calls of each model ended in which way; those of machines inside it included."""
        self.causes = Counter[tuple[str, str]]()
        """By model, why calls of it brought no answer; those of machines inside included, too."""
        self.agents: dict[str, str] = {}
        """What works in each state."""
        self.inside: dict[str, Run] = {}
        """The machines inside it that have not ended, by their own ids."""

    @property
    def path(self) -> list[Hop]:
        """Its hops, in their order."""
        return [self.taken[number][0] for number in sorted(self.taken)]

    @property
    def is_inside(self) -> bool:
        """Whether it is a machine inside another."""
        return bool(self.place)


def runs(lines: Iterable[Line], tally: Tally, *, most_open: int = MOST_OPEN) -> Iterator[Run]:
    """Yield each run when it has ended, and last those whose end was not read.

    Args:
        tally: its runs are counted up.
        most_open: runs that are kept at once, and machines inside of them.
    """
    kept = _Opened(most_open, tally)
    for line in lines:
        key = kept.key_of(line)
        run = kept.take(key)
        if run is None:
            if kept.has_ended(key, line):
                continue
            run = Run(line.root, "")
            run.machine = Machine(line.run or "")
        yield from _told(run, line)
        if run.ended:
            kept.end(key)
            yield from _counted(run, tally)
        else:
            for silent in kept.keep(key, run):
                tally.dropped += 1
                yield from _counted(silent, tally)
    for run in kept.runs.values():
        yield from _counted(run, tally)


class _Key(NamedTuple):
    """Which run a line is of: two machines may give runs the same id."""

    root: str
    trace: str
    machine: str
    """As lines name it; empty where none does."""


class _Opened:
    """The runs that have begun, and those that have ended, none of which without a bound."""

    def __init__(self, most: int, tally: Tally) -> None:
        self.runs: dict[_Key, Run] = {}
        self._latest: dict[tuple[str, str], _Key] = {}
        """What a line is of that does not name its machine: the run of its id that began last."""
        self._alike: dict[tuple[str, str], int] = {}
        """How many runs began while another had their id: mixed, if a line comes that names no machine."""
        self._ended: dict[_Key, None] = {}
        self._most, self._tally = most, tally
        self._inside = 0
        """How many machines are open inside all of them."""

    def take(self, key: _Key) -> Run | None:
        """Take a run out, if it is open."""
        run = self.runs.pop(key, None)
        self._inside -= 0 if run is None else len(run.inside)
        return run

    def keep(self, key: _Key, run: Run) -> Iterator[Run]:
        """Keep a run open, and yield those that are no longer, since there are too many, or too many inside of them."""
        self.runs[key] = run  # last, so that the first is the one that was silent for longest
        self._inside += len(run.inside)
        while len(self.runs) > self._most or (self._inside > self._most and len(self.runs) > 1):
            silent = self.take(next(iter(self.runs)))
            assert silent is not None
            yield silent

    def key_of(self, line: Line) -> _Key:
        """Return the key of a line's run."""
        root = line.root
        trace = line.trace_id[:400] if isinstance(line.trace_id, str) else ""
        named = _Key(root, trace, line.run or "")
        latest = self._latest.get((root, trace))
        if line.run is None:  # as an older version writes it
            self._tally.mixed += self._alike.pop((root, trace), 0)
            return latest or named
        if line.path:
            return named
        is_new = line.event == "run_started"
        if is_new and latest is not None and latest != named and latest in self.runs:
            self._keep(self._alike, (root, trace), self._alike.get((root, trace), 0) + 1)
        if is_new or latest is None:
            self._keep(self._latest, (root, trace), named)
        return named

    def has_ended(self, key: _Key, line: Line) -> bool:
        """Return whether a line comes after the end of its run, so that it is charged to nobody; it is counted."""
        if line.event == "run_started" and not line.path:  # again, as of a log that is begun anew
            return False
        is_late = key in self._ended or line.event == "overspent"
        self._tally.late += is_late
        return is_late

    def end(self, key: _Key) -> None:
        """Note that a run has ended."""
        self._keep(self._ended, key, None)

    def _keep(self, into: dict[Any, Any], key: Any, value: Any) -> None:
        into.pop(key, None)
        into[key] = value
        if len(into) > self._most:
            del into[next(iter(into))]


def _counted(run: Run, tally: Tally) -> Iterator[Run]:
    tally.runs += 1
    tally.unfinished += not run.ended
    yield from run.inside.values()
    yield run


def _told(run: Run, line: Line) -> Iterator[Run]:
    """Note a line; yield the machine inside the run that has ended by it."""
    if line.at is not None:
        run.at = line.at
    _charge(run, line)
    if line.model is not None and len(run.models) < _MOST_FAULTS:
        if line.event == "call_settled":
            run.models[line.model, "unknown" if line.input_tokens is None else "answered"] += 1
        elif line.event == "call_released":
            run.models[line.model, "released"] += 1
        if line.cause is not None and len(run.causes) < _MOST_FAULTS:
            run.causes[line.model, line.cause] += 1
    if not line.path:
        _note(run, line)
        run.tokens = max(run.tokens, line.settled)
        return
    inner = run.inside.pop(line.run_id, None)
    if inner is None:
        inner = Run(run.run_id, line.path)
        inner.machine = Machine(line.machine or "")
    inner.at = run.at
    _charge(inner, line)
    _note(inner, line)
    inner.tokens = max(inner.tokens, line.settled)
    if inner.ended:
        yield inner
    elif len(run.inside) < _MOST_INSIDE:
        run.inside[line.run_id] = inner


def _charge(run: Run, line: Line) -> None:
    if line.event in ("call_settled", "overspent"):
        run.cost += line.cost
        run.calls += line.event == "call_settled"


def _note(run: Run, line: Line) -> None:
    """Note what a line says of its machine."""
    run.state, run.seconds = line.state, max(run.seconds, line.seconds)
    run.hops = max(run.hops, line.hops)
    match line.event:
        case "visit_started":
            if len(run.visits) < _MOST_FAULTS:
                run.visits[line.state] += 1
                if line.agent:
                    run.agents[line.state] = line.agent
        case "handed_off" | "landed":
            if len(run.taken) < _MOST_HOPS:
                run.taken[line.hops] = Hop(line.source, line.handoff, line.target), line.at
            run.last_hop = line.at
            if line.event == "landed":
                run.landing = line.source, line.reason
        case "attempt_failed":
            _blame(run, Fault(line.state, "failed", line.reason, not line.is_retried))
        case "refused":
            _blame(run, Fault(line.state, "refused", line.reason, not line.is_repaired))
        case "call_denied":
            _blame(run, Fault(line.state, "denied", line.reason, is_final=False))
        case "run_started":
            run.machine = Machine(line.machine or "", line.digest or "")
        case "run_finished":
            run.ended = True


def _blame(run: Run, fault: Fault) -> None:
    if len(run.faults) < _MOST_FAULTS:
        run.faults[fault] += 1
