"""What the five specialists of the help desk know, in three forms, and what routes by it: a model, words, or examples.

The words were chosen from the train split of CLINC150 alone, so that its test split can judge them, and the centroids
were made of it: `helpdesk_centroids.json` holds one for each of the 15 intents of each specialist, and no query. The
threshold was chosen on the validation split. All are written by notebooks/figures/routing.py (Larson et al.,
EMNLP-IJCNLP 2019, CC BY 3.0).

Put your own in their place: a `Domain` for each specialist, and centroids of your own queries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fsm_orch import ExamplesAgent, Final, Handoff, KeywordAgent, State
from fsm_orch.agents import load_centroids


@dataclass(frozen=True)
class Domain:
    """What one specialist knows."""

    label: str
    """What it is called in labelled queries, and in the file of centroids."""
    topics: str
    """What a model reads that routes."""
    words: str
    """For triage by words: a question with any of these, and none of another domain's, belongs here."""


BANKING = Domain(
    "banking",
    "bank accounts: balance, transfers, bills, checks, PIN, spending, fraud, frozen account",
    "account, accounts, bill, bills, checks, checkbook, checkbooks, savings, routing, pin, interest, minimum, i owe, "
    "payment due, pay my, fraud, fraudulent, suspicious, transaction, transactions, transfer, spent, spending, "
    "purchases, freeze, frozen, blocked",
)
CREDIT_CARDS = Domain(
    "credit_cards",
    "credit cards: limit, score, rewards, APR, fees, declined, lost or new card",
    "credit, card, card's, cards, mastercard, amex, apr, limit, score, points, reward, rewards, declined, application, "
    "fees, expire, expires, expiration",
)
TRAVEL = Domain(
    "travel",
    "travel: flights, hotels, car rental, luggage, visas, vaccines, currency, time zones, translation",
    "travel, traveling, travelling, trip, tourist, country, flight, flights, fly, airlines, delta, hotel, hotels, "
    "rental, rent a, luggage, carry on, carry ons, timezone, time zone, a visa, international visa, vaccines, "
    "vaccinations, shots, safe, alerts, plug, plugs, socket, converter, exchange, currency, yen, euros, pesos, "
    "translate, french, spanish, do you say, do i say, do they say, things to do, i do in, to do in, i will be in, "
    "i'll be in, my bank know, let my bank",
)
WORK = Domain(
    "work",
    "work: vacation, pay, taxes, W-2, 401k, health insurance, meetings, holidays",
    "vacation day, vacation days, vacation request, vacation time, for vacation, pto, time off, day off, days off, "
    "taken off, next day i, holiday, holidays, meeting, meetings, rooms, 401k, tax, taxes, w2, w 2, w-2, "
    "direct deposit, paycheck, paychecks, payday, get paid, salary, income, insurance, benefits, health plan, "
    "employer, my job, new job",
)
AUTO = Domain(
    "auto",
    "driving: directions, distance, traffic, rides, gas, oil, tires, battery, car maintenance",
    "my car, this car, the car, car's, car get, car battery, vehicle, engine, oil, tire, tires, mpg, mileage, miles, "
    "fuel, of gas, much gas, gas tank, gas station, gas do, gas does, gas is, jump, mechanic, maintenance, "
    "directions, location, map, gps, coordinates, route, highway, traffic, uber, bus, nearest, closest, how far, "
    "near me, get to",
)
DOMAINS = (BANKING, CREDIT_CARDS, TRAVEL, WORK, AUTO)
"""Every machine declares its specialists in this order."""

CENTROIDS = load_centroids(Path(__file__).with_name("helpdesk_centroids.json").read_text(encoding="utf-8"))
THRESHOLD = 0.40
"""What a question must have in common with an intent. Higher, and fewer foreign questions get in (a leak), but more of
ours are sent to a human (a false fallback)."""


def by_words(field: object, specialists: tuple[State, ...], *, otherwise: State | Final) -> KeywordAgent:
    """Make the agent that routes by the words of a field; what they do not decide goes to `otherwise`.

    Args:
        specialists: states in the order of `DOMAINS`, here and below.
    """
    words = (domain.words.split(", ") for domain in DOMAINS)
    return KeywordAgent(field, dict(zip(specialists, words, strict=True)), otherwise=otherwise)


def by_examples(field: object, specialists: tuple[State, ...], *, otherwise: State | Final) -> ExamplesAgent:
    """Make the agent that routes to the specialist of the nearest intent; what is near to none goes to `otherwise`."""
    examples = (CENTROIDS[domain.label] for domain in DOMAINS)
    return ExamplesAgent(field, dict(zip(specialists, examples, strict=True)), otherwise=otherwise, threshold=THRESHOLD)


def routes(to: Callable[[State, str], Handoff], specialists: tuple[State, ...]) -> tuple[Handoff, ...]:
    """Make a handoff to each specialist.

    Args:
        to: `triage.to`, or `(triage | router).to` where both may route.
    """
    return tuple(to(state, domain.topics) for state, domain in zip(specialists, DOMAINS, strict=True))
