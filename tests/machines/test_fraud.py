"""Screening: no score without each step before it, and an analyst where code is in doubt."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from support.walked import path

from fsm_orch import MemoryStore, Runner, ScriptedModel
from fsm_orch.models.local import LocalModel
from fsm_orch.proof import prove
from fsm_orch.testing import RoutingSafety
from machines.fraud import Payment, Screening
from machines.signals import RULES

FRAUD = "Customer 17 paid 940.00 EUR for electronics in Lagos at 03:12"
SAFE = "Customer 17 paid 32.50 EUR for groceries in Vienna at 17:40"
DOUBT = "Customer 21 paid 1200.00 EUR for jewellery in Rome at 11:05"
WHY = {"why": "It is far from home, at night."}

TestScreening = RoutingSafety(Screening).TestCase


def runner(*script: Any) -> Runner[Payment, None]:
    """Return a runner with a scripted model."""
    return Runner(Screening, model=ScriptedModel(list(script)), store=MemoryStore())


async def test_code_decides_what_is_clear() -> None:
    """All rules block a payment, with a reason; none clears it, and no model is asked why."""
    blocked = await runner({"goods": "electronics", "place": "Lagos"}, WHY).run(Payment(text=FRAUD))
    cleared = await runner({"goods": "groceries", "place": "Vienna"}).run(Payment(text=SAFE))

    assert (blocked.state, blocked.context.points, blocked.context.why) == (Screening.blocked, 100, WHY["why"])
    assert (cleared.state, cleared.context.points) == (Screening.cleared, 0)


@pytest.mark.parametrize(
    ("text", "points", "end"),
    [
        ("Customer 17 paid 32.50 EUR for groceries in Vienna at 03:40", 20, Screening.cleared),
        ("Customer 17 paid 32.50 EUR for groceries in Rome at 17:40", 35, Screening.analyst),
        ("Customer 17 paid 32.50 EUR for electronics in Vienna at 03:40", 40, Screening.analyst),
        ("Customer 17 paid 940.00 EUR for groceries in Rome at 13:00", 60, Screening.analyst),
        ("Customer 17 paid 940.00 EUR for groceries in Rome at 03:00", 80, Screening.blocked),
    ],
)
async def test_points_decide(text: str, points: int, end: Any) -> None:
    """Few points clear a payment, many block it, and between them an analyst is asked."""
    words = text.split()
    result = await runner({"goods": words[6], "place": words[8]}, WHY).run(Payment(text=text))

    assert (result.context.points, result.state) == (points, end)


@pytest.mark.parametrize(("answer", "end"), [(Screening.good, Screening.cleared), (Screening.bad, Screening.blocked)])
async def test_an_analyst_decides_what_is_in_doubt(answer: Any, end: Any) -> None:
    """Some rules and not others: a human is asked, and decides."""
    own = runner({"goods": "jewellery", "place": "Rome"}, WHY)
    waits = await own.run(Payment(text=DOUBT))

    assert (path(waits)[-1], waits.context.points) == ("analyst", 55)
    assert (await own.resume(waits.run_id, answer)).state is end


async def test_an_analyst_who_says_nothing_for_a_day() -> None:
    """The payment is neither cleared nor blocked: it stays with the analyst, with its score."""
    now = [1e9]
    model = ScriptedModel([{"goods": "jewellery", "place": "Rome"}, WHY])
    own = Runner(Screening, model=model, store=MemoryStore(), wall_clock=lambda: now[0])
    waits = await own.run(Payment(text=DOUBT))
    now[0] += 86_000
    assert (await own.expire(waits.run_id)).waiting
    now[0] += 500
    result = await own.expire(waits.run_id)

    assert (result.state, result.landing, result.context.points) == (Screening.by_analyst, None, 55)


@pytest.mark.parametrize(
    ("text", "read", "walked"),
    [
        (FRAUD, {"goods": "jewellery", "place": "Lagos"}, ["read", "check", "analyst"]),
        (FRAUD, {"goods": "electronics", "place": "Oslo"}, ["read", "check", "analyst"]),
        (FRAUD, {"goods": "yachts", "place": "Lagos"}, ["read", "analyst"]),
        (
            FRAUD.replace("17", "99"),
            {"goods": "electronics", "place": "Lagos"},
            ["read", "check", "look_up", "analyst"],
        ),
        (FRAUD.replace(" EUR", ""), {"goods": "electronics", "place": "Lagos"}, ["read", "check", "analyst"]),
    ],
)
async def test_a_step_that_is_not_valid_hands_nothing_on(text: str, read: Any, walked: list[str]) -> None:
    """What the model made up, and a customer whom nobody knows, come to the analyst without a score."""
    result = await runner(read, read).run(Payment(text=text))

    assert (path(result), result.context.points) == (walked, -1)


@pytest.mark.parametrize(("why", "last"), [("", "decide"), ("  ", "decide"), ("x" * 400, "explain")])
async def test_nothing_is_blocked_without_a_reason(why: str, last: str) -> None:
    """An explanation that says nothing comes to the analyst, and so does one that is cut off, twice."""
    said = {"why": why}
    result = await runner({"goods": "electronics", "place": "Lagos"}, said, said).run(Payment(text=FRAUD))

    assert path(result)[-2:] == [last, "analyst"]


async def test_nobody_answers() -> None:
    """A model that is gone sends the payment to the analyst."""
    result = await runner({}, {}).run(Payment(text=SAFE))

    assert path(result) == ["read", "analyst"]


def test_each_step_is_validated_before_the_next() -> None:
    """All policies hold of every run, the rules add up, the bill is known, and nothing is left to find."""
    proof = prove(Screening)

    assert sum(points for points, _ in RULES.values()) == 100
    assert [verdict.verdict for verdict in proof.policies] == ["holds"] * 7
    assert (proof.bounds.tokens, proof.bounds.calls, proof.bounds.hops) == (8_448, 4, 8)
    assert () == proof.findings


@pytest.mark.local
@pytest.mark.parametrize("text", [FRAUD, SAFE, DOUBT])
async def test_the_local_model_decides_nothing(text: str) -> None:
    """Whatever a real model reads, a payment is cleared or blocked by its points, and else an analyst is asked."""
    with closing(LocalModel()) as model:
        result = await Runner(Screening, model=model, store=MemoryStore()).run(Payment(text=text))

    points = result.context.points
    assert (result.state is Screening.cleared) == (0 <= points < 30)
    assert (result.state is Screening.blocked) <= (points > 70)
    assert result.waiting or result.state in (Screening.cleared, Screening.blocked)
