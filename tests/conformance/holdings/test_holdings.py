"""Every holdings keeps its port: what it gives out in a window is never more than the account may have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from conformance.holdings.holdings import HOLDINGS, Opening, Process
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsm_orch.amounts import NOTHING, Amount
from fsm_orch.resilience import Account, Holdings, Overloaded

KINDS = pytest.mark.parametrize("opening", HOLDINGS.values(), ids=HOLDINGS.keys())

HOUR = Account("tenant", "a", 3600.0, most_tokens=100)
NOW = 36_000.0 * 50_000


@dataclass
class Time:
    """A clock that a test moves."""

    now_s: float = NOW

    def __call__(self) -> float:
        return self.now_s


@asynccontextmanager
async def opened(opening: Opening, time: Time | None = None) -> AsyncIterator[Process]:
    async with opening(time or Time()) as process:
        yield process


async def left(holdings: Holdings, account: Account, most: int = 100) -> int:
    """Return how many tokens an account has left, by trying."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        try:
            await holdings.hold("probe", (account,), settled=NOTHING, may_cost=Amount(middle))
        except Overloaded:
            high = middle - 1
        else:
            await holdings.settle("probe", (account,), settled=NOTHING)
            low = middle
    return low


async def holds(holdings: Holdings, run_id: str, tokens: int, *accounts: Account, settled: int = 0) -> bool:
    """Return whether so many tokens are held for a run now."""
    try:
        await holdings.hold(run_id, accounts or (HOUR,), settled=Amount(settled), may_cost=Amount(tokens))
    except Overloaded:
        return False
    return True


async def settles(holdings: Holdings, run_id: str, tokens: int, *accounts: Account) -> None:
    """Settle what a run was charged in all."""
    await holdings.settle(run_id, accounts or (HOUR,), settled=Amount(tokens))


@KINDS
async def test_what_is_held_is_nobody_elses(opening: Opening) -> None:
    """Of 100 two runs may cost 60 and 40, and a third has to wait until one of them has been charged less."""
    async with opened(opening) as process:
        holdings = process()
        came = [await holds(holdings, "one", 60), await holds(holdings, "two", 40), await holds(holdings, "three", 1)]
        await settles(holdings, "one", 25)
        came += [await holds(holdings, "three", 36), await holds(holdings, "three", 35)]

        assert [True, True, False, False, True] == came


@KINDS
async def test_who_is_refused_is_told_which_quota_and_until_when(opening: Opening) -> None:
    """The window of an hour ends 20 minutes from now."""
    async with opened(opening, Time(NOW + 2400.5)) as process:
        with pytest.raises(Overloaded, match=r"quota 'tenant' of 'a' has 100 of 100 tokens.*cost 101.*1200 s") as told:
            await process().hold("one", (HOUR,), settled=NOTHING, may_cost=Amount(101))

        assert ("quota", 1200, None) == (told.value.reason, told.value.retry_after_s, told.value.run_id)


@KINDS
async def test_money_is_held_as_tokens_are(opening: Opening) -> None:
    """An account that limits money alone takes any tokens, and one that limits both is full when either is."""
    dollars = Account("dollars", "a", 3600.0, most_cost=50)
    both = Account("both", "a", 3600.0, most_tokens=100, most_cost=50)
    async with opened(opening) as process:
        holdings = process()
        await holdings.hold("one", (dollars, both), settled=NOTHING, may_cost=Amount(90, 20))
        with pytest.raises(Overloaded, match="'dollars' of 'a' has 30 of 50 micro-dollars"):
            await holdings.hold("two", (dollars,), settled=NOTHING, may_cost=Amount(10**30, 31))
        await holdings.hold("two", (dollars,), settled=NOTHING, may_cost=Amount(10**30, 30))
        with pytest.raises(Overloaded, match="'both' of 'a' has 10 of 100 tokens"):
            await holdings.hold("two", (both,), settled=NOTHING, may_cost=Amount(11, 30))


@KINDS
async def test_accounts_hold_together_or_not_at_all(opening: Opening) -> None:
    """What one of two has no room for is held in neither."""
    other = Account("tenant", "b", 3600.0, most_tokens=10)
    async with opened(opening) as process:
        holdings = process()
        came = await holds(holdings, "one", 50, HOUR, other), await holds(holdings, "two", 100, HOUR)
        await settles(holdings, "two", 0)
        both = await holds(holdings, "three", 10, other, HOUR)

        assert (False, True, True, 90, 0) == (*came, both, await left(holdings, HOUR), await left(holdings, other))


@KINDS
async def test_to_hold_twice_is_to_hold_once(opening: Opening) -> None:
    """Whoever takes a run over goes on with what the dead have held, be it more than is left."""
    async with opened(opening) as process:
        holdings = process()
        await holds(holdings, "one", 70)
        again = await holds(process(), "one", 50, settled=20), await holds(process(), "one", 500)
        before = await left(holdings, HOUR)
        await settles(process(), "one", 45)

        assert ((True, True), 30, 55) == (again, before, await left(holdings, HOUR))


@KINDS
async def test_to_settle_twice_is_to_settle_once(opening: Opening) -> None:
    """What was charged later comes on top, and who holds nothing settles nothing."""
    async with opened(opening) as process:
        holdings = process()
        await holds(holdings, "one", 70)
        await settles(holdings, "nobody", 50)
        lefts = [await left(holdings, HOUR)]
        for charged in (30, 30, 20, 45):
            await settles(holdings, "one", charged)
            lefts.append(await left(holdings, HOUR))

        assert [30, 70, 70, 70, 55] == lefts


@KINDS
async def test_a_run_that_goes_on_holds_what_it_may_still_cost(opening: Opening) -> None:
    """It was charged 30 of 70 and waited; when it goes on it may cost 40, and what it was charged stays."""
    async with opened(opening) as process:
        holdings = process()
        await holds(holdings, "one", 70)
        await settles(holdings, "one", 30)
        waits = await left(holdings, HOUR)
        await holds(holdings, "one", 40, settled=30)
        goes_on = await left(holdings, HOUR)
        await settles(holdings, "one", 50)

        assert (70, 30, 50) == (waits, goes_on, await left(holdings, HOUR))


@KINDS
async def test_what_a_fork_was_given_is_not_its_own(opening: Opening) -> None:
    """It begins with 500 tokens that another run was charged."""
    async with opened(opening) as process:
        holdings = process()
        await holds(holdings, "fork", 40, settled=500)
        held = await left(holdings, HOUR)
        await settles(holdings, "fork", 510)

        assert (60, 90) == (held, await left(holdings, HOUR))


@KINDS
async def test_another_run_of_an_id_takes_nothing_back(opening: Opening) -> None:
    """The one before was charged 80 and is forgotten; one that begins anew under its id has 20."""
    async with opened(opening) as process:
        holdings = process()
        await holds(holdings, "one", 80)
        await settles(holdings, "one", 80)
        came = await holds(holdings, "one", 21), await holds(holdings, "one", 20)
        await settles(holdings, "one", 5)

        assert ((False, True), 15) == (came, await left(holdings, HOUR))


@KINDS
async def test_a_new_window_has_all_again(opening: Opening) -> None:
    """What was held in the one before goes with it, and settling that changes nothing in this one."""
    time = Time()
    async with opened(opening, time) as process:
        holdings = process()
        await holds(holdings, "one", 70)
        time.now_s += 3599
        still = await left(holdings, HOUR)
        time.now_s += 1
        fresh = await left(holdings, HOUR)
        await settles(holdings, "one", 60)
        unmoved = await left(holdings, HOUR)
        again = await holds(holdings, "one", 40, settled=60)

        assert (30, 100, 100, True, 60) == (still, fresh, unmoved, again, await left(holdings, HOUR))


@KINDS
async def test_accounts_of_other_keys_quotas_and_windows_are_others(opening: Opening) -> None:
    """Each has all of its own."""
    others = [
        Account("tenant", "b", 3600.0, 100),
        Account("model", "a", 3600.0, 100),
        Account("tenant", "a", 60.0, 100),
    ]
    async with opened(opening) as process:
        holdings = process()
        await holds(holdings, "one", 100)

        assert [0, 100, 100, 100] == [await left(holdings, each) for each in (HOUR, *others)]


@KINDS
async def test_processes_that_hold_at_once_never_pass_the_quota(opening: Opening) -> None:
    """Of fifty runs in two processes that may cost 10 each, ten are admitted, and then ten more."""
    async with opened(opening) as process:
        one, two = process(), process()
        came = await asyncio.gather(
            *(holds(each, f"{name}{number}", 10) for number in range(25) for name, each in (("a", one), ("b", two)))
        )
        await asyncio.gather(*(settles(one, f"{name}{number}", 5) for number in range(25) for name in "ab"))

        assert (10, 50) == (sum(came), await left(two, HOUR))


@KINDS
async def test_what_is_asked_for_at_once_is_done_in_order(opening: Opening) -> None:
    """A run is held, settled and held again in one breath."""
    async with opened(opening) as process:
        holdings = process()
        doing = [holds(holdings, "one", 70), settles(holdings, "one", 30), holds(holdings, "one", 40, settled=30)]
        await asyncio.gather(*doing, settles(holdings, "one", 45))

        assert 55 == await left(holdings, HOUR)


@dataclass
class Books:
    """What an account must say: by run, what was charged in this window, in all, and what is held."""

    charged: dict[str, int] = field(default_factory=dict)
    total: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)

    @property
    def taken(self) -> int:
        return sum(self.charged.values()) + sum(self.held.values())


STEPS = st.lists(
    st.tuples(st.sampled_from(["hold", "settle", "hour"]), st.sampled_from("abc"), st.integers(0, 60)), max_size=25
)


@KINDS
@given(steps=STEPS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
async def test_it_keeps_the_books(opening: Opening, steps: list[tuple[str, str, int]]) -> None:
    """Whatever is held, settled and forgotten, it admits exactly what a plain book of it admits."""
    time, books = Time(), Books()
    async with opened(opening, time) as process:
        for what, run_id, tokens in steps:
            total = books.total.get(run_id, 0)
            if what == "hour":
                time.now_s += 3600
                books.charged, books.held = {}, {}
            elif what == "hold":
                expected = run_id in books.held or books.taken + tokens <= 100
                assert expected == await holds(process(), run_id, tokens, settled=total)
                if expected:
                    books.held.setdefault(run_id, tokens)
            elif run_id in books.held:
                used = min(tokens, books.held.pop(run_id))
                books.charged[run_id] = books.charged.get(run_id, 0) + used
                books.total[run_id] = total + used
                await settles(process(), run_id, total + used)

        assert 100 - books.taken == await left(process(), HOUR)
