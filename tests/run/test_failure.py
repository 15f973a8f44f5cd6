"""What is told of a failure: the user's line, our own texts, and nothing that may be a value."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fsm_orch import Context, Final, LLMAgent, Machine, Reply, Runner, ScriptedModel, State, Visit
from fsm_orch.errors import CallFailed, PartFailed, VisitError

HERE = Path(__file__).name
Agent = Callable[[Visit[Any, Any]], Any]


class Query(Context):
    text: str
    answer: str | None = None


def work(visit: Visit[Query]) -> None:
    """Do nothing."""


class Desk(Machine[Query]):
    a = State(work, reads=Query.text, writes=Query.answer, initial=True)
    done, human = Final(), Final(fallback=True)
    ok, no = a.to(done), a.to(human)


def detail(agent: Any) -> str:
    landing = Runner(Desk, agents={Desk.a: agent}).run_sync(Query(text="x")).landing
    assert landing is not None
    return landing.detail


def at(function: Any, away: int) -> str:
    return f"{HERE}:{function.__code__.co_firstlineno + away}"


def helper() -> None:
    raise ValueError("secret")


def by_a_helper(visit: Any) -> None:
    helper()


async def by_asyncio(visit: Any) -> None:
    async with asyncio.timeout(0):
        await asyncio.sleep(1)


def by_json(visit: Any) -> None:
    json.loads("{secret")


def by_pydantic(visit: Any) -> None:
    Query(text=3)  # type: ignore[arg-type]


def by_a_callback(visit: Any) -> None:
    sorted([1, 2], key=lambda number: number / 0)


def by_a_misspelt_field(visit: Any) -> None:
    visit.context.txet  # noqa: B018


def by_a_misspelt_reference(visit: Any) -> Any:
    return {Query.answers: "x"}  # type: ignore[attr-defined]


async def by_a_group(visit: Any) -> None:
    async def inner() -> None:
        helper()

    async with asyncio.TaskGroup() as group:
        group.create_task(inner())


def from_another(visit: Any) -> None:
    try:
        helper()
    except ValueError as error:
        raise KeyError("secret") from error


@pytest.mark.parametrize(
    ("agent", "line"),
    [
        (by_a_helper, at(helper, 1)),
        (by_asyncio, at(by_asyncio, 1)),
        (by_json, at(by_json, 1)),
        (by_pydantic, at(by_pydantic, 1)),
        (by_a_callback, at(by_a_callback, 1)),
        (by_a_misspelt_field, at(by_a_misspelt_field, 1)),
        (by_a_misspelt_reference, at(by_a_misspelt_reference, 1)),
        (by_a_group, at(by_a_group, 4)),
        (by_a_group, at(helper, 1)),
        (from_another, at(from_another, 4)),
    ],
)
def test_the_deepest_line_of_the_users_is_named(agent: Agent, line: str) -> None:
    """Wherever an exception is raised, in a library or in this one, the line that is told is the user's to mend."""
    told = detail(agent)

    assert line in told
    assert "secret" not in told


def returns_text(visit: Any) -> Any:
    return "secret"


def returns_by_name(visit: Any) -> Any:
    return {"secret": "x"}


def makes_a_reply(visit: Any) -> Any:
    return Reply(handoff=3)  # type: ignore[arg-type]


def asks_nobody(visit: Any) -> Any:
    visit.model  # noqa: B018


class Unfinished:
    """An agent that returns what is no reply."""

    spec = Desk.a.spec

    async def act(self, visit: Any) -> Any:
        return "secret"


@pytest.mark.parametrize(
    ("agent", "line", "text"),
    [
        (returns_text, at(returns_text, 0), "the agent of 'a' returned str; it may return None, {field: value}"),
        (returns_by_name, at(returns_by_name, 0), "changes are keyed by fields, such as Ticket.answer, not by a str"),
        (makes_a_reply, at(makes_a_reply, 1), "the handoff of a reply cannot be a int: give str or Handoff"),
        (asks_nobody, at(asks_nobody, 1), "The agent of 'a' declares no calls, so it has no model"),
        (Unfinished(), HERE, "an agent returns a Reply or a Round, not str"),
    ],
)
def test_our_own_advice_is_told(agent: Any, line: str, text: str) -> None:
    """What the library says is no secret: it is told with the line that made the mistake, or declares the agent."""
    told = detail(agent)

    assert line in told
    assert text in told
    assert "secret" not in told


class Theirs(VisitError):
    """A user's own, of a class of ours."""


def raises_theirs(visit: Any) -> None:
    raise Theirs("secret")


def raises_ours(visit: Any) -> None:
    raise VisitError("secret")


@pytest.mark.parametrize("agent", [raises_theirs, raises_ours])
def test_a_text_that_a_user_wrote_is_not_told(agent: Any) -> None:
    """A class of ours does not make a text ours: who raised it counts."""
    assert "secret" not in detail(agent)


def test_a_failed_call_names_its_agent() -> None:
    """A provider's failure has no line of the user's in it, but for the one that declares the agent."""

    class Asking(Machine[Query]):
        a = State(LLMAgent("Answer.", reads=Query.text), initial=True)
        done, human = Final(), Final(fallback=True)
        ok = a.to(done, "always")

    model = ScriptedModel([CallFailed("status_500", "try later")] * 2)
    landing = Runner(Asking, model=model).run_sync(Query(text="x")).landing

    assert landing is not None
    assert f"CallFailed at {HERE}:" in landing.detail
    assert "status_500: try later" in landing.detail


def test_an_agent_that_was_installed_is_named_too(tmp_path: Path) -> None:
    """Where a user's own code is among what is installed, its deepest line is told, and not that of what it uses."""
    agents, used = tmp_path / "site-packages/shop/agents.py", tmp_path / "site-packages/used/it.py"
    module: dict[str, Any] = {}
    exec(compile("def fails():\n    raise ValueError('secret')\n", used, "exec"), module)
    exec(compile("def act(visit):\n    deeper()\ndef deeper():\n    fails()\n", agents, "exec"), module)

    assert "ValueError at agents.py:4" == detail(module["act"])


async def fails_once(visit: Visit[Query]) -> Any:
    if visit.attempt == 1:
        helper()
    return {Query.answer: "x"}


class Twice(Machine[Query]):
    a = State(fails_once, reads=Query.text, writes=Query.answer, attempts=2, initial=True)
    done, human = Final(), Final(fallback=True)
    ok, no = a.to(done), a.to(human)


def test_a_traceback_is_logged_once_and_without_values(caplog: pytest.LogCaptureFixture) -> None:
    """At ERROR, for each attempt that failed, with every line and no text of any exception; the result has the rest."""
    with caplog.at_level(logging.DEBUG):
        result = Runner(Twice).run_sync(Query(text="x"), run_id="r1")

    (line,) = [record for record in caplog.records if record.name == "fsm_orch"]
    assert (logging.ERROR, Twice.done) == (line.levelno, result.state)
    assert line.getMessage().startswith(f"run r1: attempt 1 in 'a' failed: ValueError at {at(helper, 1)}\nTraceback")
    assert f'{HERE}", line {fails_once.__code__.co_firstlineno + 2}, in fails_once' in line.getMessage()
    assert "secret" not in line.getMessage()
    assert "secret" in str(result.error)


def test_a_traceback_tells_what_led_to_it(caplog: pytest.LogCaptureFixture) -> None:
    """Causes and the members of a group are told like the error itself, and a circle of them has an end."""

    def circle(visit: Any) -> None:
        first, second = KeyError("secret"), ValueError("secret")
        first.__cause__, second.__cause__ = second, first
        raise ExceptionGroup("secret", [first, OSError("secret")])

    detail(from_another)
    detail(circle)

    assert "ValueError\nwhich led to\nTraceback" in caplog.text
    assert caplog.text.count("  KeyError") == 1
    assert "  OSError" in caplog.text
    assert "secret" not in caplog.text


def test_a_run_that_fails_nowhere_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A visit that is late, or a landing, is no failure to be traced."""

    async def late(visit: Any) -> None:
        await asyncio.sleep(1)

    class Late(Machine[Query]):
        a = State(late, timeout_s=0.01, initial=True)
        done, human = Final(), Final(fallback=True)
        ok, no = a.to(done), a.to(human)

    with caplog.at_level(logging.DEBUG, logger="fsm_orch"):
        Runner(Late).run_sync(Query(text="x"))

    assert [] == [record for record in caplog.records if record.name == "fsm_orch"]


def test_a_module_without_a_file_is_the_users() -> None:
    """What was typed into a notebook or a shell has no file, and is named as Python names it."""
    module = types.ModuleType("typed")
    exec(compile("def act(visit):\n    1 / 0\n", "<stdin>", "exec"), module.__dict__)

    assert "ZeroDivisionError at <stdin>:2" == detail(module.act)
    assert "fsm_orch" in sys.modules


def test_a_users_word_of_a_part_is_no_text_of_ours() -> None:
    """A `PartFailed` that an agent raises itself may say anything: it is told like any other error."""

    def agent(visit: Any) -> None:
        raise PartFailed("secret")

    told = detail(agent)
    assert told == f"PartFailed at {at(agent, 1)}"
