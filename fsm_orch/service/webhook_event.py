"""The events of a webhook: a question that a run asks a human, or its end, as a receiver is told of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

from ..kernel.inputs import Input, Started
from ..kernel.step import fold
from ..run.result import RunResult
from ..run.runner import Runner
from ..run.start import compiled_for
from ..run.waiting import Question, asked_in
from ..store.notices import Notice

EventType = Literal["waiting", "ended"]


@dataclass(frozen=True, kw_only=True)
class Event:
    """What a receiver is told of a run."""

    id: str
    """Names the event: the same at each time that it is sent, so that a receiver can leave out what it has had."""
    type: EventType
    at: float
    """When the run came to wait, or ended; seconds of the epoch."""
    run_id: str
    thread_id: str | None
    tenant: str | None
    machine: str
    """The name of the machine's class."""
    state: str
    """Where the run waits, or ended."""
    question: Question | None = None
    """What a human is asked, if it waits. Its `shown` holds values of the context."""
    link: str | None = None
    """Where it is answered, as `Webhooks(link=)` says."""
    result: RunResult[Any]
    """The run as it stands: its context, path and usage."""


def events_of(
    runner: Runner[Any, Any], result: RunResult[Any], notice: Notice, *, types: Sequence[EventType], now_s: float
) -> Iterator[Event]:
    """Yield what is to be told of a run as it stands now; a question that was answered meanwhile, or is over, is not.

    Args:
        result: the run, as its journal folds.
        now_s: seconds of the epoch.

    Raises StepError: if the journal does not fold any more.
    """
    journal, first = result.journal, result.journal[0]
    assert isinstance(first, Started)
    of: dict[str, Any] = {
        "at": notice.since,
        "run_id": result.run_id,
        "thread_id": result.thread_id,
        "tenant": first.tenant,
        "machine": runner.definition.name,
        "result": result,
    }
    if result.status == "finished":
        if "ended" in types:
            yield Event(id=_id(f"{result.run_id}:ended"), type="ended", state=result.state.name, **of)
        return
    told = {question.key for question in _asked(runner, journal[: notice.told])}
    for question in _asked(runner, journal) if "waiting" in types else ():
        is_over = question.expires_at is not None and question.expires_at <= now_s
        if question.key not in told and not is_over:
            yield Event(id=_id(question.key), type="waiting", state=question.state, question=question, **of)


def _id(name: str) -> str:
    """Return a name as a header takes it, whatever ids runs were given; in what is signed a dot ends it."""
    return quote(name, safe=":", errors="surrogatepass").replace(".", "%2E")


def _asked(runner: Runner[Any, Any], journal: Sequence[Input]) -> tuple[Question, ...]:
    if not journal:
        return ()
    compiled = compiled_for(runner.compiled, journal[0])
    return asked_in(compiled, fold(compiled, journal))


def standard(event: Event) -> dict[str, Any]:
    """Return an event as JSON, as Standard Webhooks lays it down; without values of the context."""
    question, landing = event.question, event.result.landing
    data: dict[str, Any] = {
        "run_id": event.run_id,
        "thread_id": event.thread_id,
        "tenant": event.tenant,
        "machine": event.machine,
        "state": event.state,
    }
    if question is not None:
        data["question"] = {"key": question.key, "text": question.text, "tool": question.tool}
        data["form"] = question.form
        data["expires_at"] = None if question.expires_at is None else _iso(question.expires_at)
    else:
        data["landing"] = None if landing is None else landing.reason
    if event.link is not None:
        data["link"] = event.link
    return {"type": f"run.{event.type}", "timestamp": _iso(event.at), "data": data}


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
