"""Cached answers: where a run is landed for want of means, or refused, an old answer to the same question is given.

They stand around runs, and not in them: a run's result stays what its journal folds to, and no context ever holds an
old answer. What is kept is this process's alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar

from ..clock import Clock
from ..define.context import Context, field_refs
from ..define.definition import Definition
from ..define.options import positive, whole
from ..define.states import Final, State
from ..define.watched import watched
from ..define.wording import kind_of, quoted
from ..errors import ContextError, Overloaded, StartError
from ..kernel.inputs import GatesSeen, Input, Started
from ..kernel.reasons import LandingReason
from ..kernel.records import Answered as AskAnswered
from ..kernel.records import Approved, Asked, Record, RunFinished
from .base import moment

C = TypeVar("C", bound=Context)
A = TypeVar("A")
A_co = TypeVar("A_co", covariant=True)

FOR_WANT_OF_MEANS: frozenset[LandingReason] = frozenset(
    {
        "failure",  # what an agent relies on is down
        "timeout",  # or too slow
        "denied",  # or could not be asked: its gate, or its limits, had no room
        "shut",  # or is known to be down
        "refusal",  # a model said nothing that could be used, and it had once
        "budget",  # money or time were used up, as by models that had to be asked again
        "deadline",
        "overrun",
    }
)
"""The landings that another run of the same question need not come to.

Not `no_handoff`, `visits` and `hops`: that is what the machine has to say to this question. So is `declined`, unless a
state is shut: then a model declines what a gate has left open. Not `outcome_unknown`: something may have been done, and
an old answer would hide it. Not `cancelled`: nobody waits.
"""

_CONVERSATION = ("messages", "after", "thread_id")
"""The options of a run that say that something was said before, which is in no key."""


class Ended(Protocol):
    """What is looked at of a run's result."""

    @property
    def state(self) -> State | Final: ...
    @property
    def context(self) -> Context: ...
    @property
    def records(self) -> Sequence[Record]: ...
    @property
    def journal(self) -> Sequence[Input]: ...


R = TypeVar("R", bound=Ended)
R_co = TypeVar("R_co", bound=Ended, covariant=True)
C_contra = TypeVar("C_contra", bound=Context, contravariant=True)


class Runs(Protocol[C_contra, R_co]):
    """What runs a machine: a `Runner`, or what admits runs before it gives them to one."""

    @property
    def definition(self) -> Definition: ...
    @property
    def redacted(self) -> frozenset[str]:
        """The names of the fields that are to be kept nowhere."""
        ...

    def run(self, context: C_contra, *args: Any, **options: Any) -> Awaitable[R_co]: ...


@dataclass(frozen=True, kw_only=True)
class Answered(Generic[R_co, A_co]):
    """An answer, and where it comes from."""

    answer: A_co
    """What the fields hold that are the answer: a value, or a tuple where several are."""
    result: R_co | None
    """What the run came to, landed or not; None: it was refused, and there was none."""
    age_s: float | None = None
    """How many seconds ago the answer was given by a run; None: it is this run's own."""

    @property
    def source(self) -> Literal["run", "cache"]:
        """Where the answer comes from."""
        return "run" if self.age_s is None else "cache"

    @property
    def headers(self) -> dict[str, str]:
        """The headers of HTTP that tell of it: `Age`, in whole seconds (RFC 9111); none if it is this run's own."""
        return {} if self.age_s is None else {"Age": str(int(self.age_s))}


class _Kept(NamedTuple):
    answer: Any
    at: float


class CachedAnswers(Generic[C, R, A]):
    """Runs a machine, and gives an old answer where a run is landed for want of means, or is refused.

        answers = CachedAnswers(runner, key=lambda query: query.text.casefold(), answer=Query.answer)
        answered = await answers.run(Query(text="When do you open?"), tenant="acme")
        print(answered.answer, answered.source, answered.headers)

    It learns from each run that ends as it should: not landed, not in the fallback, and without a human, whose word was
    about one case. A failure edge is the machine's own word on what is to be done, so its end is an end like any other.
    An answer is given again to the tenant alone that it was given to, and of this runner's machine alone. Runs of a
    conversation neither learn nor are answered: what was said before is in no key.

    It is for machines that answer. One that does something, such as paying money back, would say again that it has.
    Of many that ask the same at once each is run, and each is given the old answer if it is landed: a breaker is what
    spares them the wait. A `Door` refuses before the question is read, so who stands behind one is given no old answer.

    Args:
        runner: runs the machine.
        key: returns by what two questions are the same: anything hashable; None: it is personal, and never kept.
        answer: the field that is the answer, or several. Nothing else of a run is kept.
        keep: how many answers at most; the one that was learned longest ago goes first.
        max_age_s: seconds after which an answer is forgotten.
        clock: monotonic seconds. None: the event loop's.

    Raises StartError: if the runner redacts one of these fields, or its machine has none such.
    Raises ContextError: if `answer` is no field.
    Raises ValueError: if a number is not positive.
    Raises TypeError: if it is given no runner, a key that is no function, or what is no number.
    """

    def __init__(
        self,
        runner: Runs[C, R],
        *,
        key: Callable[[C], Hashable | None],
        answer: A,
        keep: int = 10_000,
        max_age_s: float = 3_600.0,
        clock: Clock | None = None,
    ) -> None:
        if isinstance(runner, type) or not hasattr(runner, "redacted"):
            raise TypeError(f"cached answers take a Runner, not {kind_of(runner)}: CachedAnswers(Runner(Shop), ...)")
        if not callable(key):
            raise TypeError(
                f"key= of cached answers takes a function of the first context, not {kind_of(key)}: "
                "key=lambda query: query.text"
            )
        self._names = _names_of(runner, answer)
        self._is_alone = not isinstance(answer, tuple)
        self._runner, self._key_of = runner, key
        self._keep = whole("keep= of CachedAnswers", keep)
        self._max_age_s = positive("max_age_s= of CachedAnswers", max_age_s, or_endless=True)
        self._clock = clock or moment
        self._kept = OrderedDict[Hashable, _Kept]()
        """What was learned last stands last."""
        self._lock = Lock()

    def __len__(self) -> int:
        """Return how many answers are kept."""
        return len(self._kept)

    async def run(self, context: C, **options: Any) -> Answered[R, A]:
        """Run, and return the answer: the run's own, or an old one.

        Args:
            context: the first snapshot.
            options: of the run, as `Runner.run` takes them: `tenant`, `deps` and the like.

        Raises Overloaded: if it is refused, and there is no old answer.
        Raises ContextError: before it runs, if the key is made of a field that the runner redacts.
        Raises TypeError: before it runs, if the key cannot be hashed.
        Raises what the key and the runner raise.
        """
        place = self._place(context, options)
        try:
            came: R | Overloaded = await self._runner.run(context, **options)
        except Overloaded as error:
            came = error
        return self._answered(place, came)

    def answered(self, context: C, came: R | Overloaded, **options: Any) -> Answered[R, A]:
        """Return the answer to a run that somebody else has made, as `run` does; and learn from it.

        Args:
            context: what it began with.
            came: its result; or why it was refused.
            options: as it was given.

        Raises as `run` does.
        """
        return self._answered(self._place(context, options), came)

    def _place(self, context: C, options: Mapping[str, Any]) -> Hashable | None:
        """Return where an answer is kept; None: nowhere."""
        if any(options.get(name) for name in _CONVERSATION):
            return None
        if self._runner.redacted:
            context = watched(context, self._check_kept)
        key = self._key_of(context)
        try:  # what cannot be one is said now, and not when the run is over
            hash(key)
        except TypeError:
            raise TypeError(
                f"the key of cached answers returned {kind_of(key)}, which cannot be hashed: return a text, a tuple of "
                "them, or None"
            ) from None
        return None if key is None else (options.get("tenant"), options.get("start"), key)

    def _check_kept(self, field: str) -> None:
        if field in self._runner.redacted:
            raise ContextError(
                f"the key of cached answers reads {field!r}, which the runner redacts: make it of other fields, or "
                "return None"
            )

    def _answered(self, place: Hashable | None, came: R | Overloaded) -> Answered[R, A]:
        if isinstance(came, Overloaded):
            old = self._old(place)
            if old is None:
                raise came
            return old
        own: Answered[R, A] = Answered(answer=self._answer_of(came), result=came)
        if not isinstance(came.state, Final) or _asked_human(came.records):
            return own
        landing = _landing_of(came.records)
        if landing in FOR_WANT_OF_MEANS or (landing == "declined" and _is_shut(came.journal)):
            return self._old(place, came) or own
        if landing is None and not came.state.fallback:
            self._learn(place, own.answer)
        return own

    def _answer_of(self, result: R) -> A:
        values: Any = tuple(getattr(result.context, name) for name in self._names)
        return values[0] if self._is_alone else values  # type: ignore[no-any-return]

    def _learn(self, place: Hashable | None, answer: A) -> None:
        if place is None:
            return
        with self._lock:
            now = self._clock()
            self._kept[place] = _Kept(answer, now)
            self._kept.move_to_end(place)
            while len(self._kept) > self._keep or next(iter(self._kept.values())).at < now - self._max_age_s:
                self._kept.popitem(last=False)

    def _old(self, place: Hashable | None, result: R | None = None) -> Answered[R, A] | None:
        """Return what was learned of a question; None if nothing was, or that was too long ago."""
        with self._lock:
            kept = None if place is None else self._kept.get(place)
        age_s = 0.0 if kept is None else max(0.0, self._clock() - kept.at)
        if kept is None or age_s > self._max_age_s:
            return None
        return Answered(answer=kept.answer, result=result, age_s=age_s)


def _names_of(runner: Runs[Any, Any], answer: object) -> tuple[str, ...]:
    """Return the names of the fields that are the answer.

    Raises StartError: if the runner redacts one, or its machine has none such.
    """
    fields, context = field_refs(answer), runner.definition.context
    foreign = [repr(field) for field in fields if not issubclass(context, field.owner)]
    if foreign or not fields:
        raise StartError(
            f"answer= of cached answers takes fields of {context.__name__}, on which {runner.definition.name} runs, "
            f"not {', '.join(foreign) or 'none'}"
        )
    if hidden := [field.name for field in fields if field.name in runner.redacted]:
        raise StartError(
            f"cached answers would keep {quoted(hidden)}, which the runner redacts: leave it out of redact=, or of "
            "answer="
        )
    return tuple(field.name for field in fields)


def _landing_of(records: Sequence[Record]) -> LandingReason | None:
    """Return why a run itself was landed; None if it was not."""
    ends = (record for record in reversed(records) if isinstance(record, RunFinished) and not record.stamp.path)
    return next(ends).landing


def _is_shut(journal: Sequence[Input]) -> bool:
    """Return whether a state was shut when a run ended."""
    seen = [event.shut for event in journal if isinstance(event, Started | GatesSeen)]
    return bool(seen[-1])


def _asked_human(records: Sequence[Record]) -> bool:
    """Return whether a human was asked, in the whole tree of a run."""
    return any(
        isinstance(record, Approved)
        or (isinstance(record, AskAnswered) and record.end == "declined")
        or (isinstance(record, Asked) and any(wanted.kind == "human" for wanted in record.asks))
        for record in records
    )
