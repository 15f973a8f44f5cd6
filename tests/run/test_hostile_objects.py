"""Objects that lie or raise when they are looked at: errors, replies and responses of a user's own land their run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

import pytest
from support.asking import Claim, Clerk, clerk
from support.desk import Ticket

from fsm_orch import (
    Final,
    Machine,
    MemoryStore,
    Message,
    Reply,
    Response,
    Runner,
    RunResult,
    State,
    Usage,
    Visit,
    to_json,
)
from fsm_orch.agents import AgentSpec
from fsm_orch.amounts import FREE
from fsm_orch.define.parts import ToolSpec
from fsm_orch.errors import CallFailed, StepError, WrongType
from fsm_orch.limits import CallLimits
from fsm_orch.models import Request
from fsm_orch.store import input_from_json

HELLO = (Message(role="user", content="x"),)


class Own:
    """An agent of the user's own, which a test gives its work."""

    spec = AgentSpec(
        kind="llm",
        name="Own",
        calls=2,
        writes=(Ticket.answer,),
        call_limits=CallLimits(max_input_tokens=100, max_output_tokens=100),
        canonical={},
    )

    def __init__(self, work: Callable[[Visit[Ticket]], Any] | None = None) -> None:
        self._work = work

    async def act(self, visit: Visit[Ticket]) -> Any:
        assert self._work is not None
        return await self._work(visit)


class Desk(Machine[Ticket]):
    """One agent that may do anything."""

    work = State(Own(), initial=True)
    done, human = Final(), Final(fallback=True)
    go = work.to(done)


class Answers:
    """A model that answers with whatever it is given."""

    name, price = "own:answers", FREE

    def __init__(self, response: Any) -> None:
        self._response = response

    async def count(self, request: Request) -> int:
        return 10

    async def complete(self, request: Request) -> Any:
        return self._response


async def run(work: Callable[[Visit[Ticket]], Any], *, response: Any = None) -> RunResult[Ticket]:
    """Run the desk, whose journal can be written whatever happens, and is read back as it was."""
    store = MemoryStore()
    runner = Runner(Desk, model=Answers(response), agents={Desk.work: Own(work)}, store=store)
    result = await runner.run(Ticket(query="x"), run_id="r")
    assert result.journal == tuple(input_from_json(to_json(event)) for event in await store.load("r"))
    return result


def assert_failed(result: RunResult[Ticket], detail: str) -> None:
    assert result.landing is not None
    assert (Desk.human, "failure") == (result.state, result.landing.reason)
    assert result.landing.detail.startswith(detail)


class Classless(Exception):
    """An error that raises itself when it is asked for its class."""

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise Classless


class Traceless(Exception):
    """An error that raises itself when it is asked where it came from, or what led to it."""

    def _raise(self) -> Any:
        raise Traceless

    __traceback__ = property(_raise, lambda self, value: None)  # type: ignore[assignment]
    __cause__ = __context__ = __suppress_context__ = property(_raise, lambda self, value: None)  # type: ignore[assignment]


class Unopened(BaseExceptionGroup[BaseException]):
    """A group of failures that raises when it is asked for them."""

    def __new__(cls) -> Unopened:
        return super().__new__(cls, "unopened", [SystemExit()])

    @property
    def exceptions(self) -> Any:
        raise ValueError


def nested(kind: type[BaseExceptionGroup[Any]]) -> BaseException:
    """Return a group in a group, and so on, far more deeply than functions can call each other."""
    error: BaseException = SystemExit() if kind is BaseExceptionGroup else ValueError()
    for _ in range(5_000):
        error = kind("again", [error])
    return error


def tried_for_long() -> BaseException:
    """Return an error after thousands of others, as an agent raises that tries again in an `except`."""
    error = ValueError()
    for _ in range(5_000):
        error, before = ValueError(), error
        error.__context__ = before
    return error


MADE: dict[str, Callable[[], BaseException]] = {
    "Classless": Classless,
    "Traceless": Traceless,
    "Unopened": Unopened,
    "ExceptionGroup": lambda: nested(ExceptionGroup),
    "BaseExceptionGroup": lambda: nested(BaseExceptionGroup),
    "ValueError": tried_for_long,
    "CallFailed": lambda: CallFailed("refused", "the provider said \ud83d"),
}


@pytest.mark.parametrize("name", MADE)
async def test_an_error_is_told_by_its_kind_whatever_it_says_of_itself(name: str) -> None:
    """An error that is hostile, deep, long or not Unicode fails its attempt under its own name."""
    error = MADE[name]()

    async def raises(visit: Visit[Ticket]) -> Any:
        raise error

    result = await run(raises)

    assert_failed(result, f"{name} at test_hostile_objects.py:")
    assert result.error is error
    assert len(str(result.landing)) < 1_000


class Unseen:
    """A reply that raises when it is asked for its class."""

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise ValueError


async def test_a_reply_that_cannot_be_looked_at_fails_its_attempt() -> None:
    """An object that is no reply fails the attempt after a call, too, of which the words are kept for a repair."""

    async def replies(visit: Visit[Ticket]) -> Any:
        await visit.model.ask(HELLO)
        return Unseen()

    assert_failed(await run(replies, response=Response(text="x", usage=None)), "ValueError at")


@pytest.mark.parametrize(("error", "named"), [(ValueError, "WrongType"), (SystemExit, "SystemExit")])
async def test_a_result_of_a_tool_that_cannot_be_looked_at_fails_the_tool(
    error: type[BaseException], named: str
) -> None:
    """Its agent reads that the tool has failed, as it does of any other result that is no JSON."""

    class Result:
        @property  # type: ignore[misc]
        def __class__(self) -> Any:
            raise error

    class Uses(Clerk):
        async def use(self, visit: Visit[Claim], request: Any, key: str) -> Any:
            return Result()

    machine: Any = clerk("works")
    runner = Runner(machine, agents={machine.work: Uses(ToolSpec(name="works"))})
    result = await runner.run(Claim(query="x"))

    assert result.context.note.startswith(f"answered False it failed: {named} at ")


class Changes(dict[Any, Any]):
    """Changes that raise an error of this library's when they are read."""

    def items(self) -> Any:
        raise StepError("not a step")


async def test_an_error_of_ours_out_of_a_reply_is_the_agents() -> None:
    """What a reply raises fails the attempt, though it be of a class that this library raises of its own mistakes."""

    async def replies(visit: Visit[Ticket]) -> Any:
        return Reply(changes=Changes({Ticket.answer: "x"}))

    assert_failed(await run(replies), "StepError at")


def duck(**parts: Any) -> Any:
    return type("Duck", (), parts)()


@pytest.mark.parametrize(
    ("response", "came", "charged"),
    [
        (duck(usage=None), "a Duck", 110),
        (duck(usage=Usage(requests=1), text="x"), "a Duck", 110),
        (None, "a NoneType", 110),
        (Response(text=17, usage=Usage(requests=1, input_tokens=7)), "a Response whose text is a int", 7),  # type: ignore[arg-type]
        (Response(text=None, usage=None), "a Response whose text is a NoneType", 110),  # type: ignore[arg-type]
    ],
)
@pytest.mark.parametrize("does", ["returns", "looks"])
async def test_what_is_no_response_is_refused_by_name(
    response: Any, came: str, charged: int, does: Literal["returns", "looks"]
) -> None:
    """A model of a user's own that answers with anything but a Response fails its call, which is charged."""
    raised: list[BaseException] = []

    async def asks(visit: Visit[Ticket]) -> Any:
        try:
            await visit.model.ask(HELLO)
        except CallFailed as error:
            raised.append(error)
            if does == "looks":
                raise
        return Reply(changes={Ticket.answer: "x"})

    result = await run(asks, response=response)

    assert f"unreadable: own:answers.complete gave {came}: it gives a Response(text=..., usage=...)" == str(*raised)
    assert charged == result.charged_tokens
    assert (Desk.done if does == "returns" else Desk.human) is result.state


@pytest.mark.looptime
async def test_an_agent_that_cancelled_itself_once_is_still_stopped() -> None:
    """An agent that took a cancellation of its own and went on is told to stop when its time is over."""
    told: list[float] = []

    async def works(visit: Visit[Ticket]) -> Any:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        try:
            await asyncio.sleep(1e6)
        except asyncio.CancelledError:
            told.append(asyncio.get_running_loop().time())
            raise

    result = await run(works)

    assert result.landing is not None
    assert ("timeout", [10.0]) == (result.landing.reason, told)


def test_a_reply_refuses_a_key_that_is_no_field_where_it_is_made() -> None:
    """Changes that are keyed by anything but fields and names are an error at the line that makes the reply."""
    for key in (1, None, b"answer"):
        with pytest.raises(WrongType, match="the changes of a reply are keyed by fields"):
            Reply(changes={"answer": "x", key: "y"})


async def test_an_undeclared_name_that_no_journal_can_hold_fails_its_attempt() -> None:
    """It is not folded, declared or not: what is stored can be written."""

    async def work(visit: Visit[Ticket]) -> Reply:
        return Reply(changes={"\ud800": "x"})

    result = await Runner(Desk, agents={Desk.work: Own(work)}, model=Answers(None)).run(Ticket(query="x"))

    assert result.landing is not None
    assert "failure" == result.landing.reason
    assert [input_from_json(to_json(event)) for event in result.journal] == list(result.journal)
