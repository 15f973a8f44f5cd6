"""A definition as a finite model: the tables that the model checkers' languages are written from.

Only what decides how a run moves is left: states with the tokens of their calls, edges, the finite fields that some
guard reads, and guards as decision trees over them. A *leaf* of a guard that reads any other field is modelled by a
variable of its own, which may change its answer whenever an agent writes. What is legal is not said here: each language
says it for itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..amounts import FREE
from ..define.context import FieldRef, given_fields
from ..define.definition import Definition
from ..define.guards import Guard
from ..define.policies import Pattern
from ..define.states import EdgeKind, Handoff, State
from ..define.subject import Atom
from ..proof.explore.domain import Domain, Outcome, decided, leaves, leaves_of, outcomes


@dataclass(frozen=True)
class Variable:
    """A finite field, or an opaque leaf of a guard; ordered values."""

    name: str
    values: tuple[object, ...]
    starts: tuple[object, ...]
    """What it may be when a run begins: anything if it is given or opaque, else its default."""
    is_field: bool = True

    @property
    def is_bool(self) -> bool:
        return [*map(repr, self.values)] == ["False", "True"]

    def number(self, value: object) -> int:
        """Tell the place of a value among the values; 1 is not True."""
        return next(n for n, mine in enumerate(self.values) if _is_same(mine, value))


@dataclass(frozen=True)
class Fork:
    """A node of a decision tree: which branch is taken depends on the value of a variable."""

    variable: Variable
    branches: tuple[Tree, ...]
    """One for each value."""


Tree = Fork | bool


@dataclass(frozen=True)
class FiniteEdge:
    """A handoff as it leaves one state."""

    name: str
    kind: EdgeKind
    target: str
    guard: str
    """As a user reads it; empty if there is none."""
    foreseen: Tree
    """Whether its guard lets it onto the menu on entry, where one that reads what is still to be written is open."""
    holds: Tree
    """Whether its guard holds on what the reply leaves."""


@dataclass(frozen=True)
class FiniteState:
    """A state."""

    name: str
    agent: str
    calls: int
    grant: int
    """Tokens that each call reserves."""
    max_visits: int | None
    exits: tuple[FiniteEdge, ...]
    failures: tuple[FiniteEdge, ...]
    writes: tuple[Variable, ...]
    """What a reply may change."""


@dataclass(frozen=True)
class Occurrence:
    """Something that a policy speaks of: any of these."""

    handoffs: tuple[str, ...]
    places: tuple[str, ...]
    guards: tuple[Tree, ...]


@dataclass(frozen=True)
class Claim:
    """A policy."""

    text: str
    pattern: Pattern
    times: int
    strict: bool
    subject: Occurrence
    other: Occurrence


@dataclass(frozen=True)
class FiniteModel:
    """A definition, finite."""

    name: str
    doc: str
    digest: str
    hops: int
    tokens: int
    initial: str
    fallback: str
    places: tuple[FiniteState, ...]
    finals: Mapping[str, tuple[tuple[Variable, tuple[object, ...]], ...]]
    """By final state what it sets, to one of these values."""
    variables: tuple[Variable, ...]
    claims: tuple[Claim, ...]

    @property
    def is_exact(self) -> bool:
        """Tell whether no guard is opaque."""
        return all(variable.is_field for variable in self.variables)


def finite_model(definition: Definition) -> FiniteModel:
    """Make the finite model of a definition. Money and time are left out: they only ever close doors or land runs."""
    return _Modelling(definition).finite_model()


class _Modelling:
    """A model in the making: it knows the variables met so far."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        policed = (atom for policy in definition.policies for atom in policy.atoms if isinstance(atom, Guard))
        self.guards = [*(h.guard for h in definition.handoffs if h.guard is not None), *policed]
        self.domain = Domain(definition.context, self.guards)
        self.fields = {n: Variable(n, values, self._starts(n)) for n, values in self.domain.finite.items()}
        self.opaque = dict(self._opaque_leaves())

    def _opaque_leaves(self) -> Iterator[tuple[Guard[Any], Variable]]:
        """Give each opaque leaf a variable: whether it holds, or what it does where raising is not the same as no."""
        for leaf in leaves_of(self.guards):
            if self.domain.is_opaque(leaf):
                seen = {outcome for guard in self.guards if leaf in leaves(guard) for outcome in outcomes(guard, leaf)}
                values: tuple[object, ...] = ("no", "yes", "raises") if "raises" in seen else (False, True)
                yield leaf, Variable(repr(leaf), values, values, is_field=False)

    def _starts(self, name: str) -> tuple[object, ...]:
        values, field = self.domain.finite[name], self.definition.context.__pydantic_fields__[name]
        is_free = name in given_fields(self.definition.context) or field.default_factory is not None
        return tuple(value for value in values if is_free or _is_same(value, field.default)) or values

    def finite_model(self) -> FiniteModel:
        definition, limits = self.definition, self.definition.limits
        return FiniteModel(
            name=definition.name,
            doc=definition.doc,
            digest=definition.digest,
            hops=limits.hops,
            tokens=limits.tokens,
            initial=definition.initial.name,
            fallback=definition.fallback.name,
            places=tuple(map(self._place, definition.states.values())),
            finals={name: tuple(self._sets(final.sets)) for name, final in definition.finals.items()},
            variables=(*self.fields.values(), *self.opaque.values()),
            claims=tuple(
                Claim(
                    str(policy),
                    policy.pattern,
                    policy.times,
                    policy.strict,
                    self._occurrence(policy.subject),
                    self._occurrence(policy.other),
                )
                for policy in definition.policies
            ),
        )

    def _place(self, state: State) -> FiniteState:
        written = state.spec.written_names
        changed = (
            *(v for name, v in self.fields.items() if name in written),
            *(self.opaque.values() if written else ()),
        )
        return FiniteState(
            name=state.name,
            agent=state.spec.name,
            calls=state.spec.calls,
            grant=state.spec.grant(FREE).tokens,
            max_visits=state.max_visits,
            exits=tuple(self._edge(handoff, written) for handoff in self.definition.exits(state.name)),
            failures=tuple(self._edge(h, frozenset()) for h in self.definition.failure_edges(state.name).values()),
            writes=changed,
        )

    def _edge(self, handoff: Handoff, written: frozenset[str]) -> FiniteEdge:
        guard = handoff.guard
        return FiniteEdge(
            name=handoff.name,
            kind=handoff.kind,
            target=handoff.target.name,
            guard="" if guard is None else repr(guard),
            foreseen=True if guard is None else self._tree(guard, written),
            holds=True if guard is None else self._tree(guard, frozenset()),
        )

    def _sets(self, sets: Mapping[FieldRef, object]) -> Iterator[tuple[Variable, tuple[object, ...]]]:
        yield from ((self.fields[ref.name], (value,)) for ref, value in sets.items() if ref.name in self.fields)
        yield from ((leaf, leaf.values) for leaf in self.opaque.values() if sets)

    def _occurrence(self, atoms: Iterable[Atom]) -> Occurrence:
        names = {atom.name for atom in atoms if not isinstance(atom, Guard)}
        return Occurrence(
            handoffs=tuple(handoff.name for handoff in self.definition.handoffs if handoff.name in names),
            places=tuple(n for n in (*self.definition.states, *self.definition.finals) if n in names),
            guards=tuple(self._tree(atom, frozenset()) for atom in atoms if isinstance(atom, Guard)),
        )

    def _tree(self, guard: Guard[Any], written: frozenset[str]) -> Tree:
        """Ask a guard along every path through what it reads; one that reads what is still to be written is open."""

        def grow(known: Mapping[Variable, object]) -> Tree:
            try:
                return decided(guard, lambda leaf: self._outcome(leaf, known, written))
            except _Open:
                return True
            except _Needed as needed:
                asked = needed.variable
                branches = tuple(grow({**known, asked: value}) for value in asked.values)
                return branches[0] if len(set(branches)) == 1 else Fork(asked, branches)

        return grow({})

    def _outcome(self, leaf: Guard[Any], known: Mapping[Variable, object], written: frozenset[str]) -> Outcome:
        """Tell what a leaf does, as far as that is known.

        Raises _Needed: if it depends on a variable that is not known yet.
        Raises _Open: if it reads a field that is still to be written, or may do so beyond an opaque one.
        """
        answer = self.domain.ask(leaf, {v.name: value for v, value in known.items() if v.is_field})
        if written.intersection(answer.reads):
            raise _Open
        if answer.outcome is not None:
            return answer.outcome
        if answer.reads[-1] in self.fields:
            raise _Needed(self.fields[answer.reads[-1]])
        if written:
            raise _Open
        if self.opaque[leaf] not in known:
            raise _Needed(self.opaque[leaf])
        return _OUTCOMES[known[self.opaque[leaf]]]


def _is_same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


_OUTCOMES: Mapping[object, Outcome] = {False: "no", True: "yes", "no": "no", "yes": "yes", "raises": "raises"}
"""What the values of an opaque leaf's variable mean."""


class _Needed(Exception):
    """The answer depends on a variable whose value is not given."""

    def __init__(self, variable: Variable) -> None:
        self.variable = variable


class _Open(Exception):
    """The answer depends on what an agent is still to write."""
