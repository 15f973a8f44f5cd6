"""Machines in modules of their own, as users of the command line write them."""

from __future__ import annotations

import itertools
import sys
import textwrap
from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner

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
