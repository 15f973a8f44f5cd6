"""A run that waits for humans: it is given out, kept, and goes on with their answers, in whatever process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from support.asking import DONE, Both, Claim, Pair, Refunds, clerk
from support.kept import keep

from fsm_orch import (
    Final,
    HumanAgent,
    Machine,
    MemoryStore,
    Nested,
    Parallel,
    Runner,
    RunResult,
    StartError,
    State,
    Visit,
)
from fsm_orch.errors import AnswerError, AnswerLate, RunTaken, StoreError
from fsm_orch.kernel import inputs
from fsm_orch.kernel.inputs import Input
from fsm_orch.observe import Record

YES = {"handoff": "yes", "note": "ok"}


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    """Begin with nothing done in the world."""
    DONE.clear()


async def waiting(store: Any, **options: Any) -> RunResult[Claim]:
    """Run until a human is waited for."""
    return await Runner(Refunds, store=store, **options).run(Claim(query="x"), run_id="r")


@pytest.mark.looptime
async def test_a_run_waits_and_goes_on_in_another_runner() -> None:
    """Its results are of the whole run, its observers are told what is new, and no time has passed meanwhile."""
    store, told = MemoryStore(), list[Record]()
    first = await waiting(store)
    await asyncio.sleep(9_999)
    result = await Runner(Refunds, store=store, observers=[told.append]).resume("r", YES, who="ann")

    assert ("waiting", Refunds.approve, 1, []) == (first.status, first.state, len(first.waiting), list(first.path))
    assert ("finished", Refunds.paid, ()) == (result.status, result.state, result.waiting)
    assert ["approve", "refund"] == [hop.source for hop in result.path]
    assert (first.records, tuple(told)) == (result.records[: len(first.records)], result.records[len(first.records) :])
    assert ("ok", "r:1", 0.0) == (result.context.note, result.context.receipt, result.seconds)
    assert result.journal == await store.load("r")
    assert ["ann"] == [event.who for event in result.journal if isinstance(event, inputs.Answered)]


async def test_a_question_says_all_that_an_answer_needs() -> None:
    """Its text, the form that an answer is read by, and when it expires; nobody can change it."""
    (question,) = (await waiting(MemoryStore(), wall_clock=lambda: 1_000.0)).waiting

    assert ("r:0:1", "approve", "Pay this back?", 4_600.0) == (
        *(question.key, question.state, question.text),
        question.expires_at,
    )
    assert ["yes", "no"] == question.form["properties"]["handoff"]["enum"]
    with pytest.raises(TypeError):
        question.form["properties"]["handoff"]["enum"].append("more")


async def test_a_waiting_journal_is_replayed_as_one_that_waits() -> None:
    """What a run came to is what its journal says: also that it waits, and for what."""
    result = await waiting(MemoryStore())
    replayed = Runner(Refunds).replay(result.journal)

    assert (result.status, result.waiting, result.records) == (replayed.status, replayed.waiting, replayed.records)
    assert "running" == Runner(Refunds).replay(result.journal[:1]).status


@pytest.mark.parametrize(
    "answer",
    [
        {"handoff": "late", "note": "x"},
        {"handoff": "nowhere", "note": "x"},
        {"note": "x"},
        {},
        None,
        "yes",
        {"handoff": "yes", "note": 5},
        {"handoff": "yes", "note": "x", "more": 1},
        {"handoff": "yes", "note": float("nan")},
        {"handoff": "yes", "note": "\ud800"},
        object(),
    ],
)
async def test_an_answer_that_does_not_fit_changes_nothing(answer: Any) -> None:
    """It is tried on a copy: the run waits on, and nobody is told of anything."""
    store, told = MemoryStore(), list[Record]()
    before = (await waiting(store)).journal

    with pytest.raises(AnswerError):
        await Runner(Refunds, store=store, observers=[told.append]).resume("r", answer)

    assert (before, []) == (await store.load("r"), told)
    assert Refunds.paid is (await Runner(Refunds, store=store).resume("r", YES)).state


async def test_none_of_these_is_an_answer() -> None:
    """A human may take none of the handoffs; the run lands."""
    store = MemoryStore()
    await waiting(store)
    result = await Runner(Refunds, store=store).resume("r", {"handoff": "none_of_these", "note": ""})

    assert result.landing is not None
    assert "declined" == result.landing.reason


class Meeting(MemoryStore):
    """A store in which several loads end before anything else begins."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.meet = asyncio.Barrier(count)
        self.is_meeting = False

    async def load(self, run_id: str) -> tuple[Input, ...]:
        journal = await super().load(run_id)
        if self.is_meeting:
            await self.meet.wait()
            self.is_meeting = False
        return journal


async def test_of_answers_that_come_at_once_one_wins() -> None:
    """However many equal answers race, money goes back once; the others are told, and their observers of nothing."""
    store = Meeting(5)
    await waiting(store)
    store.is_meeting = True
    told = [list[Record]() for _ in range(5)]
    came = await asyncio.gather(
        *(Runner(Refunds, store=store, observers=[own.append]).resume("r", YES) for own in told),
        return_exceptions=True,
    )

    assert 1 == sum(isinstance(one, RunResult) for one in came)
    assert 4 == sum(isinstance(one, AnswerError) for one in came)
    assert ["r:1"] == DONE
    assert 1 == sum(map(bool, told))


class Broken(MemoryStore):
    """A store that takes no more writes."""

    is_broken = False

    async def append(self, run_id: str, start: int, inputs: Sequence[Input], **options: Any) -> None:
        if self.is_broken:
            raise StoreError("no more")
        await super().append(run_id, start, inputs, **options)


async def test_a_store_that_fails_is_no_other_answer() -> None:
    """What it raises is raised, and the run waits on."""
    store = Broken()
    await waiting(store)
    store.is_broken = True
    with pytest.raises(StoreError, match="no more"):
        await Runner(Refunds, store=store).resume("r", YES)
    store.is_broken = False

    with pytest.raises(AnswerLate, match=r"another answer to 'r:0:1', .*, came first: it is in the inbox of run 'r'"):
        await Runner(Refunds, store=store).resume("r", YES)
    assert Refunds.paid is (await Runner(Refunds, store=store).resume("r")).state


async def test_a_question_is_answered_once() -> None:
    """A second answer, later or while the run goes on, is refused."""
    store = MemoryStore()
    runner = Runner(Refunds, store=store)
    (question,) = (await waiting(store)).waiting
    first = asyncio.create_task(runner.resume("r", YES))
    with pytest.raises(AnswerError):
        await asyncio.gather(runner.resume("r", YES), first)
    await first
    with pytest.raises(AnswerLate, match="'r:0:1' is not open: run 'r' waits for no answer, it is finished in 'paid'"):
        await runner.resume("r", YES, question=question)

    assert ["r:1"] == DONE


async def test_an_answer_that_does_not_fit_is_not_late() -> None:
    """Another one may come, so whoever gave it may try again."""
    store = MemoryStore()
    await waiting(store)
    with pytest.raises(AnswerError, match="does not fit") as refused:
        await Runner(Refunds, store=store).resume("r", {"handoff": "maybe", "note": "ok"})

    assert not isinstance(refused.value, AnswerLate)
    assert Refunds.paid is (await Runner(Refunds, store=store).resume("r", YES)).state


async def test_a_finished_run_is_given_again() -> None:
    """To resume a run that has ended does nothing, and gives its result."""
    store = MemoryStore()
    await waiting(store)
    runner = Runner(Refunds, store=store)
    result = await runner.resume("r", YES)
    again = await runner.resume("r")

    assert (result.journal, result.records, result.state) == (again.journal, again.records, again.state)
    assert ["r:1"] == DONE


async def test_a_question_expires_over_on_timeout() -> None:
    """Only when its time is over; an answer that comes after that is refused, before the run has gone on or after."""
    store, now = MemoryStore(), [0.0]
    runner = Runner(Refunds, store=store, wall_clock=lambda: now[0])
    await runner.run(Claim(query="x"), run_id="r")

    now[0] = 3_599.0
    assert "waiting" == (await runner.expire("r")).status
    now[0] = 3_600.0
    with pytest.raises(AnswerLate, match="has expired"):
        await runner.resume("r", YES)
    result = await runner.expire("r")
    assert (Refunds.declined, ["late"]) == (result.state, [hop.handoff for hop in result.path])
    assert result.journal == await store.load("r")
    with pytest.raises(AnswerError):
        await runner.resume("r", YES)


async def test_all_questions_whose_time_is_over_expire_at_once() -> None:
    """One call of `expire` lets each of them go its way, and the run does not wait for those that are left behind."""

    class Late(Machine[Pair]):
        """Two humans who have a minute."""

        ask = State(
            Parallel(
                one=State(HumanAgent("?", reads=Pair.query, writes=Pair.one), expires_s=60),
                two=State(HumanAgent("?", reads=Pair.query, writes=Pair.two), expires_s=60),
                join=1,
                tolerate=True,
            ),
            initial=True,
        )
        done, nobody, human = Final(), Final(), Final(fallback=True)
        on, failed = ask.to(done), ask.on_failure(nobody)

    store, now = MemoryStore(), [0.0]
    runner = Runner(Late, store=store, wall_clock=lambda: now[0])
    assert 2 == len((await runner.run(Pair(query="x"), run_id="r")).waiting)
    now[0] = 60.0

    assert Late.nobody is (await runner.expire("r")).state


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_branches_that_wait_are_answered_in_any_order(order: tuple[int, int]) -> None:
    """Each question by its key; an answer without one is refused where there are two."""
    store = MemoryStore()
    runner = Runner(Both, store=store)
    result = await runner.run(Pair(query="x"), run_id="r")
    questions = result.waiting
    assert ["What says the first?", "What says the second?"] == [question.text for question in questions]
    with pytest.raises(AnswerError, match=r"no question is named: run 'r' waits for 'r:0.1:0:1', 'r:0.2:0:1'"):
        await runner.resume("r", {"one": "1"})
    for number in order:
        name = ("one", "two")[number]
        result = await runner.resume("r", {name: name}, question=questions[number].key)

    assert (Both.done, "one", "two") == (result.state, result.context.one, result.context.two)


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        (lambda: Runner(Refunds).resume("r"), "this runner has none"),
        (lambda: Runner(Refunds, store=MemoryStore()).resume("r"), "knows of no run 'r'"),
        (lambda: Runner(Refunds, store=MemoryStore()).expire("r"), "knows of no run 'r'"),
    ],
)
async def test_a_run_goes_on_only_from_a_store(refused: Callable[[], Any], why: str) -> None:
    """Without one, or of a run that it does not know, it is said what is missing."""
    with pytest.raises(StartError, match=why):
        await refused()


async def test_a_waiting_run_is_not_forgotten() -> None:
    """However many runs have ended since."""
    store = MemoryStore(runs=1)
    await waiting(store)
    for _ in range(3):
        await Runner(Refunds, store=store, agents={Refunds.approve: lambda visit: Refunds.no}).run(Claim(query="x"))

    assert Refunds.paid is (await Runner(Refunds, store=store).resume("r", YES)).state


# --- tools ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("works", "answered True {'cents': 5}"),
        ("breaks", "answered False it failed: ValueError at asking.py:"),
        ("no_json", "answered False it failed: WrongType at "),
    ],
)
async def test_what_a_tool_came_to_is_read_by_its_agent(name: str, note: str) -> None:
    """Its result, or that it failed and where, but none of what it raised; it has a key of its own."""
    result = await Runner(clerk(name)).run(Claim(query="x"), run_id="r")

    assert result.context.note is not None
    assert result.context.note.startswith(note)
    assert "secret" not in result.context.note
    assert ["r:0:1"] == DONE


@pytest.mark.parametrize(("is_yes", "note"), [(True, "answered True {'cents': 5}"), (False, "declined False")])
async def test_a_tool_is_used_after_its_approval(is_yes: bool, note: str) -> None:
    """It is asked for by name with what it is given; nothing else than True or False is an answer."""
    store = MemoryStore()
    runner = Runner(clerk("works", approval=True), store=store)
    (question,) = (await runner.run(Claim(query="x"), run_id="r")).waiting
    assert ("works", "Use works(cents=5)?", []) == (question.tool, question.text, DONE)
    with pytest.raises(AnswerError, match="True or False"):
        await runner.resume("r", "yes")
    result = await runner.resume("r", is_yes)

    assert result.context.note is not None
    assert result.context.note.startswith(note)
    assert ["r:0:1"] * is_yes == DONE


@pytest.mark.parametrize(("is_repeatable", "done"), [(True, ["r:0:1"]), (False, [])])
async def test_a_tool_whose_process_ended_is_used_again_if_it_may_be(is_repeatable: bool, done: list[str]) -> None:
    """Under the same key; else its agent reads that nobody knows what became of it."""
    machine = clerk("works", repeatable=is_repeatable)
    whole = await Runner(machine).run(Claim(query="x"), run_id="r")
    DONE.clear()
    store = MemoryStore()
    runner = Runner(machine, store=store)
    await keep(runner, "r", whole.journal[:2])
    result = await runner.resume("r")

    assert result.context.note is not None
    assert is_repeatable is not ("outcome unknown" in result.context.note)
    assert done == DONE


class Later(MemoryStore):
    """A store that lets others go first."""

    async def append(self, run_id: str, start: int, inputs: Sequence[Input], **options: Any) -> None:
        await super().append(run_id, start, inputs, **options)
        for _ in range(9):
            await asyncio.sleep(0)

    async def load(self, run_id: str) -> tuple[Input, ...]:
        await asyncio.sleep(0)
        return await super().load(run_id)


async def test_a_run_under_way_is_not_resumed() -> None:
    """Within one runner it is known that somebody drives it already, and said."""
    store = Later()
    runner = Runner(Refunds, store=store)
    await waiting(store)
    under_way = asyncio.create_task(runner.resume("r", YES, id="first"))
    while "r" not in runner._driver.driven:  # noqa: ASYNC110 - nothing tells when it is
        await asyncio.sleep(0)

    with pytest.raises(StartError, match="run 'r' is under way in this runner"):
        await runner.resume("r")
    with pytest.raises(AnswerLate, match="another answer to 'r:0:1', 'first', came first"):
        await runner.resume("r", YES)
    assert Refunds.paid is (await under_way).state


async def test_a_run_under_way_is_not_resumed_while_another_fails_under_its_id() -> None:
    """A second run under one id is refused by the store, and the first is still known to be under way."""
    runner = Runner(Refunds, store=Later())
    under_way = asyncio.create_task(runner.run(Claim(query="x"), run_id="r"))
    for _ in range(5):  # until it is stored, and no longer
        await asyncio.sleep(0)
    with pytest.raises(RunTaken, match="a run id names one run"):
        await runner.run(Claim(query="y"), run_id="r")

    with pytest.raises(StartError, match="run 'r' is under way in this runner"):
        await runner.resume("r")
    assert "waiting" == (await under_way).status


@pytest.mark.parametrize("wrong", [["r"], 5, None, b"r", {}, "\ud800"])
async def test_a_run_that_goes_on_is_named_by_a_text(wrong: Any) -> None:
    """Whatever else is given in its place is refused in words, where a run is resumed, answered or let expire."""
    runner = Runner(Refunds, store=MemoryStore())
    why = f"^run_id= takes text that UTF-8 can encode, and this {type(wrong).__name__} is none$"

    for refused in (runner.resume(wrong), runner.resume(wrong, YES), runner.expire(wrong)):
        with pytest.raises(StartError, match=why):
            await refused


def fill_one(visit: Visit[Pair]) -> Any:
    """Write for the first what it did not say."""
    return {Pair.one: "nothing"}


def fill_two(visit: Visit[Pair]) -> Any:
    """Write for the second what it did not say."""
    return {Pair.two: "nothing"}


class One(Machine[Pair]):
    """The first is asked, and written for if it is late."""

    ask = State(HumanAgent("What says the first?", writes=Pair.one), initial=True, expires_s=100)
    fill = State(fill_one, writes=Pair.one)
    done, human = Final(), Final(fallback=True)
    said, late = ask.to(done), ask.on_timeout(fill)
    filled = fill.to(done)


class Two(Machine[Pair]):
    """The second is asked, and written for if it is late."""

    ask = State(HumanAgent("What says the second?", writes=Pair.two), initial=True, expires_s=100)
    fill = State(fill_two, writes=Pair.two)
    done, human = Final(), Final(fallback=True)
    said, late = ask.to(done), ask.on_timeout(fill)
    filled = fill.to(done)


class OneAndTwo(Machine[Pair]):
    """Both are asked at once, in machines that go on without them."""

    ask = State(Parallel(Nested(One, writes=Pair.one), Nested(Two, writes=Pair.two)), initial=True)
    done, human = Final(), Final(fallback=True)
    on = ask.to(done)


async def test_all_questions_that_are_late_expire_at_once() -> None:
    """Also where the first that expires leads to work: no question is left that nobody can answer any more."""
    store, now = MemoryStore(), [0.0]
    runner = Runner(OneAndTwo, store=store, wall_clock=lambda: now[0])
    await runner.run(Pair(query="x"), run_id="r")
    now[0] = 100.0
    result = await runner.expire("r")

    assert (OneAndTwo.done, "nothing", "nothing") == (result.state, result.context.one, result.context.two)
    assert ["late", "late"] == [record.handoff for record in result.records if record.kind == "handed_off"][:2]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"handoff": "yes", "note": "x", "nota": "y"}, r"not asked for; it does not take 'nota'; it takes all of \{"),
        (
            {"handoff": "yes", "nota": "y"},
            r"does not fit: note: Field required; it does not take 'nota'; it takes all of \{",
        ),
        ({"handoff": "yes", "a": 1, "b": 1, "c" * 99: 1, "d": 1}, f"'a', 'b', '{'c' * 64}', and 1 more; it takes all"),
    ],
)
async def test_keys_that_an_answer_does_not_take_are_named(answer: dict[str, object], why: str) -> None:
    """Beside those that it lacks; nothing of their values is told."""
    store = MemoryStore()
    await waiting(store)

    with pytest.raises(AnswerError, match=why):
        await Runner(Refunds, store=store).resume("r", answer)


async def test_an_answer_that_lacks_fields_is_told_all_that_it_takes() -> None:
    """Where a human writes beside choosing, a handoff alone is too little, and the message has the whole form."""
    store = MemoryStore()
    await waiting(store)
    runner = Runner(Refunds, store=store)

    with pytest.raises(AnswerError, match=r'it takes all of \{"handoff": "yes" or "no", "note": \.\.\.\}'):
        await runner.resume("r", Refunds.yes)
    result = await runner.resume("r", {"handoff": Refunds.yes, Claim.note: "ok"})
    assert result.waiting == ()
