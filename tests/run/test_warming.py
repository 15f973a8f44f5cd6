"""A runner that is made ready before its first run: once for all, again after a failure, and nothing is charged."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.mcp_servers import shop
from support.shop import DONE, use
from support.shop import Ticket as Order
from support.shop import desk as helpdesk

from fsm_orch import (
    CallFailed,
    Context,
    Final,
    Limits,
    LLMAgent,
    Machine,
    MemoryStore,
    Parallel,
    Runner,
    ScriptedModel,
    StartError,
    State,
)
from fsm_orch.agents import llm
from fsm_orch.errors import NotWarm


class Query(Context):
    """A question."""

    text: str
    answer: str | None = None
    mood: str | None = None
    kind: str | None = None


def look_up(word: str) -> str:
    """Look a word up."""
    return word


def desk() -> type[Machine[Query]]:
    """Return a machine that nobody has run yet."""

    class Desk(Machine[Query]):
        """Route, ask two at once, answer with a tool."""

        route = State(LLMAgent("Route.", reads=Query.text), initial=True)
        both = State(
            Parallel(
                LLMAgent("Tell the mood.", reads=Query.text, writes=Query.mood),
                LLMAgent("Tell the kind.", reads=Query.text, writes=Query.kind),
            )
        )
        reply = State(LLMAgent("Answer.", reads=Query.text, writes=Query.answer, tools=look_up, tool_first=True))
        done, human = Final(), Final(fallback=True)
        to_both = route.to(both, "a question")
        to_human = route.to(human, "anything else")
        told = both.to(reply)
        answered = reply.to(done, "it is answered")
        unknown = reply.to(human, "it is not known")
        limits = Limits(hops=8, tokens=60_000)

    return Desk


def says(request: Any) -> Any:
    """Answer as each of the agents would."""
    said = request.messages[0].content
    if "Route." in said:
        return {"handoff": "to_both"}
    if "Tell" in said:
        return {"mood" if "mood" in said else "kind": "x"}
    if len(request.messages) < 6:  # instructions, the question, and two for each tool that was used
        return use("look_up", word="a")
    return {"handoff": "answered", "answer": "Yes."}


class Warm(ScriptedModel):
    """A model that notes how often it was made ready."""

    def __init__(self, *failures: BaseException, name: str = "scripted:warm", takes_s: float = 0.0) -> None:
        super().__init__([says] * 99, name=name)
        self.warmed, self._failures, self._takes_s = 0, list(failures), takes_s

    async def warm(self) -> None:
        self.warmed += 1
        await asyncio.sleep(self._takes_s)
        if self._failures:
            raise self._failures.pop(0)


@pytest.fixture
def formed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give what forms were made, at the place where agents make them."""
    made: list[str] = []

    def spied(name: str, make: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given, **options: (made.append(name), make(*given, **options))[1]

    for name in ("form", "tool_form"):
        monkeypatch.setattr(llm, name, spied(name, getattr(llm, name)))
    return made


async def test_a_warm_runner_makes_no_form_in_its_first_run(formed: list[str]) -> None:
    """The forms of all states are made before the first run, in the parts and with tools too."""
    runner = Runner(desk(), model=Warm())
    await runner.warm()
    made = len(formed)
    result = await runner.run(Query(text="?"))

    assert (result.state.name, result.context.answer) == ("done", "Yes.")
    assert made > 4
    assert len(formed) == made


async def test_without_warmth_the_first_run_makes_them(formed: list[str]) -> None:
    """The spy sees what it is to see."""
    await Runner(desk(), model=Warm()).run(Query(text="?"))

    assert len(formed) > 4


async def test_a_state_whose_money_is_at_risk_is_formed_too(formed: list[str]) -> None:
    """Where something may be used up the menu has a way to decline, and that form is made as well."""
    runner = Runner(desk(), model=Warm(), limits=Limits(hops=8, tokens=12_000))
    await runner.warm()
    made = len(formed)
    result = await runner.run(Query(text="?"))

    assert result.landing is None
    assert len(formed) == made


async def test_it_says_when_it_is_warm() -> None:
    """It is warm once `warm` has ended well, and neither before nor after a failure; then it may be tried again."""
    model = Warm(CallFailed("authentication", "HTTP 401"))
    runner = Runner(desk(), model=model)
    before = runner.is_warm
    with pytest.raises(StartError) as caught:
        await runner.warm()
    failed = runner.is_warm
    await runner.warm()
    await runner.warm()

    assert (before, failed, runner.is_warm, model.warmed) == (False, False, True, 2)
    assert str(caught.value) == (
        "Desk is not warm: model 'scripted:warm' of 'route', 'reply', 'both.mood.mood', 'both.kind.kind': "
        "authentication: HTTP 401"
    )


async def test_nothing_is_charged_and_nobody_asked() -> None:
    """No request is made to a model, nothing is stored, and nothing is told."""
    store, model, told = MemoryStore(), Warm(), list[Any]()
    await Runner(desk(), model=model, store=store, observers=[told.append], on_prompt=told.append).warm()

    assert (model.requests, await store.list(), told) == ([], [], [])


@pytest.mark.parametrize(
    ("failure", "is_for_now"),
    [
        (CallFailed("overloaded", "HTTP 503", transient=True), True),
        (CallFailed("authentication", "HTTP 401"), False),
        (ConnectionError("of a model of one's own"), False),
    ],
)
async def test_what_may_be_over_by_itself_is_told_from_what_may_not(failure: Exception, is_for_now: bool) -> None:
    """A model that is down may be asked later; a wrong key stays wrong, and of other errors nothing is known."""
    with pytest.raises(NotWarm) as caught:
        await Runner(desk(), model=Warm(failure)).warm()

    assert caught.value.transient is is_for_now


async def test_one_that_is_for_good_is_enough(tmp_path: Path) -> None:
    """Where a model is down and the store cannot be used, waiting does not help."""
    away = CallFailed("overloaded", "HTTP 503", transient=True)
    with pytest.raises(NotWarm) as caught:
        await Runner(desk(), model=Warm(away), store=f"sqlite:///{tmp_path}/none/runs.db").warm()

    assert not caught.value.transient


@pytest.mark.looptime
async def test_many_at_once_do_it_once() -> None:
    """Who comes while it is under way waits for it, and all are told how it ended."""
    model = Warm(CallFailed("overloaded", "HTTP 503"), takes_s=5)
    runner = Runner(desk(), model=model)
    failed = await asyncio.gather(*[runner.warm() for _ in range(20)], return_exceptions=True)
    assert {type(each) for each in failed} == {NotWarm}
    assert model.warmed == 1

    await asyncio.gather(*[runner.warm() for _ in range(20)])

    assert (model.warmed, runner.is_warm) == (2, True)


@pytest.mark.looptime
async def test_whoever_gives_up_leaves_it_to_the_others() -> None:
    """A caller that is cancelled ends it for nobody else; when the last one leaves it ends, and may begin anew."""
    model = Warm(takes_s=5)
    runner = Runner(desk(), model=model)
    first, second = (asyncio.ensure_future(runner.warm()) for _ in range(2))
    await asyncio.sleep(1)
    first.cancel()
    await second
    assert (first.cancelled(), model.warmed, runner.is_warm) == (True, 1, True)

    other = Runner(desk(), model=model)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await other.warm()
    assert not other.is_warm
    await other.warm()

    assert (model.warmed, other.is_warm) == (3, True)


async def test_a_failure_is_not_given_to_who_tries_again() -> None:
    """Who tries again at once, while others have yet to hear of the failure, tries anew."""
    model = Warm(CallFailed("overloaded", "HTTP 503"))
    runner = Runner(desk(), model=model)

    async def again() -> None:
        try:
            await runner.warm()
        except StartError:
            await runner.warm()

    await asyncio.gather(again(), again(), again())

    assert (model.warmed, runner.is_warm) == (2, True)


def test_connections_are_those_of_a_loop() -> None:
    """What was made ready on a loop that has ended is not ready on the next."""
    model = Warm()
    runner = Runner(desk(), model=model)
    asyncio.run(runner.warm())
    between = runner.is_warm
    asyncio.run(runner.warm())

    assert (between, runner.is_warm, model.warmed) == (False, False, 2)


@pytest.mark.parametrize(
    ("error", "told"),
    [(RuntimeError("sk-secret"), "RuntimeError"), (SystemExit("sk-secret"), "SystemExit")],
)
async def test_what_a_model_of_ones_own_raises_is_not_told(error: BaseException, told: str) -> None:
    """Of an error that is not ours the class is told, and its message is not: it may hold anything."""
    with pytest.raises(StartError) as caught:
        await Runner(desk(), model=Warm(error)).warm()

    assert str(caught.value).endswith(f": {told}")
    assert caught.value.__cause__ is caught.value.__context__ is None


async def test_an_interrupt_goes_through() -> None:
    """Ctrl-C, or a test that fails inside, is nobody's failure."""
    with pytest.raises(pytest.fail.Exception, match="so it is"):
        await Runner(desk(), model=Warm(pytest.fail.Exception("so it is"))).warm()


async def test_a_store_that_cannot_be_used_is_found(tmp_path: Path) -> None:
    """A store is asked before the first run needs it; all that fails is told at once."""
    runner = Runner(
        desk(), model=Warm(CallFailed("permission", "HTTP 403")), store=f"sqlite:///{tmp_path}/none/runs.db"
    )
    with pytest.raises(StartError, match=r"permission: HTTP 403; store: .*none/runs\.db"):
        await runner.warm()


def order(folder: Path, **options: Any) -> tuple[Any, Runner[Order, None]]:
    server = shop(folder, **options)
    machine = helpdesk(*server.tools("order_status"), calls=8, asks=6, max_input_tokens=4_000)
    return server, Runner(machine, model=ScriptedModel([use("order_status", order=3, locale=None), DONE] * 3))


async def test_a_server_of_tools_stays_connected(tmp_path: Path) -> None:
    """Runs use the connection that was opened before; it is closed with the block in which the runner is used."""
    server, runner = order(tmp_path)
    loop = asyncio.get_running_loop()
    async with runner:
        await runner.warm()
        session = await server._keepers[loop].session()
        await runner.run(Order(query="?"))
        await runner.run(Order(query="?"))
        assert await server._keepers[loop].session() is session
        assert runner.is_warm

    assert not server._keepers
    assert not runner.is_warm


def test_a_server_is_let_go_of_when_the_loop_ends(tmp_path: Path) -> None:
    """Without a block the connection lasts as long as the event loop, which ends it without a warning."""
    server, runner = order(tmp_path)

    async def use_it() -> bool:
        await runner.warm()
        await runner.run(Order(query="?"))
        return bool(server._keepers)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert asyncio.run(use_it())

    assert not server._keepers
    assert not runner.is_warm


async def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A server that cannot be reached fails it, and says what to do."""
    _, runner = order(tmp_path, command=("no-such-command",))

    with pytest.raises(StartError, match=r"is not warm: servers: MCP server 'shop' .*no-such-command"):
        await runner.warm()


async def test_a_server_is_let_go_of_after_a_failure(tmp_path: Path) -> None:
    """Where something else fails, no server stays connected."""
    server = shop(tmp_path)
    machine = helpdesk(*server.tools("order_status"), calls=8, asks=6, max_input_tokens=4_000)
    with pytest.raises(StartError, match="HTTP 401"):
        await Runner(machine, model=Warm(CallFailed("authentication", "HTTP 401"))).warm()

    assert not server._keepers
