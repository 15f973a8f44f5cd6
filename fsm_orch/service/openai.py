"""A machine as a model of OpenAI's: `/v1/chat/completions` and `/v1/models`, for any client of theirs.

Each request is a run of its own, with what was said before as its messages. A run that was landed is an answer like any
other; where it has ended is told in `fsm`.
"""

# no `from __future__ import annotations`: FastAPI resolves annotations at run time, where `auth` would be unknown
import time
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic_core import to_json

from .caller import Caller
from .chat_bodies import ChatRequest
from .chat_chunks import Chunks, Completion
from .chat_errors import openai_answer
from .chats import Chats
from .disconnect import unless_gone
from .headers import SHOWN_KEY, key_of
from .problems import Problem
from .route import route_class


def openai_routes(chats: Chats, auth: Callable[..., Any], *, max_body: int) -> APIRouter:
    """Return the routes.

    Args:
        auth: returns the `Caller` of a request; clients send their key as a bearer token.
        max_body: the most bytes of a body.
    """
    hub, name = chats.front.hub, chats.definition.name
    api = APIRouter(tags=["OpenAI"], route_class=route_class(max_body, openai_answer))
    model = {"id": name, "object": "model", "created": 0, "owned_by": "fsm_orch"}

    @api.post("/v1/chat/completions", summary="Chat", response_class=Response, openapi_extra=SHOWN_KEY)
    async def complete(body: ChatRequest, request: Request, caller: Annotated[Caller, Depends(auth)]) -> Response:
        """Begin a run on the user's last message; answer with what it says, whole or while it is written.

        The same request under one `Idempotency-Key` is one run, so that a client which tries again pays once. A stream
        whose text turns out not to stand ends with an error. So does a run that waits for a human.
        """
        body.check(name)
        text, messages = body.said()
        is_streamed = bool(body.stream)
        asked = chats.asked(text, body.metadata, caller, is_streamed=is_streamed, messages=messages)
        live = await chats.beginning.begin_for(request, asked, key_of(request))
        completion = Completion(run_id=live.run_id, model=name, created=int(time.time()), field=chats.answer)
        headers = {"X-Request-ID": live.run_id}
        if is_streamed:
            await hub.begun(live)
            chunks = Chunks(completion, has_usage=body.has_usage)
            return await chats.streams.of(live, chunks, after=0, headers=headers)
        with hub.attending(live.run_id):
            await unless_gone(request, live.task)
            result = await live.result()
        return _json(completion.whole(result), headers)

    @api.get("/v1/models", summary="See the models", response_class=Response)
    async def models(caller: Annotated[Caller, Depends(auth)]) -> Response:  # noqa: ARG001 - whoever may call
        """Return the machine, as the only one."""
        return _json({"object": "list", "data": [model]})

    @api.get("/v1/models/{model_id}", summary="See a model", response_class=Response)
    async def see(model_id: str, caller: Annotated[Caller, Depends(auth)]) -> Response:  # noqa: ARG001
        """Return the machine, if it is asked for."""
        if model_id != name:
            raise Problem("model_not_found", f"There is no model {model_id!r} here, but {name!r}.", param="model")
        return _json(model)

    return api


def _json(told: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    return Response(to_json(told), 200, {"Cache-Control": "no-store", **(headers or {})}, "application/json")
