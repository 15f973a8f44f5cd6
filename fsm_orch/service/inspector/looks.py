"""What the page looks at: the machine, what is proved of it, its runs, and the records of one of them."""

# no `from __future__ import annotations`: FastAPI resolves annotations at run time
import asyncio
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Response
from msgspec import to_builtins
from pydantic_core import to_json

from ...kernel.inputs import Input
from ...proof.report import prove
from ...run import start
from ...run.cuts import walked
from ...run.lineage import ancestors
from ...run.loading import Seen as Stored
from ...run.unrecorded import Unrecorded, unrecorded
from ...store.prompts import KeepsPrompts
from ...store.values import Listed
from ..caller import Caller
from ..events import Frames
from ..problems import Problem
from ..seen import Seen
from ..streams import Streams
from ..views import Views
from .drawing import drawn
from .ending import ending_json, most_json
from .figures import Figures, figures_json
from .proof import proof_json
from .runs import MOST_LISTED, Fleet, fork_json, journal_json, row_json, tag_of
from .subjects import Subjects

_PAGE = 50
_UNKEPT = {"Cache-Control": "no-store"}


def add_looks(api: APIRouter, seen: Seen, streams: Streams, auth: Callable[..., Any], figures: Figures) -> None:
    """Add the routes that are read."""
    runner, store = seen.driving.runner, seen.driving.store
    subjects = Subjects(store)
    views, fleet, drawing = Views(texts=True), Fleet(seen.driving, subjects), to_json(drawn(runner.definition))
    digest, measured = runner.definition.digest, to_json(figures_json(runner.definition, figures))

    @cache
    def proved() -> bytes:
        return to_json(proof_json(prove(runner.definition), runner.compiled))

    def folded(row: Listed, about: str, journal: Sequence[Input], kin: Sequence[Stored] | None) -> bytes:
        # in a thread: a long journal takes long to fold, and the loop has others to answer
        compiled = start.compiled_for(runner.compiled, journal[0])
        steps = list(walked(compiled, journal))
        result = runner.replay_folded(journal, [step for step, _ in steps])
        ending = ending_json(compiled, result)
        most = most_json(compiled)
        told = {"row": row_json(row, about), **journal_json(compiled, journal, steps), "ending": ending, "most": most}
        told |= fork_json(Unrecorded() if kin is None else unrecorded(runner.compiled, row, journal, kin))
        return b'{"run":%s,%s' % (views.json(result), to_json(told)[1:])

    @api.get("/machine")
    async def machine(_: Annotated[Caller, Depends(auth)]) -> Response:
        return _json(drawing)

    @api.get("/proof")
    async def proof(_: Annotated[Caller, Depends(auth)]) -> Response:
        return _json(await asyncio.to_thread(proved))

    @api.get("/figures")
    async def of_other_sessions(_: Annotated[Caller, Depends(auth)]) -> Response:
        return _json(measured)

    @api.get("/fleet")
    async def standing(caller: Annotated[Caller, Depends(auth)]) -> Response:
        return _json(to_json(await fleet.json(await seen.rows(caller, limit=MOST_LISTED), time.time())))

    @api.get("/runs")
    async def newest(
        caller: Annotated[Caller, Depends(auth)],
        status: Literal["running", "waiting", "finished"] | None = None,
        after: str | None = None,
        state: str | None = None,
        landing: str | None = None,
    ) -> Response:
        if state is None and landing is None:
            found = await seen.rows(caller, status=status, digest=digest, after=after, limit=_PAGE)
        else:  # which no store looks for: of the runs that the fleet counts
            newest = await seen.rows(caller, status=status, after=after, limit=MOST_LISTED)
            found = (await fleet.only(newest, state=state, landing=landing))[:_PAGE]
        abouts = await subjects.of(found)
        return _json(to_json([row_json(row, about) for row, about in zip(found, abouts, strict=True)]))

    @api.get("/others")
    async def of_other_machines(caller: Annotated[Caller, Depends(auth)]) -> Response:
        found = await seen.rows(caller, limit=MOST_LISTED)
        return _json(to_json({"runs": sum(row.digest != digest for row in found), "is_all": len(found) < MOST_LISTED}))

    @api.get("/runs/{run_id}")
    async def one(
        run_id: str, caller: Annotated[Caller, Depends(auth)], if_none_match: Annotated[str, Header()] = ""
    ) -> Response:
        row = await seen.row(run_id, caller)
        is_left = row.head.status != "finished" and not row.is_driven
        kin = await ancestors(store, row) if is_left else None
        if (tag := tag_of(row, *(run.row for run in kin or ()))) in map(str.strip, if_none_match.split(",")):
            return Response(status_code=304, headers={"ETag": tag, **_UNKEPT})  # its journal is not even read
        journal = (await store.load(run_id))[: row.inputs]
        if not journal:
            raise Problem("unknown_run")  # it was forgotten a moment ago
        # not of the journal: a store may give no beginnings, and the page compares this row with that of its list
        (about,) = await subjects.of([row])
        return _json(await asyncio.to_thread(folded, row, about, journal, kin), tag)

    @api.get("/runs/{run_id}/prompts")
    async def prompts(run_id: str, caller: Annotated[Caller, Depends(auth)]) -> Response:
        await seen.row(run_id, caller)
        kept = await store.prompts.of(run_id) if isinstance(store, KeepsPrompts) else ()
        return _json(to_json(to_builtins(kept)))

    @api.get("/runs/{run_id}/records")
    async def records(
        run_id: str, caller: Annotated[Caller, Depends(auth)], last_event_id: Annotated[int, Header(ge=0)] = 0
    ) -> Response:
        await seen.row(run_id, caller)
        return await streams.joined(run_id, Frames(views, texts=True), after=last_event_id)


def _json(body: bytes, tag: str | None = None) -> Response:
    return Response(body, headers=_UNKEPT | ({} if tag is None else {"ETag": tag}), media_type="application/json")
