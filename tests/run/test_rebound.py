"""Runs that were rebound to another version of their machine: who drives them, and what they are told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fsm_orch import (
    Context,
    Final,
    Given,
    HumanAgent,
    Limits,
    LLMAgent,
    Machine,
    MemoryStore,
    Runner,
    ScriptedModel,
    State,
    Visit,
    guard,
    never,
)
from fsm_orch.errors import Drained, StartError, StepError, StoreError
from fsm_orch.kernel.renames import NO_RENAMES
from fsm_orch.run.migration import Migration
from fsm_orch.store import Origin, Rebound, Renames, Store
from fsm_orch.store.sql import SqlStore


class Ask(Context):
    query: str
    secret: Given[str] = ""
    answer: str | None = None


def pay(visit: Visit[Ask]) -> dict[Any, Any]:
    return {Ask.answer: "paid"}


class Old(Machine[Ask]):
    """Ask somebody, and pay."""

    ask = State(HumanAgent("Pay?", reads=Ask.query), initial=True)
    pay = State(pay, writes=Ask.answer)
    paid, declined = Final(), Final(fallback=True)
    yes, no = ask.to(pay, "pay"), ask.to(declined, "do not")
    done = pay.to(paid)


class New(Machine[Ask]):
    """The same, and what follows bears another name."""

    ask = State(HumanAgent("Pay?", reads=Ask.query), initial=True)
    refund = State(pay, writes=Ask.answer)
    paid, declined = Final(), Final(fallback=True)
    yes, no = ask.to(refund, "pay"), ask.to(declined, "do not")
    finished = refund.to(paid)


RENAMES = Renames(states={"pay": "refund"}, handoffs={"done": "finished"})
OLD, NEW = Old.definition.digest, New.definition.digest


async def waiting(store: Store, run_id: str = "r", **options: Any) -> Runner[Ask, None]:
    """Run the old version until it waits. Return its runner."""
    runner = Runner(Old, store=store, **options)
    result = await runner.run(Ask(query="q", secret="s"), run_id=run_id)
    assert "waiting" == result.status
    return runner


async def rebound(store: Store, run_id: str = "r") -> None:
    """Rebind a run to the new version."""
    (run,) = await store.list(run_id=run_id)
    await store.rebind(run_id, Rebound(was=OLD, digest=NEW, inputs=run.inputs, renames=RENAMES))


async def test_a_run_goes_on_with_the_version_that_it_was_rebound_to() -> None:
    """Whoever has the old one is told when it was rebound, and to what; nothing has happened to the run."""
    store = MemoryStore()
    old = await waiting(store)
    await rebound(store)
    for again in (old.resume("r"), old.resume("r", Old.yes), old.expire("r")):
        with pytest.raises(StepError, match=f"^run 'r' was rebound from digest '{OLD[:12]}' to '{NEW[:12]}' at 20"):
            await again
    result = await Runner(New, store=store).resume("r", {"handoff": "yes"})

    assert ("finished", "paid") == (result.status, result.context.answer)
    assert ["ask", "refund"] == [hop.source for hop in result.path]


async def test_a_cancellation_that_the_old_version_asked_for_is_not_lost() -> None:
    """It is asked of the store, and lands the run in its new version."""
    store = MemoryStore()
    old = await waiting(store)
    await rebound(store)
    with pytest.raises(StepError, match="was rebound"):
        await old.cancel("r")
    result = await Runner(New, store=store).resume("r")

    assert New.declined is result.state
    assert "cancelled" == (result.landing and result.landing.reason)


async def test_what_is_redacted_stays_so() -> None:
    """The journal is read under its new names, and holds no more than before."""
    store = MemoryStore()
    await waiting(store, redact=[Ask.secret])
    await rebound(store)
    result = await Runner(New, store=store, redact=[Ask.secret]).resume("r", {"handoff": "yes"})

    assert "finished" == result.status
    assert "[redacted]" == (await store.load("r"))[0].context["secret"]  # type: ignore[union-attr]


async def test_a_fork_of_a_run_that_was_rebound_is_one_of_the_new_version() -> None:
    """It begins with the journal as that reads it, and is itself rebound by its name."""
    store = MemoryStore()
    await waiting(store)
    await rebound(store)
    (run,) = await store.list(run_id="r")
    await store.fork("f", Origin("r", run.inputs), await store.load("r"), run.head)
    (fork,) = await store.list(run_id="f")
    await store.rebind("f", Rebound(was=NEW, digest=OLD, inputs=run.inputs))

    assert (NEW, ()) == (fork.digest, fork.rebound)
    assert (OLD, None) == ((await store.list(run_id="f"))[0].digest, fork.owner)


@guard
def is_secret(asked: Ask) -> bool:
    return asked.secret == "s"


class Looks(Machine[Ask]):
    """The same, and somebody looks at the secret."""

    ask = State(HumanAgent("Pay?", reads=Ask.query), initial=True)
    pay = State(pay, writes=Ask.answer)
    paid, declined = Final(), Final(fallback=True)
    yes, no = ask.to(pay, "pay"), ask.to(declined, "do not")
    told = pay.to(declined, guard=is_secret)
    done = pay.to(paid)


class Promises(Machine[Ask]):
    """The same, and a promise is made about the secret."""

    ask = State(HumanAgent("Pay?", reads=Ask.query), initial=True)
    pay = State(pay, writes=Ask.answer)
    paid, declined = Final(), Final(fallback=True)
    yes, no = ask.to(pay, "pay"), ask.to(declined, "do not")
    done = pay.to(paid)
    policies = (never(pay).when(is_secret),)


@pytest.mark.parametrize(("new", "whose"), [(Looks, "'told'"), (Promises, "a policy")])
async def test_no_guard_of_the_new_version_is_asked_of_what_was_redacted(new: Any, whose: str) -> None:
    """It would decide by a mark: the run does not continue there, and rebound all the same it does not go on."""
    store = MemoryStore()
    await waiting(store, redact=[Ask.secret])
    migration = Migration(store=store, old=Old.definition, new=new.definition, renames=NO_RENAMES, way="pin")
    (case,) = [case async for case in migration.cases()]
    (run,) = await store.list(run_id="r")
    await store.rebind("r", Rebound(was=OLD, digest=new.definition.digest, inputs=run.inputs))
    with pytest.raises(
        StartError, match=rf"a guard of {whose}, .*is_secret.*, may read Ask.secret, which was redacted"
    ):
        await Runner(new, store=store).resume("r", {"handoff": "yes"})

    assert "stranded" == case.judged.verdict
    assert "may read Ask.secret" in case.judged.why
    assert run.inputs == len(await store.load("r"))


DONE = list[str]()
"""What was paid, by the keys."""


def paid_once(visit: Visit[Ask]) -> dict[Any, Any]:
    DONE.append(visit.key)
    return {Ask.answer: "paid"}


class Pays(Machine[Ask]):
    """Decide, and pay."""

    decide = State(LLMAgent("Pay?", reads=Ask.query), initial=True)
    pay = State(paid_once, reads=Ask.query, writes=Ask.answer)
    paid, declined = Final(), Final(fallback=True)
    yes, no = decide.to(pay, "pay"), decide.to(declined, "do not")
    done = pay.to(paid)


class Refunds(Machine[Ask]):
    """The same in other words."""

    decide = State(LLMAgent("Pay?", reads=Ask.query), initial=True)
    refund = State(paid_once, reads=Ask.query, writes=Ask.answer)
    paid, declined = Final(), Final(fallback=True)
    pay_back, no = decide.to(refund, "pay"), decide.to(declined, "do not")
    done = refund.to(paid)


async def test_a_fork_that_was_rebound_is_given_what_its_parent_did_under_the_old_names() -> None:
    """It is not done again, be it that the fork may have effects; so it is in a fork of the fork."""
    store = MemoryStore()
    old = Runner(Pays, model=ScriptedModel([{"handoff": "yes"}]), store=store)
    await old.run(Ask(query="q"), run_id="p")
    await old.fork("p", at=1, new_id="f")
    names = Renames(states={"pay": "refund"}, handoffs={"yes": "pay_back"})
    was, now = Pays.definition.digest, Refunds.definition.digest
    await store.rebind("f", Rebound(was=was, digest=now, inputs=1, renames=names))
    new = Runner(Refunds, model=ScriptedModel([{"handoff": "pay_back"}] * 2), store=store)
    await new.fork("f", at=1, new_id="g")
    DONE.clear()
    results = [await new.resume(run_id, effects=True) for run_id in ("g", "f")]

    assert ["paid"] * 2 == [result.context.answer for result in results]
    assert [] == DONE


async def test_a_worker_drives_the_digests_that_it_is_given(tmp_path: Path) -> None:
    """One with the new version alone touches no run of the old one, answered or not, until that is rebound."""
    store = SqlStore(f"sqlite:///{tmp_path}/runs.db")
    for run_id in ("r", "s"):
        await waiting(store, run_id)
    await _answered(store, "r")
    with pytest.raises(StoreError, match="an answer is in its inbox"):
        await rebound(store, "r")
    await rebound(store, "s")
    await _answered(store, "s")
    before, _ = [*await store.list(run_id="r"), *await store.list(run_id="s")]
    ended = asyncio.Event()
    new = Runner(New, store=store, observers=[lambda record: ended.set() if record.kind == "run_finished" else None])
    work = asyncio.ensure_future(new.work(poll_s=0.01))
    await ended.wait()
    await new.drain()
    await work

    assert before == (await store.list(run_id="r"))[0]
    assert "finished" == (await store.list(run_id="s"))[0].head.status
    store.close()


async def _answered(store: Store, run_id: str) -> None:
    await store.post(run_id, f"{run_id}:0:1", "1", {"handoff": "yes"})


class Said(Context):
    text: str
    answer: str | None = None


class Chat(Machine[Said]):
    """Answer."""

    answer = State(LLMAgent("Answer.", reads=Said.text, writes=Said.answer), initial=True)
    ask = State(HumanAgent("Fine?", reads=Said.answer))
    done, human = Final(), Final(fallback=True)
    to_ask = answer.to(ask)
    end = ask.to(done)


class Better(Machine[Said]):
    """Answer, in better words."""

    reply = State(LLMAgent("Answer well.", reads=Said.text, writes=Said.answer), initial=True)
    ask = State(HumanAgent("Fine?", reads=Said.answer))
    done, human = Final(), Final(fallback=True)
    to_ask = reply.to(ask)
    end = ask.to(done)


async def test_what_was_said_before_a_run_is_read_under_its_new_names_too() -> None:
    """The run before has ended, and stays with the old version; the one that follows it was rebound."""
    store = MemoryStore()
    old = Runner(Chat, model=ScriptedModel([{"answer": "one"}, {"answer": "two"}]), store=store)
    await old.run(Said(text="1"), run_id="a", thread_id="t")
    before = await old.resume("a", {})
    await old.run(Said(text="2"), run_id="b", thread_id="t", after=before)
    (run,) = await store.list(run_id="b")
    names = Renames(states={"answer": "reply"})
    old, new = Chat.definition.digest, Better.definition.digest
    await store.rebind("b", Rebound(was=old, digest=new, inputs=run.inputs, renames=names))
    result = await Runner(Better, model=ScriptedModel([]), store=store).resume("b", {})

    assert Chat.definition.digest == (await store.list(run_id="a"))[0].digest
    assert 0 < (await store.load("b"))[0].heard  # type: ignore[union-attr]
    assert [None, "reply"] * 2 == [message.agent for message in result.messages]
    assert '{"answer":"one"}' == result.messages[1].content


async def acts(visit: Visit[Ask]) -> dict[Any, Any]:
    DONE.append(visit.key)
    await asyncio.sleep(30)
    return {Ask.answer: "paid"}


def paying(*, repeatable: bool) -> type[Machine[Ask]]:
    """Make a version of a machine that pays, be it that it may do so again under the same key."""

    class Paying(Machine[Ask]):
        """Pay."""

        pay = State(acts, reads=Ask.query, writes=Ask.answer, initial=True, repeatable=repeatable)
        paid, declined = Final(), Final(fallback=True)
        done = pay.to(paid)
        limits = Limits(visit_s=60, deadline_s=60)

    return Paying


@pytest.mark.looptime
async def test_what_was_drained_in_the_midst_of_it_is_not_begun_by_a_version_that_may_not_repeat_it() -> None:
    """Its run is stored as one that is free; so no such version takes it."""
    store = MemoryStore().beside(lease_s=15.0)
    old, new = paying(repeatable=True), paying(repeatable=False)
    runner = Runner(old, store=store)
    driving = asyncio.ensure_future(runner.run(Ask(query="q"), run_id="r"))
    DONE.clear()
    await asyncio.sleep(1)
    await runner.drain(grace_s=0)
    with pytest.raises(Drained):
        await driving
    migration = Migration(store=store, old=old.definition, new=new.definition, renames=NO_RENAMES, way="apply")
    (case,) = [case async for case in migration.cases()]

    assert (["r:0"], "snapshot", "") == (DONE, case.judged.verdict, case.done)
    assert "it would act again, and must not" in case.judged.why
