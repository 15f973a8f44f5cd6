"""Findings about the ways out of a state: guards that overlap or may all be false, and exits that no run takes (2xx).

Guards are compared *jointly*: on all values of the finite fields they read, and with every unknown leaf answering yes
and no, the same leaf the same in all of them. So `g` and `~g` never both hold and never both fail, however opaque g is.
That an unknown leaf raises, which makes `g` and `~g` both false, is looked at for dead ends, and only where it does so
on None in a field that may be None: that anything else could make it raise is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import combinations, islice, product
from types import MappingProxyType
from typing import Any, NamedTuple, get_args

from ...define import codes
from ...define.context import given_fields
from ...define.definition import Definition
from ...define.guards import Guard
from ...define.states import Handoff, State
from ...define.wording import quoted
from ...errors import Finding
from ..explore.automata import guards as guards_of
from ..explore.domain import Domain, Outcome, decided, leaves_of
from ..explore.exploration import Exploration
from ..explore.validation import UNCLEAR

MOST_CASES = 4_000
"""Beyond these some cases are not looked at, and what only they would show is not found."""

_NOTHING: Mapping[str, object] = MappingProxyType({})

_WORDS: Mapping[Outcome, str] = {"yes": "{!r}", "no": "not {!r}", "raises": "{!r} raises"}


class Case(NamedTuple):
    """One way in which guards may answer together."""

    holds: tuple[bool, ...]
    values: Mapping[str, object]
    """Of the finite fields that the guards read."""
    unknown: Mapping[Guard[Any], Outcome]
    """What leaves were taken to answer, because they read a field whose values cannot be listed."""

    def __str__(self) -> str:
        values = [f"{name}={value!r}" for name, value in self.values.items()]
        return ", ".join(values + [_WORDS[said].format(leaf) for leaf, said in self.unknown.items()])


class Found(NamedTuple):
    """What a search found."""

    case: Case | None
    is_all: bool
    """Whether every case was looked at; otherwise "none found" is not "there is none"."""


def cases(
    domain: Domain,
    guards: Sequence[Guard[Any] | None],
    *,
    raising: bool = False,
    fixed: Mapping[str, object] = _NOTHING,
    free: Collection[Guard[Any]] = (),
) -> Iterator[Case]:
    """Yield every way in which guards may answer together; None holds always.

    Args:
        raising: also those in which a leaf raises on None.
        fixed: the values of fields that have no others.
        free: leaves that may answer yes or no, whatever they read.
    """
    asked, read = leaves_of(guards), domain.read_by(guards) - fixed.keys()
    for varied in domain.valuations(name for name in domain.finite if name in read):
        values = {**varied, **fixed}
        known: dict[Guard[Any], Outcome | None] = {
            leaf: None if leaf in free else domain.ask(leaf, values).outcome for leaf in asked
        }
        open_leaves = [leaf for leaf, outcome in known.items() if outcome is None]
        for said in product(*(_said(domain, leaf, values, raising=raising) for leaf in open_leaves)):
            unknown = dict(zip(open_leaves, said, strict=True))
            answers: dict[Guard[Any], Outcome] = {leaf: known[leaf] or unknown[leaf] for leaf in asked}
            yield Case(tuple(g is None or decided(g, answers.__getitem__) for g in guards), values, unknown)


def _said(domain: Domain, leaf: Guard[Any], values: Mapping[str, object], *, raising: bool) -> tuple[Outcome, ...]:
    """Return the possible outcomes of a leaf that is opaque on these values."""
    return ("yes", "no", "raises") if raising and _raises_on_none(domain, leaf, values) else ("yes", "no")


def _raises_on_none(domain: Domain, leaf: Guard[Any], values: Mapping[str, object]) -> bool:
    """Return whether a leaf raises where the fields that it reads, and whose values cannot be listed, are None."""
    known = dict(values)
    answer = domain.ask(leaf, known)
    while answer.outcome is None:
        annotation = domain.context_type.__pydantic_fields__[answer.reads[-1]].annotation
        if type(None) not in get_args(annotation):
            return False
        known[answer.reads[-1]] = None
        answer = domain.ask(leaf, known)
    return answer.outcome == "raises"


def overlapping(definition: Definition) -> Iterator[Finding]:
    """Find exits of code of which two may be open at once: unless it says which, the order of declaration decides."""
    domain = Domain(definition.context, guards_of(definition, ()))
    for state in definition.states.values():
        if state.spec.kind != "code":
            continue
        for first, second in combinations(state.exits, 2):
            if second.guard is None or first.target is second.target:
                continue  # a last exit without a guard is the usual way to say "else"
            both = first_case(domain, (first.guard, second.guard), (True, True)).case
            if both is not None:
                yield _overlap(first, second, both)


def _overlap(first: Handoff, second: Handoff, both: Case) -> Finding:
    can = "can" if not both.unknown else "may"
    came = (
        f"{first.name!r} has no guard, so {second.name!r} is taken only if the agent proposes it"
        if first.guard is None
        else f"the guards of {first.name!r} and {second.name!r} {can} hold at once ({both}), and the first one "
        "declared is taken unless the agent proposes"
    )
    excluded = f"write guard={second.guard!r} & ~{first.guard!r}"
    return codes.finding(
        "FSM201",
        where=second.where,
        about=second.name,
        problem=came,
        fix=f"declare {first.name!r} after it" if first.guard is None else excluded,
    )


def untaken(definition: Definition, exploration: Exploration, known: Iterable[Finding] = ()) -> Iterator[Finding]:
    """Find handoffs and failure edges that no run takes, though runs enter a state that they leave.

    Args:
        known: what was found so far. A handoff into a state that no run can afford (FSM301) has its reason there, and
            any that only a limit may have closed: with the limit that is to be mended first, runs may take it.
    """
    dear = {finding.about for finding in known if finding.code == "FSM301"}
    domain = Domain(definition.context, guards_of(definition, ()))
    for handoff in definition.handoffs:
        entered = [source.name for source in handoff.sources if source.name in exploration.reached]
        is_explained = handoff.target.name in dear and handoff.target.name not in exploration.reached
        if exploration.is_complete and entered and handoff.name not in exploration.taken and not is_explained:
            why = _why_untaken(definition, domain, handoff)
            if dear and why.is_guessed:
                continue
            yield codes.finding(
                "FSM205",
                where=handoff.where,
                about=handoff.name,
                problem=f"no run takes {handoff.name!r}, though runs enter {quoted(entered)}: {why.problem}",
                fix=why.fix,
            )


class _Why(NamedTuple):
    """Why no run takes a handoff, and what to do; None: what is always said."""

    problem: str
    fix: str | None = None
    is_guessed: bool = False
    """Whether it only lists what the reason may be, limits among it."""


def _why_untaken(definition: Definition, domain: Domain, handoff: Handoff) -> _Why:
    limits, sources = definition.limits, handoff.sources
    if handoff.kind == "timeout" and not any(source.may_time_out(limits) for source in sources):
        if all(source.spec.kind == "human" for source in sources):
            return _Why(
                "a human is waited for without an end there, since the state declares no expires_s",
                f"say how long, {sources[0].name} = State(..., expires_s=86_400) is a day; or remove it",
            )
        visit_s = min(source.seconds(limits) for source in sources if source.spec.kind != "human")
        return _Why(
            f"a visit may take {visit_s:g} s, and by then the run has been landed, for its {limits.deadline_s:g} s"
        )
    if handoff.guard is None:
        return _Why("an exit before it is taken, or no visit, hop or token is left for it", is_guessed=True)
    unwritten = sorted(domain.read_by([handoff.guard]) - _written(definition))
    # what they hold may open it all the same, and then something else keeps runs from it
    held = {name: value for name in unwritten if (value := domain.default(name)) is not UNCLEAR}
    found = first_case(domain, (handoff.guard,), (True,), fixed=held)
    if unwritten and found.case is None and found.is_all:
        return _Why(
            f"its guard reads {quoted(unwritten)}, which no agent writes and no caller gives",
            f"have an agent write {quoted(unwritten)}, or mend the guard, or remove the handoff",
        )
    return _Why(
        "by then its guard is closed, an exit before it is taken, or no visit, hop or token is left for it",
        is_guessed=True,
    )


def _written(definition: Definition) -> frozenset[str]:
    """Return the fields that may change before some handoff: those of callers, and those that agents write."""
    return given_fields(definition.context).union(*(state.spec.written_names for state in definition.states.values()))


def forced(definition: Definition, exploration: Exploration) -> Iterator[Finding]:
    """Find states in which exhaustion leaves a model or a human one exit of several, and landing if that is refused."""
    targets = {handoff.name: handoff.target for handoff in definition.handoffs}
    for found in exploration.measures.forced:
        ways_out = definition.states[found.state].failure_edges.keys() & {"refusal", "failure"}
        if ways_out or targets[found.left] is definition.fallback:
            continue
        closed = " and ".join(f"{name!r} (no {_LEFT[reason]} left)" for name, reason in found.closed)
        who = "human" if definition.states[found.state].spec.asks_human else "model"
        where = f"after {found.trace}" if found.trace.legs else "at its start"
        yield codes.finding(
            "FSM206",
            where=definition.states[found.state].where,
            about=found.state,
            problem=f"the {who} of {found.state!r} is left with {found.left!r} alone {where}: {closed} cannot be taken",
        )


_LEFT = {"visits": "visit", "hops": "hop", "budget": "money"}


def dead_ends(definition: Definition) -> Iterator[Finding]:
    """Find states whose exits may all be closed: a run that stands there can only be landed."""
    domain = Domain(definition.context, guards_of(definition, ()))
    for state in definition.states.values():
        exits = state.exits
        if not exits or any(handoff.guard is None for handoff in exits):
            continue
        closed = _closed(definition, domain, state, exits)
        if closed is not None:
            yield _dead_end(domain, state, exits, closed)


def _closed(definition: Definition, domain: Domain, state: State, exits: Sequence[Handoff]) -> Case | None:
    """Find a case in which no exit is open, though the state can be entered in it."""
    guards = tuple(handoff.guard for handoff in exits)
    entries: list[Guard[Any] | None] = [None] if state.name in definition.starts else []
    for handoff in definition.handoffs:
        if handoff.target is state:
            is_kept = not domain.read_by([handoff.guard]) & state.spec.written_names
            entries.append(handoff.guard if is_kept else None)  # what it writes itself is not known any more
    for entry in dict.fromkeys(entries):
        closed = first_case(domain, (entry, *guards), (True, *(False for _ in guards)), raising=True).case
        if closed is not None:
            return closed
    return None


def _dead_end(domain: Domain, state: State, exits: Sequence[Handoff], closed: Case) -> Finding:
    own = sorted(domain.read_by(handoff.guard for handoff in exits) & state.spec.written_names)
    names = ", ".join(repr(handoff.name) for handoff in exits)
    only = f"its only exit, {names}," if len(exits) == 1 else f"all its exits, {names},"
    can = "can" if not closed.unknown else "may"
    came = (
        f"the agent of {state.name!r} writes {', '.join(own)}, and {can} close {only} by it ({closed})"
        if own
        else f"{state.name!r} {can} be entered when {only} {'is' if len(exits) == 1 else 'are'} closed ({closed})"
    )
    last = 'with a description for "none of these"' if state.spec.proposes else "as the last: it is the `else`"
    raised = [repr(leaf) for leaf, said in closed.unknown.items() if said == "raises"]
    why = f"; where {', '.join(raised)} raises, neither it nor its negation holds" if raised else ""
    return codes.finding(
        "FSM203" if own else "FSM202",
        where=state.where,
        about=state.name,
        problem=f"{came}: the run would be landed",
        fix=f"declare a handoff without a guard, {last}{why}",
    )


def first_case(
    domain: Domain,
    guards: Sequence[Guard[Any] | None],
    holds: tuple[bool, ...],
    *,
    raising: bool = False,
    fixed: Mapping[str, object] = _NOTHING,
) -> Found:
    """Find a case in which each guard gives the answer in `holds`; prefer one without opaque leaves."""
    left = cases(domain, guards, raising=raising, fixed=fixed)
    found = [case for case in islice(left, MOST_CASES) if case.holds == holds]
    return Found(min(found, key=lambda case: len(case.unknown), default=None), next(left, None) is None)
