"""The machine of the incident under the same models: the real adapter for OpenAI sends, and a script answers.

Nothing leaves the process. What is counted is the body that would have been sent, by the rule of the plain loop.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx2

from fsm_orch import Runner, RunResult
from fsm_orch.models.openai import ResponsesModel
from machines.incident import FrontDesk, Query

from .bill import MODEL, Bill, Call, End
from .desk import ANSWER, QUESTION
from .models import Asked, Model
from .wire import input_tokens, message, output_tokens


class Provider(httpx2.AsyncBaseTransport):
    """OpenAI, played by a scripted model."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.calls: list[Call] = []
        """What was asked of it, and what that used."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request as the Responses API would."""
        body = json.loads(request.content)
        fields = body["text"]["format"]["schema"]["properties"]
        agent = "specialist" if "answer" in fields else "triage"
        said = message(json.dumps(self._decide(agent, fields["handoff"]["enum"])))
        call = Call(agent, input_tokens(body), output_tokens(said))
        self.calls.append(call)
        usage = {"input_tokens": call.input_tokens, "output_tokens": call.output_tokens}
        return httpx2.Response(200, json={"status": "completed", "output": [said], "usage": usage})

    def _decide(self, agent: str, menu: Sequence[str]) -> dict[str, str | None]:
        """Fill in the form that the machine sends, with what the model decides."""
        handoffs = {_TARGETS.get(name, name): name for name in menu}
        to = self._model(Asked(agent, [*handoffs], len(self.calls)))
        handoff = handoffs.get(to or "answered", f"to_{to}")
        return {"handoff": handoff} if agent == "triage" else {"handoff": handoff, "answer": None if to else ANSWER}


_TARGETS = {handoff.name: handoff.target.name for handoff in FrontDesk.definition.handoffs}


def play(model: Model) -> tuple[Bill, RunResult[Query]]:
    """Run the question of the story through the machine, and return what it took and the result."""
    provider = Provider(model)
    runner = Runner(FrontDesk, model=ResponsesModel(MODEL, api_key="none", transport=provider))
    with _quiet(), ThreadPoolExecutor(1) as pool:  # in a notebook a loop is running, and a thread has none
        result = pool.submit(runner.run_sync, Query(text=QUESTION)).result()
    end: End = "an answer" if result.state is FrontDesk.answered else "default answer"
    return Bill(provider.calls, end, result.landing.reason if result.landing else ""), result


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep warnings out of a notebook: on a busy computer any step may take longer than a run likes."""
    logger = logging.getLogger("fsm_orch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
