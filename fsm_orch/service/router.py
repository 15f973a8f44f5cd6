"""The routes of a machine behind HTTP: begin runs, read them, follow them, answer and cancel them.

What requests ask of runs is in `front.py`; here they are read, and answered.
"""

# no `from __future__ import annotations`: FastAPI resolves annotations at run time, and the models of bodies are made
# inside of `router`, where it would not find them, and would silently take them for parameters of the query
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Header, Request, Response
from pydantic_core import to_json

from ..run.deps import Factory
from ..run.runner import Runner
from .agui_events import Shown
from .asked import Asked, context_of
from .beginning import Beginning
from .bodies import Answer as GivenAnswer
from .bodies import Multitask, NewRun, OnDisconnect, body_of_answer, body_of_run, check_ways
from .caller import Caller, anybody, known_by
from .chat_routes import chat_routes
from .disconnect import unless_gone
from .driving import Driving
from .events import Frames
from .front import Front
from .headers import SHOWN, Manner, key_of, manner_of
from .health import health_routes
from .hub import Hub, Live
from .ids import thread_of
from .inspector import Figures, Sees, inspector_of
from .lifespan import lifespan
from .paths import path_of
from .problems import Problem, seen_at
from .route import route_class
from .shown import EVENTS, refusals
from .streams import Streams
from .views import Accepted, Views, view_of

LastEvent = Annotated[
    int, Header(alias="Last-Event-ID", ge=0, description="The `id` of the last event that came; 0: all are sent.")
]


def router(
    runner: Runner[Any, Any],
    *,
    deps: Factory[Any] | None = None,
    auth: Callable[..., Any] = anybody,
    on_disconnect: OnDisconnect = "cancel",
    multitask: Multitask = "reject",
    text: object = None,
    answer: object = None,
    shown: Shown | None = None,
    texts: bool = False,
    heartbeat_s: float = 15.0,
    grace_s: float = 5.0,
    drain_s: float = 10.0,
    works: int = 50,
    max_body: int = 256 * 1024,
    inspector: Sees | None = None,
    coverage: Path | None = None,
    evaluation: Path | None = None,
) -> APIRouter:
    """Return the routes of a runner, to be included by an application of FastAPI: `app.include_router(router(runner))`.

    Any process over the same store serves any run. A process is drained when it is told to end, and works on the runs
    that others have left: both come with the router, as part of the application's life.

    Args:
        runner: has a store: `Runner(..., store=MemoryStore())` in one process, a database for several.
        deps: makes the dependencies of each run, called with what a list shows of it, as for `Runner.work`. What it
            opens is closed when the run ends or waits, not with the request that began it.
        auth: returns the `Caller` of a request, or raises an `HTTPException`: any dependency of FastAPI, such as an
            async function of the request. A caller sees the runs of its tenant alone; what is no `Caller` is let in
            nowhere. By default all are one caller.
        on_disconnect: what becomes of a run whose clients have all gone away, and none came back to this process for
            `grace_s`: it is cancelled, which lands it, or goes on. A request may say otherwise.
        multitask: what becomes of a request for a conversation in which a run is under way: it is refused, or waits for
            its turn. A request may say otherwise.
        text: the field that takes what a user says, `Query.text`: with it and `answer` come routes for clients of
            OpenAI, `/v1/chat/completions` and `/v1/models`, and of AG-UI, `/agui`.
        answer: the field that holds the answer, `Query.answer`.
        shown: what a user interface of AG-UI sees of a context, as JSON; the answer alone by default.
        texts: whether answers say in words why something failed, or was refused: it may quote a model, and names lines
            of code.
        heartbeat_s: after how many seconds in which nothing happens a stream says that it is still there.
        grace_s: how long a run goes on without clients before it is cancelled.
        drain_s: how long runs may take to end when the process is to; less than it is given.
        works: how many runs it works on at once that were left or queued; 0: that is for workers, `Runner.work`.
        max_body: the most bytes of a body; and none may be nested deeper than 254 times.
        inspector: adds a page that shows the machine and its runs, at `/inspector/`, with all that agents and models
            said in them: `"own"`: the runs of the caller's tenant; `"all"`: everybody's, to whoever `auth` lets in.
        coverage: what `pytest --fsm-coverage-json` has written: the page shows how often tests took each edge.
        evaluation: what `fsm-orch eval --json` has printed: the page shows how many queries went right over each edge.

    Raises StartError: if the runner has no store, dependencies are missing, or none are declared; if a file is
        none of its kind, or there is no inspector to show it; if `text` or `answer`
        is no field of the machine, or the first is not for callers to give.
    Raises TypeError: if one of these is no field at all, or is missing beside the other; or what is to be a number is
        none.
    Raises ValueError: if a number is too small, or a word is none of those that are known.
    """
    check_ways(on_disconnect, multitask)
    driving, hub, views = Driving(runner, deps), Hub(runner, grace_s=grace_s), Views(texts=texts)
    beginning, front, streams = (
        Beginning(driving, hub),
        Front(driving, hub),
        Streams(driving, hub, heartbeat_s=heartbeat_s),
    )
    definition, auth = runner.definition, known_by(auth)
    Run, Answer, View = body_of_run(definition), body_of_answer(definition), view_of(definition)  # noqa: N806 - they are classes
    seen: Any = {"model": View, "content": {"text/event-stream": EVENTS}}
    api = APIRouter(
        tags=[definition.name],
        route_class=route_class(max_body),
        lifespan=lifespan(runner, hub, deps, works=works, drain_s=drain_s),
    )

    async def answered(request: Request, live: Live, path: str, manner: Manner, *, after: int) -> Response:
        """Answer a request that has set a run going: with its stream, that it is accepted, or what it comes to."""
        headers = {"Location": path}
        with seen_at(headers):
            if manner == "streamed":
                await hub.begun(live, after=after)
                return await streams.of(live, Frames(views, texts=texts), after=after, headers=headers)
            if manner == "accepted":
                await hub.begun(live, after=after)
                headers["Preference-Applied"] = "respond-async"
                return _json(to_json({"run_id": live.run_id}), 202, headers)
            with hub.attending(live.run_id):
                await unless_gone(request, live.task)
                result = await live.result()
        return _json(views.json(result), 200, headers)

    @api.post(
        "/runs",
        summary="Begin a run",
        response_class=Response,
        responses={200: seen, 202: {"model": Accepted}, **refusals(400, 403, 409, 413, 422, 429, 503)},
        openapi_extra=SHOWN,
    )
    async def begin(
        body: Run,  # type: ignore[valid-type]
        request: Request,
        caller: Annotated[Caller, Depends(auth)],
    ) -> Response:
        """Begin a run, and answer with what it comes to: it has ended, or waits for a human.

        With `Accept: text/event-stream` its records are streamed as they are stored, and the answer as it is written.
        With `Prefer: respond-async` the answer comes at once, and `Location` says where the run is seen.
        """
        manner = manner_of(request)
        live = await beginning.begin_for(request, asked_by(body, caller, manner), key_of(request))
        return await answered(request, live, f"{path_of(request.scope)}/{live.run_id}", manner, after=0)

    def asked_by(body: NewRun, caller: Caller, manner: Manner) -> Asked:
        if body.messages and body.thread_id is not None:
            raise Problem("invalid_request", "A thread has its messages: leave `messages` out, or `thread_id`.")
        return Asked(
            context=context_of(
                definition, {name: getattr(body.context, name) for name in body.context.model_fields_set}
            ),
            messages=tuple(said.as_message() for said in body.messages),
            thread=None if body.thread_id is None else thread_of(caller.tenant, body.thread_id),
            tenant=caller.tenant,
            waits=(body.multitask or multitask) == "enqueue",
            ends_alone=(body.on_disconnect or on_disconnect) == "cancel" and manner != "accepted",
            is_streamed=manner == "streamed",
            is_queued=manner == "accepted",
        )

    @api.get(
        "/runs/{run_id}",
        summary="See a run",
        response_class=Response,
        responses={200: {"model": View}, **refusals(404, 409, 422, 503)},
    )
    async def see(run_id: str, caller: Annotated[Caller, Depends(auth)]) -> Response:
        """Return where a run stands, or what it came to; whichever process drives it."""
        await front.row(run_id, caller)
        return _json(views.json(await driving.stored(run_id)))

    @api.get(
        "/runs/{run_id}/events",
        summary="Follow a run",
        response_class=Response,
        responses={200: {"content": {"text/event-stream": EVENTS}}, 204: {}, **refusals(404, 409, 422, 503)},
    )
    async def follow(run_id: str, caller: Annotated[Caller, Depends(auth)], last_event_id: LastEvent = 0) -> Response:
        """Stream the records of a run until it has ended; while it waits for a human the stream goes on.

        Each has the number of the record in its run as `id`, in whatever process it is followed: who comes back with
        `Last-Event-ID` misses none. 204 says that there is no more to come.
        """
        row = await front.row(run_id, caller)
        if last_event_id and row.head.status == "finished" and await front.count(run_id) <= last_event_id:
            return Response(status_code=204)  # a browser would come back for ever otherwise
        return await streams.joined(run_id, Frames(views, texts=texts), after=last_event_id)

    @api.post(
        "/runs/{run_id}/resume",
        summary="Answer what a run asks",
        response_class=Response,
        responses={200: seen, 202: {"model": Accepted}, **refusals(400, 403, 404, 409, 413, 422, 429, 503)},
        openapi_extra=SHOWN,
    )
    async def resume(
        run_id: str,
        body: Answer,  # type: ignore[valid-type]
        request: Request,
        caller: Annotated[Caller, Depends(auth)],
    ) -> Response:
        """Answer a question of a run that waits, which goes on; `Accept` and `Prefer` are as where a run is begun.

        The answer is checked by the form of the question (422), and stored before anything else. Of several answers the
        first counts, and the others are told so (409). A client that goes away does not stop the run.
        """
        manner, told = manner_of(request), cast("GivenAnswer", body)
        live, count = await front.answer(
            await front.row(run_id, caller),
            told.answer,
            question=told.question,
            key=key_of(request),
            who=caller.who,
            is_streamed=manner == "streamed",
        )
        return await answered(request, live, path_of(request.scope).removesuffix("/resume"), manner, after=count)

    @api.post(
        "/runs/{run_id}/cancel",
        summary="Cancel a run",
        status_code=202,
        response_class=Response,
        responses={202: {"model": Accepted}, **refusals(403, 404, 409, 422, 503)},
    )
    async def cancel(run_id: str, request: Request, caller: Annotated[Caller, Depends(auth)]) -> Response:
        """Have a run landed: it ends in its fallback, with the default answer; within seconds where others drive it."""
        await front.cancel(await front.row(run_id, caller), caller.who)
        location = {"Location": path_of(request.scope).removesuffix("/cancel")}
        return _json(to_json({"run_id": run_id}), 202, location)

    for more in (
        health_routes(driving),
        *chat_routes(
            beginning, front, streams, auth, text=text, answer=answer, shown=shown, waits=multitask == "enqueue",
            ends_alone=on_disconnect == "cancel", max_body=max_body,
        ),
        *inspector_of(front, streams, auth, sees=inspector, figures=Figures(coverage, evaluation), max_body=max_body),
    ):  # fmt: skip
        api.include_router(more)

    return api


def _json(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(body, status, {"Cache-Control": "no-store", **(headers or {})}, "application/json")
