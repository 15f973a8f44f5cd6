"""A run as the events of AG-UI 1.0: its states are steps, its handoffs activities, its questions interrupts.

Text that turns out not to stand is taken back: a snapshot of the messages without it follows. A machine inside the run
is seen by what it uses, and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import wraps
from typing import Any, ParamSpec

from ag_ui.core import (
    ActivitySnapshotEvent,
    BaseEvent,
    Interrupt,
    Message,
    MessagesSnapshotEvent,
    RunErrorEvent,
    RunFinishedCancelledOutcome,
    RunFinishedEvent,
    RunFinishedInterruptOutcome,
    RunFinishedOutcome,
    RunFinishedSuccessOutcome,
    RunStartedEvent,
    StateSnapshotEvent,
    StepFinishedEvent,
    StepStartedEvent,
    TextMessageContentEvent,
    TextMessageEndEvent,
    TextMessageStartEvent,
    TokenUsage,
)
from ag_ui.encoder import EventEncoder
from fastapi import HTTPException

from ..amounts import Usage
from ..kernel.records import CallSettled, HandedOff, Landed, Record, VisitStarted
from ..run.following import Followed, Numbered
from ..run.result import RunResult
from ..run.waiting import Question
from .chat import AnswerText, answer_of, standing_of
from .events import one_line
from .problems import Problem, words_of

PROTOCOL = "1.0"

Shown = Callable[[Any], Any]
"""Returns what clients see of a context, as JSON."""


_P = ParamSpec("_P")
_ENCODER = EventEncoder()


def _sent(tell: Callable[_P, Iterator[BaseEvent]]) -> Callable[_P, Iterator[bytes]]:
    """Return what yields events as they are sent."""

    @wraps(tell)
    def sent(*args: _P.args, **options: _P.kwargs) -> Iterator[bytes]:
        for event in tell(*args, **options):
            yield one_line(_ENCODER.encode(event).encode())

    return sent


class AguiEvents:
    """The events of one run of AG-UI: of one of ours, or of a part of it, up to where it waits or from there on.

    Args:
        thread_id: as its client calls it.
        run_id: likewise.
        ours: what we call the run.
        messages: the conversation so far, as the client has it.
        field: of the context, which holds the answer.
        shown: what is seen of a context.
        state: where a run stands that goes on; None: it begins.
    """

    def __init__(
        self,
        thread_id: str,
        run_id: str,
        ours: str,
        *,
        messages: Sequence[Message],
        field: str,
        shown: Shown,
        state: str | None = None,
    ) -> None:
        self._ids: dict[str, Any] = {"thread_id": thread_id, "run_id": run_id}
        self._ours, self._field, self._shown = ours, field, shown
        # a client that is told activities takes those that are left out for deleted, and keeps what it is not told of
        self._messages = [each for each in messages if each.role not in ("activity", "reasoning")]
        self._text, self._texts = AnswerText(field), 0
        self._message: str | None = None
        """The message that is being told."""
        self._step = state
        self._used: Usage | None = None

    @_sent
    def begun(self) -> Iterator[BaseEvent]:
        """Yield what is sent at once."""
        yield RunStartedEvent(**self._ids, protocol_version=PROTOCOL)
        if self._step is not None:
            yield StepStartedEvent(step_name=self._step)

    @_sent
    def heard(self, event: Followed) -> Iterator[BaseEvent]:
        """Yield what is sent of an event."""
        added = self._text.heard(event)
        if added is None:
            yield from self._taken_back()
        elif added:
            yield from self._told(added)
        if isinstance(event, Numbered):
            yield from self._recorded(event.number, event.record)

    def _recorded(self, number: int, record: Record) -> Iterator[BaseEvent]:
        match record:
            case CallSettled(usage=Usage() as used):
                self._used = used if self._used is None else self._used + used
            case VisitStarted() if not record.stamp.path:
                self._step = record.stamp.state
                yield StepStartedEvent(step_name=self._step)
            case HandedOff() | Landed() if not record.stamp.path:
                yield from self._step_closed()
                yield ActivitySnapshotEvent(
                    message_id=f"{self._ours}:{number}", activity_type="fsm_handoff", content=_hop(record)
                )
            case _:
                pass

    @_sent
    def ended(self, result: RunResult[Any]) -> Iterator[BaseEvent]:
        """Yield what is sent once the run has ended, or waits.

        Raises Problem: if it goes on elsewhere, since this process is to end.
        """
        if result.status == "running":
            raise Problem("draining")
        if result.status == "finished":
            yield from self._rest(answer_of(result, self._field) or "")
        yield from self._text_closed()
        yield from self._step_closed()
        yield StateSnapshotEvent(snapshot=self._shown(result.context))
        used = None if self._used is None else [_usage(self._used)]
        yield RunFinishedEvent(**self._ids, result=standing_of(result), outcome=_outcome(result), usage=used)

    @_sent
    def failed(self, error: HTTPException) -> Iterator[BaseEvent]:
        """Yield what is sent instead of an end."""
        code = error.code if isinstance(error, Problem) else None
        used = None if self._used is None else [_usage(self._used)]
        yield RunErrorEvent(message=words_of(error), code=code, usage=used)

    def _rest(self, whole: str) -> Iterator[BaseEvent]:
        rest = self._text.rest(whole)
        if rest is None:
            yield from self._taken_back()
            rest = whole
        if rest:
            yield from self._told(rest)

    def _told(self, text: str) -> Iterator[BaseEvent]:
        if self._message is None:
            self._texts += 1
            self._message = f"{self._ours}:answer:{self._texts}"
            yield TextMessageStartEvent(message_id=self._message, role="assistant")
        yield TextMessageContentEvent(message_id=self._message, delta=text)

    def _taken_back(self) -> Iterator[BaseEvent]:
        yield from self._text_closed()
        yield MessagesSnapshotEvent(messages=self._messages)

    def _text_closed(self) -> Iterator[BaseEvent]:
        if self._message is not None:
            yield TextMessageEndEvent(message_id=self._message)
            self._message = None

    def _step_closed(self) -> Iterator[BaseEvent]:
        if self._step is not None:
            yield StepFinishedEvent(step_name=self._step)
            self._step = None


def _hop(record: HandedOff | Landed) -> dict[str, Any]:
    return {
        "source": record.source,
        "handoff": None if isinstance(record, Landed) else record.handoff,
        "target": record.target,
        "landing": record.reason if isinstance(record, Landed) else None,
    }


def _outcome(result: RunResult[Any]) -> RunFinishedOutcome:
    if result.status == "waiting":
        return RunFinishedInterruptOutcome(interrupts=[_interrupt(question) for question in result.waiting])
    if result.landing is not None and result.landing.reason == "cancelled":
        return RunFinishedCancelledOutcome()
    return RunFinishedSuccessOutcome()


def _interrupt(question: Question) -> Interrupt:
    """Return a question as an interrupt, without the fields that it is about: these are of the context."""
    until = question.expires_at
    return Interrupt(
        id=question.key,
        reason="question" if question.tool is None else "approval",
        message=question.text,
        response_schema=dict(question.form) or None,
        expires_at=None if until is None else datetime.fromtimestamp(until, UTC).isoformat(),
        metadata={"state": question.state} | ({} if question.tool is None else {"tool": question.tool}),
    )


def _usage(used: Usage) -> TokenUsage:
    return TokenUsage(
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        total_tokens=used.total_tokens,
        cached_input_tokens=used.cached_input_tokens,
    )
