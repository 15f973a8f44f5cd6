"""The coding loop: what is delivered has passed its tests, and a model tries three times at most."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from support.walked import path

from fsm_orch import CallFailed, Runner, RunResult, ScriptedModel
from fsm_orch.models.local import LocalModel
from fsm_orch.proof import prove
from fsm_orch.testing import RoutingSafety
from machines.coding import Coding, Task
from machines.sandbox import Sandbox

LEAP_YEARS = """
>>> is_leap(2024)
True
>>> is_leap(2023)
False
>>> is_leap(1900)
False
>>> is_leap(2000)
True
"""
TASK = Task(wanted="Write is_leap(year).", tests=LEAP_YEARS)
RIGHT = {"code": "def is_leap(year):\n    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)"}
ALMOST = {"code": "def is_leap(year):\n    return year % 4 == 0"}
WRONG = {"code": "def is_leap(year):\n    return year"}

TestCoding = RoutingSafety(Coding).TestCase


BOX = Sandbox(is_isolated=False)
"""It can be made on any system: what is tried here is the loop."""


async def ran(*script: Any, task: Task = TASK, box: Sandbox = BOX) -> tuple[RunResult[Task], ScriptedModel]:
    """Run with a scripted model."""
    model = ScriptedModel(list(script))
    return await Runner(Coding, model=model).run(task, deps=box), model


async def test_the_second_try_is_right() -> None:
    """What is wrong is said with the call and both values, and what passes then is delivered."""
    result, model = await ran(ALMOST, RIGHT)

    assert path(result) == ["write", "test", "fix", "test", "delivered"]
    assert "is_leap(1900) gives True, not False" in model.requests[1].messages[-1].content
    assert (result.context.code, result.context.passes, result.context.wrong) == (RIGHT["code"], True, "")


async def test_after_three_tries_somebody_else_takes_it() -> None:
    """The last code, and what is wrong with it, are there for whoever goes on."""
    result, model = await ran(WRONG, ALMOST, WRONG)

    assert path(result) == ["write", "test", "fix", "test", "fix", "test", "by_hand"]
    assert (result.landing, len(model.requests)) == (None, 3)
    assert (result.context.code, result.context.passes) == (WRONG["code"], False)
    assert str(result.context.wrong).splitlines()[0] == "is_leap(2024) gives 2024, not True"


@pytest.mark.parametrize("code", ["def is_leap(", "import os; os._exit(0)", "print(True)", "while True: pass", ""])
async def test_what_does_not_run_is_not_delivered(code: str) -> None:
    """Broken code, and code that ends its process as if all were well, goes back."""
    result, model = await ran({"code": code}, RIGHT, box=Sandbox(is_isolated=False, cpu_s=1))

    assert (result.state, len(model.requests)) == (Coding.delivered, 2)


@pytest.mark.parametrize("tests", ["", "no call", ">>> # nothing\n"])
async def test_without_tests_nothing_passes(tests: str) -> None:
    """What is not tested is not delivered."""
    result, _ = await ran(RIGHT, RIGHT, RIGHT, task=Task(wanted="?", tests=tests))

    assert result.state is Coding.by_hand


@pytest.mark.parametrize("tests", [">>> 1\n1\n>>>2", ">>> f(\n"])
async def test_tests_that_cannot_be_read_fail_the_visit(tests: str) -> None:
    """They are the caller's, and no model can mend them."""
    result, model = await ran(RIGHT, RIGHT, RIGHT, task=Task(wanted="?", tests=tests))

    assert result.state is Coding.by_hand
    assert len(model.requests) <= 3


async def test_without_a_sandbox_nothing_is_delivered() -> None:
    """Code is not run elsewhere."""

    class Gone(Sandbox):
        def called(self, code: str, calls: Any) -> tuple[str, ...]:
            raise OSError("no namespaces")

    result, _ = await ran(RIGHT, box=Gone())
    assert path(result) == ["write", "test", "by_hand"]
    assert result.landing is not None
    assert "OSError" in result.landing.detail


async def test_a_model_that_fails_lands_the_run() -> None:
    """A provider that is gone hands the task over."""
    result, _ = await ran(*[CallFailed("connection", unsent=True)] * 3)

    assert path(result) == ["write", "by_hand"]


def test_nothing_is_delivered_before_it_passed() -> None:
    """All policies hold of every run, the bill is known, and nothing is left to find."""
    proof = prove(Coding)

    assert [verdict.verdict for verdict in proof.policies] == ["holds"] * 3
    assert (proof.bounds.tokens, proof.bounds.calls, proof.bounds.hops) == (13_824, 6, 6)
    assert () == proof.findings


@pytest.mark.local
@pytest.mark.parametrize("task", [TASK, Task(wanted="Write a function is_even(n) that returns whether n is even.")])
async def test_the_local_model_delivers_what_passes_or_lands(task: Task) -> None:
    """A small model hardly ever writes what passes; whatever it writes, nothing else is delivered."""
    with closing(LocalModel()) as model:
        result = await Runner(Coding, model=model).run(task, deps=BOX)

    assert (result.state is Coding.delivered) == result.context.passes
    assert result.state in (Coding.delivered, Coding.by_hand)
