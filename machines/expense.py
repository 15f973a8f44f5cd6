"""Expenses: a model reads a claim, code checks each figure, a manager signs what is large, and it is paid once.

    read       a model fills in typed fields from the words of the claim; it decides nothing
    check      code compares them with the words and with the rules (`machines/claims.py`), and says what is wrong
    approve    a manager signs a claim above 500 EUR, or does not
    pay        code pays, once for one date, kind and total, under the key of the visit; the same again is done by hand
    paid, declined, by_hand

The pattern is to extract, then to check: a figure that a model made up stands nowhere in the claim, so it gets no
further. Do not use it where code cannot tell right from wrong, as in "was this dinner needed?": ask a human. And not
where a form has the fields already: then no model is needed.

Proved of every run: nothing is paid that code has not checked, and nothing large that nobody has signed:

    fsm-orch check machines.expense
    fsm-orch run machines.expense "Taxi in Vienna on 2026-11-20: 18.40 EUR, tip 1.60 EUR. Total 20.00 EUR."

The small local model reads four claims of nine right. It calls a dinner a taxi, which no code here finds out. A
total or a date that it reads wrong is found, and the claim is done by hand.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

from fsm_orch import Context, Final, HumanAgent, Limits, LLMAgent, Machine, State, Visit, guard, never
from fsm_orch.agents import Changes
from machines.claims import Payment, Till, checked

LARGE = 500_00  # cents; above this a manager signs


class Claim(Context):
    """What somebody has spent, and what becomes of it."""

    text: str
    date: dt.date | None = None
    total: str | None = None
    kind: Literal["taxi", "train", "meal", "hotel"] | None = None
    cents: int = 0
    wrong: str = "not checked"
    signed: str = ""
    answer: str | None = None


@guard
def is_right(claim: Claim) -> bool:
    return claim.wrong == ""


@guard
def is_large(claim: Claim) -> bool:
    return claim.cents > LARGE


@guard
def is_signed(claim: Claim) -> bool:
    return claim.signed.strip() != ""


@guard
def is_paid(claim: Claim) -> bool:
    return claim.answer is not None


def check_claim(visit: Visit[Claim, Till]) -> Changes:
    """Write how much is claimed, and the first thing that is wrong with it."""
    claim = visit.context
    cents, wrong = checked(claim.text, claim.date, claim.total, claim.kind, visit.deps.today)
    return {Claim.cents: cents, Claim.wrong: wrong}


def pay_claim(visit: Visit[Claim, Till]) -> Changes:
    """Pay a claim, unless it was paid before."""
    claim = visit.context
    # by what was checked, not by its words: a claim that says it otherwise is the same claim
    is_paid = visit.deps.pay(f"{claim.date} {claim.kind} {claim.cents}", Payment(claim.cents, visit.key))
    return {Claim.answer: f"{claim.cents / 100:.2f} EUR are on their way to you." if is_paid else None}


class Expenses(Machine[Claim, Till]):
    """Pay what was spent, if code finds nothing wrong with it, and if somebody signs what is large."""

    read = State(
        LLMAgent(
            "Extract the date, the total and the kind from the text, word for word. Example: 2026-01-31, 12.30, taxi.",
            does="read claims",
            reads=Claim.text,
            writes=(Claim.date, Claim.total, Claim.kind),
            max_output_tokens=64,
        ),
        initial=True,
        timeout_s=60,
    )
    check = State(
        check_claim,
        reads=(Claim.text, Claim.date, Claim.total, Claim.kind),
        writes=(Claim.cents, Claim.wrong),
        repeatable=True,
    )
    approve = State(
        HumanAgent("Pay this? Sign with your name.", reads=(Claim.text, Claim.cents), writes=Claim.signed),
        expires_s=7 * 86_400,
    )
    pay = State(pay_claim, reads=(Claim.date, Claim.kind, Claim.cents), writes=Claim.answer, repeatable=True)
    paid = Final()
    declined = Final(sets={Claim.answer: "Your manager has not signed it."})
    by_hand = Final(fallback=True, sets={Claim.answer: "Somebody will read your claim, and write to you."})

    extracted = read >> check
    small = check.to(pay, guard=is_right & ~is_large)
    large = check.to(approve, guard=is_right & is_large)
    doubtful = check.to(by_hand)
    yes = approve.to(pay, "pay it", guard=is_signed)
    no = approve.to(declined, "do not pay it")
    late = approve.on_timeout(by_hand)
    done, before = pay.to(paid, guard=is_paid), pay.to(by_hand)

    limits = Limits(hops=4, tokens=4_224, deadline_s=90)
    policies = (never(pay).when(~is_right), never(pay).when(is_large & ~is_signed), never(paid).when(~is_paid))


def deps() -> Till:
    """Return a till that has paid nothing; `fsm-orch` calls this."""
    return Till(dt.date.today())
