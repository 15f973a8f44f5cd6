"""A definition as a finite model: tables from which the languages of model checkers are written.

A *model checker*, such as SPIN or TLC, is a program that explores every run of a model. The model keeps only what
decides how a run moves: states with the tokens of their calls, edges, the finite fields that some guard reads, and
guards as decision trees over these. A leaf of a guard that reads any other field is *opaque*: it is modelled by a
variable of its own, whose value is its answer and may change whenever an agent writes a field that it may read. What is
legal is not part of the model: each language states those rules itself. To the model, machines that run inside a visit
are sums of tokens: each run takes nothing, or all of its share. How it ends is told to an agent, which may do anything.
Of tools only those are in it of which a policy speaks: a visit uses them in any order, up to as often as it may ask.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..amounts import FREE
from ..define.context import FieldRef
from ..define.definition import Definition
from ..define.guards import Guard
from ..define.policies import Pattern
from ..define.states import EdgeKind, Handoff, State
from ..define.subject import Atom
from ..define.used import Used, use_name
from ..proof.explore.domain import Domain, Outcome, decided, leaves, leaves_of, outcomes
from ..proof.explore.uses import spoken_of
from ..proof.explore.validation import UNCLEAR


@dataclass(frozen=True)
class Variable:
    """A variable of the model: a finite field, or the answer of an opaque leaf."""

    name: str
    values: tuple[object, ...]
    """All its values, in order."""
    starts: tuple[object, ...]
    """The values that it may have when a run begins: all if it is given or opaque, else its default."""
    is_field: bool = True
    """Whether it is a field, and not the answer of an opaque leaf."""

    @property
    def is_bool(self) -> bool:
        """Whether its values are False and True, so that the language's own booleans will do."""
        return [*map(repr, self.values)] == ["False", "True"]

    def number(self, value: object) -> int:
        """Return the index of a value among the values; 1 and True are different values."""
        return next(n for n, mine in enumerate(self.values) if _is_same(mine, value))


@dataclass(frozen=True)
class Fork:
    """A node of a decision tree: the value of a variable decides which branch is taken."""

    variable: Variable
    branches: tuple[Tree, ...]
    """One branch for each value, in their order."""


Tree = Fork | bool
"""What a guard answers, by the values of variables."""


@dataclass(frozen=True)
class FiniteEdge:
    """A handoff as it leaves one state."""

    name: str
    kind: EdgeKind
    target: str
    guard: str
    """The guard as a user reads it; empty if there is none."""
    foreseen: Tree
    """Whether the handoff is on the menu when its state is entered; a guard that reads a field which the agent is still
    to write is taken to hold."""
    holds: Tree
    """Whether its guard holds on the context after the reply."""
    is_interrupt: bool = False
    """Of a failure edge: whether it may be taken while a round is under way, since the visit may time out then."""


@dataclass(frozen=True)
class FiniteState:
    """A state of the model."""

    name: str
    agent: str
    """The name of its agent, for comments."""
    calls: int
    """The most calls of a visit."""
    grant: int
    """The tokens that entering reserves: those of each call, or without calls those of all parts."""
    spent_inside: tuple[int, ...]
    """What the parts of a visit may be charged together, in order, nothing first."""
    uses: tuple[str, ...]
    """The tools of which policies speak, by the names of their uses."""
    asks: int
    """How often a visit uses them together at most."""
    must_use: bool
    """Whether it must use one before it replies, since it must ask for something, and these are all there is."""
    least: int
    """The tokens that must be left on entry, for something that must be asked for before it replies."""
    max_visits: int | None
    """None: as many as there are hops."""
    exits: tuple[FiniteEdge, ...]
    failures: tuple[FiniteEdge, ...]
    """Its failure edges."""
    writes: tuple[Variable, ...]
    """The variables that a reply may change."""

    @property
    def may_spend_inside(self) -> bool:
        """Whether a visit may be charged anything for its parts."""
        return len(self.spent_inside) > 1


@dataclass(frozen=True)
class Occurrence:
    """One side of a policy; it happens where any of these does."""

    handoffs: tuple[str, ...]
    places: tuple[str, ...]
    uses: tuple[str, ...]
    """The uses of tools."""
    guards: tuple[Tree, ...]


@dataclass(frozen=True)
class Claim:
    """A policy as the model states it."""

    text: str
    """The policy as a user reads it."""
    pattern: Pattern
    times: int
    strict: bool
    subject: Occurrence
    other: Occurrence


@dataclass(frozen=True)
class FiniteModel:
    """The finite model of a definition."""

    name: str
    doc: str
    digest: str
    hops: int
    tokens: int
    initial: str
    fallback: str
    places: tuple[FiniteState, ...]
    finals: Mapping[str, tuple[tuple[Variable, tuple[object, ...]], ...]]
    """By final state, the variables that it sets, each with the values of which it gets one."""
    variables: tuple[Variable, ...]
    claims: tuple[Claim, ...]

    @property
    def is_exact(self) -> bool:
        """Whether no guard is opaque."""
        return all(variable.is_field for variable in self.variables)


def finite_model(definition: Definition) -> FiniteModel:
    """Make the finite model of a definition, without money and time."""
    # Left out soundly: running out of money or time only takes handoffs away or lands a run, and the model lets every
    # visit be landed anyway. So it allows all that real runs do.
    return _ModelBuilder(definition).finite_model()


class _ModelBuilder:
    """The builder of one model; it knows its variables."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        policed = (atom for policy in definition.policies for atom in policy.atoms if isinstance(atom, Guard))
        self.spoken = spoken_of(definition.policies)
        self.guards = [*(h.guard for h in definition.handoffs if h.guard is not None), *policed]
        self.domain = Domain(definition.context, self.guards)
        self.fields = {n: Variable(n, values, self._starts(n)) for n, values in self.domain.finite.items()}
        self.may_read = {
            leaf: self.domain.may_read(leaf) for leaf in leaves_of(self.guards) if self.domain.is_opaque(leaf)
        }
        """The opaque leaves, each with the fields that it may read."""
        self.opaque = dict(self._opaque_leaves())

    def _opaque_leaves(self) -> Iterator[tuple[Guard[Any], Variable]]:
        """Yield each opaque leaf with its variable: a boolean, or yes/no/raises where raising and no differ."""
        for leaf in self.may_read:
            seen = {outcome for guard in self.guards if leaf in leaves(guard) for outcome in outcomes(guard, leaf)}
            values: tuple[object, ...] = ("no", "yes", "raises") if "raises" in seen else (False, True)
            yield leaf, Variable(repr(leaf), values, self._first_answers(leaf, values), is_field=False)

    def _first_answers(self, leaf: Guard[Any], values: tuple[object, ...]) -> tuple[object, ...]:
        """Return what an opaque leaf may answer when a run begins: what it makes of defaults, if it reads no more."""
        known = {name: self.domain.default(name) for name in self.may_read[leaf]}
        is_free = any(name in self.domain.finite or value is UNCLEAR for name, value in known.items())
        return values if is_free else self._answers(leaf, known, values)

    def _answers(self, leaf: Guard[Any], known: Mapping[str, object], values: tuple[object, ...]) -> tuple[object, ...]:
        """Return what an opaque leaf may answer where some fields are known."""
        outcome = self.domain.ask(leaf, known).outcome
        return values if outcome is None else (outcome if outcome in values else outcome == "yes",)

    def _starts(self, name: str) -> tuple[object, ...]:
        values, default = self.domain.finite[name], self.domain.default(name)
        return tuple(value for value in values if default is UNCLEAR or _is_same(value, default)) or values

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
            *(v for leaf, v in self.opaque.items() if not self.may_read[leaf].isdisjoint(written)),
        )
        return FiniteState(
            name=state.name,
            agent=state.spec.name,
            calls=state.spec.calls,
            grant=state.spec.grant(FREE).tokens,
            spent_inside=_sums([(part.share.tokens, part.most) for part in state.spec.parts], state.spec.asks),
            uses=tuple(use_name(state.name, tool) for tool in self.spoken.get(state.name, ())),
            asks=state.spec.asks,
            must_use=self._must_use(state),
            least=self._least(state),
            max_visits=state.max_visits,
            exits=tuple(self._edge(handoff, written) for handoff in state.exits),
            failures=tuple(
                self._edge(h, frozenset(), is_interrupt=self._is_interrupt(state, h)) for h in self._failures(state)
            ),
            writes=changed,
        )

    def _must_use(self, state: State) -> bool:
        spec, spoken = state.spec, self.spoken.get(state.name, ())
        is_other = spec.asks_human or spec.parts or any(t.approval or t.name not in spoken for t in spec.tools)
        return spec.must_ask and not is_other

    def _least(self, state: State) -> int:
        """Return what asking takes at least where it must be done; more tokens than there are, if it cannot be."""
        spec = state.spec
        if not spec.must_ask or spec.tools or spec.asks_human or spec.kind == "map":
            return 0
        if not spec.asks or not spec.parts:
            return self.definition.limits.tokens + 1
        return min(part.share.tokens for part in spec.parts)

    def _failures(self, state: State) -> Iterator[Handoff]:
        """Yield the failure edges of a state that may be taken: no timeout's, if the run is over before."""
        may_time_out = state.may_time_out(self.definition.limits)
        return (edge for kind, edge in state.failure_edges.items() if kind != "timeout" or may_time_out)

    def _is_interrupt(self, state: State, edge: Handoff) -> bool:
        """Return whether a failure edge is that of a visit which times out."""
        edges = state.failure_edges
        return state.may_time_out(self.definition.limits) and edge is edges.get("timeout", edges.get("failure"))

    def _edge(self, handoff: Handoff, written: frozenset[str], *, is_interrupt: bool = False) -> FiniteEdge:
        guard = handoff.guard
        return FiniteEdge(
            name=handoff.name,
            kind=handoff.kind,
            target=handoff.target.name,
            guard="" if guard is None else repr(guard),
            foreseen=True if guard is None else self._tree(guard, written),
            holds=True if guard is None else self._tree(guard, frozenset()),
            is_interrupt=is_interrupt,
        )

    def _sets(self, sets: Mapping[FieldRef, object]) -> Iterator[tuple[Variable, tuple[object, ...]]]:
        yield from ((self.fields[ref.name], (value,)) for ref, value in sets.items() if ref.name in self.fields)
        known = {ref.name: value for ref, value in sets.items()}
        for leaf, variable in self.opaque.items():
            if not self.may_read[leaf].isdisjoint(known):
                yield variable, self._answers(leaf, known, variable.values)

    def _occurrence(self, atoms: Iterable[Atom]) -> Occurrence:
        names = {atom.name for atom in atoms if not isinstance(atom, Guard)}
        return Occurrence(
            handoffs=tuple(handoff.name for handoff in self.definition.handoffs if handoff.name in names),
            places=tuple(n for n in (*self.definition.states, *self.definition.finals) if n in names),
            uses=tuple(atom.title for atom in atoms if isinstance(atom, Used)),
            guards=tuple(self._tree(atom, frozenset()) for atom in atoms if isinstance(atom, Guard)),
        )

    def _tree(self, guard: Guard[Any], written: frozenset[str]) -> Tree:
        """Return the decision tree of a guard.

        Args:
            written: the fields that the agent is still to write; a guard that reads one of them is taken to hold.
        """

        def grow(known: Mapping[Variable, object]) -> Tree:
            try:
                return decided(guard, lambda leaf: self._outcome(leaf, known, written))
            except _NeedsReply:
                return True
            except _NeedsVariable as needed:
                asked = needed.variable
                branches = tuple(grow({**known, asked: value}) for value in asked.values)
                # A variable that makes no difference is left out: the text is shorter, and means the same.
                return branches[0] if len(set(branches)) == 1 else Fork(asked, branches)

        return grow({})

    def _outcome(self, leaf: Guard[Any], known: Mapping[Variable, object], written: frozenset[str]) -> Outcome:
        """Return what a leaf does where some variables are known.

        Raises _NeedsVariable: if it depends on a variable that is not known yet.
        Raises _NeedsReply: if it reads a field that is still to be written, or may do so after an opaque one.
        """
        answer = self.domain.ask(leaf, {v.name: value for v, value in known.items() if v.is_field})
        if written.intersection(answer.reads):
            raise _NeedsReply
        if answer.outcome is not None:
            return answer.outcome
        if answer.reads[-1] in self.fields:
            raise _NeedsVariable(self.fields[answer.reads[-1]])
        if not self.may_read[leaf].isdisjoint(written):
            raise _NeedsReply
        if self.opaque[leaf] not in known:
            raise _NeedsVariable(self.opaque[leaf])
        return _OUTCOMES[known[self.opaque[leaf]]]


def _sums(runs: Iterable[tuple[int, int]], asks: int) -> tuple[int, ...]:
    """Return what runs may be charged together, each its share or nothing.

    Args:
        runs: of each part, its share and how often it runs at most.
        asks: how often all of them run together at most.
    """
    found = {(0, 0)}
    for share, most in runs:
        found = {(n + more, spent + more * share) for n, spent in found for more in range(min(most, asks - n) + 1)}
    return tuple(sorted({spent for _, spent in found}))


def _is_same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


_OUTCOMES: Mapping[object, Outcome] = {False: "no", True: "yes", "no": "no", "yes": "yes", "raises": "raises"}
"""The outcome that each value of an opaque leaf's variable stands for."""


class _NeedsVariable(Exception):
    """Raised where an answer depends on a variable that has no value yet."""

    def __init__(self, variable: Variable) -> None:
        self.variable = variable


class _NeedsReply(Exception):
    """Raised where an answer depends on what an agent is still to write."""
