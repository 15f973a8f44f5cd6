"""The result of a run: where it ended or waits, how it got there, and what it cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from ..amounts import Usage
from ..define.changes import shown
from ..define.context import Context
from ..define.definition import Definition
from ..define.states import Final, State
from ..define.wording import number_of
from ..errors import StartError
from ..kernel.configuration import Configuration
from ..kernel.hop import Hop
from ..kernel.inputs import Input
from ..kernel.reasons import LANDED_SINCE, LandingReason
from ..kernel.records import HandedOff, Landed, Record
from ..messages import Message
from .carried import apart, together
from .conversation import added_to
from .used_tools import tools_in_words
from .waiting import Question

C = TypeVar("C", bound=Context)


class Landing(NamedTuple):
    """Why a run was landed."""

    reason: LandingReason
    detail: str

    @property
    def words(self) -> str:
        """What the reason means, as the end of a sentence."""
        return LANDED_SINCE[self.reason]


_SHOWN = (
    *("run_id", "thread_id", "status", "state", "context", "messages", "path"),
    *("usage", "charged_tokens", "cost_usd", "landing", "seconds"),
)
"""What is printed of a result: where it went, and why."""


@dataclass(frozen=True, kw_only=True, repr=False)
class RunResult(Generic[C]):
    """The result of a run. A landed run has one like any other, with the default answer and the reason."""

    run_id: str
    thread_id: str | None
    status: Literal["finished", "waiting", "running"]
    """Whether it has ended, or waits for a human; `running` only of a journal that was cut off and is replayed."""
    state: State | Final
    """Where it ended, or stands: compare with `is`, as in `result.state is Support.answered`."""
    context: C
    usage: Usage
    """What providers reported; a call without believable usage counts as a request of no tokens."""
    charged_tokens: int
    """What the ledger settled: the usage, and the whole reservation of every call whose usage is unknown."""
    cost_usd: Decimal | None
    """What it cost; None if some model's price is not known."""
    seconds: float
    records: tuple[Record, ...]
    journal: tuple[Input, ...]
    waiting: tuple[Question, ...] = ()
    """What humans are asked; each is answered by `Runner.resume`."""
    closed: tuple[str, ...] = ()
    """Why each exit was closed, as far as it is known, if it was landed because none was legal."""
    error: BaseException | None = None
    """What the last failed attempt raised, for a debugger. It is in no journal; a log has its traceback alone."""
    heard: tuple[Message, ...] | None = ()
    """What was said before it, besides what is in its journal; None: it was not loaded."""
    said: tuple[Message, ...]
    """What was said, of which `messages` is made: the messages it was given, then those of its agents."""
    words: frozenset[str]
    """The fields that are the caller's words."""

    # The rest is made of these when it is read: most callers want some of it only, and a run should not pay for it.

    @cached_property
    def path(self) -> tuple[Hop, ...]:
        """The transitions that the run itself took, in order; those inside it are among the records, by their path."""
        return path_of(self.records)

    @cached_property
    def landing(self) -> Landing | None:
        """Why the run was landed; None if it was not."""
        return landing_of(self.records)

    @cached_property
    def used_before(self) -> str:
        """Which tools the run used, and what it ran inside: "charge (once)"; their effects stand. "" if it used none.

        It is told from the records alone, so a replay says the same.
        """
        return tools_in_words(self.records)

    @cached_property
    def messages(self) -> tuple[Message, ...]:
        """The conversation, to be given to the next run: `run(context, messages=result.messages)`.

        It holds what this run was given as messages, its fields as the user's words, and what agents said and wrote.

        Raises StartError: if it follows a run of a store, from which this result does not come.
        """
        if self.heard is None:
            raise StartError(
                f"run {self.run_id!r} goes on with what was said before it, which its journal does not hold: "
                f"await runner.resume({self.run_id!r}) loads it, as long as the store keeps the runs before it"
            )
        final = self.state if isinstance(self.state, Final) else None
        return (*self.heard, *added_to(self.journal, self.context, self.said, self.records, final, self.words))

    def __str__(self) -> str:
        """Return where the run ended or waits, its path, the fields of its context, and what it used, a line each."""
        ended = stands_in_words(self)
        if self.landing is not None:
            why = why_landed(self, self.landing)
            ended = f"Landed in {self.state.name} ({self.landing.reason}): {_printed(why)}"
            ended += f"; used before: {self.used_before}" if self.used_before else ""
        fields = (f"  {name}: {_in_a_line(value)}" for name, value in shown(self.context).items())
        return "\n".join([ended, *(f"  {hop}" for hop in self.path), *fields, used_in_words(self)])

    def __repr__(self) -> str:
        shown = [name for name in _SHOWN if name != "messages" or self.heard is not None]
        return f"RunResult({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def __copy__(self) -> RunResult[C]:
        return self  # nothing in it changes, and its state is compared with `is`

    def __deepcopy__(self, memo: dict[int, Any]) -> RunResult[C]:
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "error": apart(self.error)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, error=together(state["error"]))


def stands_in_words(result: RunResult[Any]) -> str:
    """Return where a run that was not landed ended, or where it waits, and for what: "Waits in ask: Lend it?"."""
    asked = "; ".join(question.text for question in result.waiting)
    words = {"finished": "Ended", "waiting": "Waits", "running": "Stands"}[result.status]
    return f"{words} in {result.state.name}" + (f": {_in_a_line(asked)}" if asked else "")


def why_landed(result: RunResult[Any], landing: Landing) -> str:
    """Return why a run was landed, in words, with what closed each exit if none was legal."""
    return "; ".join([landing.detail or landing.words, *result.closed])


def taken(records: Iterable[Record]) -> Iterator[HandedOff | Landed]:
    """Yield the records of the transitions that a run itself took, in order, and of none inside it."""
    for record in records:
        if isinstance(record, HandedOff | Landed) and not record.stamp.path:
            yield record


def path_of(records: Sequence[Record]) -> tuple[Hop, ...]:
    """Return the transitions that a run itself took, in order."""
    return tuple(
        Hop(record.source, record.handoff if isinstance(record, HandedOff) else None, record.target)
        for record in taken(records)
    )


def landing_of(records: Sequence[Record]) -> Landing | None:
    """Return why a run itself was landed; None if it was not."""
    for record in reversed(records):
        if isinstance(record, Landed) and not record.stamp.path:
            return Landing(record.reason, record.detail)
    return None


_MOST_CHARS = 300
"""The most characters of one value of a context that are shown."""


def cut(value: object) -> str:
    """Return a value as text, cut short if it is long."""
    text = str(value)
    return text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS]} … ({len(text):,} characters)"


def _in_a_line(value: object) -> str:
    return cut(_printed(value))


def _printed(value: object) -> str:
    """Return a value as a text that stays in its line."""
    text = str(value)
    return text if text.isprintable() else repr(value)


def used_in_words(result: RunResult[Any]) -> str:
    """Return what a run used, in a line."""
    calls = number_of(result.usage.requests, "call")
    cost = [] if result.cost_usd is None else [f"${result.cost_usd:f}"]
    return ", ".join([f"{result.charged_tokens:,} tokens", calls, *cost, f"in {result.seconds:.2f} s"])


def place(definition: Definition, now: Configuration) -> State | Final:
    """Return the state of a configuration as the object that the machine's class holds."""
    return definition.finals[now.state] if now.status == "finished" else definition.states[now.state]
