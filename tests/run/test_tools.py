"""Tools in a run: at once, in time, once approved, and never the failure of a visit."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.kept import keep
from support.lanes import in_both_lanes
from support.shop import DONE, SOLVED, Shorten, Ticket, desk, order_status, told, use, use_all

from fsm_orch import Machine, MemoryStore, Runner, RunResult, ScriptedModel, Tool, to_json
from fsm_orch.errors import AnswerError
from fsm_orch.kernel.records import Answered, VisitStarted
from fsm_orch.testing import TheoremChecker, virtual_time

USES = list[str]()
"""What was done in the world: the keys, in order."""


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    USES.clear()


async def slow(seconds: int, *, key: str) -> str:
    """Take so many seconds."""
    await asyncio.sleep(seconds)
    USES.append(key)
    return f"{seconds} s"


async def stubborn(seconds: int) -> str:
    """Take so many seconds, and not be stopped."""
    for _ in range(seconds):
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            continue
    return "at last"


def pay(cents: int, *, key: str) -> str:
    """Pay money back."""
    USES.append(key)
    return f"paid {cents}"


async def breaks(order: int) -> str:
    """Break."""
    raise [ValueError, SystemExit, asyncio.CancelledError][order]("secret")


def ran(machine: type[Machine[Ticket]], *script: Any, **options: Any) -> tuple[RunResult[Ticket], ScriptedModel]:
    """Run in virtual time; hold each step to the theorems, and check that nothing is left and that it is replayed."""
    model = ScriptedModel(script)
    runner = Runner(machine, model=model, **options)

    async def running() -> RunResult[Ticket]:
        result = await runner.run(Ticket(query="help"), run_id="r")
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert all(task.cancelling() for task in left), "what does not let itself be cancelled is left alone"
        return result

    with virtual_time() as loop:
        result = loop.run(running())
    TheoremChecker(runner.compiled).follow_all(result.journal)
    assert runner.replay(result.journal).records == result.records
    return result, model


def test_tools_of_one_reply_run_at_once() -> None:
    """Three of one second take one second, and each has a key of its own."""
    result, _ = ran(desk(slow, asks=3), use_all(*[("slow", {"seconds": 1})] * 3), SOLVED)

    assert result.seconds == 1.0
    assert sorted(USES) == ["r:0:1", "r:0:2", "r:0:3"]
    assert [record.ok for record in result.records if isinstance(record, Answered)] == [True] * 3


@pytest.mark.parametrize(("work", "seconds"), [(slow, 2.0), (stubborn, 3.0)])
def test_a_tool_that_takes_longer_than_it_may_has_failed(work: Any, seconds: float) -> None:
    """It is stopped, or left alone after its grace; the visit goes on, and the model is told."""
    name = work.__name__
    result, model = ran(desk(Tool(work, timeout_s=2)), use(name, seconds=5), DONE)

    assert told(model) == (
        '{"failed":"it failed: it took longer than its 2 s; what it had begun has an unknown outcome"}'
    )
    assert result.seconds == seconds
    assert result.landing is None
    assert USES == []


def test_a_tool_that_outlasts_its_visit_fails_the_visit() -> None:
    """The time of a visit is the most that anything in it has."""
    result, _ = ran(desk(Tool(slow, timeout_s=99)), use("slow", seconds=50))

    assert result.landing is not None
    assert (result.landing.reason, result.seconds) == ("timeout", 10.0)


@pytest.mark.parametrize("order", [0, 1, 2])
def test_whatever_a_tool_raises_is_a_result(order: int) -> None:
    """An exit, or a cancellation of its own, ends neither the run nor the process."""
    result, model = ran(desk(breaks), use("breaks", order=order), DONE)

    assert told(model).startswith('{"failed":"it failed: ')
    assert "secret" not in told(model)
    assert result.state.name == "done"


@pytest.mark.parametrize(
    ("answer", "shown"), [(True, '{"result":"paid 5"}'), (False, '{"failed":"a human declined it"}')]
)
async def test_a_tool_is_used_once_a_human_has_approved_it(answer: bool, shown: str) -> None:
    """Its name and arguments are asked about, in another process too; a no is something the model reads."""
    machine, store = desk(Tool(pay, approval=True)), MemoryStore()
    waits = await Runner(machine, model=ScriptedModel([use("pay", cents=5)]), store=store).run(
        Ticket(query="help"), run_id="r"
    )
    question = waits.waiting[0]
    model = ScriptedModel([DONE])
    result = await Runner(machine, model=model, store=store).resume("r", answer)

    assert (question.text, question.tool, question.form) == ("Use pay(cents=5)?", "pay", {"type": "boolean"})
    assert told(model) == shown
    assert USES == (["r:0:1"] if answer else [])
    assert result.state.name == "done"


async def test_an_approval_counts_once() -> None:
    """What is neither yes nor no changes nothing; of several answers at once, and of a second one later, one counts."""
    machine = desk(Tool(pay, approval=True))
    runner = Runner(machine, model=ScriptedModel([use("pay", cents=5), DONE]), store=MemoryStore())
    waits = await runner.run(Ticket(query="help"), run_id="r")
    why = "answered by True or False.*; for a remark, ask in a state before, by a HumanAgent"
    for wrong in (1, "true", [True], None, {"yes": True}):
        with pytest.raises(AnswerError, match=why):
            await runner.resume("r", wrong, question=waits.waiting[0])
    assert USES == []

    came = await asyncio.gather(*[runner.resume("r", True) for _ in range(3)], return_exceptions=True)
    assert sorted(type(each).__name__ for each in came) == ["AnswerLate", "AnswerLate", "RunResult"]
    with pytest.raises(AnswerError, match="is finished"):
        await runner.resume("r", True, question=waits.waiting[0])
    assert USES == ["r:0:1"]


async def test_an_approval_that_nobody_gives_expires() -> None:
    """As a question to a human does; nothing was used."""
    now = 1_000.0
    machine = desk(Tool(pay, approval=True), expires_s=60)
    runner = Runner(machine, model=ScriptedModel([use("pay", cents=5)]), store=MemoryStore(), wall_clock=lambda: now)
    waits = await runner.run(Ticket(query="help"), run_id="r")
    now = 1_060.0
    result = await runner.expire("r")

    assert waits.waiting[0].expires_at == 1_060.0
    assert result.landing is not None
    assert result.landing.reason == "timeout"
    assert USES == []


async def test_a_tool_works_on_while_a_human_is_asked_about_another() -> None:
    """And the run waits for the answer alone, without asking the model again."""
    model = ScriptedModel([use_all(("pay", {"cents": 5}), ("order_status", {"order": 815})), DONE])
    runner = Runner(desk(Tool(pay, approval=True), order_status, asks=3), model=model, store=MemoryStore())
    waits = await runner.run(Ticket(query="help"), run_id="r")
    result = await runner.resume("r", True)

    assert len(waits.waiting) == 1
    assert [said.content for said in model.requests[1].messages[3::2]] == [
        '{"result":"paid 5"}',
        '{"result":"waiting for payment"}',
    ]
    assert len(model.requests) == 2
    assert result.state.name == "done"


@pytest.mark.parametrize(
    ("tool", "shown", "uses"),
    [
        (pay, '{"failed":"outcome unknown: its process ended while it may have been at work"}', []),
        (Tool(pay, repeatable=True), '{"result":"paid 5"}', ["r:0:1"]),
    ],
)
async def test_after_a_crash_a_tool_is_used_again_only_if_it_may_be(tool: Any, shown: str, uses: list[str]) -> None:
    """Under the same key; of any other nobody knows whether it was used, and the model reads that."""
    machine = desk(tool)
    whole = await Runner(machine, model=ScriptedModel([use("pay", cents=5), DONE])).run(Ticket(query="x"), run_id="r")
    cut = next(i for i, event in enumerate(whole.journal) if to_json(event).startswith(b'{"kind":"answered"'))
    USES.clear()
    model = ScriptedModel([DONE])
    runner = Runner(machine, model=model, store=MemoryStore())
    await keep(runner, "r", whole.journal[:cut])
    result = await runner.resume("r")

    assert told(model) == shown
    assert USES == uses
    assert result.state.name == "done"


async def test_a_run_cut_off_after_any_input_ends_as_it_would_have() -> None:
    """What tools came to is in the journal: the model is shown it again, and no tool is used twice."""
    machine = desk(Tool(pay, repeatable=True), order_status, asks=3)
    script = [use_all(("pay", {"cents": 5}), ("order_status", {"order": 815})), use("order_status", order=1), SOLVED]
    whole = await Runner(machine, model=ScriptedModel(script)).run(Ticket(query="x"), run_id="r")
    for cut in range(1, len(whole.journal)):
        asked = sum(b'"kind":"call_settled"' in to_json(event) for event in whole.journal[:cut])

        def reply(request: Any) -> Any:
            return SOLVED if '"use"' not in json.dumps(request.schema) else DONE

        runner = Runner(machine, model=ScriptedModel([*script[asked : asked + 1], *[reply] * 4]), store=MemoryStore())
        await keep(runner, "r", whole.journal[:cut])
        result = await runner.resume("r")
        TheoremChecker(runner.compiled).follow_all(result.journal)

        assert result.status == "finished"
        assert (
            max(Counter(record.ask for record in result.records if isinstance(record, Answered)).values(), default=1)
            == 1
        )


async def test_the_ledger_of_a_manager_is_exact_after_every_input() -> None:
    """Whatever its machines spend is taken from their shares, and what they leave comes back."""
    model = ScriptedModel(
        [use_all(("Shorten", {"text": "a"}), ("Shorten", {"text": "b"})), *[{"short": "x"}] * 2, SOLVED]
    )
    runner = Runner(desk(Tool(Shorten, most=2), order_status), model=model)
    result = await runner.run(Ticket(query="help"))
    checker = TheoremChecker(runner.compiled)
    for event in result.journal:
        checker.follow(event)
        ledger, visit = checker.now.ledger, checker.now.visit  # type: ignore[union-attr]
        shares = sum(ask.share.tokens for ask in visit.asks.values() if ask.is_open) if visit else 0
        held = visit.grant.tokens + sum(amount.tokens for amount in visit.open.values()) if visit else 0

        assert ledger.held.tokens - ledger.settled.tokens == shares + held
    used = sum(
        record.usage.input_tokens + record.usage.output_tokens for record in result.records if hasattr(record, "usage")
    )

    assert result.charged_tokens == used
    assert len([record for record in result.records if isinstance(record, VisitStarted)]) == 3


async def fickle(what: int) -> str:
    """Take its time, break, or lie."""
    await asyncio.sleep(what % 4)
    if what % 3 == 0:
        raise ValueError("secret")
    return "well" if what % 3 == 1 else 7  # type: ignore[return-value]


REPLIES = (
    st.builds(lambda what: use("fickle", what=what), st.integers(0, 40))
    | st.builds(lambda text: use("Shorten", text=text), st.text(max_size=5))
    | st.builds(
        lambda some: use_all(*[("fickle", {"what": what}) for what in some]), st.lists(st.integers(0, 40), max_size=4)
    )
    | st.just(DONE)
    | st.just(SOLVED)
    | st.just({"short": "x"})
    | st.just({"reply": {"handoff": "none_of_these"}})
    | st.text(max_size=5)
)


@in_both_lanes(few=60, many=300, most=1_000)
def test_whatever_model_and_tools_do_a_run_keeps_its_promises(examples: int) -> None:
    """It ends in a declared state, each step keeps the theorems, and the model is shown nothing of what tools raise."""

    @settings(max_examples=examples)
    @given(st.lists(REPLIES, max_size=8), st.booleans(), st.integers(2, 6), st.integers(1, 4))
    def hold(script: list[Any], tool_first: bool, calls: int, asks: int) -> None:
        tools = Tool(fickle, timeout_s=2), Tool(Shorten, most=2)
        result, model = ran(desk(*tools, tool_first=tool_first, calls=calls, asks=asks), *script)

        assert result.status == "finished"
        assert "secret" not in str([request.messages for request in model.requests])
        assert len(model.requests) <= calls + 2 * 2

    hold()
