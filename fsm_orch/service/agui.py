"""A machine as an agent of AG-UI 1.0: `/agui`, for user interfaces that speak it.

A conversation of theirs is a thread here, which has what was said before: of the messages of a request the last one is
read. A run that waits is an interrupt there, and what goes on with it a new run, which tells the rest of ours.
"""

# no `from __future__ import annotations`: FastAPI resolves annotations at run time, where `auth` would be unknown
import hashlib
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

from ag_ui.core import Message, ResumeEntry, RunAgentInput, TextPart
from fastapi import APIRouter, Depends, Request, Response
from pydantic import FailFast
from pydantic_core import to_json

from .agui_events import AguiEvents, Shown
from .bodies import Name
from .caller import Caller
from .chats import Chats
from .hub import Live
from .ids import thread_of
from .problems import Problem
from .route import route_class


class AguiRun(RunAgentInput):
    """A run that a user interface asks for."""

    thread_id: Name
    run_id: Name
    messages: Annotated[list[Message], FailFast()]


class _Going(NamedTuple):
    """A run of ours that is told, from somewhere on."""

    run_id: str
    live: Live | None
    """None: nothing was set going for it."""
    after: int = 0
    """How many records its client knows of."""
    state: str | None = None
    """Where it stood by then; None: nowhere."""


def agui_routes(chats: Chats, auth: Callable[..., Any], *, shown: Shown, max_body: int) -> APIRouter:
    """Return the routes.

    Args:
        auth: returns the `Caller` of a request.
        shown: what is seen of a context, as JSON.
        max_body: the most bytes of a body.
    """
    api = APIRouter(tags=["AG-UI"], route_class=route_class(max_body))

    @api.post("/agui", summary="Run the agent", response_class=Response)
    async def run(body: AguiRun, request: Request, caller: Annotated[Caller, Depends(auth)]) -> Response:
        """Begin a run on the user's last message, or go on with the run of the thread that waits; stream its events."""
        thread = thread_of(caller.tenant, body.thread_id)
        going = await (
            _resumed(chats, body.resume, thread, caller)
            if body.resume
            else _begun(chats, body, thread, caller, request)
        )
        events = AguiEvents(
            body.thread_id, body.run_id, going.run_id,
            messages=body.messages, field=chats.answer, shown=shown, state=going.state,
        )  # fmt: skip
        if going.live is None:
            return await chats.streams.joined(going.run_id, events, after=going.after, ends_waiting=True)
        return await chats.streams.of(going.live, events, after=going.after, headers={})

    return api


async def _begun(chats: Chats, body: AguiRun, thread: str, caller: Caller, request: Request) -> _Going:
    """Set a run going; one of the same id again is the same run."""
    asked = chats.asked(_said(body), body.state, caller, is_streamed=True, thread=thread)
    live = await chats.beginning.begin_for(request, asked, f"agui:{body.run_id}")
    await chats.front.hub.begun(live)
    return _Going(live.run_id, live)


async def _resumed(chats: Chats, answers: list[ResumeEntry], thread: str, caller: Caller) -> _Going:
    """Answer the run of a conversation that waits; if a question is given up, have the run landed.

    Raises Problem: if the run does not ask that.
    Raises AnswerError: if an answer does not fit, or comes too late.
    """
    front = chats.front
    last = await front.driving.last_of(thread, caller.tenant)
    if last is None or not all(each.interrupt_id.startswith(f"{last.run_id}:") for each in answers):
        raise Problem("answer_late")
    row, before = await front.row(last.run_id, caller), await front.driving.stored(last.run_id)
    state = None if before.status == "finished" else before.state.name
    going = _Going(row.run_id, None, len(before.records), state)
    if given_up := {each.interrupt_id for each in answers if each.status == "cancelled"}:
        if not given_up.isdisjoint(question.key for question in before.waiting):
            await front.cancel(row, caller.who)
        elif before.status == "waiting":
            raise Problem("answer_late")
        return going  # one that has expired is told how its run has gone on without an answer
    for each in answers:
        # the same answer again is the same one
        key = hashlib.sha256(to_json([each.interrupt_id, each.payload])).hexdigest()
        live, _ = await front.answer(
            row, each.payload, question=each.interrupt_id, key=key, who=caller.who, is_streamed=len(answers) == 1
        )
        if each is not answers[-1]:
            await live.result()
        going = going._replace(live=live)
    return going


def _said(body: AguiRun) -> str:
    """Return what the user says.

    Raises Problem: if the last message is not the user's, or is no text.
    """
    last = body.messages[-1] if body.messages else None
    if last is None or last.role != "user":
        raise Problem("invalid_request", "The last message is the user's.")
    if isinstance(last.content, str):
        return last.content
    texts = [part.text for part in last.content if isinstance(part, TextPart)]
    if len(texts) != len(last.content):
        raise Problem("invalid_request", "Only parts of the type 'text' are taken.")
    return "".join(texts)
