"""The path of a run on a terminal: the answer as it is written, and struck out if it is taken back."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from rich.console import Console
from support.speaking import Speaking

from fsm_orch import CallFailed, Context, Final, LLMAgent, Machine, Runner, ScriptedModel, State, TextDelta
from fsm_orch.cli import app
from fsm_orch.cli.path import PathWriter
from fsm_orch.kernel.records import GatesSeen
from fsm_orch.models import registry

SHOWN_S = 5.0
"""Seconds in which what was told must be on the screen."""


class Ticket(Context):
    """A question."""

    query: str = ""
    answer: str | None = None


class Ask(Machine[Ticket]):
    """Ask a model."""

    ask = State(LLMAgent("Answer.", writes=Ticket.answer), initial=True)
    answered, human = Final(), Final(fallback=True)
    done = ask.to(answered)


def terminal(height: int = 24) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=60, height=height, highlight=False, markup=False)


def screen(out: Console) -> str:
    """Return all that was written to a terminal, without what styles it."""
    assert isinstance(out.file, io.StringIO)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.file.getvalue())


async def shown(out: Console, text: str) -> None:
    """Wait until a text is on the screen, which is painted some times a second."""
    async with asyncio.timeout(SHOWN_S):
        while text not in screen(out):  # noqa: ASYNC110
            await asyncio.sleep(0.005)  # it is painted by a thread, which tells nobody


async def follow(out: Console, model: Any, *waited: str, is_alive: bool = True) -> Any:
    """Follow a run of a model, waiting before each record until texts are on the screen."""
    writer, left = PathWriter(out, Ask.definition, is_alive=is_alive), list(waited)

    async def looked_at(stream: Any) -> AsyncIterator[Any]:
        async for event in stream:
            if left and not isinstance(event, TextDelta) and event.kind == "call_settled":
                await shown(out, left.pop(0))
            yield event

    async with Runner(Ask, model=model).stream(Ticket(), text=is_alive) as stream:
        await writer.follow(looked_at(stream))
        return await stream.result()


async def test_an_answer_is_shown_as_it_comes() -> None:
    """Its text is on the screen before it is committed, and nothing is struck out."""
    out = terminal()
    await follow(out, Speaking([{"answer": "a kangaroo"}], pieces=list), "a kangaroo")

    assert "→ answered" in screen(out)
    assert "withdrawn" not in screen(out)


async def test_an_answer_that_is_cut_off_is_struck_out() -> None:
    """What was shown of it stays, marked as withdrawn, and the answer that comes after it is not."""
    out = terminal()
    lost = CallFailed("disconnected", unsent=False, transient=True)
    model = Speaking([{"answer": "a kangaroo!"}, {"answer": "an emu"}], pieces=list, fails={1: lost})
    result = await follow(out, model, "a kangaro", "an emu")

    assert "an emu" == result.context.answer
    assert 1 == screen(out).count("withdrawn: a kangaroo")
    assert "withdrawn: an emu" not in screen(out)


async def test_what_is_shut_is_shown() -> None:
    """A line tells which states nobody may enter while a run goes on, and when that is over."""
    told = io.StringIO()
    writer = PathWriter(Console(file=told, width=100), Ask.definition, is_alive=False)
    stamp = (await Runner(Ask, model=ScriptedModel([{"answer": "yes"}])).run(Ticket())).records[0].stamp
    writer.write([GatesSeen(stamp=stamp, shut=("ask", "fly.find")), GatesSeen(stamp=stamp, shut=())])

    assert ["ask shut now: ask, fly.find", "ask shut now: nothing"] == [
        " ".join(line.split()) for line in told.getvalue().splitlines()
    ]


async def test_a_long_answer_shows_its_end() -> None:
    """A text of more lines than the terminal has shows the last of them; control characters are written out."""
    out = terminal(height=10)
    lines = "\n".join(f"line {number}" for number in range(20))
    await follow(out, Speaking([{"answer": f"\x1b]0;bad\x07 {lines}"}], pieces=list), "line 19")

    assert "\x07" not in screen(out)


async def test_a_pipe_shows_no_text() -> None:
    """What nobody watches is not streamed: a path is written, and models are not asked to stream."""
    out = Console(file=io.StringIO(), width=60)
    model = Speaking([{"answer": "a kangaroo"}], pieces=list)
    await follow(out, model, is_alive=False)

    assert "kangaroo" not in screen(out)
    assert [False] == model.heard


@pytest.mark.parametrize(("options", "is_heard"), [([], False), (["--json"], False), (["--events"], False)])
def test_who_asks_for_text(cli: Any, ask: str, monkeypatch: Any, options: list[str], is_heard: bool) -> None:
    """Into a pipe, as JSON, or beside a log, no model is asked to stream."""
    model = Speaking([{"handoff": "done", "answer": "a kangaroo"}])
    monkeypatch.setattr(registry, "resolve", lambda name: model)

    assert 0 == cli.invoke(app, ["run", ask, "hello", *options]).exit_code
    assert [is_heard] == model.heard


def test_a_terminal_asks_for_text(cli: Any, ask: str, monkeypatch: Any) -> None:
    """On a terminal the answer is streamed."""
    model = Speaking([{"handoff": "done", "answer": "a kangaroo"}])
    monkeypatch.setattr(registry, "resolve", lambda name: model)
    monkeypatch.setenv("FORCE_COLOR", "1")

    assert 0 == cli.invoke(app, ["run", ask, "hello"]).exit_code
    assert [True] == model.heard
