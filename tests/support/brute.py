"""Every run of a small machine, one path at a time, written from the design without a line of the kernel's.

For definitions of code and LLM agents over boolean fields. A visit makes no, some or all of its calls, and each uses
nothing or its maximum. Refusals and repairs are left out: they lead nowhere that failures do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

from hypothesis import strategies as st

from fsm_orch import Context, Final, Limits, LLMAgent, State, after, at_most, eventually, guard, never
from fsm_orch.define import Guard, Policy
from fsm_orch.define.definition import Definition
from fsm_orch.define.states import Handoff


class Flags(Context):
    a: bool
    b: bool = False


@guard
def is_a(flags: Flags) -> bool:
    return flags.a


@guard
def is_b(flags: Flags) -> bool:
    return flags.b


@guard
def is_both(flags: Flags) -> bool:
    return flags.a and flags.b


GUARDS: tuple[Guard[Flags] | None, ...] = (None, None, None, is_a, ~is_a, is_b, ~is_b, is_both, is_a | is_b, ~is_both)


class Run(NamedTuple):
    """A run, from its start to its end."""

    moments: tuple[tuple[frozenset[str], Flags | None], ...]
    """For each moment, the names of what happens, and the context on which guards are evaluated; None: they are not."""
    hops: int
    tokens: int
    """All that the run is charged."""
    is_landed: bool
    entered: tuple[str, ...]


@dataclass
class Desk:
    """A definition with its limits."""

    definition: Definition
    limits: Limits

    def runs(self) -> Iterator[Run]:
        """Yield every run."""
        for name, a in product(self.definition.starts, (False, True)):
            first, context = self.definition.states[name], Flags(a=a)
            start = ((frozenset({name}), context),)
            yield from self._visit(first, context, 0, {}, 0, start, (name,))

    def _visit(
        self,
        state: State,
        context: Flags,
        hops: int,
        visits: dict[str, int],
        settled: int,
        moments: tuple[Any, ...],
        entered: tuple[str, ...],
    ) -> Iterator[Run]:
        visits = {**visits, state.name: visits.get(state.name, 0) + 1}
        grant = _grant(state)
        exits = list(state.exits)

        def enters(target: State | Final, held: int) -> bool:
            if isinstance(target, Final):
                return True
            most = self.limits.hops if target.max_visits is None else target.max_visits
            has_room = hops + 2 <= self.limits.hops and visits.get(target.name, 0) < most
            return has_room and held + _grant(target) <= self.limits.tokens

        def is_on_menu(handoff: Handoff) -> bool:
            if handoff.guard is not None and not _reads(handoff.guard, context) & state.spec.written_names:
                return handoff.guard(context) and enters(handoff.target, settled + grant)
            return enters(handoff.target, settled + grant)

        for total in sorted(self._charges(state, settled)) if any(map(is_on_menu, exits)) else [settled]:
            end = (frozenset({self.definition.fallback.name}), context)
            yield Run((*moments, end), hops + 1, total, True, (*entered, self.definition.fallback.name))
            if not any(map(is_on_menu, exits)):
                continue
            for handoff, written in {
                **dict.fromkeys(self._replies(state, exits, context)),
                **{(h, context): None for h in state.failure_edges.values()},
            }:
                target = handoff.target
                if not enters(target, total) or (handoff.guard is not None and not handoff.guard(written)):
                    continue
                onward = (*moments, (frozenset({handoff.name}), None), (frozenset({target.name}), written))
                if isinstance(target, Final):
                    yield Run(onward, hops + 1, total, False, (*entered, target.name))
                else:
                    yield from self._visit(target, written, hops + 1, visits, total, onward, (*entered, target.name))

    def _charges(self, state: State, settled: int) -> set[int]:
        """Return every total that a run may have been charged when a visit ends."""
        totals = reached = {settled}
        for _ in range(state.spec.calls):
            can = {total for total in reached if total + _grant(state) <= self.limits.tokens}
            reached = {total + used for total in can for used in (0, _grant(state))}
            totals = totals | reached
        return totals

    @staticmethod
    def _replies(state: State, exits: list[Handoff], context: Flags) -> Iterator[tuple[Handoff, Flags]]:
        """Yield every handoff that a reply may choose, legal or not, with every context that it may write."""
        names = sorted(state.spec.written_names)
        for values in product((False, True), repeat=len(names)):
            written = Flags(**{**dict(context), **dict(zip(names, values, strict=True))})
            for handoff in exits:
                yield handoff, written


def _grant(state: State) -> int:
    caps = state.spec.call_limits
    return caps.max_input_tokens + caps.max_output_tokens if state.spec.calls else 0


def _reads(asked: Guard[Any], context: Flags) -> set[str]:
    """Return the fields that a guard reads; those that a short-circuit skips are not among them."""
    read: set[str] = set()

    class Recording:
        def __getattr__(self, name: str) -> Any:
            read.add(name)
            return getattr(context, name)

    asked(Recording())  # type: ignore[arg-type]
    return read


def is_kept(policy: Policy, run: Run) -> bool:
    """Return whether a run keeps a policy, by the words of the policy."""
    return breaks_at(policy, run) is None


def breaks_at(policy: Policy, run: Run) -> int | None:
    """Return the hops after which a run has broken a policy for good; None if it keeps it."""
    moments = run.moments[:-1] if run.is_landed and not policy.strict else run.moments

    def when(atoms: tuple[Any, ...]) -> list[int]:
        return [
            number
            for number, (names, context) in enumerate(moments)
            if any(
                (context is not None and atom(context)) if isinstance(atom, Guard) else atom.name in names
                for atom in atoms
            )
        ]

    xs, ys, is_excused = when(policy.subject), when(policy.other), run.is_landed and not policy.strict
    wrong: list[int] = []
    match policy.pattern:
        case "absence":
            wrong = xs
        case "absence_after":
            wrong = [x for x in xs if any(y <= x for y in ys)]
        case "absence_when":  # a hop is one moment: what was taken, on the context that it left
            wrong = [y for y in ys if y in xs or (y - 1 in xs and moments[y - 1][1] is None)]
        case "precedence":
            wrong = [x for x in xs if not any(y <= x for y in ys)]
        case "bounded_existence":
            wrong = xs[policy.times :]
        case "existence":
            return None if xs or is_excused else run.hops
        case "response":
            return None if is_excused or all(any(y <= x for x in xs) for y in ys) else run.hops
    # The start is one moment and a hop two (the handoff, the state it enters), but a landing has only the latter.
    return (wrong[0] + 1) // 2 if wrong else None


@st.composite
def desks(draw: st.DrawFn) -> Desk:
    """Draw a machine of up to 4 states. It has a start and a fallback; otherwise it need not be well formed."""
    count = draw(st.integers(1, 4))
    states = {f"s{number}": _state(draw, number) for number in range(count)}
    finals = {"done": Final(), "human": Final(fallback=True)}
    handoffs: dict[str, Handoff] = {}
    targets = [*states.values(), *finals.values()]
    for source in states.values():
        for target in draw(st.lists(st.sampled_from(targets), min_size=1, max_size=3)):
            asked = draw(st.sampled_from(GUARDS))
            handoffs[f"h{len(handoffs)}"] = source.to(target, "on", guard=asked)
        if draw(st.integers(0, 3)) == 0:
            edge = draw(st.sampled_from([source.on_failure, source.on_timeout, source.on_refusal]))
            handoffs[f"h{len(handoffs)}"] = edge(draw(st.sampled_from(targets)))
    for name, part in {**states, **finals, **handoffs}.items():
        part.name = name
    limits = Limits(hops=draw(st.integers(1, 5)), tokens=draw(st.sampled_from([10_000, 100, 45, 30, 25])))
    definition = Definition(
        name="Random",
        doc="",
        where="",
        context=Flags,
        states=states,
        finals=finals,
        handoffs=tuple(handoffs.values()),
        limits=limits,
    )
    return Desk(definition, limits)


def _state(draw: st.DrawFn, number: int) -> State:
    writes = draw(st.sampled_from([(), (), (Flags.a,), (Flags.b,), (Flags.a, Flags.b)]))
    visits, is_entry = draw(st.sampled_from([None, 1, 2])), draw(st.integers(0, 3)) == 3
    if draw(st.booleans()):
        return State(_act, initial=number == 0, entry=is_entry, max_visits=visits, writes=writes)
    caps = draw(st.sampled_from([4, 9, 19]))
    calls = draw(st.integers(1, 2))
    agent = LLMAgent("x", writes=writes, calls=calls, max_input_tokens=caps, max_output_tokens=1)
    return State(agent, initial=number == 0, entry=is_entry, max_visits=visits)


def _act(visit: Any) -> None:
    """Stand in for an agent; it is never called."""


@st.composite
def policies(draw: st.DrawFn, definition: Definition) -> Policy:
    """Draw a policy of a machine."""
    atoms: list[Any] = [*definition.states.values(), *definition.finals.values(), *definition.handoffs, is_a, ~is_b]

    def subject() -> Any:
        one, two = draw(st.sampled_from(atoms)), draw(st.sampled_from(atoms))
        return one | two if draw(st.booleans()) else one

    strict = draw(st.booleans())
    made: list[Policy] = [
        never(subject(), strict=strict),
        never(subject(), strict=strict).before(subject()),
        never(subject(), strict=strict).after(subject()),
        never(subject(), strict=strict).when(draw(st.sampled_from([is_a, ~is_b, is_a & is_b]))),
        at_most(draw(st.integers(1, 2)), subject(), strict=strict),
        eventually(subject(), strict=strict),
        after(subject()).eventually(subject(), strict=strict),
    ]
    return draw(st.sampled_from(made))
