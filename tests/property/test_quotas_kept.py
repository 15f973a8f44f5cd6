"""Quotas under any interleaving: runs begin, wait, go on, crash, are retried, cancelled and answered.

What each run was charged is taken from the runs themselves, and counted in the window in which they were admitted.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from fsm_orch import (
    Context,
    Final,
    Given,
    HumanAgent,
    Limits,
    LLMAgent,
    Machine,
    MemoryStore,
    Response,
    Runner,
    RunResult,
    ScriptedModel,
    State,
    Usage,
)
from fsm_orch.amounts import Amount
from fsm_orch.errors import FsmError, LeaseHeld, Overloaded
from fsm_orch.models.base import Request
from fsm_orch.resilience import Account, Admission, MemoryHoldings, Quota
from fsm_orch.store import Store
from fsm_orch.testing import CrashingStore, virtual_time
from fsm_orch.testing.crash import Crashed

CALL = {"calls": 1, "max_input_tokens": 400, "max_output_tokens": 600}
MOST = 1_000
"""What a call may cost."""
WINDOW_S = 100.0


class Query(Context):
    """What is asked."""

    text: Given[str] = ""


class Desk(Machine[Query]):
    """Two calls, and a human between."""

    draft = State(LLMAgent("Draft.", reads=Query.text, **CALL), initial=True)
    approve = State(HumanAgent("Send it?", reads=Query.text))
    send = State(LLMAgent("Send.", reads=Query.text, **CALL))
    sent, kept = Final(), Final(fallback=True)
    drafted = draft.to(approve)
    yes, no = approve.to(send, "yes"), approve.to(kept, "no")
    done = send.to(sent)
    limits = Limits(tokens=2 * MOST)


def spent(percent: int, request: Request) -> Response:
    """Return a reply that has used a part of what it may."""
    read = sum(len(message.content.encode()) for message in request.messages)
    return Response(text="{}", usage=Usage(requests=1, input_tokens=read, output_tokens=percent * 6))


@dataclass(frozen=True)
class Plan:
    """What happens to one run."""

    tenant: str | None
    begins_s: int
    takes_s: int
    """Each of its calls."""
    spends: int
    """Of each call, in percent of what it may cost."""
    writes: tuple[int, ...] = ()
    """After how many writes each of its workers crashes; the last one does not."""
    is_kept: bool = False
    """Whether the write at which one crashes is kept."""
    thinks_s: int = 0
    """The human."""
    says: str = "yes"
    is_impatient: bool = False
    """Whether the caller leaves after 20 s, again and again."""


PLANS = st.lists(
    st.builds(
        Plan,
        tenant=st.sampled_from(["a", "a", "b", None]),
        begins_s=st.integers(0, 150),
        takes_s=st.sampled_from([0, 1, 9, 30]),
        spends=st.sampled_from([0, 40, 100]),
        writes=st.lists(st.integers(0, 8), max_size=2).map(tuple),
        is_kept=st.booleans(),
        thinks_s=st.integers(0, 250),
        says=st.sampled_from(["yes", "yes", "no", "cancel"]),
        is_impatient=st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


class Watched(MemoryHoldings):
    """Holdings that are looked at after every step, and that remember what was admitted when."""

    def __init__(self, clock: Any, accounts: Sequence[Account]) -> None:
        super().__init__(clock)
        self._accounts, self._now = accounts, clock
        self.admitted: list[tuple[str, Account, int, int]] = []
        """By run, the account and the window, and what it had been charged by then."""

    async def hold(self, run_id: str, accounts: Any, *, settled: Amount, may_cost: Amount) -> None:
        await super().hold(run_id, accounts, settled=settled, may_cost=may_cost)
        window = int(self._now() // WINDOW_S)
        self.admitted += [(run_id, account, window, settled.tokens) for account in accounts]
        self.look()

    async def settle(self, run_id: str, accounts: Any, *, settled: Amount) -> None:
        await super().settle(run_id, accounts, settled=settled)
        self.look()

    def look(self) -> None:
        for account in self._accounts:
            assert self.taken(account).tokens <= (account.most_tokens or 0)


@dataclass
class World:
    """What runs are driven in."""

    tokens: int
    """Of the quota of each tenant."""
    admission: Admission | None
    refused: int = 0
    charged: dict[str, int] = field(default_factory=dict)

    def begin(self) -> None:
        self.now = asyncio.get_running_loop().time
        self.store = MemoryStore(wall_clock=self.now)
        self.accounts = [Account("quota", tenant, WINDOW_S, most_tokens=self.tokens) for tenant in ("a", "b", "")]
        self.holdings = Watched(self.now, self.accounts)

    def runner(self, plan: Plan, writes: int | None) -> Runner[Query, None]:
        store: Store = self.store.beside(lease_s=15)
        if writes is not None:
            store = CrashingStore(store, writes=writes, keeps="everything" if plan.is_kept else "nothing")
        return Runner(
            Desk,
            model=ScriptedModel([partial(spent, plan.spends)] * 9, delay_s=plan.takes_s),
            store=store
            if writes is None
            else CrashingStore(store, writes=writes, keeps="everything" if plan.is_kept else "nothing"),
            quotas=Quota(tokens=self.tokens, per_s=WINDOW_S),
            admission=self.admission,
            holdings=self.holdings,
            wall_clock=self.now,
        )

    async def live(self, run_id: str, plan: Plan) -> None:
        """Bring one run to its end, however often that takes."""
        await asyncio.sleep(plan.begins_s)
        writes, is_impatient, thought = list(plan.writes), plan.is_impatient, False
        for _ in range(200):
            runner = self.runner(plan, writes.pop(0) if writes else None)
            known = await self.store.list(run_id=run_id)
            doing: Any = runner.resume(run_id) if known else runner.run(Query(), run_id=run_id, tenant=plan.tenant)
            if known and known[0].head.status == "waiting":
                if not thought:
                    await asyncio.sleep(plan.thinks_s)
                thought = True
                doing.close()
                answer = {"yes": Desk.yes, "no": Desk.no}.get(plan.says)
                doing = runner.cancel(run_id) if answer is None else runner.resume(run_id, answer, id="mail")
            try:
                result = await asyncio.wait_for(doing, 20 if is_impatient else None)
            except Overloaded as error:
                self.refused += 1
                await asyncio.sleep(error.retry_after_s)
            except LeaseHeld:
                await asyncio.sleep(16)
            except (Crashed, FsmError, TimeoutError):
                is_impatient = False
                await asyncio.sleep(1)
            else:
                if isinstance(result, RunResult) and result.status == "finished":
                    self.charged[run_id] = result.charged_tokens
                    return
        raise AssertionError("it never ended")

    def sums(self) -> Counter[tuple[str, int]]:
        """Return what was charged, by account and window in which that was admitted."""
        sums = Counter[tuple[str, int]]()
        for run_id, total in self.charged.items():
            stretches = [each for each in self.holdings.admitted if each[0] == run_id]
            ends = [*(settled for *_, settled in stretches[1:]), total][: len(stretches)]
            for (_, account, window, settled), end in zip(stretches, ends, strict=True):
                sums[account.key, window] += end - settled
        return sums


async def lived(world: World, plans: Sequence[Plan]) -> None:
    """Let all happen, and check what must hold."""
    world.begin()
    await asyncio.gather(*(world.live(f"run{number}", plan) for number, plan in enumerate(plans)))
    sums, window = world.sums(), int(world.now() // WINDOW_S)
    assert all(total <= world.tokens for total in sums.values())
    # nothing is held any more: what is taken is what was charged
    assert all(sums[each.key, window] == world.holdings.taken(each).tokens for each in world.accounts)


@given(plans=PLANS, places=st.sampled_from([None, 1, 3]))
@example([Plan("a", 0, 9, 100, thinks_s=5), Plan("a", 6, 9, 100), Plan("a", 7, 9, 100)], None)
@example([Plan("a", 95, 9, 100, writes=(4,)), Plan("a", 101, 9, 100), Plan("a", 102, 9, 100)], None)
@settings(max_examples=120, deadline=None)
def test_no_window_is_passed_and_nothing_stays_held(plans: list[Plan], places: int | None) -> None:
    """Of a quota in which one run and a half have room, whatever else there is room for."""
    with virtual_time() as loop:
        loop.run(lived(World(3 * MOST, None if places is None else Admission(places, wait_s=30)), plans))


@given(plans=PLANS)
@settings(max_examples=60, deadline=None)
def test_with_room_enough_nobody_is_refused(plans: list[Plan]) -> None:
    """All runs have room at once, as often as each goes on."""
    world = World(1_000 * MOST, Admission(1_000))
    with virtual_time() as loop:
        loop.run(lived(world, plans))
    assert 0 == world.refused
