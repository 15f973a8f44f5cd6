"""What the page does: it answers what a run asks, cancels a run, forks it, and has a fork go on."""

# no `from __future__ import annotations`: FastAPI resolves annotations at run time
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic_core import to_json

from ...define.definition import Definition
from ...errors import ForkError
from ..bodies import Answer, Body, Name
from ..caller import Caller
from ..front import Front
from ..hub import Hub, Live
from ..problems import Problem
from ..seen import Seen
from .drawing import machines_in


class NewFork(Body):
    """Another run, which begins as one did."""

    at: int
    machine: str = ""
    """Whose reply is changed, by its place; that of the run: none."""
    handoff: Name | None = None
    sets: dict[str, Any] | None = None
    effects: bool = False


def add_acts(api: APIRouter, seen: Seen, hub: Hub, front: Front, auth: Callable[..., Any]) -> None:
    """Add the routes that change something."""
    driving, runner = seen.driving, seen.driving.runner

    @api.post("/runs/{run_id}/answer")
    async def answer(run_id: str, body: Answer, caller: Annotated[Caller, Depends(auth)]) -> Response:
        row = await seen.row(run_id, caller)
        await front.answer(row, body.answer, question=body.question, key=None, who=caller.who, is_streamed=False)
        return _of(run_id, 202)

    @api.post("/runs/{run_id}/cancel")
    async def cancel(run_id: str, caller: Annotated[Caller, Depends(auth)]) -> Response:
        await front.cancel(await seen.row(run_id, caller), caller.who)
        return _of(run_id, 202)

    @api.post("/runs/{run_id}/fork")
    async def fork(run_id: str, body: NewFork, caller: Annotated[Caller, Depends(auth)]) -> Response:
        await seen.row(run_id, caller)
        try:
            made = await runner.fork(run_id, at=body.at, effects=body.effects, **_edits(runner.definition, body))
        except ForkError as error:
            raise Problem("invalid_request", str(error)) from None
        return _of(made, 201)

    @api.post("/runs/{run_id}/resume")
    async def resume(run_id: str, caller: Annotated[Caller, Depends(auth)], effects: bool = False) -> Response:
        row = await seen.row(run_id, caller)
        driving.check_open()
        count = await front.count(run_id)
        if not row.is_driven and hub.get(run_id) is None:  # else it goes on as it is, as after the same click twice
            live = hub.begin(Live(run_id, partial(driving.resumed, row, effects=effects)))
            await hub.begun(live, after=count)
        return _of(run_id, 202)


def _edits(definition: Definition, body: NewFork) -> dict[str, Any]:
    """Return what is changed in the last reply.

    Raises Problem: if there is no such machine, handoff or field.
    """
    machine = dict(machines_in(definition)).get(body.machine)
    if machine is None:
        raise Problem("invalid_request", f"There is no machine {body.machine!r}.")
    edits: dict[str, Any] = {}
    if body.handoff is not None:
        edits["handoff"] = next((each for each in machine.handoffs if each.name == body.handoff), None)
        if edits["handoff"] is None:
            raise Problem("invalid_request", f"There is no handoff {body.handoff!r}.")
    if body.sets is not None:
        if unknown := [name for name in body.sets if name not in machine.context.model_fields]:
            raise Problem("invalid_request", f"There is no field {unknown[0]!r}.")
        edits["sets"] = {getattr(machine.context, name): value for name, value in body.sets.items()}
    return edits


def _of(run_id: str, status: int) -> Response:
    return Response(to_json({"run_id": run_id}), status, {"Cache-Control": "no-store"}, "application/json")
