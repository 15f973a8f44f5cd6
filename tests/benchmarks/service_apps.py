"""The applications that `service.py` measures, each in a process of its own: `python service_apps.py KIND`.

It prints its port. The machine has two hops and no model: what is measured is what stands around a run.
"""

from __future__ import annotations

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI, Response
from pydantic import BaseModel

from fsm_orch import Context, Final, KeywordAgent, Machine, MemoryStore, Runner, State, Visit
from fsm_orch.resilience import Admission, Door
from fsm_orch.service import router
from fsm_orch.service.views import Views


class Question(Context):
    """What is asked."""

    text: str
    answer: str | None = None


async def look_up(visit: Visit[Question]) -> Any:
    return {Question.answer: "9 to 5"}


class Desk(Machine[Question]):
    """Tell the opening hours."""

    hours = State(look_up, writes=Question.answer)
    answered = Final()
    human = Final(fallback=True, sets={Question.answer: "Please ask at the desk."})
    triage = State(KeywordAgent(Question.text, {hours: ("open", "hours")}, otherwise=human), initial=True)
    to_hours = triage.to(hours)
    to_human = triage.to(human)
    done = hours.to(answered)


class Body(BaseModel):
    """What a client of a bare route sends."""

    context: Question


def bare() -> Any:
    """Return a route that takes the same body, and answers as much JSON, without a run."""
    app, views, seen = FastAPI(), Views(texts=False), list[Any]()

    @app.post("/runs")
    async def run(body: Body) -> Response:
        if not seen:
            seen.append(await Runner(Desk).run(body.context))
        return Response(views.json(seen[0]), media_type="application/json")

    return app


def run() -> Any:
    """Return a route that runs the machine, and does nothing else."""
    app, views, runner = FastAPI(), Views(texts=False), Runner(Desk, store=MemoryStore())

    @app.post("/runs")
    async def run(body: Body) -> Response:
        return Response(views.json(await runner.run(body.context)), media_type="application/json")

    return app


def service(**options: Any) -> Any:
    """Return the service."""
    app = FastAPI()
    runner = Runner(Desk, store=MemoryStore(), **options)
    app.include_router(router(runner, text=Question.text, answer=Question.answer, works=0))
    return app


def door() -> Any:
    """Return the service, with a door that lets nobody in: the only place is taken, and no line is kept."""
    admission = Admission(1, queue=0)

    async def taken(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            async with admission.place():
                await inner(scope, receive, send)
        else:
            await inner(scope, receive, send)

    inner = service(admission=admission)
    inner.add_middleware(Door, admission=admission)
    return taken


if __name__ == "__main__":
    apps = {"bare": bare, "run": run, "service": service, "door": door}
    config = uvicorn.Config(apps[sys.argv[1]](), port=0, log_level="error", access_log=False)
    listening = config.bind_socket()
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=[listening])
