"""What one run passed on at each handoff: names of fields, never values, which no log holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from ...define.definition import Definition
from .lines import Line
from .machines import Known
from .runs import Machine

_MOST = 10_000
"""Moments of one run that are kept."""
_KINDS = frozenset({"handed_off", "landed", "refused", "attempt_failed", "call_denied"})


class Moment(Struct, frozen=True, kw_only=True):
    """A handoff, a landing, or what went wrong between two of them."""

    kind: str
    """As of its record."""
    place: str
    """The machine in the tree of the run; empty: the run itself."""
    hops: int
    seconds: float
    """For how long the run had been active."""
    source: str
    handoff: str
    target: str
    reason: str
    written: tuple[str, ...]
    """Fields that were written with this handoff."""
    carried: tuple[str, ...]
    """All fields that were written until then, in the order of their first writing."""
    reads: dict[str, str] | None
    """The fields that the target's agent reads, with the state that wrote each last; empty: nobody has, so it is as the
    run was given it. None if the definition is not known, or it is no handoff to an agent."""
    messages: int
    remaining: int
    """Tokens that are neither settled nor reserved."""


class Passed(Struct, frozen=True):
    """What a run passed on."""

    run_id: str
    machine: str
    moments: tuple[Moment, ...]
    is_cut: bool
    """Whether there was more than is kept."""


class _Story:
    def __init__(self) -> None:
        self.machines: dict[str, Machine] = {}
        self.writers: dict[str, dict[str, str]] = {}
        self.moments: list[Moment] = []
        self.is_cut = False


def passed(lines: Iterable[Line], wanted: str, known: Mapping[str, Definition], *, most_runs: int = 20) -> list[Passed]:
    """Return what runs passed on whose ids begin like this; if one has just this id, it alone.

    Args:
        wanted: the id of a run, or its beginning.
        known: definitions, by their digests.
        most_runs: of several with this beginning, how many are kept.
    """
    stories: dict[tuple[str, str], _Story] = {}
    latest: dict[str, str] = {}
    for line in lines:
        root = line.root
        # two machines may give runs the same id; a line that does not name its own is of the one that began last
        key = root, latest.get(root, "") if line.run is None else line.run
        if not root.startswith(wanted) or (key not in stories and len(stories) >= most_runs and root != wanted):
            continue
        if key not in stories or (line.event == "run_started" and not line.path):
            latest[root] = key[1]
        _tell(stories.setdefault(key, _Story()), line, known)
    alone = {key: story for key, story in stories.items() if key[0] == wanted}
    return [
        Passed(run_id, story.machines.get(run_id, Machine(of)).name, tuple(story.moments), story.is_cut)
        for (run_id, of), story in (alone or stories).items()
    ]


def _tell(story: _Story, line: Line, known: Mapping[str, Definition]) -> None:
    if line.event == "run_started":
        if len(story.machines) < _MOST:
            story.machines[line.run_id] = Machine(line.machine or "", line.digest or "")
        return
    if line.event not in _KINDS:
        return
    if len(story.moments) >= _MOST:
        story.is_cut = True
        return
    writers = story.writers.setdefault(line.run_id, {})
    writers.update(dict.fromkeys(line.written, line.source))
    definition = Known(known).of(story.machines.get(line.run_id, Machine()))
    target = None if definition is None else definition.states.get(line.target)
    story.moments.append(
        Moment(
            kind=line.event,
            place=line.path,
            hops=line.hops,
            seconds=line.seconds,
            source=line.source or line.state,
            handoff=line.handoff or "",
            target=line.target,
            reason=line.reason,
            written=line.written,
            carried=tuple(writers),
            reads=None if target is None else {ref.name: writers.get(ref.name, "") for ref in target.spec.reads},
            messages=line.messages,
            remaining=line.remaining,
        )
    )
