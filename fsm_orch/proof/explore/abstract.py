"""The abstraction that makes a machine small enough to explore: the values of opaque fields are left out.

Runs move on a generated context with the same fields. Every *finite* field (see `domain`) keeps its values; every
*opaque* field holds one placeholder. An oracle answers for the guards. Where a guard reads finite fields only, the
answer is exact. Where it reads an opaque field, both answers are tried, one after the other.

This is an over-approximation: it allows everything that real runs do, and perhaps more. So what holds of all explored
runs holds of all real ones. What was found on a path that depends on an opaque guard is only *possible*.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import ConfigDict, create_model

from ...define.context import Context, given_fields
from ...define.definition import Definition
from ...define.guards import Guard
from ...define.states import Handoff
from ...errors import Finding
from ...kernel.engine import GuardAnswer
from .domain import Domain, Outcome, combined, decided, finite_values, leaves, leaves_of, outcomes
from .trace import PLACEHOLDER, Assumption
from .validation import default_of, has_validators

T = TypeVar("T")
Origin = Literal["before", "after", "end"]
"""Whose opaque fields a leaf reads: those of the context before a step, after it, or at the end of the run."""


class LeafAnswer(NamedTuple):
    """The answer that was chosen for an opaque leaf in a step."""

    leaf: Guard[Any]
    outcome: Outcome

    @property
    def assumption(self) -> Assumption:
        """The same answer as it is shown in a trace."""
        return Assumption(repr(self.leaf), self.outcome)


class Abstraction:
    """A definition on an abstract context.

    Args:
        guards: every guard that runs or policies ask.
    """

    def __init__(self, definition: Definition, guards: tuple[Guard[Any], ...]) -> None:
        self.original = definition
        self.domain = Domain(definition.context, guards)
        self.context_type = _abstract_type(definition.context)
        self.definition = dataclasses.replace(definition, context=self.context_type, policies=())
        asked = leaves_of(guards)
        self.distinguished = self.domain.distinguished(asked)
        """By finite field, the values that guards distinguish; of values alike to all guards, only the first."""
        self.opaque_leaves = tuple(leaf for leaf in asked if self.domain.is_opaque(leaf))
        """The leaves that read an opaque field on some values."""
        # One leaf may stand in several guards, and answers once for all of them: it is given every outcome that matters
        # in any of them. For the others raising then only repeats what answering no does.
        self.outcomes = {leaf: max((outcomes(g, leaf) for g in guards if leaf in leaves(g)), key=len) for leaf in asked}
        sets = [(ref.name, value) for final in definition.finals.values() for ref, value in final.sets.items()]
        strange = any(name in self.domain.finite and not self.domain.is_listed(name, value) for name, value in sets)
        self.has_choices = bool(self.opaque_leaves) or strange
        """Whether a step may have several results: some leaf is opaque, or a final state writes a value that is not
        listed."""
        self.has_validators = has_validators(definition.context)

    def starts(self) -> Iterator[dict[str, object]]:
        """Yield the contexts that runs begin with: every combination of given fields, defaults for the others."""
        for values in combined({n: kept for n, kept in self.distinguished.items() if n not in self._defaults}):
            yield {**self.placeholders, **self._defaults, **values}

    @cached_property
    def _defaults(self) -> dict[str, object]:
        """The finite fields that have the same value at the start of every run, with that value."""
        # Validators may derive any field from what is given, so with validators no field counts as fixed: runs then
        # begin with every value of every field, which is more than they can and never less.
        if self.has_validators:
            return {}
        context, given = self.original.context, given_fields(self.original.context)
        found = {name: default_of(context, name) for name in self.domain.finite if name not in given}
        return {name: value for name, value in found.items() if self.domain.is_listed(name, value)}

    @cached_property
    def placeholders(self) -> dict[str, object]:
        """Every opaque field, with the one value that it holds."""
        # One value is enough because nothing ever decides by it. No guard sees it: a leaf that reads an opaque field
        # is answered by the oracle, both ways. The kernel decides by guards alone, and the fields of the abstract
        # context accept any value.
        return {name: self._placeholder(name) for name in self.domain.opaque}

    def _placeholder(self, name: str) -> object:
        """Return a real value of a field if its values can be listed, its default if possible; else PLACEHOLDER."""
        context = self.original.context
        values = finite_values(context.__pydantic_fields__[name].annotation)
        if not values:
            return PLACEHOLDER
        default = values[0] if name in given_fields(context) else default_of(context, name)
        return default if default in values else values[0]

    def opaque_fields(self, *, is_sure: bool) -> tuple[str, ...]:
        """Return the fields whose placeholder is not to be taken for a value on a path.

        Args:
            is_sure: whether the path depends on no opaque guard.
        """
        # Where no guard was seen to read a field, any real value would do. But an opaque guard may read it after the
        # field at which it was stopped, so on a path that depends on such a guard not any value does.
        return tuple(name for name, value in self.placeholders.items() if value is PLACEHOLDER or not is_sure)

    def values(self, context: Context, fields: Iterable[str] | None = None) -> tuple[object, ...]:
        """Return the values that a context holds in some fields, in their order.

        Args:
            context: may be a watched view, which then does not report these reads.
            fields: None: all finite fields.
        """
        held = object.__getattribute__(context, "__dict__")
        return tuple([held[name] for name in (self.domain.finite if fields is None else fields)])

    def notes(self) -> tuple[str, ...]:
        """Return what was left out or taken more widely than it is, one line each."""
        notes = []
        if self.domain.finite:
            fields = ", ".join(
                f"{name} ({len(self.distinguished[name])} of {len(values)})"
                for name, values in self.domain.finite.items()
            )
            notes.append(f"fields tried with every value that guards distinguish: {fields}")
        if self.domain.opaque:
            notes.append(f"opaque fields, whose values were not looked into: {', '.join(self.domain.opaque)}")
        if self.opaque_leaves:
            notes.append(f"opaque guards, tried with every answer: {', '.join(map(repr, self.opaque_leaves))}")
        if self._defaults:
            notes.append(f"fields that begin with their defaults: {', '.join(self._defaults)}")
        if self.has_validators:
            name = self.original.context.__name__
            notes.append(f"the validators of {name} were not run: any value is tried, even one that they would refuse")
        return tuple(notes)


class GuardOracle:
    """An oracle that answers for guards, and lets a step be repeated with every answer of its opaque leaves.

    The answers of a step form a *script*: one outcome for each opaque leaf, in the order in which they are asked.
    """

    def __init__(self, abstraction: Abstraction) -> None:
        self._abstraction = abstraction
        self._domain = abstraction.domain
        self._before: object = None
        self._script: tuple[Outcome, ...] = ()
        self._asked: dict[tuple[Guard[Any], object], LeafAnswer] = {}
        self._known: dict[tuple[Guard[Any], tuple[object, ...]], tuple[GuardAnswer, tuple[str, ...]]] = {}

    def __call__(self, handoff: Handoff, context: Context) -> GuardAnswer:
        """Return what the guard of a handoff answers; `CompiledMachine` asks here instead of the guard."""
        if handoff.guard is None:
            return GuardAnswer(holds=True)
        judgement, reads = self._judge(handoff.guard, self._abstraction.values(context), self._origin(context))
        if type(context) is not self._abstraction.context_type:
            # A watched view: by it the kernel learns whether the guard reads a field that is still to be written. The
            # guard itself was not asked on this view, so its reads are repeated here.
            for name in reads:
                getattr(context, name)
        return judgement

    def holds(self, guard: Guard[Any], known: Mapping[str, object], origin: Origin) -> bool:
        """Return whether a guard holds on values of the finite fields.

        Args:
            known: a value for every finite field.
            origin: whose opaque fields go with them.
        """
        return self._judge(guard, tuple([known[name] for name in self._domain.finite]), origin)[0].holds

    def holds_at_end(
        self, guard: Guard[Any], known: Mapping[str, object], origin: Origin, sets: Mapping[str, object]
    ) -> bool:
        """Return whether a guard holds where a final state has written what it sets, opaque fields among them.

        Args:
            known: a value for every finite field, before the final state wrote.
            origin: whose opaque fields go with them.
            sets: the values that the final state wrote, by field.
        """
        # A leaf's answer is exact if it reads no value that is not listed, or only fields that the final state set.
        # Otherwise it may read fields it was not seen to read before, for which more values would have to be
        # distinguished: it is opaque here, and not bound by what it answered before the end.
        if not sets:
            return self.holds(guard, known, origin)
        here = {**known, **sets}
        unlisted = {name for name, value in sets.items() if not self._domain.is_listed(name, value)}

        def of_leaf(leaf: Guard[Any]) -> Outcome:
            answer = self._domain.ask(leaf, here)
            is_known = unlisted.isdisjoint(answer.reads) or sets.keys() >= set(answer.reads)
            return (answer.outcome if is_known else None) or self._choose(leaf, "end")

        return decided(guard, of_leaf)

    def paths(self, before: Context | None, run: Callable[[], T]) -> Iterator[tuple[T, tuple[LeafAnswer, ...]]]:
        """Run a step once for every combination of answers of its opaque leaves; yield each result with its answers.

        Args:
            before: the context that the step begins with; None for the start of a run.
            run: takes the step; called once for each combination.
        """
        # Both answers, because the values of an opaque field cannot be tried one by one. Some value may give either, so
        # assuming one of them would leave real runs out and prove too much.
        if not self._abstraction.has_choices:
            yield run(), ()
            return
        script: tuple[Outcome, ...] | None = ()
        while script is not None:
            yield self.replay(before, run, script)
            script = self._next_script()

    def replay(
        self, before: Context | None, run: Callable[[], T], script: tuple[Outcome, ...]
    ) -> tuple[T, tuple[LeafAnswer, ...]]:
        """Run a step with the answers of a script; further leaves take the first of their outcomes, which is yes."""
        self._before = None if before is None else _identity(before)
        self._script = script
        self._asked = {}
        return run(), tuple(self._asked.values())

    def _next_script(self) -> tuple[Outcome, ...] | None:
        """Return the next script to try, or None if all were tried: the last answer that can change is changed."""
        answers = list(self._asked.values())
        while answers:
            leaf, outcome = answers.pop()
            options = self._abstraction.outcomes[leaf]
            untried = options[options.index(outcome) + 1 :]
            if untried:
                return (*(answered.outcome for answered in answers), untried[0])
        return None

    def _judge(
        self, guard: Guard[Any], values: tuple[object, ...], origin: Origin
    ) -> tuple[GuardAnswer, tuple[str, ...]]:
        known = self._known.get((guard, values))
        if known is not None:
            return known
        reads: list[str] = []
        errors: list[str] = []
        opaque: list[Guard[Any]] = []

        def of_leaf(leaf: Guard[Any]) -> Outcome:
            answer = self._domain.ask_known(leaf, values)
            reads.extend(answer.reads)
            if answer.outcome is None:
                opaque.append(leaf)
            outcome = answer.outcome or self._choose(leaf, origin)
            if outcome == "raises":
                errors.append(answer.error or f"an error in {leaf!r}")
            return outcome

        holds = decided(guard, of_leaf)
        judged = GuardAnswer(holds, errors[0] if errors else None), tuple(reads)
        if not opaque:
            # Kept only where no answer was chosen: a chosen one is for this step alone.
            self._known[guard, values] = judged
        return judged

    def _choose(self, leaf: Guard[Any], origin: Origin) -> Outcome:
        # Within a step a leaf answers once for each context: guards are pure. From step to step it is free, even if
        # none of its fields was written, which allows more than real runs do and never less.
        key = leaf, origin
        if key not in self._asked:
            number = len(self._asked)
            outcome = self._script[number] if number < len(self._script) else self._abstraction.outcomes[leaf][0]
            self._asked[key] = LeafAnswer(leaf, outcome)
        return self._asked[key].outcome

    def _origin(self, context: Context) -> Origin:
        return "before" if _identity(context) is self._before else "after"


def _identity(context: Context) -> object:
    """Return an object that a context shares with its watched views, and with no other context."""
    return object.__getattribute__(context, "__pydantic_fields_set__")


class _AbstractContext(Context):
    """The base of abstract contexts, whose fields accept any value."""

    model_config = ConfigDict(protected_namespaces=())

    @classmethod
    def _findings(cls, names: Mapping[str, Any]) -> tuple[Finding, ...]:  # noqa: ARG003
        return ()  # no run holds one


def _abstract_type(context_type: type[Context]) -> type[Context]:
    fields: Mapping[str, Any] = dict.fromkeys(context_type.__pydantic_fields__, (Any, ...))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about field names that shadow others: the user's own class has warned of them
        return create_model(context_type.__name__, __base__=_AbstractContext, **fields)
