"""What README claims of the incident and of other libraries is what was measured, and what it claims of us is tried."""

from __future__ import annotations

import asyncio
import re

import pytest

pytest.importorskip("openai", reason="the figures need the extra `notebooks`")

from figures import routing
from figures.incident import recorded, table
from support.shown import ROOT

from fsm_orch import (
    CallDenied,
    Context,
    DefinitionError,
    Final,
    Limits,
    LLMAgent,
    Machine,
    Message,
    Reply,
    Response,
    Runner,
    ScriptedModel,
    State,
    Usage,
    Visit,
)
from fsm_orch.agents import AgentSpec
from fsm_orch.amounts import FREE
from fsm_orch.limits import CallLimits
from fsm_orch.models import Request

README = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
OPENAI, LANGGRAPH = "openai-agents 0.24.0", "langgraph 1.2.24"


def cells(row: str) -> list[str]:
    """Return the cells of the row of README's table that begins so."""
    (line,) = re.findall(rf"^\| {re.escape(row)}.*\|$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    return [cell.strip() for cell in line.strip("|").split("|")[1:]]


def test_the_picture_says_what_the_table_has() -> None:
    """The figures beside and below the picture are those of the table that it draws."""
    bills = {row.name: row.bill for row in (*table.guard_rows(), *table.our_rows())}
    none, three, ours = (bills[name] for name in ("No guard, and no luck", "At most 3 handoffs", "fsm_orch"))
    bound = table.bound()

    assert f"Without a guard it takes {len(none.calls):,} calls" in README
    assert f"with a limit of 3 handoffs {len(three.calls)} calls and {three.tokens:,} tokens" in README
    assert (
        f"with fsm_orch {len(ours.calls)} calls and {ours.tokens} tokens, and at most {bound.tokens:,}, proved"
        in README
    )
    assert f"no run passes {bound.tokens:,} tokens, ${round(bound.usd_a_day):,} a day" in README


def test_the_table_says_what_others_did() -> None:
    """Each cell about another library is what its newest recorded version did, on the day that is named."""
    openai, langgraph = recorded.peers()[OPENAI], recorded.peers()[LANGGRAPH]
    itself, goto, budget = langgraph.did["itself"], langgraph.did["unknown_goto"], langgraph.did["budget_in_state"]
    turns, unknown = openai.did["itself"], openai.did["unknown_handoff"]

    assert [
        f"{turns['calls']} calls, then `{turns['ended']}`",
        f"{itself['calls']:,} node calls, then `{itself['ended']}`",
    ] == cells("a model hands off to itself")[:2]
    assert [
        f"`{unknown['ended']}` after {unknown['calls']} call",
        f"dropped, ends {goto['ended']}",
    ] == cells("a model names an agent")[:2]
    assert f"{budget['spent']:,} spent, with the budget in the state" == cells("8 calls of 1,000 tokens")[1]
    assert {openai.on, langgraph.on} == {"2026-11-26"}
    assert "recorded on 26 November 2026" in README
    assert f"| {OPENAI} | {LANGGRAPH.replace('langgraph', 'LangGraph')} | fsm_orch |" in README


def test_routers_are_right_as_often_as_it_says() -> None:
    """The shares of questions that routers got right are those of the recorded evaluation."""
    routers = {name: routing.rates(told) for name, told in routing.recorded()["routers"].items()}
    right = {name: f"{100 * rates.accuracy.rate:.0f} %" for name, rates in routers.items()}
    of = {name: rates.accuracy.of for name, rates in routers.items()}

    assert f"on {of['examples']:,} real questions, examples were right in {right['examples']} of cases" in README
    assert (
        f"and words in {right['words']}; a small local model, on {of['135M model']} of them, in {right['135M model']}"
        in README
    )


class Query(Context):
    text: str
    answer: str | None = None


ASKED = Query(text="recommend something")


def test_a_loop_ends_at_its_bound() -> None:
    """A handoff to itself builds only with a bound, and ends there with the default answer."""
    triage = LLMAgent("Route.", reads=Query.text)

    with pytest.raises(DefinitionError, match="FSM105"):

        class Endless(Machine[Query]):
            triage = State(LLMAgent("Route.", reads=Query.text), initial=True)
            done, human = Final(), Final(fallback=True)
            again, finish = triage.to(triage, "think again"), triage.to(done, "done")

    class Bounded(Machine[Query]):
        triage = State(LLMAgent("Route.", reads=Query.text), initial=True, max_visits=3)
        done, human = Final(), Final(fallback=True, sets={Query.answer: "Later."})
        again, finish = triage.to(triage, "think again"), triage.to(done, "done")

    result = Runner(Bounded, model=ScriptedModel([{"handoff": "again"}] * 99)).run_sync(ASKED)

    assert triage.spec.calls == 2
    assert ("Later.", 3) == (result.context.answer, result.usage.requests)
    assert "does not build (FSM105); with a bound of 3 visits: 3 calls, then the default answer" in README


def test_an_agent_that_is_not_there_is_refused() -> None:
    """A handoff that was made up is refused, and asked for again once; then the default answer is given."""

    class Desk(Machine[Query]):
        triage = State(LLMAgent("Route.", reads=Query.text), initial=True)
        done, human = Final(), Final(fallback=True, sets={Query.answer: "Later."})
        finish, ask = triage.to(done, "done"), triage.to(human, "a person")

    model = ScriptedModel([{"handoff": "refund_everything"}] * 99)
    result = Runner(Desk, model=model).run_sync(ASKED)

    assert ("Later.", 2) == (result.context.answer, result.usage.requests)
    assert "'refund_everything' does not exist" in model.requests[1].messages[-1].content
    assert "refused, told why, asked again; after 2 calls the default answer" == cells("a model names an agent")[2]


class Dear:
    """A model that uses 1,000 tokens a call."""

    name, price = "test:dear", FREE
    sent = 0

    async def count(self, request: Request) -> int:
        return 900

    async def complete(self, request: Request) -> Response:
        self.sent += 1
        await asyncio.sleep(0)
        return Response(text="yes", usage=Usage(requests=1, input_tokens=900, output_tokens=100))


class Eight:
    """An agent that asks its model eight things at once."""

    spec = AgentSpec(
        kind="llm",
        name="Eight",
        calls=8,
        call_limits=CallLimits(max_input_tokens=900, max_output_tokens=100),
        canonical={},
    )

    async def act(self, visit: Visit[Query]) -> Reply:
        said = (Message(role="user", content="?"),)
        replies = await asyncio.gather(*(visit.model.ask(said) for _ in range(8)), return_exceptions=True)
        self.denied = sum(isinstance(reply, CallDenied) for reply in replies)
        return Reply()


def test_calls_at_once_stay_within_a_budget() -> None:
    """Of eight calls of 1,000 tokens at once, under a budget of 1,500, one is sent and seven are denied."""
    agent, model = Eight(), Dear()

    class Desk(Machine[Query]):
        work = State(agent, initial=True)
        done, human = Final(), Final(fallback=True)
        finish = work.to(done)
        limits = Limits(tokens=1_500)

    result = Runner(Desk, model=model).run_sync(ASKED)

    assert (1, 7, 1_000) == (model.sent, agent.denied, result.charged_tokens)
    assert "1,000 spent: 1 call is sent, 7 are denied" == cells("8 calls of 1,000 tokens")[2]
