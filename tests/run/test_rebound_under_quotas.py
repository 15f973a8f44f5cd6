"""Runs that are rebound to another version of their machine under quotas: what is held stays right."""

from __future__ import annotations

import asyncio
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
)
from fsm_orch.amounts import Amount
from fsm_orch.errors import Drained, Overloaded, StepError
from fsm_orch.resilience import Account, Applicant, Quota
from fsm_orch.run.migration import Migration
from fsm_orch.store import Renames

pytestmark = pytest.mark.looptime

MOST = 2_304
"""What one call of the clerk may cost."""
HOUR = Account("quota", "acme", 3600.0, most_tokens=10_000)


class Query(Context):
    """What is asked."""

    text: Given[str] = ""


class Old(Machine[Query]):
    """A clerk drafts, a human approves, and a clerk sends."""

    draft = State(LLMAgent("Draft.", reads=Query.text, calls=2), initial=True)
    approve = State(HumanAgent("Send it?", reads=Query.text))
    send = State(LLMAgent("Send.", reads=Query.text, calls=1))
    sent, kept = Final(), Final(fallback=True)
    drafted = draft.to(approve)
    yes, no = approve.to(send, "yes"), approve.to(kept, "no")
    done = send.to(sent)
    limits = Limits(tokens=3 * MOST)


class New(Machine[Query]):
    """The same under another name of a state, with more to spend for those that begin with it."""

    draft = State(LLMAgent("Draft.", reads=Query.text, calls=2), initial=True)
    approve = State(HumanAgent("Send it?", reads=Query.text))
    mail = State(LLMAgent("Send.", reads=Query.text, calls=1))
    sent, kept = Final(), Final(fallback=True)
    drafted = draft.to(approve)
    yes, no = approve.to(mail, "yes"), approve.to(kept, "no")
    done = mail.to(sent)
    limits = Limits(tokens=4 * MOST)


def runner_of(machine: type[Machine[Query]], store: Any, **options: Any) -> Runner[Query, None]:
    """Return a runner under a quota, whose model takes 5 s."""
    options = {"quotas": Quota(tokens=10_000), **options}
    model = ScriptedModel([{}] * 100, delay_s=5)
    return Runner(machine, model=model, store=store, wall_clock=asyncio.get_running_loop().time, **options)


def stored() -> MemoryStore:
    """Return a store by the clock of the test."""
    return MemoryStore(wall_clock=asyncio.get_running_loop().time)


async def migrate(store: MemoryStore) -> list[str | None]:
    """Rebind all runs of the old version. Return what became of each."""
    migration = Migration(
        store=store,
        old=Old.definition,
        new=New.definition,
        renames=Renames(states={"send": "mail"}),
        way="apply",
    )
    return [case.done or case.problem or case.judged.why async for case in migration.cases()]


async def test_a_run_that_was_rebound_holds_what_it_may_still_cost() -> None:
    """It keeps the limits it began with, what it was charged stays, and it is settled by who has the new version."""
    store = stored()
    waits = await runner_of(Old, store).run(Query(), run_id="one", tenant="acme")
    assert ["rebound"] == await migrate(store)
    held = [store.holdings.taken(HOUR).tokens]
    running = asyncio.ensure_future(runner_of(New, store).resume("one", {"handoff": "yes"}))
    await asyncio.sleep(1)
    held.append(store.holdings.taken(HOUR).tokens)
    ended = await running

    assert New.sent is ended.state
    assert [waits.charged_tokens, waits.charged_tokens + MOST] == held
    assert 0 < ended.charged_tokens - waits.charged_tokens
    assert ended.charged_tokens == store.holdings.taken(HOUR).tokens


async def test_what_a_drained_run_holds_goes_with_it_to_its_new_version() -> None:
    """It is not held twice, and nothing of it is left in the end."""
    store = stored()
    old = runner_of(Old, store.beside(lease_s=15))
    running = asyncio.ensure_future(old.run(Query(), run_id="one", tenant="acme"))
    await asyncio.sleep(1)
    await old.drain(grace_s=0)
    with pytest.raises(Drained):
        await running
    assert ["rebound"] == await migrate(store)
    held = [store.holdings.taken(HOUR).tokens]
    going_on = asyncio.ensure_future(runner_of(New, store).resume("one"))
    await asyncio.sleep(1)
    held.append(store.holdings.taken(HOUR).tokens)
    waits = await going_on

    assert [3 * MOST, 3 * MOST] == held
    assert ("waiting", waits.charged_tokens) == (waits.status, store.holdings.taken(HOUR).tokens)


async def test_a_runner_of_the_old_version_holds_nothing_of_a_run_that_was_rebound() -> None:
    """It is told who has it now, and the quota is as it was."""
    store = stored()
    old = runner_of(Old, store)
    waits = await old.run(Query(), run_id="one", tenant="acme")
    await migrate(store)
    for again in (old.resume("one"), old.resume("one", Old.yes), old.cancel("one")):
        with pytest.raises(StepError, match="was rebound"):
            await again

    assert Amount(waits.charged_tokens) == store.holdings.taken(HOUR)


async def test_a_run_that_was_rebound_is_refused_as_any_other() -> None:
    """Its answer is kept, and it goes on once there is room."""
    store = stored()
    await runner_of(Old, store).run(Query(), run_id="one", tenant="acme")
    await migrate(store)
    new, other = runner_of(New, store), Amount(10_000 - MOST)
    await store.holdings.hold("other", [HOUR], settled=Amount(), may_cost=other)
    with pytest.raises(Overloaded, match="may cost 2,304") as refused:
        await new.resume("one", {"handoff": "yes"})
    await store.holdings.settle("other", [HOUR], settled=Amount())
    ended = await new.resume("one")

    assert ("one", New.sent) == (refused.value.run_id, ended.state)
    assert ended.charged_tokens == store.holdings.taken(HOUR).tokens


async def test_a_key_that_sees_the_new_version_counts_what_comes_from_then_on() -> None:
    """By the name of the machine: each version was charged what runs cost under it."""

    def machine(run: Applicant) -> str:
        return run.machine

    store, options = stored(), {"quotas": Quota(tokens=10_000, key=machine)}
    waits = await runner_of(Old, store, **options).run(Query(), run_id="one")
    await migrate(store)
    ended = await runner_of(New, store, **options).resume("one", {"handoff": "yes"})
    by_name = {name: store.holdings.taken(Account("quota", name, 3600.0)).tokens for name in ("Old", "New")}

    assert {"Old": waits.charged_tokens, "New": ended.charged_tokens - waits.charged_tokens} == by_name
