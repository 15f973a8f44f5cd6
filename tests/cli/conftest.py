"""What tests of the command line share: machines in modules of their own, as users write them, and runs of these."""

from __future__ import annotations

import asyncio
import itertools
import sys
import textwrap
from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner

from fsm_orch import ScriptedModel
from fsm_orch.cli import app
from fsm_orch.models import registry
from fsm_orch.store import store_at

_numbers = itertools.count()

DESK = """
    from typing import Annotated
    from fsm_orch import *

    class Ticket(Context):
        query: str
        amount: Given[int] = 1
        answer: str | None = None

    @guard
    def is_small(ticket: Ticket) -> bool:
        return ticket.amount < 100

    def answer(visit: Visit[Ticket]):
        return {Ticket.answer: f"You asked: {visit.context.query}"}

    class Desk(Machine[Ticket]):
        '''Answer, or land.'''

        look = State(answer, reads=(Ticket.query,), writes=(Ticket.answer,), initial=True, max_visits=2)
        answered = Final()
        human = Final(fallback=True, sets={Ticket.answer: "Later."})
        done = look.to(answered, "it is small", guard=is_small)
"""
"""A machine of code that lands if the amount is 100 or more."""

ASK = """
    from fsm_orch import *

    class Ticket(Context):
        query: str
        answer: str | None = None

    class Ask(Machine[Ticket]):
        '''Ask a model.'''

        ask = State(LLMAgent("Answer.", reads=(Ticket.query,), writes=(Ticket.answer,)), initial=True)
        answered, human = Final(), Final(fallback=True)
        done = ask.to(answered, "it is answered")
        give_up = ask.to(human, "it cannot be answered")
"""
"""A machine of one model."""

HUMAN = """
    from fsm_orch import *

    class Claim(Context):
        query: str
        cents: int | None = None
        urgent: bool = False
        note: str | None = None

    class Desk(Machine[Claim]):
        '''Ask.'''

        ask = State(
            HumanAgent("Pay this?", reads=Claim.query, writes=(Claim.cents, Claim.urgent, Claim.note)), initial=True
        )
        paid, declined, human = Final(), Final(), Final(fallback=True)
        yes, no = ask.to(paid, "pay it"), ask.to(declined, "do not")
"""
"""A machine of one question, whose form has several fields."""

TOOL = """
    from fsm_orch import *

    def pay(cents: int) -> str:
        '''Pay money back.'''
        return f"paid {cents}"

    class Claim(Context):
        query: str
        note: str | None = None

    class Desk(Machine[Claim]):
        '''Help.'''

        help = State(
            LLMAgent("Help.", reads=Claim.query, writes=Claim.note, tools=Tool(pay, approval=True), tool_first=True),
            initial=True,
        )
        paid, human = Final(), Final(fallback=True)
        done = help.to(paid)
"""
"""A machine of one model with a tool that a human approves."""

CODEC = """
    class Mirror:
        def encode(self, place, text):
            return text[::-1]

        def decode(self, place, stored):
            return stored[::-1]

    def mirror():
        return Mirror()

    def fails():
        raise ValueError("the key is s3cret")

    def none():
        return "s3cret"
"""
"""What makes a codec, and what makes none."""

URL = "sqlite:///runs.db"
STORE = ["--store", URL]
USE = {"reply": {"use": {"tool": "pay", "arguments": {"cents": 5}}}}
SAID = {"reply": {"note": "done"}}


@pytest.fixture
def cli() -> CliRunner:
    return CliRunner()


@pytest.fixture
def write(tmp_path, monkeypatch) -> Iterator[Callable[[str], str]]:
    """Write a module into the current directory, and give its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    written = []

    def make(source: str) -> str:
        name = f"user_module_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        written.append(name)
        return name

    yield make
    for name in written:
        sys.modules.pop(name, None)


@pytest.fixture
def desk_source() -> str:
    return DESK


@pytest.fixture
def ask_source() -> str:
    return ASK


@pytest.fixture
def desk(write) -> str:
    return write(DESK)


@pytest.fixture
def ask(write) -> str:
    return write(ASK)


def scripted(monkeypatch, *lines):
    """Let every name of a model mean a script; gives the names that were asked for."""
    named = []

    def resolve(name):
        named.append(name)
        return ScriptedModel(lines, name=name)

    monkeypatch.setattr(registry, "resolve", resolve)
    return named


def assert_refused(result, *said):
    """One line on stderr, nothing on stdout, exit code 2."""
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert result.stderr.startswith("fsm-orch: ")
    assert result.stderr.count("\n") == 1
    for words in said:
        assert words in result.stderr


@pytest.fixture
def at_once(monkeypatch) -> None:
    """Nobody waits for the lease of another worker, or for a database that is away."""
    monkeypatch.setattr("fsm_orch.cli.runs.go_on._AGAIN_S", 0.0)
    monkeypatch.setattr("fsm_orch.cli.runs.go_on._LATE_S", -14.9)


def asked(store) -> tuple[str, str]:
    """Give what the only run of a store is called, and what it is at."""

    async def listed():
        (row,) = await kept.list()
        return row.run_id, row.head.status

    kept = store_at(store)
    try:
        return asyncio.run(listed())
    finally:
        kept.close()


@pytest.fixture
def tool(cli, write, monkeypatch) -> str:
    """A machine whose only run waits for the approval of a tool; gives its module."""
    module = write(TOOL)
    scripted(monkeypatch, USE)
    result = cli.invoke(app, ["run", module, "a cup", *STORE])
    assert result.exit_code == 3, result.output
    return module


@pytest.fixture
def human(cli, write) -> str:
    """A machine whose only run waits for a form with several fields; gives its module."""
    module = write(HUMAN)
    assert cli.invoke(app, ["run", module, "a cup", *STORE, "--json"]).exit_code == 3
    return module
