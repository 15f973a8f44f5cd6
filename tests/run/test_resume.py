"""What resume folds: of work that may have begun, of work that nobody has begun, and of what may be done again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from support.asking import DONE, Claim, clerk
from support.kept import keep

from fsm_orch import (
    Context,
    Final,
    Given,
    HumanAgent,
    KeywordAgent,
    Limits,
    LLMAgent,
    Machine,
    MemoryStore,
    Message,
    Parallel,
    Runner,
    ScriptedModel,
    State,
    Visit,
)
from fsm_orch.amounts import Price
from fsm_orch.errors import Drifted, StartError, StoreError
from fsm_orch.kernel.inputs import Failed, Input
from fsm_orch.models import Request
from fsm_orch.run import driver
from fsm_orch.store import Claim as Claimed


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    """Begin with nothing done in the world."""
    DONE.clear()


class Order(Context):
    """What is paid."""

    text: Given[str] = "x"
    receipt: str | None = None
    note: str | None = None


def pay(visit: Visit[Order]) -> Any:
    """Pay, once for each key."""
    DONE.append(visit.key)
    return {Order.receipt: visit.key}


SEEN = list[int]()
"""How many inputs were stored when code looked."""


async def look(visit: Visit[Order, MemoryStore]) -> None:
    """Look how many inputs are stored."""
    SEEN.append(len(await visit.deps.load("r")))


class Pays(Machine[Order]):
    """Pay, with an edge for each way to fail."""

    pay = State(pay, initial=True, writes=Order.receipt, timeout_s=5)
    paid, late, unsure, human = Final(), Final(), Final(), Final(fallback=True)
    done = pay.to(paid)
    too_late, failed = pay.on_timeout(late), pay.on_failure(unsure)


class PaysOrLands(Machine[Order]):
    """Pay, or land."""

    pay = State(pay, initial=True, writes=Order.receipt)
    paid, human = Final(), Final(fallback=True)
    done = pay.to(paid)


class PaysAgain(Machine[Order]):
    """Pay, by a bank that knows the key."""

    pay = State(pay, initial=True, writes=Order.receipt, repeatable=True)
    paid, human = Final(), Final(fallback=True)
    done = pay.to(paid)


async def begun(machine: type[Machine[Any]], first: Any = None, *, count: int = 1, model: Any = None) -> MemoryStore:
    """Return a store that holds the first inputs of a run, whose worker died then."""
    store = MemoryStore()
    whole = await Runner(machine, model=model).run(Order() if first is None else first, run_id="r")
    DONE.clear()
    await keep(Runner(machine, model=model, store=store), "r", whole.journal[:count])
    return store


async def free(store: MemoryStore, *, is_open: bool = False) -> None:
    """Let go of a run, as its worker does."""
    claim = await store.claim("r")
    assert claim is not None
    await store.release("r", epoch=claim.epoch, is_open=is_open)


def reasons(journal: Sequence[Input]) -> list[str]:
    return [event.reason for event in journal if isinstance(event, Failed)]


@pytest.mark.parametrize(("machine", "state", "landing"), [(Pays, "unsure", None), (PaysOrLands, "human", "lands")])
async def test_code_of_a_dead_worker_goes_over_its_failure_edge(machine: Any, state: str, landing: str | None) -> None:
    """Nobody knows whether it has paid, so it does not pay; it did not time out, and without an edge the run lands."""
    result = await Runner(machine, store=await begun(machine)).resume("r")

    assert state == result.state.name
    assert [] == DONE
    assert ["outcome_unknown"] == reasons(result.journal)
    assert (landing is None) == (result.landing is None)
    assert result.landing is None or result.landing.reason == "outcome_unknown"


async def test_repeatable_code_of_a_dead_worker_runs_again_under_its_key() -> None:
    """Whoever gets the key twice knows that it is one payment."""
    result = await Runner(PaysAgain, store=await begun(PaysAgain)).resume("r")

    assert PaysAgain.paid is result.state
    assert ["r:0"] == DONE
    assert [] == reasons(result.journal)


@pytest.mark.parametrize("is_open", [False, True])
async def test_of_a_run_that_is_free_nothing_has_begun(is_open: bool) -> None:
    """It was let go before anything was begun; let go with something open it is as of a dead worker."""
    store = await begun(Pays)
    await free(store, is_open=is_open)
    result = await Runner(Pays, store=store).resume("r")

    assert ([] if is_open else ["r:0"]) == DONE
    assert (["outcome_unknown"] if is_open else []) == reasons(result.journal)


class FailsOnce(MemoryStore):
    """A store that fails at its second write."""

    writes = 0

    async def append(self, run_id: str, start: int, inputs: Sequence[Input], **options: Any) -> None:
        self.writes += 1
        if self.writes == 2:
            raise StoreError("away")
        await super().append(run_id, start, inputs, **options)


async def test_a_run_whose_store_failed_is_let_go_with_what_it_had_begun() -> None:
    """Its effect was had, and nothing of it is stored: nobody has it a second time."""
    store = FailsOnce()
    with pytest.raises(StoreError, match="away"):
        await Runner(Pays, store=store).run(Order(), run_id="r")
    assert ["r:0"] == DONE
    assert None is (await store.list())[0].owner
    result = await Runner(Pays, store=store).resume("r")

    assert (["r:0"], "unsure") == (DONE, result.state.name)


async def test_who_drives_nothing_forgets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was taken from a dead worker, and let go since the code had changed, is taken again after that."""
    store = await begun(Pays)

    def drifted(*_: object) -> None:
        raise Drifted("changed")

    with monkeypatch.context() as patch:
        patch.setattr(driver, "check_head", drifted)
        with pytest.raises(Drifted):
            await Runner(Pays, store=store).resume("r")
    result = await Runner(Pays, store=store).resume("r")

    assert ([], "unsure") == (DONE, result.state.name)


async def test_expiring_nothing_forgets_nothing() -> None:
    """So it is with one that is let go since no question of it is late."""
    store = await begun(Pays)
    await Runner(Pays, store=store).expire("r")
    result = await Runner(Pays, store=store).resume("r")

    assert ([], "unsure") == (DONE, result.state.name)


async def ask_and_pay(visit: Visit[Order]) -> Any:
    """Ask a model, and pay."""
    await visit.model.ask((Message(role="user", content="How much?"),))
    return pay(visit)


@pytest.mark.parametrize("repeatable", [False, True])
@pytest.mark.parametrize("count", [1, 2, 3])
async def test_a_function_that_asks_models_is_code(count: int, repeatable: bool) -> None:
    """Between two requests it may do anything; so it runs again only if that is said, with the calls that are left."""

    class Asks(Machine[Order]):
        """Ask, and pay."""

        pay = State(ask_and_pay, initial=True, writes=Order.receipt, calls=3, repeatable=repeatable)
        paid, human = Final(), Final(fallback=True)
        done = pay.to(paid)

    model = ScriptedModel(["5"] * 3)
    result = await Runner(Asks, model=model, store=await begun(Asks, count=count, model=ScriptedModel(["5"]))).resume(
        "r"
    )

    assert ("paid" if repeatable else "human") == result.state.name
    assert ["r:0"] * repeatable == DONE
    assert repeatable is not ("outcome_unknown" in reasons(result.journal))


class Routes(Machine[Order]):
    """Route by a word, ask a model, run two at once, and ask a human."""

    paid, human = Final(), Final(fallback=True)
    both = State(
        Parallel(LLMAgent("Note.", reads=Order.text, writes=Order.note), LLMAgent("Pay.", writes=Order.receipt))
    )
    told = State(LLMAgent("Tell.", reads=Order.text))
    words = State(KeywordAgent(Order.text, {told: "x"}, otherwise=paid), initial=True)
    check = State(HumanAgent("Right?", reads=Order.text))
    by_word, else_ = words.to(told), words.to(paid)
    on = told.to(both, "go on")
    joined, right = both.to(check), check.to(paid, "right")
    limits = Limits(tokens=40_000)


async def test_what_asks_and_routes_is_due_again() -> None:
    """Models, routers, branches and humans have no effect of their own: after a crash anywhere the run goes on."""

    def runner() -> Runner[Order, None]:
        return Runner(Routes, model=ScriptedModel([filled] * 9), store=MemoryStore())

    whole = await runner().run(Order(), run_id="r")
    for count in range(1, len(whole.journal) + 1):
        going_on = runner()
        await keep(going_on, "r", whole.journal[:count])
        result = await going_on.resume("r")

        assert ("waiting", "check") == (result.status, result.state.name), count
        assert [] == reasons(result.journal)


def filled(request: Request) -> Any:
    """Fill in a form with the names of its fields."""
    return {name: name for name in (request.schema or {}).get("properties", {})} or "told"


async def test_what_an_answer_makes_due_is_begun_although_the_worker_died() -> None:
    """The worker died while a human was asked for approval: so nobody has used the tool."""
    machine, store = clerk("works", approval=True), MemoryStore()
    asked = await Runner(machine).run(Claim(query="x"), run_id="r")
    await keep(Runner(machine, store=store), "r", asked.journal)
    result = await Runner(machine, store=store).resume("r", True)

    assert ["r:0:1"] == DONE
    assert "outcome unknown" not in (result.context.note or "")


async def test_a_tool_of_a_free_run_is_used() -> None:
    """Nobody can have used it, so the agent does not read that nobody knows."""
    machine, store = clerk("works"), MemoryStore()
    whole = await Runner(machine).run(Claim(query="x"), run_id="r")
    DONE.clear()
    await keep(Runner(machine, store=store), "r", whole.journal[:2])
    await free(store)
    result = await Runner(machine, store=store).resume("r")

    assert ["r:0:1"] == DONE
    assert "outcome unknown" not in (result.context.note or "")


class Looks(Machine[Order, MemoryStore]):
    """Look twice at what is stored."""

    one, two = State(look, initial=True), State(look)
    done, human = Final(), Final(fallback=True)
    flow = one >> two >> done


async def test_code_begins_only_when_all_before_it_is_stored() -> None:
    """Else it might be begun again by who finds no trace of it."""
    SEEN.clear()
    store = MemoryStore()
    await Runner(Looks, store=store).run(Order(), run_id="r", deps=store)

    assert [1, 2] == SEEN


def test_who_claims_is_told_whether_something_is_open() -> None:
    """`None` only of a run that was let go with nothing open."""

    async def claims(store: MemoryStore) -> list[Claimed | None]:
        await free(store)
        first = await store.claim("r")
        assert first is not None
        await store.release("r", epoch=first.epoch, is_open=True)
        return [first, await store.claim("r")]

    first, second = asyncio.run(claims(asyncio.run(begun(Pays))))
    assert first is not None
    assert second is not None
    assert (None, "released") == (first.taken_from, second.taken_from)


RUNS = list[driver.Run]()
OPEN = list[object]()


async def looks_at_its_run(visit: Visit[Order]) -> None:
    """Look whether the run would be let go with something open."""
    await asyncio.sleep(0)
    OPEN.append(RUNS[-1].is_open)


class LooksAtItsRun(Machine[Order]):
    """Work, once and again."""

    once, again = State(looks_at_its_run, initial=True), State(looks_at_its_run, repeatable=True)
    done, human = Final(), Final(fallback=True)
    flow = once >> again >> done


async def test_a_run_is_open_while_code_is_at_work_that_must_not_be_begun_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever lets go of it then says so, although all of its journal is stored."""

    class Noted(driver.Run):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            RUNS.append(self)

    OPEN.clear()
    monkeypatch.setattr(driver, "Run", Noted)
    await Runner(LooksAtItsRun, store=MemoryStore()).run(Order())

    assert [True, False, None] == [*OPEN, RUNS[-1].is_open]


class Tells(Machine[Order]):
    """Two models, one after the other."""

    one, two = State(LLMAgent("Tell."), initial=True), State(LLMAgent("Tell."))
    done, human = Final(), Final(fallback=True)
    flow = one >> two >> done


async def test_a_run_keeps_the_prices_that_it_began_with() -> None:
    """A price that has changed meanwhile, or the table of another worker, folds no journal into another sum."""

    def model(dollars: str) -> ScriptedModel:
        return ScriptedModel(["told"] * 2, price=Price(dollars, dollars))

    whole = await Runner(Tells, model=model("1")).run(Order(), run_id="r")
    store = MemoryStore()
    await keep(Runner(Tells, model=model("1"), store=store), "r", whole.journal[:4])
    result = await Runner(Tells, model=model("7"), store=store).resume("r")

    assert whole.cost_usd == result.cost_usd
    assert whole.cost_usd


async def test_a_run_that_is_forgotten_after_its_claim_is_not_known() -> None:
    """It had ended, and others forgot it before its journal was loaded."""

    class Forgets(MemoryStore):
        """Forgets each run when it is loaded."""

        async def load(self, run_id: str) -> tuple[Input, ...]:
            return ()

    runner = Runner(Pays, store=Forgets())
    await runner.run(Order(), run_id="r")

    with pytest.raises(StartError, match="knows of no run 'r'"):
        await runner.resume("r")
