"""The abstraction that makes a machine small enough to explore: fields that no guard looks into are not told apart.

Runs move on a generated context of the same fields, in which every *finite* field (`domain`) keeps its
values and every other holds one placeholder. Guards are answered by an oracle: exactly, where a guard reads finite
fields only; both ways, where it reads others. Within one step a leaf answers the same on the same context, whichever
guards it is in; from step to step it is free, which allows more than any real run does, and never less.
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
from ...kernel.engine import GuardAnswer
from .domain import Domain, Outcome, combined, decided, finite_values, leaves, leaves_of, outcomes
from .trace import HIDDEN, Assumption
from .validation import default_of, has_validators

T = TypeVar("T")
Origin = Literal["before", "after", "end"]
"""Whose opaque fields a leaf is asked on: those a step begins with, those it commits, or those a run ends with."""


class LeafAnswer(NamedTuple):
    """What a leaf was taken to answer in a step."""

    leaf: Guard[Any]
    outcome: Outcome

    @property
    def assumption(self) -> Assumption:
        return Assumption(repr(self.leaf), self.outcome)


class Abstraction:
    """A definition on an abstract context."""

    def __init__(self, definition: Definition, guards: tuple[Guard[Any], ...]) -> None:
        self.original = definition
        self.domain = Domain(definition.context, guards)
        self.context_type = _abstract(definition.context)
        self.definition = dataclasses.replace(definition, context=self.context_type, policies=())
        asked = leaves_of(guards)
        self.distinguished = self.domain.distinguished(asked)
        """The values of each finite field that make a difference to some guard: one of each that are alike."""
        self.unknown = tuple(leaf for leaf in asked if self.domain.is_opaque(leaf))
        """The leaves that are not known everywhere."""
        self.outcomes = {leaf: max((outcomes(g, leaf) for g in guards if leaf in leaves(g)), key=len) for leaf in asked}
        sets = [(ref.name, value) for final in definition.finals.values() for ref, value in final.sets.items()]
        strange = any(name in self.domain.finite and not self.domain.lists(name, value) for name, value in sets)
        self.guesses = bool(self.unknown) or strange
        """Whether some leaf may be unknown somewhere, be it where a final state wrote a value that is not listed."""
        self.has_validators = has_validators(definition.context)

    def starts(self) -> Iterator[dict[str, object]]:
        """List the contexts that runs begin with: every value of what is given, the default of everything else."""
        for values in combined({n: told for n, told in self.distinguished.items() if n not in self._defaults}):
            yield {**self.placeholders, **self._defaults, **values}

    @cached_property
    def _defaults(self) -> dict[str, object]:
        """The finite fields that every run begins with the same value of.

        None of them if the context has validators, since they may derive any field from what is given.
        """
        if self.has_validators:
            return {}
        context, given = self.original.context, given_fields(self.original.context)
        found = {name: default_of(context, name) for name in self.domain.finite if name not in given}
        return {name: value for name, value in found.items() if self.domain.lists(name, value)}

    @cached_property
    def placeholders(self) -> dict[str, object]:
        """Every field that is not told apart, with the one value that it holds."""
        return {name: self._placeholder(name) for name in self.domain.opaque}

    def _placeholder(self, name: str) -> object:
        """Give a real value of a field, if any can be listed: its default, if runs begin with it."""
        context = self.original.context
        values = finite_values(context.__pydantic_fields__[name].annotation)
        if not values:
            return HIDDEN
        default = values[0] if name in given_fields(context) else default_of(context, name)
        return default if default in values else values[0]

    def hidden(self, *, is_sure: bool) -> tuple[str, ...]:
        """Tell the fields whose placeholder is no value on a path.

        Args:
            is_sure: whether the path hangs on no unknown guard. What such a guard reads after an opaque field is not
                seen, so to a path that hangs on one no placeholder is a value, even if it is a real one.
        """
        return tuple(name for name, value in self.placeholders.items() if value is HIDDEN or not is_sure)

    def values(self, context: Context, fields: Iterable[str] | None = None) -> tuple[object, ...]:
        """Give the values of fields, of a context or of a watched view of one, without being seen.

        Args:
            fields: None: all that are finite.
        """
        held = object.__getattribute__(context, "__dict__")
        return tuple([held[name] for name in (self.domain.finite if fields is None else fields)])

    def notes(self) -> tuple[str, ...]:
        """Say what was abstracted, a sentence each."""
        said = []
        if self.domain.finite:
            fields = ", ".join(
                f"{name} ({len(self.distinguished[name])} of {len(values)})"
                for name, values in self.domain.finite.items()
            )
            said.append(f"every value that guards tell apart of these fields: {fields}")
        if self.domain.opaque:
            said.append(f"the values of these fields were not told apart: {', '.join(self.domain.opaque)}")
        if self.unknown:
            said.append(f"these guards were taken both ways where needed: {', '.join(map(repr, self.unknown))}")
        if self._defaults:
            said.append(f"runs begin with the defaults of: {', '.join(self._defaults)}")
        if self.has_validators:
            name = self.original.context.__name__
            said.append(f"the validators of {name} were not asked: runs begin with any value, whatever they make of it")
        return tuple(said)


class GuardOracle:
    """Answers for guards, and goes through every way in which those that are not known may answer."""

    def __init__(self, abstraction: Abstraction) -> None:
        self._abstraction = abstraction
        self._domain = abstraction.domain
        self._before: object = None
        self._script: tuple[Outcome, ...] = ()
        self._asked: dict[tuple[Guard[Any], object], LeafAnswer] = {}
        self._known: dict[tuple[Guard[Any], tuple[object, ...]], tuple[GuardAnswer, tuple[str, ...]]] = {}

    def __call__(self, handoff: Handoff, context: Context) -> GuardAnswer:
        """Answer for a handoff, as `CompiledMachine` asks; a view sees what is read of it."""
        if handoff.guard is None:
            return GuardAnswer(holds=True)
        judgement, reads = self._judge(handoff.guard, self._abstraction.values(context), self._origin(context))
        if type(context) is not self._abstraction.context_type:
            for name in reads:
                getattr(context, name)
        return judgement

    def holds(self, guard: Guard[Any], known: Mapping[str, object], origin: Origin) -> bool:
        """Tell whether a guard holds on values of the finite fields."""
        return self._judge(guard, tuple([known[name] for name in self._domain.finite]), origin)[0].holds

    def holds_at_end(
        self, guard: Guard[Any], known: Mapping[str, object], origin: Origin, sets: Mapping[str, object]
    ) -> bool:
        """Tell whether a guard holds where a final state has written what it sets, opaque fields too.

        What a leaf answers is known if it reads nothing that is opaque, or nothing but what is set. Otherwise it may
        read on where it was never seen to, and there other values than those that are told apart may matter.
        """
        if not sets:
            return self.holds(guard, known, origin)
        here = {**known, **sets}
        unseen = {name for name, value in sets.items() if not self._domain.lists(name, value)}

        def of_leaf(leaf: Guard[Any]) -> Outcome:
            answer = self._domain.ask(leaf, here)
            is_known = unseen.isdisjoint(answer.reads) or sets.keys() >= set(answer.reads)
            return (answer.outcome if is_known else None) or self._choose(leaf, "end")

        return decided(guard, of_leaf)

    def paths(self, before: Context | None, run: Callable[[], T]) -> Iterator[tuple[T, tuple[LeafAnswer, ...]]]:
        """Run a step in every way that its unknown leaves may answer.

        Args:
            before: the context that the step begins with.
        """
        if not self._abstraction.guesses:
            yield run(), ()
            return
        script: tuple[Outcome, ...] | None = ()
        while script is not None:
            yield self.replay(before, run, script)
            script = self._next_script()

    def replay(
        self, before: Context | None, run: Callable[[], T], script: tuple[Outcome, ...]
    ) -> tuple[T, tuple[LeafAnswer, ...]]:
        """Run a step with given answers, in the order in which they are asked; yes, where there are no more."""
        self._before = None if before is None else _fields_set(before)
        self._script = script
        self._asked = {}
        return run(), tuple(self._asked.values())

    def _next_script(self) -> tuple[Outcome, ...] | None:
        """Give the answers that were not tried yet, the last first; None if all were."""
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
        unknown: list[Guard[Any]] = []

        def of_leaf(leaf: Guard[Any]) -> Outcome:
            answer = self._domain.ask_known(leaf, values)
            reads.extend(answer.reads)
            if answer.outcome is None:
                unknown.append(leaf)
            outcome = answer.outcome or self._choose(leaf, origin)
            if outcome == "raises":
                errors.append(answer.error or f"an error in {leaf!r}")
            return outcome

        holds = decided(guard, of_leaf)
        judged = GuardAnswer(holds, errors[0] if errors else None), tuple(reads)
        if not unknown:
            self._known[guard, values] = judged
        return judged

    def _choose(self, leaf: Guard[Any], origin: Origin) -> Outcome:
        key = leaf, origin
        if key not in self._asked:
            number = len(self._asked)
            outcome = self._script[number] if number < len(self._script) else self._abstraction.outcomes[leaf][0]
            self._asked[key] = LeafAnswer(leaf, outcome)
        return self._asked[key].outcome

    def _origin(self, context: Context) -> Origin:
        return "before" if _fields_set(context) is self._before else "after"


def _fields_set(context: Context) -> object:
    """Tell a context from every other; a watched view shares it with what it shows."""
    return object.__getattribute__(context, "__pydantic_fields_set__")


class _Abstract(Context):
    """What abstract contexts have in common: they take what they are given."""

    model_config = ConfigDict(protected_namespaces=())


def _abstract(context_type: type[Context]) -> type[Context]:
    fields: Mapping[str, Any] = dict.fromkeys(context_type.__pydantic_fields__, (Any, ...))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what its field names shadow, the user has been told
        return create_model(context_type.__name__, __base__=_Abstract, **fields)
