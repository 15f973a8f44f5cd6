"""A pattern, played: the real adapter for OpenAI sends, a script answers, and each call takes the same virtual time.

Nothing leaves the process. Time is virtual, so that a call of 0.44 s takes no time, and calls at once still overlap.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import httpx2

from fsm_orch import Machine, Message, Runner
from fsm_orch.models import Request
from fsm_orch.models.openai import ResponsesModel
from fsm_orch.testing import virtual_time

from ..incident.bill import MODEL, Call
from ..incident.wire import Body, input_tokens, message, output_tokens
from .shop import ANSWER, CATALOGUE, PRODUCT, QUESTION, WORK, Query

SECONDS_A_CALL = 0.44
"""Assumed, and the same for each call: 8 s over the 18 calls of the incident."""

Uses = Literal["one by one", "at once"]
"""How a model that is offered several tools uses them."""

_ARGUMENTS = {"Colleague": {"text": QUESTION}}
"""What a tool is given that is not given the product."""


@dataclass(frozen=True)
class Exchange:
    """One request to the model and its reply."""

    body: Body
    reply: str
    begun_s: float
    ended_s: float

    @property
    def call(self) -> Call:
        """What it used."""
        return Call("", input_tokens(self.body), output_tokens(message(self.reply)))


@dataclass(frozen=True)
class Played:
    """What a pattern made of the question."""

    exchanges: Sequence[Exchange]
    seconds: float
    charged_tokens: int
    """By the ledger of the run."""
    answer: str


class Provider(httpx2.AsyncBaseTransport):
    """OpenAI, played by a model that always does what its pattern is for."""

    def __init__(self, uses: Uses, answer: str) -> None:
        self._uses = uses
        self._said = {**CATALOGUE[PRODUCT], "answer": answer}
        self.exchanges: list[Exchange] = []
        """What was asked of it, and what it said."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request as the Responses API would, in its time."""
        loop = asyncio.get_running_loop()
        body, begun_s = json.loads(request.content), loop.time()
        said = json.dumps(self._filled(body))
        await asyncio.sleep(SECONDS_A_CALL)
        exchange = Exchange(body, said, begun_s, loop.time())
        self.exchanges.append(exchange)
        usage = {"input_tokens": exchange.call.input_tokens, "output_tokens": exchange.call.output_tokens}
        return httpx2.Response(200, json={"status": "completed", "output": [message(said)], "usage": usage})

    def _filled(self, body: Body) -> Mapping[str, Any]:
        """Fill in the form of a request: by tools that were not used yet, or by a decision."""
        fields = body["text"]["format"]["schema"]["properties"]
        if "reply" not in fields:
            return {name: part["enum"][0] if name == "handoff" else self._said[name] for name, part in fields.items()}
        uses = [{"tool": tool, "arguments": _ARGUMENTS.get(tool, {"product": PRODUCT})} for tool in tools_in(body)]
        return {"reply": {"use_all": uses} if self._uses == "at once" else {"use": uses[_used(body)]}}


def play(machine: type[Machine[Query]], uses: Uses = "one by one", answer: str = ANSWER) -> Played:
    """Ask a machine the question, and return what that took."""
    with ThreadPoolExecutor(1) as pool:  # in a notebook a loop is running, and a thread has none
        return pool.submit(_play, machine, uses, answer).result()


def _play(machine: type[Machine[Query]], uses: Uses, answer: str) -> Played:
    provider = Provider(uses, answer)
    model = ResponsesModel(MODEL, api_key="none", transport=provider)
    asyncio.run(
        model.count(Request(messages=(Message(role="user", content="?"),), max_output_tokens=1))
    )  # loads tables

    async def run() -> Played:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(_Here())
        begun_s = loop.time()
        result = await Runner(machine, model=model).run(Query(text=QUESTION))
        took_s = loop.time() - begun_s
        return Played(provider.exchanges, took_s, result.charged_tokens, str(result.context.answer))

    with virtual_time() as loop:
        return loop.run(run())


class _Here(ThreadPoolExecutor):
    """Threads that are none: virtual time does not wait for those in which the SDK looks at its platform."""

    def submit(self, call: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        done = Future[Any]()
        done.set_result(call(*args, **named))
        return done


def tools_in(body: Body) -> Iterator[str]:
    """Yield the names of the tools that a request offers."""
    form = json.dumps(body["text"]["format"]["schema"])
    return (name for name in WORK if f'"{name}"' in form)


def _used(body: Body) -> int:
    """Return how many tools were used before a request."""
    return sum(item["role"] == "assistant" for item in body["input"])
