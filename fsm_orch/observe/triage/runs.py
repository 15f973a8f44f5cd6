"""Runs, put together from their lines: each is told when it has ended, and then forgotten.

A machine that runs inside another is a run of its own here, told when it ends. Its tokens and calls are also its run's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from ...kernel.hop import Hop
from .lines import Line, Tally

MOST_OPEN = 20_000
"""Runs that are kept at once. If there are more, the one that was silent for longest is counted as it stands."""
_MOST_HOPS = 1_000
_MOST_FAULTS = 1_000
_MOST_INSIDE = 1_000


class Machine(NamedTuple):
    """Which machine a run is of, as its first line says; empty if that line was not read."""

    name: str = ""
    digest: str = ""


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
        *(
            "agents",
            "at",
            "calls",
            "causes",
            "cost",
            "ended",
            "faults",
            "hops",
            "inside",
            "landing",
            "last_hop",
            "machine",
        ),
        *("models", "place", "run_id", "seconds", "state", "taken", "tokens", "visits"),
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
        self.causes = Counter[tuple[str, str]]()
        """By model, why calls of it brought no answer."""
        """How often the calls of each model ended in which way; those of machines inside it included."""
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
        most_open: runs that are kept at once.
    """
    opened: dict[str, Run] = {}
    for line in lines:
        root = line.root
        run = opened.pop(root, None)
        if run is None:
            if line.event == "overspent":  # what is told after the end of a run is charged to nobody
                continue
            run = Run(root, "")
            if len(opened) >= most_open:
                silent = opened.pop(next(iter(opened)))
                tally.dropped += 1
                yield from _counted(silent, tally)
        yield from _told(run, line)
        if run.ended:
            yield from _counted(run, tally)
        else:
            opened[root] = run  # last, so that the first is the one that was silent for longest
    for run in opened.values():
        yield from _counted(run, tally)


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
    inner = run.inside.pop(line.run_id, None) or Run(run.run_id, line.path)
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
