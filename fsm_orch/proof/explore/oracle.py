"""The oracle: it answers for guards, and lets a step be taken once for every answer that opaque guards may give.

Where a guard reads what is known, its answer is exact. Where it reads an opaque field, what it has answered before
stands until a field that it may read is written. Only then may it answer anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeVar

from ...define.context import Context
from ...define.guards import Guard
from ...define.states import Handoff
from ...kernel.engine import GuardAnswer
from .abstract import Abstraction
from .domain import Answer, Outcome, decided, leaves
from .memory import NO_MEMORY, Memory, Remembered
from .trace import Assumption

T = TypeVar("T")
Origin = Literal["before", "after"]
"""Whose opaque fields a leaf reads: those of the context before a step, or after its reply."""
_Moment = Literal["before", "after", "menu", "ahead", "end"]
"""For which context an answer was chosen: as `Origin`; for a menu alone, before what it depends on is written; whether
it reads there what is still to be written; or after a final state has written what it sets."""


class LeafAnswer(NamedTuple):
    """The answer that was chosen for an opaque leaf in a step."""

    leaf: Guard[Any]
    outcome: Outcome
    moment: _Moment = "before"

    @property
    def is_idle(self) -> bool:
        """Whether it only says that a menu is drawn by other answers."""
        return self.moment == "ahead" and self.outcome != "yes"

    @property
    def assumption(self) -> Assumption:
        """The same answer as it is shown in a trace."""
        return Assumption(repr(self.leaf), self.outcome)


class GuardOracle:
    """An oracle that answers for guards, and lets a step be repeated with every answer of its opaque leaves.

    The answers of a step form a *script*: one outcome for each opaque leaf that is asked anew, in the order of asking.
    """

    def __init__(self, abstraction: Abstraction) -> None:
        self._abstraction = abstraction
        self._domain = abstraction.domain
        # Of every source, since a guard is asked without word of the state: more fields only mean less memory.
        self._own = lru_cache(maxsize=None)(_written_from)
        self._known: dict[tuple[Guard[Any], tuple[object, ...]], tuple[GuardAnswer, tuple[str, ...]]] = {}
        self._fresh: dict[tuple[Guard[Any], tuple[object, ...], frozenset[str]], Answer] = {}
        # of the step that is taken
        self._before: object = None
        self._memory = NO_MEMORY
        self._written: frozenset[str] = frozenset()
        self._script: tuple[Outcome, ...] = ()
        self._asked: dict[tuple[Guard[Any], _Moment], LeafAnswer] = {}
        self._recalled: dict[Guard[Any], LeafAnswer] = {}
        self._still_to_write: frozenset[str] = frozenset()

    def __call__(self, handoff: Handoff, context: Context) -> GuardAnswer:
        """Return what the guard of a handoff answers; `CompiledMachine` asks here instead of the guard."""
        return GuardAnswer(holds=True) if handoff.guard is None else self.answer(handoff.guard, handoff, context)

    def answer(self, guard: Guard[Any], handoff: Handoff, context: Context) -> GuardAnswer:
        """Return what a guard answers in the place of that of a handoff, which may be another version's."""
        # A watched view: a menu is drawn, and by the view the kernel learns whether the guard reads a field that is
        # still to be written.
        is_menu = type(context) is not self._abstraction.context_type
        self._still_to_write = self._own(handoff) if is_menu else frozenset()
        judgement, reads = self._judge(guard, self._abstraction.values(context), self._origin(context))
        self._still_to_write = frozenset()
        if is_menu:
            for name in reads:  # the guard itself was not asked on this view, so its reads are repeated here
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
        if not sets:
            return self.holds(guard, known, origin)
        here = {**known, **sets}
        unlisted = {name for name, value in sets.items() if not self._domain.is_listed(name, value)}
        before = tuple([known[name] for name in self._domain.finite])

        def of_leaf(leaf: Guard[Any]) -> Outcome:
            if self._abstraction.may_read[leaf].isdisjoint(sets):  # it cannot notice
                return self._ask(leaf, before, origin).outcome or self._choose(leaf, origin)
            # A leaf's answer is exact if it reads no value that is not listed, or only fields that the final state set.
            # Otherwise it may read fields it was not seen to read before, for which more values would have to be
            # distinguished: it is opaque here, and not bound by what it answered before the end.
            answer = self._domain.ask(leaf, here)
            is_known = unlisted.isdisjoint(answer.reads) or sets.keys() >= set(answer.reads)
            return (answer.outcome if is_known else None) or self._chosen(leaf, "end")

        return decided(guard, of_leaf)

    def paths(
        self, before: Context | None, memory: Memory, written: Iterable[str], run: Callable[[], T]
    ) -> Iterator[tuple[T, tuple[LeafAnswer, ...]]]:
        """Run a step once for every combination of answers of its opaque leaves; yield each result with its answers.

        Args:
            before: the context that the step begins with; None for the start of a run.
            memory: what is known of its opaque fields.
            written: the fields that the step would write.
            run: takes the step; called once for each combination.
        """
        # Both answers, because the values of an opaque field cannot be tried one by one. Some value may give either, so
        # assuming one of them would leave real runs out and prove too much.
        script: tuple[Outcome, ...] | None = ()
        while script is not None:
            yield self.replay(before, memory, written, run, script)
            script = self._next_script() if self._abstraction.has_choices else None

    def replay(
        self,
        before: Context | None,
        memory: Memory,
        written: Iterable[str],
        run: Callable[[], T],
        script: tuple[Outcome, ...],
    ) -> tuple[T, tuple[LeafAnswer, ...]]:
        """Run a step with the answers of a script; further leaves take the first of their outcomes, which is yes."""
        self._before = None if before is None else _identity(before)
        self._memory, self._written = memory, frozenset(written)
        self._script = script
        self._asked, self._recalled = {}, {}
        return run(), tuple(self._asked.values())

    def remember(self, worth: Remembered, *, is_written: bool) -> Memory:
        """Return what is known after the step that is taken.

        Args:
            worth: what is worth remembering where it led.
            is_written: whether what the step would write was committed.
        """
        if not self._abstraction.opaque_leaves:
            return NO_MEMORY
        answers = []
        for leaf in worth.leaves:
            is_new = is_written and not self._written.isdisjoint(self._abstraction.may_read[leaf])
            asked = self._asked.get((leaf, "after" if is_new else "before"))
            outcome = asked.outcome if asked else None if is_new else self._memory.answer(leaf)
            if outcome is not None:
                answers.append((leaf, outcome))
        fresh = self._memory.fresh - self._written if is_written else self._memory.fresh
        return Memory(frozenset(answers), fresh & worth.fields)

    @property
    def recalled(self) -> tuple[LeafAnswer, ...]:
        """The answers that leaves of the step gave because they had given them before."""
        return tuple(self._recalled.values())

    def _next_script(self) -> tuple[Outcome, ...] | None:
        """Return the next script to try, or None if all were tried: the last answer that can change is changed."""
        answers = list(self._asked.values())
        while answers:
            last = answers.pop()
            options = self._abstraction.outcomes[last.leaf]
            untried = options[options.index(last.outcome) + 1 :]
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

        def of_leaf(leaf: Guard[Any]) -> Outcome:
            answer = self._ask(leaf, values, origin)
            reads.extend(answer.reads)
            ahead = self._still_to_write & self._abstraction.may_read[leaf] if answer.outcome is None else frozenset()
            # A guard that reads what is still to be written is on the menu even if no answers of its leaves open it. A
            # leaf that is the whole guard needs no such choice: where it answers yes, it is on the menu too.
            if ahead and guard.connective and self._chosen(leaf, "ahead") == "yes":
                reads.append(min(ahead))
            outcome = answer.outcome or self._choose(leaf, origin)
            if outcome == "raises":
                errors.append(answer.error or f"an error in {leaf!r}")
            return outcome

        holds = decided(guard, of_leaf)
        judged = GuardAnswer(holds, errors[0] if errors else None), tuple(reads)
        if not any(leaf in self._abstraction.opaque_leaves for leaf in leaves(guard)):
            # Kept only where no answer depends on more than these values: any other is for this step alone.
            self._known[guard, values] = judged
        return judged

    def _ask(self, leaf: Guard[Any], values: tuple[object, ...], origin: Origin) -> Answer:
        """Ask a leaf on all that is known: the finite fields, and defaults that nobody has written over."""
        answer = self._domain.ask_known(leaf, values)
        if answer.outcome is not None:
            return answer
        fresh = self._memory.fresh & self._abstraction.may_read[leaf]
        if origin == "after":
            fresh -= self._written
        if not fresh:
            return answer
        key = leaf, values, fresh
        if key not in self._fresh:
            known = dict(zip(self._domain.finite, values, strict=True))
            known |= {name: self._abstraction.opaque_defaults[name] for name in fresh}
            self._fresh[key] = self._domain.ask(leaf, known)
        return self._fresh[key]

    def _choose(self, leaf: Guard[Any], origin: Origin) -> Outcome:
        """Return what an opaque leaf answers: what it has answered before, or what the script says."""
        reads = self._abstraction.may_read[leaf]
        if not self._still_to_write.isdisjoint(reads):
            # Whether the menu takes its handoff as open depends on the fields that it really reads, which nobody knows.
            # So the answer is for this menu alone. Remembered, it would bind the guard when the reply has been written.
            return self._chosen(leaf, "menu")
        if origin == "before" or self._written.isdisjoint(reads):
            known = self._memory.answer(leaf)
            if known is None:
                return self._chosen(leaf, "before")
            self._recalled[leaf] = LeafAnswer(leaf, known)
            return known
        return self._chosen(leaf, "after")

    def _chosen(self, leaf: Guard[Any], moment: _Moment) -> Outcome:
        # Within a step a leaf answers once for each context: guards are pure.
        key = leaf, moment
        if key not in self._asked:
            number = len(self._asked)
            outcome = self._script[number] if number < len(self._script) else self._abstraction.outcomes[leaf][0]
            self._asked[key] = LeafAnswer(leaf, outcome, moment)
        return self._asked[key].outcome

    def _origin(self, context: Context) -> Origin:
        return "before" if _identity(context) is self._before else "after"


def _written_from(handoff: Handoff) -> frozenset[str]:
    """Return the fields that an agent may write who takes a handoff."""
    return frozenset(name for state in handoff.sources for name in state.spec.written_names)


def _identity(context: Context) -> object:
    """Return an object that a context shares with its watched views, and with no other context."""
    return object.__getattribute__(context, "__pydantic_fields_set__")
