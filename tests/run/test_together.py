"""Tools, summaries, fallbacks, streams and threads together: what each promises alone holds beside the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.shop import DONE, SOLVED, Shorten, Ticket, desk, order_status, use

from fsm_orch import (
    CallFailed,
    Context,
    DefinitionError,
    Fallback,
    Final,
    Limits,
    LLMAgent,
    Machine,
    Map,
    MemoryStore,
    Message,
    Retry,
    Runner,
    ScriptedModel,
    State,
    Tool,
    Window,
)
from fsm_orch.kernel.records import CallReserved
from fsm_orch.testing import TheoremChecker, virtual_time

DOWN = CallFailed("overloaded", transient=True)


@pytest.fixture(name="go")
def _go() -> Iterator[Any]:
    with virtual_time() as loop:

        def go(
            machine: type[Machine[Ticket]],
            model: Any,
            said: tuple[str, ...] = (),
            *,
            numbers: tuple[int, ...] = (1,),
            run_id: str | None = None,
            **options: Any,
        ) -> Any:
            runner = Runner(machine, model=model, **options)
            messages = tuple(Message(role="user", content=content) for content in said)
            result = loop.run(runner.run(Ticket(query="help", numbers=numbers), messages=messages, run_id=run_id))
            TheoremChecker(runner.compiled).follow_all(result.journal)
            return result

        yield go


@pytest.mark.parametrize("retry", [Retry(jitter_s=0), None])
def test_a_next_model_that_could_be_offered_nothing_is_not_asked(go: Any, retry: Retry | None) -> None:
    """It would be the last call, which is offered no tools, and too early to decide: what is told is the failure."""
    second = ScriptedModel([], name="scripted:second")
    fallback = Fallback(ScriptedModel([DOWN]), second)
    result = go(desk(order_status, tool_first=True, calls=2), fallback, retry=retry)

    assert "failure" == result.landing.reason
    assert "overloaded" in result.landing.detail
    assert [] == second.requests


SUMMED = Window(messages=2, chars=400, summary=True)
FIVE = ("one", "two", "three", "four", "five")


def kinds(model: ScriptedModel) -> list[str]:
    """Say of each request whether it asks for a summary, offers tools, or only a decision."""
    return [
        "sum" if said.startswith("Sum up") else "tools" if "tool" in said else "decide"
        for said in (request.messages[0].content for request in model.requests)
    ]


@pytest.mark.parametrize("tool_first", [True, False])
def test_a_summary_leaves_the_calls_that_a_tool_takes(go: Any, tool_first: bool) -> None:
    """One that asks for the tool and one that reads its result: a failed call before it gives up the summary alone."""
    made = desk(order_status, tool_first=tool_first, calls=3, window=SUMMED)
    well = ScriptedModel(["in short", use("order_status", order=1), SOLVED])
    again = ScriptedModel([DOWN, use("order_status", order=1), SOLVED])
    results = [go(made, model, FIVE, retry=Retry(jitter_s=0)) for model in (well, again)]

    assert [["sum", "tools", "decide"]] * 2 == [kinds(well), kinds(again)]
    assert [None, None] == [result.landing for result in results]


def test_a_summary_beside_tools_takes_a_call_more() -> None:
    """With two it would never be made, or no tool ever be used; so the agent is not built."""
    with pytest.raises(ValueError, match=r"calls=3 or more"):
        desk(order_status, calls=2, window=SUMMED)


def test_a_summary_that_failed_is_not_tried_again_in_its_visit(go: Any) -> None:
    """It would take the calls that repairs and results need; the next visit makes up for it."""
    model = ScriptedModel([CallFailed("gone"), use("order_status", order=1), DONE])
    result = go(desk(order_status, calls=4, window=SUMMED), model, FIVE)

    assert ["sum", "tools", "tools"] == kinds(model)
    assert result.landing is None


def test_a_summary_is_of_its_own_run(go: Any) -> None:
    """Two runs of one name, as tests have them, share no conversation: what was said in the first stays there."""
    made = desk(order_status, calls=4, window=SUMMED)
    first, second = ScriptedModel(["a secret", DONE]), ScriptedModel(["of the second", DONE])
    go(made, first, FIVE, run_id="same")
    go(made, second, ("six", "seven", "eight", "nine"), run_id="same")

    assert ["sum", "tools"] == kinds(second)
    assert "secret" not in str(second.requests)


class Kit(Context):
    """What a kit is for, in fields that are named like the keys by which a reply asks for tools."""

    query: str
    use: str | None = None
    use_all: str | None = None


@pytest.mark.parametrize("field", ["use", "use_all"])
def test_a_field_is_not_named_like_the_key_of_a_use(field: str) -> None:
    """A decision with such a key would be read as a use, and refused for ever; without tools it is a name as any."""

    def make(tools: tuple[Any, ...]) -> type[Machine[Kit]]:
        class Told(Machine[Kit]):
            """Tell what a kit is for."""

            work = State(LLMAgent("Tell.", reads=Kit.query, writes=getattr(Kit, field), tools=tools), initial=True)
            done, landed = Final(), Final(fallback=True)
            told = work.to(done)

        return Told

    make(())
    with pytest.raises(DefinitionError, match=rf"(?s)FSM114.*a field named '{field}', beside tools.*rename the field"):
        make((order_status,))


STATUS = Tool(order_status, choices={"order": Ticket.numbers})


@pytest.mark.parametrize("is_pair", [True, False])
def test_a_request_that_is_tried_again_is_within_what_it_reserved(go: Any, is_pair: bool) -> None:
    """A tool without a choice is offered by no call: so on the last one nothing is used up, and nothing added."""
    model, second = ScriptedModel([DOWN, SOLVED]), ScriptedModel([SOLVED], name="scripted:second")
    made = Fallback(model, second) if is_pair else model
    result = go(desk(STATUS, calls=2), made, numbers=(), retry=Retry(jitter_s=0))

    asked = [*model.requests, *second.requests]
    assert asked[0] == asked[1]
    assert [result.usage.input_tokens] == list(
        {record.input_tokens for record in result.records if isinstance(record, CallReserved)}
    )


def test_where_a_machine_has_run_and_another_tool_has_no_choice_the_model_may_decline(go: Any) -> None:
    """What closed the last tool was the use of it."""
    model = ScriptedModel([use("Shorten", text="x"), {"short": "y"}, SOLVED])
    go(desk(Shorten, STATUS), model, numbers=())

    assert "none_of_these" in str(model.requests[2].schema)


class Ledger:
    """What tools are given to work with."""

    def __init__(self) -> None:
        self.lines: list[str] = []


class BigLedger(Ledger):
    """The same, and more."""


class Bills(Context):
    """What is to be paid."""

    cents: tuple[int, ...]
    paid: tuple[str, ...] = ()


class Bill(Context):
    """One of them."""

    cents: int
    told: str | None = None


def pay(cents: int, *, key: str, deps: Ledger) -> str:
    """Pay a bill."""
    deps.lines.append(key.partition(":")[2])
    return "paid"


def note(text: str, *, deps: BigLedger) -> str:
    """Note a text."""
    return text


async def test_a_model_that_runs_for_each_item_gives_its_tools_their_dependencies() -> None:
    """It is wrapped into a machine, which has the dependencies that its tools are annotated for."""
    payer = LLMAgent("Pay.", reads=Bill.cents, writes=Bill.told, tools=(Tool(pay, approval=True), note))

    class Pay(Machine[Bills, BigLedger]):
        """Pay all bills."""

        each = State(
            Map(payer, over=Bills.cents, item=Bill.cents, into=Bills.paid, result=Bill.told, most=2), initial=True
        )
        done, landed = Final(), Final(fallback=True)
        flow = each >> done
        limits = Limits(tokens=30_000)

    ledger, told = BigLedger(), {"reply": {"told": "ok"}}
    model = ScriptedModel([use("pay", cents=1), use("pay", cents=2), told, told])
    runner = Runner(Pay, model=model, store=MemoryStore())
    result = await runner.run(Bills(cents=(1, 2)), deps=ledger)
    while result.status == "waiting":
        result = await runner.resume(result.run_id, True, question=result.waiting[0], deps=ledger)

    assert (None, ("ok", "ok")) == (result.landing, result.context.paid)
    assert ["0.1:0:1", "0.2:0:1"] == sorted(ledger.lines)
    TheoremChecker(runner.compiled).follow_all(result.journal)
