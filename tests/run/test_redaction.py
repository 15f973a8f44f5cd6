"""Redaction: named fields, and all that was said, are in no stored byte; what is stored leads where the run went."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field, field_validator
from support.databases import bytes_in
from support.shop import use

from fsm_orch import (
    Context,
    Final,
    Given,
    HumanAgent,
    Limits,
    LLMAgent,
    Machine,
    MemoryStore,
    Message,
    Nested,
    Reply,
    Runner,
    ScriptedModel,
    State,
    Tool,
    Visit,
    guard,
    never,
)
from fsm_orch.agents import AgentSpec
from fsm_orch.define import Guard
from fsm_orch.errors import StartError, StoreError
from fsm_orch.kernel import inputs
from fsm_orch.kernel.step import fold
from fsm_orch.run import runner as runners
from fsm_orch.run.head import head_of
from fsm_orch.store.sql import SqlStore

SECRET = "mildred-was-here"


class Order(Context):
    """An order."""

    email: str
    note: Given[str | None] = None
    cents: Given[int] = 0
    short: Given[Annotated[str, Field(max_length=40)]] = ""
    answer: str | None = None


def welcome(visit: Visit[Order]) -> Any:
    return {Order.answer: f"{len(visit.context.email)} characters"}


def recall(visit: Visit[Order]) -> Any:
    return {Order.note: f"{SECRET} again"}


@guard
def is_dear(order: Order) -> bool:
    return order.cents > 5


@guard
def is_known(order: Order) -> bool:
    return SECRET in order.email


class Orders(Machine[Order]):
    """Welcome somebody, ask a human, and be done."""

    first = State(welcome, reads=Order.email, writes=Order.answer, initial=True)
    noting = State(recall, writes=Order.note)
    asking = State(HumanAgent("Send it?", reads=Order.cents))
    sent = Final()
    human = Final(fallback=True)

    noted = first.to(noting)
    asked = noting.to(asking)
    yes, no = asking.to(sent, "send", guard=is_dear), asking.to(human, "do not")


async def test_what_is_redacted_is_nowhere_and_the_run_goes_on(tmp_path: Path) -> None:
    """The run itself has the true values; the store has none of them, and resumes where nothing more is read."""
    store = SqlStore(f"sqlite:///{tmp_path}/runs.db")
    runner: Runner[Any, Any] = Runner(Orders, store=store, redact=(Order.email, Order.note))
    waits = await runner.run(Order(email=SECRET, note=SECRET, cents=7), run_id="r")
    journal = await store.load("r")
    result = await runner.resume("r", Orders.yes)
    store.close()

    assert (SECRET, f"{SECRET} again") == (waits.context.email, waits.context.note)
    assert isinstance(journal[0], inputs.Started)
    assert {"email": "[redacted]", "note": "[redacted]", "cents": 7, "short": ""} == journal[0].context
    assert (Orders.sent, "16 characters", "[redacted]") == (result.state, result.context.answer, result.context.email)
    assert SECRET.encode() not in bytes_in(tmp_path)


async def test_nothing_is_redacted_unless_it_is_named() -> None:
    """A field that is not named is stored, and one that holds None stays so."""
    store = MemoryStore()
    await Runner(Orders, store=store, redact=Order.note).run(Order(email=SECRET), run_id="r")
    started, _, noted, *_ = await store.load("r")

    assert isinstance(started, inputs.Started)
    assert isinstance(noted, inputs.Replied)
    assert (SECRET, None) == (started.context["email"], started.context["note"])
    assert {"note": "[redacted]"} == noted.changes


class Reading(Machine[Order]):
    """Ask a human, and read then."""

    asking = State(HumanAgent("Go on?"), initial=True)
    reading = State(welcome, reads=Order.email, writes=Order.answer)
    done = Final()
    human = Final(fallback=True)

    yes, no = asking.to(reading, "yes"), asking.to(human, "no")
    read = reading.to(done)


@pytest.mark.parametrize("other", [True, False], ids=["another runner", "the same"])
async def test_a_run_that_would_read_what_was_redacted_is_not_resumed(other: bool) -> None:
    """It is refused by name before anything is done, whatever is redacted now; a cancellation lands it."""
    store = MemoryStore()
    runner: Any = Runner(Reading, store=store, redact=Order.email)
    await runner.run(Order(email=SECRET), run_id="r")
    before = await store.load("r")
    if other:
        runner = Runner(Reading, store=store)
    for refused in (runner.resume("r", Reading.yes), runner.resume("r"), runner.expire("r")):
        with pytest.raises(StartError, match=r"in .asking., and .reading. \(.*\) reads Order\.email.*ask_cancel"):
            await refused
    assert before == await store.load("r")

    await store.ask_cancel("r")
    result = await runner.resume("r")
    assert "finished" == (await store.list())[0].head.status
    assert ("cancelled", Reading.human) == (result.landing.reason if result.landing else None, result.state)


def given_it(visit: Visit[Order]) -> Any:
    return Reply(messages=(Message(role="assistant", content=SECRET),))


class Saying(Machine[Order]):
    """Say something, and ask a human."""

    saying = State(given_it, initial=True)
    asking = State(HumanAgent("Go on?"))
    after = State(given_it)
    done = Final()
    human = Final(fallback=True)

    said = saying.to(asking)
    yes, no = asking.to(after, "yes"), asking.to(human, "no")
    end = after.to(done)


async def test_messages_are_redacted_whole() -> None:
    """Those that were given, and those that agents said; one that may read them keeps a run from going on."""
    store = MemoryStore()
    runner: Any = Runner(Saying, store=store, redact=Order.note)
    shown = Message(role="user", content=f'{{"email":"{SECRET}"}}', fields=("email",))
    waits = await runner.run(Order(email="e"), messages=(shown, Message(role="user", content=SECRET)), run_id="r")
    journal = await store.load("r")

    assert SECRET not in repr(journal)
    assert SECRET in repr(waits.messages)
    with pytest.raises(StartError, match=r"'after' .* may read the messages"):
        await runner.resume("r", Saying.no)


def look_up(email: str) -> str:
    """Return who it is."""
    return f"{SECRET} of {email}"


class Using(Machine[Order]):
    """Use a tool."""

    using = State(LLMAgent("Help.", reads=Order.email, writes=Order.answer, tools=(look_up,), calls=6), initial=True)
    done = Final()
    human = Final(fallback=True)
    end = using.to(done, "done")


async def test_what_tools_are_given_and_answer_is_redacted(tmp_path: Path) -> None:
    """So is why a reply was refused, and a handoff that there is not; a crash within that visit is not resumed."""
    store = SqlStore(f"sqlite:///{tmp_path}/runs.db")
    script = [
        use("look_up", email=SECRET),
        {"reply": {"handoff": SECRET, "answer": "x"}},
        {"reply": {SECRET: SECRET}},
        {"reply": {"answer": f"{SECRET} it is"}},
    ]
    model = ScriptedModel(script)
    runner: Any = Runner(Using, model=model, store=store, redact=(Order.email, Order.answer))
    result = await runner.run(Order(email=SECRET), run_id="r")
    journal = await store.load("r")
    asked = next(n for n, event in enumerate(journal) if isinstance(event, inputs.Answered)) + 1

    assert [Using.done, f"{SECRET} it is"] == [result.state, result.context.answer]
    crashed = MemoryStore()
    now = fold(runner.compiled, journal[:asked])
    await crashed.append("r", 0, journal[:asked], head_of(runner.compiled, now), epoch=1)
    with pytest.raises(StartError, match=r"its agent \(.*\) reads what was said in its visit"):
        await Runner(Using, model=ScriptedModel([]), store=crashed).resume("r")
    store.close()
    assert SECRET.encode() not in bytes_in(tmp_path)


class Inner(Context):
    """Of a part."""

    email: str
    answer: str | None = None


def inside(visit: Visit[Inner]) -> Any:
    return {Inner.answer: "in"}


class Part(Machine[Inner]):
    """A part."""

    work = State(inside, writes=Inner.answer, initial=True)
    done = Final()
    lost = Final(fallback=True)
    end = work.to(done)


class Free:
    """Asks a human in its own words."""

    spec = AgentSpec(kind="code", name="Free", asks_human=True, asks=1, canonical={})

    async def act(self, visit: Visit[Order]) -> Any:
        return Reply()


class Checked(Context):
    """A class that looks at what it holds."""

    email: str
    answer: str | None = None

    @field_validator("answer")
    @classmethod
    def fits(cls, answer: str | None) -> str | None:
        return answer


def nothing(visit: Visit[Any]) -> Any:
    return {}


def machine(
    state: State, *, context: type[Context] = Order, end: Guard[Any] | None = None, **more: Any
) -> type[Machine[Any, None]]:
    """Return a machine of one state, which may be left by a guard."""
    done, lost = Final(), Final(fallback=True)
    names = {
        "__doc__": "One state.",
        "work": state,
        "done": done,
        "lost": lost,
        "end": state.to(done, "done", guard=end),
    }
    names |= {"policies": tuple(policy(done) for policy in more.get("policies", ()))}
    return types.new_class("One", (Machine[context],), exec_body=lambda body: body.update(names))  # type: ignore[valid-type]


def reading() -> State:
    return State(welcome, reads=Order.email, writes=Order.answer, initial=True)


def llm(**more: Any) -> State:
    return State(LLMAgent("Help.", reads=Order.email, writes=Order.answer, **more), initial=True)


REFUSED = {
    "guard": (
        lambda: machine(reading(), end=is_known & is_dear),
        Order.email,
        r"Order\.email cannot be redacted: a guard of 'end', is_known, may read it \(.*py:",
    ),
    "policy": (
        lambda: machine(reading(), policies=[lambda done: never(done).when(is_known)]),
        Order.email,
        r"a guard of a policy, is_known, may read it",
    ),
    "number": (lambda: Orders, Order.cents, r"Order\.cents cannot be redacted: it is no plain text"),
    "constraint": (lambda: Orders, Order.short, r"Order\.short cannot be redacted: it is no plain text"),
    "another's": (lambda: Orders, Inner.email, r"Inner\.email is no field of Order"),
    "given": (
        lambda: machine(State(Nested(Part, writes={Order.answer: Inner.answer}), initial=True)),
        Order.email,
        r"part 'Part' of 'work' \(.*\) is given it",
    ),
    "taken": (
        lambda: machine(State(Nested(Part, writes={Order.answer: Inner.answer}), initial=True)),
        Order.answer,
        r"it is taken from part 'Part' of 'work'",
    ),
    "human writes": (
        lambda: machine(State(HumanAgent("What?", writes=Order.answer), initial=True)),
        Order.answer,
        r"the human of 'work' \(.*\) writes it",
    ),
    "human reads": (
        lambda: machine(State(HumanAgent("What?", reads=Order.email), initial=True)),
        Order.email,
        r"the human of 'work' \(.*\) reads it",
    ),
    "free words": (lambda: machine(State(Free(), initial=True)), Order.note, r"what a human answers 'work' of One"),
    "approval": (
        lambda: machine(llm(tools=(Tool(look_up, approval=True),))),
        Order.note,
        r"who approves 'look_up' in 'work' of One",
    ),
    "a model's part": (
        lambda: machine(llm(tools=(Part,))),
        Order.note,
        r"what 'work' gives to 'Part' is kept in clear",
    ),
    "validator": (
        lambda: machine(State(nothing, initial=True), context=Checked),
        Checked.answer,
        r"Checked\.answer cannot be redacted",
    ),
}


@pytest.mark.parametrize(("made", "field", "why"), REFUSED.values(), ids=REFUSED)
def test_what_may_not_be_redacted_is_refused_by_who_reads_it(made: Any, field: Any, why: str) -> None:
    """Before any run, with the field, who reads it, the line, and the codec as what else there is."""
    with pytest.raises(StartError, match=f"{why}.*codec"):
        Runner(made(), model=ScriptedModel([]), redact=field)


def test_what_is_no_field_is_no_redaction() -> None:
    """A text is told apart from a field."""
    with pytest.raises(TypeError, match="redact= takes fields: 'email' is not a field"):
        Runner(Orders, redact="email")


async def test_what_would_lead_elsewhere_is_not_stored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """If something decides by a redacted field after all, the run is refused, and nothing of it is in the store."""
    monkeypatch.setattr(runners, "redactable", lambda *_: frozenset({"email"}))
    store = SqlStore(f"sqlite:///{tmp_path}/runs.db")
    with pytest.raises(StoreError, match="would be folded to another place without email"):
        await Runner(machine(reading(), end=is_known), store=store).run(Order(email=SECRET, cents=7), run_id="r")
    store.close()
    assert SECRET.encode() not in bytes_in(tmp_path)


class Limited(Machine[Order]):
    """Its threads have limits."""

    first = State(welcome, reads=Order.email, writes=Order.answer, initial=True)
    sent = Final()
    human = Final(fallback=True)
    done = first.to(sent)
    limits = Limits(hops=2, tokens=100, thread_tokens=1_000)


async def test_a_run_of_a_limited_thread_begins_redacted(tmp_path: Path) -> None:
    """Its beginning is stored with what it takes of its thread, and is redacted there too."""
    store = SqlStore(f"sqlite:///{tmp_path}/runs.db")
    result = await Runner(Limited, store=store, redact=Order.email).run(Order(email=SECRET), run_id="r", thread_id="t")
    store.close()

    assert Limited.sent is result.state
    assert SECRET.encode() not in bytes_in(tmp_path)
