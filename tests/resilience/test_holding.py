"""The books of accounts: windows, and how long what is kept of them is kept."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from fsm_orch.amounts import NOTHING, Amount
from fsm_orch.resilience import Account, MemoryHoldings
from fsm_orch.resilience.holding import window_of

PER_S = st.sampled_from([0.01, 0.1, 0.7, 1 / 3, 1.0, 60.0, 3_600 / 7, 3_600.0, 86_400.0, 1e9])


@given(per_s=PER_S, number=st.integers(0, 2_000_000_000), into_s=st.floats(0, 100))
@example(per_s=0.1, number=22_561_789, into_s=0.0)
def test_a_window_that_begins_is_not_over(per_s: float, number: int, into_s: float) -> None:
    """Not at the moment at which the one before ends either, which may be no exact number of seconds."""
    now_s = number * per_s + into_s
    ends_at = window_of(Account("quota", "acme", per_s), now_s).ends_at

    assert now_s < ends_at <= now_s + per_s * 1.001


async def test_accounts_whose_windows_are_over_are_forgotten() -> None:
    """A thousand tenants come in each of ten hours."""
    now_s = 0.0
    holdings = MemoryHoldings(lambda: now_s)
    for number in range(10_000):
        now_s = 3_600.0 * (number // 1_000)
        account = Account("quota", f"tenant {number}", 3_600.0, most_tokens=1)
        await holdings.hold("run", (account,), settled=NOTHING, may_cost=Amount(1))

    assert len(holdings._books) < 5_000
