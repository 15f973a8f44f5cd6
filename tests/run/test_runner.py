"""The runner: whole paths through a real machine, with a scripted model."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from support.desk import BILLING, REFUND, Support, Ticket, runner

from fsm_orch import (
    Context,
    Final,
    Hop,
    Limits,
    LLMAgent,
    Machine,
    MemoryStore,
    Message,
    ModelUnavailable,
    Response,
    Runner,
    ScriptedModel,
    StartError,
    State,
    Visit,
)
from fsm_orch.agents.base import Reply
from fsm_orch.amounts import Price
from fsm_orch.kernel import records

DEFAULT_ANSWER = "A colleague will get back to you."


async def test_a_run_follows_its_handoffs_to_an_answer() -> None:
    """Models choose, code works, and the result tells the whole path."""
    result = await runner(BILLING, REFUND).run(Ticket(query="money back, please"))

    assert result.state is Support.answered
    assert result.context.answer == "Refunded I7."
    assert result.landing is None
    assert [
        Hop("triage", "to_billing", "billing"),
        Hop("billing", "to_verify", "verify"),
        Hop("verify", "approved", "refund"),
        Hop("refund", "refunded", "answered"),
    ] == list(result.path)
    assert result.usage.requests == 2
    assert result.charged_tokens == result.usage.total_tokens


def test_run_sync_does_the_same_on_a_loop_of_its_own() -> None:
    """Without an event loop a run is one call."""
    result = runner({"handoff": "resolved"}).run_sync(Ticket(query="hello"))

    assert result.state is Support.answered


async def test_run_sync_refuses_to_nest() -> None:
    """Inside an event loop `run_sync` says what to do instead."""
    with pytest.raises(RuntimeError, match=r"await run\(\.\.\.\) there"):
        runner().run_sync(Ticket(query="hello"))


async def test_a_refused_reply_is_repaired_by_telling_why() -> None:
    """A hallucinated handoff is refused, the model is told, and its second reply is taken."""
    model = ScriptedModel([{"handoff": "to_refunds"}, {"handoff": "resolved"}])

    result = await Runner(Support, model=model).run(Ticket(query="hello"))

    assert result.state is Support.answered
    assert "'to_refunds' does not exist. Choose one of: to_billing, resolved." in model.requests[1].messages[-1].content
    assert [r.reason for r in result.records if isinstance(r, records.Refused)] == ["unknown_handoff"]


async def test_only_what_is_legal_is_on_the_menu() -> None:
    """A state that has no visit left is not offered, neither in the schema nor in the prompt."""
    back = {"handoff": "back", "invoice": None, "answer": None}
    model = ScriptedModel([BILLING, back, BILLING, back, {"handoff": "resolved"}])

    result = await Runner(Support, model=model).run(Ticket(query="hello"))

    last = model.requests[4]
    assert last.schema is not None
    assert last.schema["properties"]["handoff"]["enum"] == ["resolved", "none_of_these"]
    assert "to_billing" not in last.messages[0].content
    assert result.state is Support.answered


async def test_a_failure_edge_keeps_the_context_of_entry() -> None:
    """What a failing agent would have written is not committed, and its failure edge is taken."""
    broken = REFUND | {"invoice": "broken"}
    done = {"handoff": "done", "invoice": None, "answer": "We could not refund."}

    result = await runner(BILLING, broken, done).run(Ticket(query="please"))

    assert Hop("refund", "no_refund", "billing") in result.path
    assert result.context.answer == "We could not refund."
    assert isinstance(result.error, RuntimeError)


async def test_messages_of_foreign_errors_stay_out_of_the_journal() -> None:
    """An agent's exception is named with its place; its message, which may hold secrets, is only on the result."""
    result = await runner(BILLING, REFUND).run(Ticket(query="crash"))

    assert "hunter2" not in repr(result.records) + repr(result.journal)
    assert result.landing is not None
    assert result.landing.detail.startswith("ValueError at desk.py:")
    assert "hunter2" in str(result.error)


async def test_undeclared_writes_are_refused_and_code_is_not_repaired() -> None:
    """A code agent that writes what it does not declare has failed; nothing of it is kept."""
    result = await runner(BILLING, REFUND).run(Ticket(query="nonsense"))

    assert [r.is_repaired for r in result.records if isinstance(r, records.Refused)] == [False]
    assert result.context.answer == DEFAULT_ANSWER


async def test_stream_gives_records_as_they_happen() -> None:
    """The stream shows a hop before the next agent is asked, and then the result."""
    model = ScriptedModel([BILLING, lambda request: seen.append("asked billing") or REFUND])
    seen: list[str] = []

    async with Runner(Support, model=model).stream(Ticket(query="please")) as stream:
        async for record in stream:
            seen += [record.handoff] if isinstance(record, records.HandedOff) else []
        result = await stream.result()

    assert seen.index("to_billing") < seen.index("to_verify")
    assert "asked billing" in seen
    assert result.state is Support.answered


async def test_the_store_has_the_reservation_before_the_request_goes_out() -> None:
    """A crash can lose no call: its reservation is stored before it is sent."""
    store = MemoryStore()
    stored: list[str] = []

    class Watching(ScriptedModel):
        async def complete(self, request: Any) -> Response:
            stored.extend(event.kind for event in await store.load("r1"))
            return await super().complete(request)

    model = Watching([{"handoff": "resolved"}])
    result = await Runner(Support, model=model, store=store).run(Ticket(query="hello"), run_id="r1")

    assert stored == ["started", "call_reserved"]
    assert tuple(result.journal) == await store.load("r1")


async def test_a_store_that_fails_stops_the_run() -> None:
    """A run whose journal cannot be kept does not go on; the error is raised."""

    class Full(MemoryStore):
        async def append(self, run_id: str, start: int, inputs: Any, **options: Any) -> None:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        await runner(BILLING, store=Full()).run(Ticket(query="hello"))


async def test_dependencies_reach_agents_and_no_journal() -> None:
    """Dependencies are seen by agents as given, and never written down."""
    result = await Runner(Clerk).run(Ticket(query="x"), deps={"secret": "sk-1"})

    assert result.context.answer == "1 key"
    assert "sk-1" not in repr(result.journal) + repr(result.records)


def count_keys(visit: Visit[Ticket, dict[str, str]]) -> Any:
    return {Ticket.answer: f"{len(visit.deps)} key"}


class Clerk(Machine[Ticket, dict[str, str]]):
    """Counts the keys it is given."""

    work = State(count_keys, initial=True, writes=(Ticket.answer,))
    done = Final()
    human = Final(fallback=True)
    to_done = work.to(done)


class Peeking(Machine[Ticket]):
    """An agent that reads what it did not declare."""

    def peek(self: Any) -> Any:  # a plain function of the visit
        return {Ticket.answer: self.context.query}

    work = State(peek, initial=True, writes=(Ticket.answer,))
    done = Final()
    human = Final(fallback=True)
    to_done = work.to(done)


async def test_undeclared_reads_are_refused() -> None:
    """An agent sees the fields it declares and no others."""
    result = await Runner(Peeking).run(Ticket(query="private"))

    assert result.landing is not None
    assert result.landing.detail.endswith(
        ": The agent of 'work' read 'query', but declares to read: none. Add it to `reads`"
    )


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"model": None}, "State 'triage' needs a model"),
        ({"limits": Limits(tokens=699)}, "may take 700 tokens"),
        ({"limits": Limits(hops=0)}, "a run needs at least 1 hop, to land; the limit is 0"),
        ({"model": ScriptedModel([], price=None), "limits": Limits(cost_usd=Decimal(1))}, "is not known, so a cost"),
        (
            {"model": ScriptedModel([], price=Price(Fraction(5), Fraction(5))), "limits": Limits(cost_usd="0.0034")},
            r"\$0.0035; the limit is 10,000 tokens and \$0.0034",
        ),
    ],
)
def test_what_cannot_start_is_said_at_once(options: dict[str, Any], complaint: str) -> None:
    """A runner whose runs could not start is not made."""
    with pytest.raises(StartError, match=complaint):
        Runner(Support, **({"model": ScriptedModel([])} | options))


def test_models_are_named_with_their_provider() -> None:
    """A model that is not known is refused with the providers that are."""
    with pytest.raises(ModelUnavailable, match="Name one as provider:model; providers: local:"):
        Runner(Support, model="gpt-5")


async def test_the_nearest_model_wins() -> None:
    """An agent's own model goes before the runner's, and the runner's before the machine's."""

    class Local(Machine[Ticket]):
        """Names a model that nobody has."""

        model = "nowhere:nothing"
        work = State(LLMAgent("x", reads=(Ticket.query,)), initial=True)
        done = Final()
        human = Final(fallback=True)
        to_done = work.to(done, "always")

    result = await Runner(Local, model=ScriptedModel(["hello"])).run(Ticket(query="x"))

    assert result.state is Local.done
    with pytest.raises(ModelUnavailable, match="nowhere:nothing"):
        Runner(Local)


class Other(Context):
    """Not a ticket."""

    query: str


async def test_a_foreign_context_is_refused() -> None:
    """A run starts on the machine's own context."""
    with pytest.raises(StartError, match=r"^Support runs on a Ticket, not on an Other$"):
        await runner().run(Other(query="x"))  # type: ignore[call-overload]
    for given, kind in (("x", "a str"), ({"query": "x"}, "a dict")):
        told = re.escape(f"Support runs on a Ticket, not on {kind}: give it Ticket(query=...)")
        with pytest.raises(StartError, match=f"^{told}$"):
            await runner().run(given)  # type: ignore[call-overload]


async def test_a_conversation_is_seen_through_a_window() -> None:
    """Earlier messages come before the question; what an agent decided is in the context and not said again."""
    earlier = (Message(role="user", content="My invoice is I7."),)
    model = ScriptedModel([BILLING, REFUND])

    result = await Runner(Support, model=model).run(Ticket(query="please"), messages=earlier, thread_id="t1")

    said = [(m.role, m.content) for m in model.requests[1].messages[1:]]
    assert said == [("user", "My invoice is I7."), ("user", '{"query":"please"}')]
    assert result.thread_id == "t1"


async def test_a_conversation_may_come_one_by_one() -> None:
    """Messages that can be gone through only once are not lost on the way."""
    earlier = Message(role="user", content="My invoice is I7.")

    result = await runner({"handoff": "resolved"}).run(Ticket(query="x"), messages=(m for m in [earlier]))  # type: ignore[call-overload]

    assert (earlier,) == result.journal[0].messages  # type: ignore[union-attr]


async def test_a_handoff_of_another_machine_is_no_handoff() -> None:
    """A code agent cannot smuggle in an edge of another machine, even of the same name."""

    def stray(visit: Visit[Ticket]) -> Any:
        return Reply(Support.refunded, {Ticket.answer: "x"})

    class Stray(Machine[Ticket]):
        """Has a handoff of the same name."""

        refund = State(stray, initial=True, writes=(Ticket.answer,))
        answered = Final()
        human = Final(fallback=True)
        refunded = refund.to(answered)

    result = await Runner(Stray).run(Ticket(query="x"))

    assert result.state is Stray.human
    assert "does not leave 'refund'" in str(result.error)
