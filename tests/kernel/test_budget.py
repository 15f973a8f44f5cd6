"""The ledger against an independent model of plain integers."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fsm_orch.amounts import FREE, NOTHING, Allowance, Amount, Price
from fsm_orch.errors import LedgerError
from fsm_orch.kernel.ledger import Ledger

small = st.integers(0, 40)
amounts = st.builds(Amount, small, small)
prices = st.fractions(min_value=0, max_value=1_000)


@dataclass(eq=False)
class Account:
    """The model of one ledger: eight plain numbers, and the shares of its children."""

    ledger: Ledger
    limit: tuple[int, int | None]
    parent: Account | None = None
    share: tuple[int, int] = (0, 0)
    settled: list[int] = field(default_factory=lambda: [0, 0])
    overrun: list[int] = field(default_factory=lambda: [0, 0])
    holds: list[tuple[int, int]] = field(default_factory=list)
    children: list[Account] = field(default_factory=list)

    def reserved(self, part: int) -> int:
        return sum(h[part] for h in self.holds) + sum(c.share[part] for c in self.children)

    def affords(self, amount: tuple[int, int]) -> bool:
        return all(
            bound is None or self.settled[part] + self.reserved(part) + amount[part] <= bound
            for part, bound in enumerate(self.limit)
        )

    def charge(self, held: tuple[int, int], used: tuple[int, int]) -> None:
        for part in (0, 1):
            self.settled[part] += used[part]
            self.overrun[part] += max(0, used[part] - held[part])


def plain(amount: Amount) -> tuple[int, int]:
    return (amount.tokens, amount.cost)


class LedgersAgree(RuleBasedStateMachine):
    """Trees of ledgers do what plain integers do."""

    @initialize(tokens=st.integers(0, 150), cost=st.none() | st.integers(0, 150))
    def start(self, tokens: int, cost: int | None) -> None:
        self.accounts = [Account(Ledger(Allowance(tokens, cost)), (tokens, cost))]

    def pick(self, data: st.DataObject) -> Account:
        return self.accounts[data.draw(st.integers(0, len(self.accounts) - 1), label="account")]

    @rule(data=st.data(), amount=amounts)
    def reserve(self, data: st.DataObject, amount: Amount) -> None:
        account = self.pick(data)
        assert account.affords(plain(amount)) == account.ledger.affords(amount)
        if account.affords(plain(amount)):
            account.ledger = account.ledger.reserve(amount)
            account.holds.append(plain(amount))
        else:
            with pytest.raises(LedgerError, match=r"^Cannot reserve "):
                account.ledger.reserve(amount)

    @rule(data=st.data(), used=amounts)
    def settle(self, data: st.DataObject, used: Amount) -> None:
        account = self.pick(data)
        if account.holds:
            held = account.holds.pop(data.draw(st.integers(0, len(account.holds) - 1)))
            account.ledger = account.ledger.settle(Amount(*held), used)
            account.charge(held, plain(used))

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        account = self.pick(data)
        if account.holds:
            held = account.holds.pop(data.draw(st.integers(0, len(account.holds) - 1)))
            account.ledger = account.ledger.release(Amount(*held))

    @rule(data=st.data(), extra=st.integers(1, 50), is_money=st.booleans())
    def release_too_much(self, data: st.DataObject, extra: int, is_money: bool) -> None:
        account = self.pick(data)
        held = account.ledger.reserved + (Amount(0, extra) if is_money else Amount(extra, 0))
        before = account.ledger
        for move in (before.release, lambda held: before.settle(held, NOTHING)):
            with pytest.raises(LedgerError, match="is negative"):
                move(held)
        assert before == account.ledger

    @rule(data=st.data(), share=amounts)
    def split(self, data: st.DataObject, share: Amount) -> None:
        parent = self.pick(data)
        if not parent.affords(plain(share)):
            with pytest.raises(LedgerError, match=r"^Cannot reserve "):
                parent.ledger.split(share)
            return
        parent.ledger, ledger = parent.ledger.split(share)
        limit = (share.tokens, None if parent.limit[1] is None else share.cost)
        child = Account(ledger, limit, parent, plain(share))
        parent.children.append(child)
        self.accounts.append(child)

    @precondition(lambda self: len(self.accounts) > 1)
    @rule(data=st.data())
    def merge(self, data: st.DataObject) -> None:
        child = self.accounts[data.draw(st.integers(1, len(self.accounts) - 1))]
        parent = child.parent
        assert parent is not None
        share = Amount(*child.share)
        if child.reserved(0) or child.reserved(1):
            with pytest.raises(LedgerError, match=r"^Cannot merge a child that still reserves"):
                parent.ledger.merge(share, child.ledger)
        elif not child.children:
            parent.ledger = parent.ledger.merge(share, child.ledger)
            parent.children.remove(child)
            parent.charge(child.share, (child.settled[0], child.settled[1]))
            self.accounts.remove(child)

    @invariant()
    def parts_agree(self) -> None:
        for account in getattr(self, "accounts", []):
            ledger = account.ledger
            assert tuple(account.settled) == plain(ledger.settled)
            assert (account.reserved(0), account.reserved(1)) == plain(ledger.reserved)
            assert account.overrun[0] == ledger.overrun.tokens
            if account.limit[1] is not None:
                assert account.overrun[1] == ledger.overrun.cost
            assert account.limit == (ledger.limit.tokens, ledger.limit.cost)
            assert max(0, account.limit[0] - account.settled[0] - account.reserved(0)) == ledger.remaining

    @invariant()
    def is_within_limits(self) -> None:
        for account in getattr(self, "accounts", []):
            for part, bound in enumerate(account.limit):
                spent = account.settled[part] - account.overrun[part] + account.reserved(part)
                assert bound is None or spent <= bound

    @invariant()
    def parts_are_exact(self) -> None:
        for account in getattr(self, "accounts", []):
            ledger = account.ledger
            for amount in (ledger.settled, ledger.reserved, ledger.overrun, ledger.held):
                assert {int} == {type(amount.tokens), type(amount.cost)}

    @invariant()
    def shares_were_moved(self) -> None:
        for account in getattr(self, "accounts", []):
            shares = sum(child.ledger.limit.tokens for child in account.children)
            assert shares <= account.ledger.reserved.tokens
            if account.limit[1] is not None:
                assert sum(child.ledger.limit.cost or 0 for child in account.children) <= account.ledger.reserved.cost


TestLedgersAgree = LedgersAgree.TestCase
TestLedgersAgree.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)


@given(prices, prices, st.integers(0, 10**12), st.integers(0, 10**12))
def test_price_rounds_up(input_price: Fraction, output_price: Fraction, inputs: int, outputs: int) -> None:
    """A call is priced in exact fractions and rounded up to whole micro-dollars."""

    expected = Amount(inputs + outputs, math.ceil(inputs * input_price + outputs * output_price))

    assert expected == Price(input_price, output_price).amount(inputs, outputs)


@given(prices, prices, st.fractions(0, 1), st.integers(0, 10**12), st.integers(0, 10**12), st.fractions(0, 1))
def test_price_of_cached_input(
    i: Fraction, o: Fraction, of: Fraction, inputs: int, outputs: int, part: Fraction
) -> None:
    """What came from a cache costs its own price, never more than any input; without such a price it costs the same."""
    cached = int(inputs * part)
    price = Price(i, o, i * of)
    exact = (inputs - cached) * i + cached * i * of + outputs * o

    assert Amount(inputs + outputs, math.ceil(exact)) == price.amount(inputs, outputs, cached_input_tokens=cached)
    assert Price(i, o).amount(inputs, outputs) == Price(i, o).amount(inputs, outputs, cached_input_tokens=cached)


def test_nothing_is_taken_for_cached() -> None:
    """A price holds for input that came from no cache, as for every call that is only reserved, unless that is said."""

    assert Amount(9, 8 * 4 + 1) == Price(Fraction(4), Fraction(1), Fraction(2)).amount(8, 1)


def test_cached_input_is_no_dearer() -> None:
    """A price by which input from a cache would cost more than the bounds say is refused."""
    with pytest.raises(ValueError, match="cached_input is 3, more than input, 2: raise that to it"):
        Price(Fraction(2), Fraction(1), Fraction(3))


@given(prices, prices, small, small, st.integers(1, 6))
def test_sum_of_calls_is_never_cheaper_than_one(i: Fraction, o: Fraction, inputs: int, outputs: int, n: int) -> None:
    """Cutting one call into many never makes it cheaper, so money is never undercounted."""

    price = Price(i, o)

    assert price.amount(inputs * n, outputs * n).cost <= (price.amount(inputs, outputs) * n).cost


def test_free_costs_nothing() -> None:
    """The free price counts tokens and no money."""

    assert Amount(7, 0) == FREE.amount(3, 4)


@pytest.mark.parametrize(("tokens", "cost"), [(-1, 0), (0, -1), (-3, -3)])
def test_amounts_are_never_negative(tokens: int, cost: int) -> None:
    """An amount with a negative part is refused."""

    with pytest.raises(LedgerError, match=r"is negative: more was taken out than had been put in"):
        Amount(tokens, cost)


@given(amounts, amounts)
def test_beyond_is_part_by_part(one: Amount, other: Amount) -> None:
    """What one amount exceeds another by is told for tokens and money apart."""

    expected = (max(0, one.tokens - other.tokens), max(0, one.cost - other.cost))

    assert expected == plain(one.beyond(other))


@given(amounts, st.integers(0, 80), st.none() | st.integers(0, 80))
def test_allowance_covers_up_to_its_bounds(amount: Amount, tokens: int, cost: int | None) -> None:
    """An allowance covers what is within both bounds, the bounds included, and any money if money is unlimited."""

    expected = amount.tokens <= tokens and (cost is None or amount.cost <= cost)

    assert expected == Allowance(tokens, cost).covers(amount)


@pytest.mark.parametrize("beyond", [Amount(61, 10), Amount(60, 11)], ids=["tokens", "money"])
def test_a_reservation_replaces_no_more_than_is_reserved(beyond: Amount) -> None:
    """What is released in the same step was reserved, in tokens and in money, however much is reserved instead."""
    ledger = Ledger(Allowance(100, 100)).reserve(Amount(60, 10))

    with pytest.raises(LedgerError, match=f"^{re.escape(f'Cannot release {beyond}: {ledger.reserved} is reserved')}$"):
        ledger.reserve(Amount(5, 5), instead_of=beyond)


def test_overrun_is_charged_in_full() -> None:
    """Usage beyond a reservation is charged, told as overrun, and leaves T3 and nothing to spend."""

    ledger = Ledger(Allowance(100, 100)).reserve(Amount(60, 10)).settle(Amount(60, 10), Amount(130, 5))

    assert Amount(130, 5) == ledger.settled
    assert Amount(70, 0) == ledger.overrun
    assert ledger.limit.covers(ledger.held - ledger.overrun)
    assert 0 == ledger.remaining
    assert not ledger.affords(NOTHING)


def test_unlimited_money_is_no_overrun_of_a_parent() -> None:
    """A child that never exceeded a reservation brings no overrun to its parent, when money is not limited."""

    parent, child = Ledger(Allowance(100)).split(Amount(50, 0))
    child = child.reserve(Amount(10, 3)).settle(Amount(10, 3), Amount(10, 3))

    assert NOTHING == child.overrun
    assert NOTHING == parent.merge(Amount(50, 0), child).overrun


def test_ledger_is_a_value() -> None:
    """Moving money makes a new ledger and leaves the old one."""

    before = Ledger(Allowance(10))
    before.reserve(Amount(3))

    assert Ledger(Allowance(10)) == before
