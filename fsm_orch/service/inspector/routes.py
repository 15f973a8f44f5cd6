"""The routes of the inspector: its page, which holds nothing of anybody's, and what the page asks for, which needs auth.

The page is given JSON and server-sent events alone; how they look is decided in the browser. See `page/`.
"""

# no `from __future__ import annotations`: FastAPI resolves annotations at run time
import asyncio
import time
from collections.abc import Callable
from functools import cache, partial
from importlib.resources import files
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Response
from fastapi.responses import RedirectResponse
from pydantic_core import to_json

from ...proof.report import prove
from ...run import start
from ...store.values import Listed
from ..bodies import Answer, Body, Name
from ..caller import Caller
from ..driving import Driving
from ..events import Frames
from ..front import Front
from ..hub import Hub, Live
from ..limits import route_class
from ..problems import Problem
from ..streams import Streams
from ..views import Views
from . import Sees
from .drawing import drawn
from .proof import proof_json
from .runs import MOST_LISTED, Fleet, cuts_json, inputs_json, row_json

_KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_HEADERS = {
    # What models, tools and users say is shown; whatever of it were taken for markup could still do nothing.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
_PAGE = 50


class NewFork(Body):
    """Another run, which begins as one did."""

    at: int
    handoff: Name | None = None
    sets: dict[str, Any] | None = None


def inspector_routes(
    driving: Driving, hub: Hub, front: Front, streams: Streams, auth: Callable[..., Any], *, sees: Sees, max_body: int
) -> APIRouter:
    """Return the routes of the inspector, under `/inspector`.

    Args:
        auth: as for the router. The page itself is given to anybody; all that it shows is not.
        sees: whose runs it shows. `"all"` is for operators: whoever `auth` lets in sees the runs of all tenants.
        max_body: the most bytes of a body.
    """
    runner = driving.runner
    views, fleet, drawing = Views(texts=True), Fleet(driving), to_json(drawn(runner.definition))
    pages = APIRouter(prefix="/inspector", include_in_schema=False)
    api = APIRouter(prefix="/inspector/api", route_class=route_class(max_body), include_in_schema=False)

    def is_seen(row: Listed, caller: Caller) -> bool:
        return sees == "all" or row.tenant == caller.tenant

    async def row_of(run_id: str, caller: Caller) -> Listed:
        rows = await driving.store.list(run_id=run_id) if run_id.isprintable() else ()
        if not rows or not is_seen(rows[0], caller):
            raise Problem("unknown_run")
        if rows[0].digest != runner.definition.digest:
            raise Problem("other_version")
        return rows[0]

    async def rows(caller: Caller, **wanted: Any) -> list[Listed]:
        tenant = None if sees == "all" else caller.tenant
        return [row for row in await driving.store.list(tenant=tenant, **wanted) if is_seen(row, caller)]

    @cache
    def proved() -> bytes:
        return to_json(proof_json(prove(runner.definition)))

    @api.get("/machine")
    async def machine(_: Annotated[Caller, Depends(auth)]) -> Response:
        return _json(drawing)

    @api.get("/proof")
    async def proof(_: Annotated[Caller, Depends(auth)]) -> Response:
        return _json(await asyncio.to_thread(proved))

    @api.get("/fleet")
    async def fleet_(caller: Annotated[Caller, Depends(auth)]) -> Response:
        return _json(to_json(await fleet.json(await rows(caller, limit=MOST_LISTED), time.time())))

    @api.get("/runs")
    async def list_(
        caller: Annotated[Caller, Depends(auth)],
        status: Literal["running", "waiting", "finished"] | None = None,
        after: str | None = None,
    ) -> Response:
        found = await rows(caller, status=status, after=after, limit=_PAGE)
        return _json(to_json([row_json(row) for row in found]))

    @api.get("/runs/{run_id}")
    async def see(run_id: str, caller: Annotated[Caller, Depends(auth)]) -> Response:
        row = await row_of(run_id, caller)
        journal = (await driving.store.load(run_id))[: row.inputs]
        if not journal:
            raise Problem("unknown_run")
        compiled = start.compiled_for(runner.compiled, journal[0])
        told = {
            "row": row_json(row),
            "inputs": inputs_json(compiled, journal),
            "cuts": cuts_json(compiled, journal),
        }
        return _json(b'{"run":%s,%s' % (views.json(runner.replay(journal)), to_json(told)[1:]))

    @api.get("/runs/{run_id}/records")
    async def records(
        run_id: str, caller: Annotated[Caller, Depends(auth)], last_event_id: Annotated[int, Header(ge=0)] = 0
    ) -> Response:
        await row_of(run_id, caller)
        return await streams.joined(run_id, Frames(views, texts=True), after=last_event_id)

    @api.post("/runs/{run_id}/answer", status_code=202)
    async def answer(run_id: str, body: Answer, caller: Annotated[Caller, Depends(auth)]) -> Response:
        row = await row_of(run_id, caller)
        await front.answer(row, body.answer, question=body.question, key=None, who=caller.who, is_streamed=False)
        return _json(to_json({"run_id": run_id}), 202)

    @api.post("/runs/{run_id}/cancel", status_code=202)
    async def cancel(run_id: str, caller: Annotated[Caller, Depends(auth)]) -> Response:
        await front.cancel(await row_of(run_id, caller))
        return _json(to_json({"run_id": run_id}), 202)

    @api.post("/runs/{run_id}/fork", status_code=201)
    async def fork(run_id: str, body: NewFork, caller: Annotated[Caller, Depends(auth)]) -> Response:
        await row_of(run_id, caller)
        handoffs = {each.name: each for each in runner.definition.handoffs}
        if body.handoff is not None and body.handoff not in handoffs:
            raise Problem("invalid_request", f"There is no handoff {body.handoff!r}.")
        fields = {name: getattr(runner.definition.context, name, None) for name in body.sets or {}}
        if unknown := [name for name, field in fields.items() if field is None]:
            raise Problem("invalid_request", f"There is no field {unknown[0]!r}.")
        made = await runner.fork(
            run_id,
            at=body.at,
            handoff=None if body.handoff is None else handoffs[body.handoff],
            sets={fields[name]: value for name, value in (body.sets or {}).items()},
        )
        return _json(to_json({"run_id": made}), 201)

    @api.post("/runs/{run_id}/resume", status_code=202)
    async def resume(run_id: str, caller: Annotated[Caller, Depends(auth)]) -> Response:
        row = await row_of(run_id, caller)
        driving.check_open()
        live = hub.begin(Live(run_id, partial(driving.driven, row, partial(runner.resume, run_id))))
        await hub.begun(live, after=await front.count(run_id))
        return _json(to_json({"run_id": run_id}), 202)

    @pages.get("")
    async def home() -> Response:
        return RedirectResponse("inspector/")

    @pages.get("/{name:path}")
    async def page(name: str) -> Response:
        found = _page().get(name or "index.html")
        if found is None:
            return Response(status_code=404)
        return Response(found, headers=_HEADERS, media_type=_KINDS[(name or "index.html").rpartition(".")[2]])

    both = APIRouter()
    both.include_router(api)
    both.include_router(pages)
    return both


@cache
def _page() -> dict[str, bytes]:
    """Return the files of the page by name."""
    folder = files(__package__) / "page"
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.name.rpartition(".")[2] in _KINDS}


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, {"Cache-Control": "no-store"}, "application/json")
