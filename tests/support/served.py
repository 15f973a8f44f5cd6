"""A real server in a process of its own: uvicorn, and a bare ASGI application that admits runs and drives them.

    python -m support.served PLACES QUEUE [TAKES_S] [KIND]

It prints its port. TAKES_S is how long the model takes; 0: until `PUT /go?COUNT` tells it. KIND says who refuses: the
`door`, as it should be; the `route`, after it has read the body; or a route of `starlette`. `service` is the router of
`fsm_orch.service`, behind a door. `GET` says what goes on.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import repeat
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from support.patience import PATIENCE_S, in_time

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, MemoryStore, Runner, ScriptedModel, State
from fsm_orch.models import Request, Response
from fsm_orch.resilience import Admission, Door, Overloaded


class Question(Context):
    """A question."""

    text: str
    answer: str | None = None


class Desk(Machine[Question]):
    """Ask a model."""

    ask = State(
        LLMAgent("Answer.", reads=Question.text, writes=Question.answer, max_input_tokens=500, max_output_tokens=100),
        initial=True,
    )
    answered = Final()
    human = Final(fallback=True, sets={Question.answer: "Ask a colleague."})
    done = ask.to(answered)
    limits = Limits(deadline_s=600, visit_s=600)


class Told(ScriptedModel):
    """A model that answers when it is told."""

    def __init__(self) -> None:
        super().__init__(repeat({"answer": "yes"}))
        self.go = asyncio.Semaphore(0)

    async def complete(self, request: Request) -> Response:
        await self.go.acquire()
        return await super().complete(request)


class Served:
    """The application."""

    def __init__(self, admission: Admission, model: ScriptedModel, *, is_route: bool) -> None:
        self._admission, self._model, self._is_route = admission, model, is_route
        self._runner = Runner(Desk, model=model)
        self._came = list[str]()
        self._ran = list[str]()
        self._bytes = 0
        self._lifespan = "not seen"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] == "lifespan.startup":
                self._lifespan = "started"
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
        elif scope["method"] == "POST":
            await self._post(receive, send)
        else:
            if scope["method"] == "PUT":
                assert isinstance(self._model, Told)
                for _ in range(int(scope["query_string"])):
                    self._model.go.release()
            await _say(send, 200, self.state())

    def state(self) -> dict[str, Any]:
        return {
            "running": self._admission.running,
            "waiting": self._admission.waiting,
            "came": self._came,
            "ran": self._ran,
            "bytes": self._bytes,
            "lifespan": self._lifespan,
            "cpu_s": time.process_time(),
        }

    async def _post(self, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            self._bytes += len(message["body"])
            body, more = body + message["body"], message["more_body"]
        try:
            with suppress(asyncio.CancelledError):  # the client has left
                await _say(send, 200, await _unless_gone(receive, self.answer(json.loads(body)["text"])))
        except Overloaded as error:
            if not self._is_route:
                raise  # the door says it
            await _say(send, 429, {"reason": error.reason}, (b"retry-after", b"%d" % error.retry_after_s))

    async def answer(self, text: str) -> dict[str, Any]:
        self._came.append(text)
        async with self._admission.place():
            self._ran.append(text)
            result = await self._runner.run(Question(text=text))
        return {"text": text, "answer": result.context.answer, "state": result.state.name}


def _in_starlette(served: Served) -> Any:
    """Return the same route in a framework, as most people write it."""
    from pydantic import BaseModel
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    class Body(BaseModel):
        text: str

    async def ask(request: Any) -> JSONResponse:
        return JSONResponse(await served.answer(Body.model_validate_json(await request.body()).text))

    async def refused(request: Any, error: Any) -> JSONResponse:
        return JSONResponse({"reason": error.reason}, 429, {"retry-after": str(error.retry_after_s)})

    async def state(request: Any) -> JSONResponse:
        return JSONResponse(served.state())

    routes = [Route("/runs", ask, methods=["POST"]), Route("/", state)]
    return Starlette(routes=routes, exception_handlers={Overloaded: refused})


def _in_service(served: Served, admission: Admission, model: ScriptedModel) -> Any:
    """Return the routes of `fsm_orch.service`, as an application has them; what goes on includes the stored runs."""
    from fastapi import FastAPI

    from fsm_orch.service import router

    store = MemoryStore()

    async def state() -> dict[str, Any]:
        rows = await store.list(limit=1_000_000)
        return {**served.state(), "stored": {row.run_id: row.head.status for row in rows}}

    app = FastAPI()
    app.include_router(router(Runner(Desk, model=model, store=store, admission=admission), grace_s=0.1))
    app.get("/")(state)
    return app


async def _unless_gone(receive: Callable[[], Awaitable[Any]], work: Any) -> Any:
    """Await some work, and cancel it when the client goes away: who has left the line waits no more."""
    doing, gone = asyncio.ensure_future(work), asyncio.ensure_future(receive())
    try:
        await asyncio.wait([doing, gone], return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            doing.cancel()
        return await doing
    finally:
        gone.cancel()


async def _say(send: Any, status: int, what: object, *headers: tuple[bytes, bytes]) -> None:
    body = json.dumps(what).encode()
    all_of_them = [*headers, (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": all_of_them})
    await send({"type": "http.response.body", "body": body})


def main(places: str, queue: str, takes_s: str = "0", kind: str = "door") -> None:
    """Serve, until the process is ended."""
    admission = Admission(int(places), queue=int(queue), wait_s=float(os.environ.get("WAIT_S", "600")))
    model = ScriptedModel(repeat({"answer": "yes"}), delay_s=float(takes_s)) if float(takes_s) else Told()
    served = Served(admission, model, is_route=kind == "route")
    app = {"door": lambda: Door(served, admission=admission), "route": lambda: served,
           "starlette": lambda: _in_starlette(served),
           "service": lambda: Door(_in_service(served, admission, model), admission=admission)}[kind]()  # fmt: skip
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="critical", access_log=False, timeout_keep_alive=600
    )
    logging.getLogger("fsm_orch").setLevel(logging.ERROR)
    listening = config.bind_socket()
    listening.listen(2048)
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=[listening])


_SCRIPT = Path(__file__).parents[1] / "benchmarks" / "admission.lua"


class ServerProcess:
    """The server, seen from outside."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process, self.port = process, port
        self.client = httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)

    def state(self) -> dict[str, Any]:
        """Return what is under way."""
        return dict(self.client.get("/").json())

    def loaded(self, clients: int, seconds: int, pause_ms: int = 0, body: str = '{"text": "COUNT"}') -> dict[str, Any]:
        """Load it by wrk, and return what came.

        Args:
            pause_ms: that each client makes before it asks again.
            body: of a request, with COUNT for its number.
        """
        cpu, its = self.state()["cpu_s"], _children_s()
        sizes = ["-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "20s"]
        command = ["wrk", *sizes, "-s", str(_SCRIPT), f"http://127.0.0.1:{self.port}"]
        words = ["--", str(pause_ms), str(clients), body]
        done = subprocess.run(
            [*command, *words], check=True, capture_output=True, text=True, timeout=seconds + PATIENCE_S
        )
        came: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return {**came, "cpu_s": self.state()["cpu_s"] - cpu, "wrk_s": _children_s() - its}

    def go(self, count: int) -> None:
        """Let the model answer so many times."""
        self.client.put(f"/go?{count}")


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def served(places: int, queue: int, *more: str, python: str = sys.executable, **extra: str) -> Iterator[ServerProcess]:
    """Start a server, and yield it; it ends with the block.

    Args:
        more: how long its model takes, and who refuses.
        python: which one it runs in.
        extra: variables of its environment.
    """
    command = [python, "-m", "support.served", str(places), str(queue), *more]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **extra}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            with in_time(process):
                port = int(process.stdout.readline())
            server = ServerProcess(process, port)
            with server.client:
                yield server
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
