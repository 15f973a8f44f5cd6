"""Expenses: nothing is paid that code has not checked, nothing large that nobody has signed, and nothing twice."""

from __future__ import annotations

import asyncio
import datetime as dt
from contextlib import closing
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.walked import path

from fsm_orch import MemoryStore, Runner, ScriptedModel
from fsm_orch.errors import AnswerError
from fsm_orch.models.local import LocalModel
from fsm_orch.proof import prove
from fsm_orch.testing import RoutingSafety
from machines.claims import MOST, Till
from machines.expense import LARGE, Claim, Expenses

TAXI = "Taxi in Vienna on 2026-11-20: 18.40 EUR, tip 1.60 EUR. Total 20.00 EUR."
HOTEL = "Hotel in Rome on 2026-11-12: three nights 690.00 EUR. Total 690.00 EUR."
READ = {"date": "2026-11-20", "total": "20.00", "kind": "taxi"}
LARGE_READ = {"date": "2026-11-12", "total": "690.00 EUR", "kind": "hotel"}
SIGNED = {"handoff": "yes", "signed": "Ada"}
DECLINED = {"handoff": "no", "signed": ""}

TestExpenses = RoutingSafety(Expenses).TestCase


def till() -> Till:
    """Return a till of one day that has paid nothing."""
    return Till(dt.date(2026, 11, 27))


def runner(*script: Any) -> Runner[Claim, Till]:
    """Return a runner with a scripted model."""
    return Runner(Expenses, model=ScriptedModel(list(script)), store=MemoryStore())


async def test_a_small_claim_is_paid() -> None:
    """What code finds right is paid under the key of the visit, and nobody is asked."""
    world = till()
    result = await runner(READ).run(Claim(text=TAXI), deps=world)

    assert path(result) == ["read", "check", "pay", "paid"]
    assert list(world.paid.values()) == [(2_000, f"{result.run_id}:2")]
    assert result.context.answer == "20.00 EUR are on their way to you."


async def test_a_large_claim_waits_for_a_signature() -> None:
    """The manager sees the words and the sum; a yes without a name is no yes, and one with a name pays once."""
    own, world = runner(LARGE_READ), till()
    waits = await own.run(Claim(text=HOTEL), deps=world)

    assert waits.waiting[0].shown == {"text": HOTEL, "cents": 69_000}
    for blank in ("", "  "):
        with pytest.raises(AnswerError):
            await own.resume(waits.run_id, SIGNED | {"signed": blank}, deps=world)
    assert not world.paid
    result = await own.resume(waits.run_id, SIGNED, deps=world)
    assert (result.state, len(world.paid)) == (Expenses.paid, 1)
    with pytest.raises(AnswerError, match="waits for no answer"):
        await own.resume(waits.run_id, SIGNED, deps=world)


@pytest.mark.parametrize(
    ("kind", "total", "end"),
    [
        ("taxi", "100.00", Expenses.paid),
        ("taxi", "100.01", Expenses.by_hand),
        ("hotel", "500.00", Expenses.paid),
        ("hotel", "500.01", Expenses.approve),
    ],
)
async def test_limits_are_kept_to_the_cent(kind: str, total: str, end: Any) -> None:
    """What is as much as a limit is within it."""
    read = {"date": "2026-11-20", "total": total, "kind": kind}
    result = await runner(read).run(Claim(text=f"A {kind}, 2026-11-20: {total} EUR"), deps=till())

    assert result.state is end


async def test_a_manager_says_no() -> None:
    """What is not signed is not paid."""
    own, world = runner(LARGE_READ), till()
    waits = await own.run(Claim(text=HOTEL), deps=world)
    result = await own.resume(waits.run_id, {"handoff": "no", "signed": "Ada"}, deps=world)

    assert (result.state, result.context.answer, world.paid) == (
        Expenses.declined,
        "Your manager has not signed it.",
        {},
    )


@pytest.mark.parametrize(
    ("text", "read", "wrong"),
    [
        (TAXI, READ | {"total": "18.40"}, "the amounts do not add up to the total"),
        (TAXI, READ | {"total": "99.00"}, "the total does not stand in the claim"),
        (TAXI, READ | {"total": "a lot"}, "the total does not stand in the claim"),
        (TAXI, READ | {"total": "8.40"}, "the total does not stand in the claim"),
        (TAXI, READ | {"date": "2026-11-21"}, "the date does not stand in the claim"),
        ("Taxi, 2026-08-01: 20.00 EUR", READ | {"date": "2026-08-01"}, "the date is not within the last 90 days"),
        ("Taxi, 2026-11-28: 20.00 EUR", READ | {"date": "2026-11-28"}, "the date is not within the last 90 days"),
        ("Taxi, 2026-11-20: 100.01 EUR", READ | {"total": "100.01"}, "it is above the limit of its kind"),
        ("Taxi, 2026-11-20: 20.00 USD", READ, "an amount is not written as 12.30 EUR"),
        ("Taxi, 2026-11-20: $5, 20.00 EUR", READ, "an amount is not written as 12.30 EUR"),
        ("Taxi, 2026-11-20: -20.00 EUR", READ, "an amount is not written as 12.30 EUR"),
        ("Taxi, 2026-11-20: 9.120.00 EUR", READ | {"total": "120.00"}, "an amount is not written as 12.30 EUR"),
        ("Taxi, 2026-11-20: 9,120.00 EUR", READ | {"total": "120.00"}, "an amount is not written as 12.30 EUR"),
        ("Taxi, 2026-11-20: 9'020.00 EUR", READ | {"total": "020.00"}, "an amount is not written as 12.30 EUR"),
        ("Taxi, 2026-11-20: 9 020.00 EUR", READ | {"total": "020.00"}, "an amount is not written as 12.30 EUR"),
        ("Taxi, 2026-11-20: 500 JPY = 20.00 EUR", READ, "an amount is not written as 12.30 EUR"),
    ],
)
async def test_what_code_finds_wrong_is_done_by_hand(text: str, read: dict[str, str], wrong: str) -> None:
    """A figure that the model made up, a sum that is none, a day too old, another currency: none of it is paid."""
    world = till()
    result = await runner(read).run(Claim(text=text), deps=world)

    assert (path(result), world.paid) == (["read", "check", "by_hand"], {})
    assert result.context.wrong == wrong


async def test_a_claim_is_paid_once_over_all_runs() -> None:
    """The same words, however they are spaced, are the same claim."""
    world = till()
    for text in (TAXI, TAXI.upper().replace("UR.", "ur.").replace("EUR", "EUR "), f" {TAXI} "):
        await runner(READ).run(Claim(text=text), deps=world)

    assert len(world.paid) == 1


async def test_a_claim_in_other_words_is_not_paid_again() -> None:
    """What was checked is the same, so it is done by hand."""
    world = till()
    ends = [
        (await runner(READ).run(Claim(text=f"{TAXI}{more}"), deps=world)).state for more in ("", " Thanks.", "\u200b")
    ]

    assert [Expenses.paid, Expenses.by_hand, Expenses.by_hand] == ends
    assert len(world.paid) == 1


@pytest.mark.parametrize("wrong", [{}, READ | {"total": 20}, READ | {"date": "today"}, READ | {"kind": "yacht"}])
async def test_a_model_that_fills_in_nothing_lands(wrong: Any) -> None:
    """What does not fit the fields is told to the model once, and then the claim is done by hand."""
    world = till()
    result = await runner(wrong, wrong).run(Claim(text=TAXI), deps=world)

    assert (path(result), world.paid) == (["read", "by_hand"], {})
    assert (await runner(wrong, READ).run(Claim(text=TAXI), deps=world)).state is Expenses.paid


amounts = st.integers(1, 300_000).map(lambda cents: f"{cents // 100}.{cents % 100:02}")
signatures = st.sampled_from([SIGNED, DECLINED])


@given(st.lists(amounts, max_size=3), amounts, amounts, st.sampled_from(sorted(MOST)), signatures)
@example([], "690.00", "690.00", "hotel", SIGNED)
@example([], "690.00", "690.00", "hotel", DECLINED)
def test_whatever_is_claimed_and_read(items: list[str], total: str, read: str, kind: str, signed: Any) -> None:
    """What is paid stands in the claim, is within the limit of its kind, and is signed if it is large."""
    world = till()
    own = runner({"date": "2026-11-20", "total": read, "kind": kind})
    text = f"2026-11-20: {' '.join(f'{item} EUR' for item in items)} Total {total} EUR"
    result = own.run_sync(Claim(text=text), deps=world)
    if result.waiting:
        assert not world.paid
        result = asyncio.run(own.resume(result.run_id, signed, deps=world))

    assert (result.state is Expenses.paid) == (len(world.paid) == 1)
    for payment in world.paid.values():
        assert f"{payment.cents // 100}.{payment.cents % 100:02}" in (total, *items)
        assert payment.cents <= MOST[kind]
        assert payment.cents <= LARGE or result.context.signed == "Ada"


def test_nothing_is_paid_that_is_not_checked_or_signed() -> None:
    """All policies hold of every run, the bill is known, and nothing is left to find."""
    proof = prove(Expenses)

    assert [verdict.verdict for verdict in proof.policies] == ["holds"] * 3
    assert (proof.bounds.tokens, proof.bounds.calls, proof.bounds.hops) == (4_224, 2, 4)
    assert () == proof.findings


@pytest.mark.local
@pytest.mark.parametrize("text", [TAXI, HOTEL, "Lunch on 2026-11-25, 23.50 EUR"])
async def test_the_local_model_pays_nothing_wrong(text: str) -> None:
    """Whatever a real model reads, what is paid is what the claim says."""
    world = till()
    with closing(LocalModel()) as model:
        result = await Runner(Expenses, model=model, store=MemoryStore()).run(Claim(text=text), deps=world)

    assert (result.state is Expenses.paid) == bool(world.paid)
    assert {payment.cents for payment in world.paid.values()} <= {2_000, 2_350}
