"""A help desk of five specialists, built four times: it routes by words, by examples, by a model, or by words and then
a model.

Each question goes to one specialist, who answers it. A question for none of them goes to a human: from triage, or from
a specialist who got it by mistake and says so (`not_mine`). How well each machine routes is measured on real queries,
never claimed:

    fsm-orch eval machines.helpdesk:ByExamples --data clinc_queries.csv --split test --plot routing.svg
    fsm-orch eval machines.helpdesk:Hybrid --data clinc_queries.csv --split test --limit 300 --probe 5
    fsm-orch run machines.helpdesk:ByExamples "how do i get a replacement card?"

By examples is the best of them: take it as the one to copy. It needs the extra `embed` and 23 MB of weights
(`fsm-orch model get minilm`); where these are too much, words are the choice. The numbers are in notebooks/4_routing.

The words were chosen from the train split alone, so that the test split can judge them, and the centroids were made of
it: `helpdesk_centroids.json` holds one for each of the 15 intents of each specialist, and no query. The threshold was
chosen on the validation split. All are written by notebooks/figures/routing.py. The queries are those of CLINC150
(Larson et al., EMNLP-IJCNLP 2019, CC BY 3.0). Specialists see no accounts, so they answer in general terms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fsm_orch import Context, ExamplesAgent, Final, Handoff, KeywordAgent, Limits, LLMAgent, Machine, State
from fsm_orch.agents import load_centroids


class Question(Context):
    """What a customer asks, and what the desk answers."""

    text: str
    answer: str | None = None


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


def specialist(domain: Domain) -> LLMAgent:
    """Make the agent that answers the questions of a domain, and no others."""
    return LLMAgent(
        "Answer a customer's question in one short sentence, or say that it is not yours.",
        does=(f"answer questions about {domain.topics}",),
        must_not=("answer any other question", "make up what only the customer's own records can tell"),
        reads=(Question.text,),
        writes=(Question.answer,),
        max_output_tokens=96,  # one sentence: each call reserves its cap, so a generous one costs budget
    )


SPECIALISTS = tuple(map(specialist, DOMAINS))
# A decision takes about 10 output tokens. A cap of 12 cut off every reply of a small model.
ROUTER = LLMAgent("Decide who answers a customer's question.", reads=(Question.text,), max_output_tokens=32)
LIMITS = Limits(hops=3, tokens=4_400, deadline_s=60)
"""Enough tokens for two calls of the router and two of a specialist, so that each may correct one illegal reply."""


def desks() -> tuple[State, ...]:
    """Make a state for each specialist. Machines may share agents, but a state belongs to one machine."""
    return tuple(map(State, SPECIALISTS))


def by_words(specialists: tuple[State, ...], otherwise: State | Final) -> KeywordAgent:
    """Make the agent that routes by words; a question that they do not decide goes to `otherwise`."""
    words = (domain.words.split(", ") for domain in DOMAINS)
    return KeywordAgent(Question.text, dict(zip(specialists, words, strict=True)), otherwise=otherwise)


def by_examples(specialists: tuple[State, ...], otherwise: State | Final) -> ExamplesAgent:
    """Make the agent that routes to the specialist of the nearest intent; what is near to none goes to `otherwise`."""
    examples = (CENTROIDS[domain.label] for domain in DOMAINS)
    return ExamplesAgent(
        Question.text, dict(zip(specialists, examples, strict=True)), otherwise=otherwise, threshold=THRESHOLD
    )


def routes(to: Callable[[State, str], Handoff], specialists: tuple[State, ...]) -> tuple[Handoff, ...]:
    """Make a handoff to each specialist.

    Args:
        to: `triage.to`, or `(triage | router).to` where both may route.
        specialists: states in the order of `DOMAINS`.
    """
    return tuple(to(state, domain.topics) for state, domain in zip(specialists, DOMAINS, strict=True))


def colleague() -> Final:
    """Make the fallback, with its default answer."""
    return Final(fallback=True, sets={Question.answer: "This is not ours to answer; a colleague will get back to you."})


class ByKeyword(Machine[Question]):
    """Route by words; a human takes what they do not decide."""

    # Each name on the left becomes the name of a state; `specialists` holds all five for the helpers above.
    banking, credit_cards, travel, work, auto = specialists = desks()
    answered, human = Final(), colleague()
    triage = State(by_words(specialists, otherwise=human), initial=True)

    to_banking, to_credit_cards, to_travel, to_work, to_auto = routes(triage.to, specialists)
    to_human = triage.to(human, "none of these")
    done = (banking | credit_cards | travel | work | auto).to(answered, "you answered the question")
    not_mine = (banking | credit_cards | travel | work | auto).to(human, "the question is not yours")

    limits = LIMITS


class ByExamples(Machine[Question]):
    """Route by examples: to the specialist of the intent that a question is most like; a human takes what is like none.

    No model is asked to route, so routing costs no tokens, and takes about 5 ms.
    """

    banking, credit_cards, travel, work, auto = specialists = desks()
    answered, human = Final(), colleague()
    triage = State(by_examples(specialists, otherwise=human), initial=True)

    to_banking, to_credit_cards, to_travel, to_work, to_auto = routes(triage.to, specialists)
    to_human = triage.to(human, "none of these")
    done = (banking | credit_cards | travel | work | auto).to(answered, "you answered the question")
    not_mine = (banking | credit_cards | travel | work | auto).to(human, "the question is not yours")

    limits = LIMITS


class ByModel(Machine[Question]):
    """Route by a model; a human takes what it gives to nobody."""

    banking, credit_cards, travel, work, auto = specialists = desks()
    answered, human = Final(), colleague()
    triage = State(ROUTER, initial=True)

    to_banking, to_credit_cards, to_travel, to_work, to_auto = routes(triage.to, specialists)
    to_human = triage.to(human, "none of these")
    done = (banking | credit_cards | travel | work | auto).to(answered, "you answered the question")
    not_mine = (banking | credit_cards | travel | work | auto).to(human, "the question is not yours")

    limits = LIMITS


class Hybrid(Machine[Question]):
    """Route by words, and ask a model where they do not decide.

    It is as good as its model. A small one makes it worse than words alone: it takes foreign questions that words
    would have left to a human. Examples after words would be no better than examples alone, which cost no tokens
    either; so the machine that is here is the one whose cost can buy something, with a model that is good enough.
    Measure yours.
    """

    banking, credit_cards, travel, work, auto = specialists = desks()
    answered, human = Final(), colleague()
    router = State(ROUTER)
    triage = State(by_words(specialists, otherwise=router), initial=True)

    to_banking, to_credit_cards, to_travel, to_work, to_auto = routes((triage | router).to, specialists)
    unclear = triage.to(router, "the words do not decide")
    to_human = router.to(human, "none of these")
    done = (banking | credit_cards | travel | work | auto).to(answered, "you answered the question")
    not_mine = (banking | credit_cards | travel | work | auto).to(human, "the question is not yours")

    limits = LIMITS
