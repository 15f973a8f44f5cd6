"""A help desk of five specialists, built three times: it routes by examples, by words, or by a model.

Each question goes to one specialist, who answers it. A question for none of them goes to a human: from triage, or from
a specialist who got it by mistake and says so (`not_mine`). Proved of every run: no more than one specialist is asked.
How well each machine routes is measured on real queries, never claimed:

    fsm-orch check machines.helpdesk
    fsm-orch eval machines.helpdesk:ByExamples --data clinc_queries.csv --split test --plot routing.svg
    fsm-orch eval machines.helpdesk:ByModel --data clinc_queries.csv --split test --limit 300 --probe 5
    fsm-orch run machines.helpdesk:ByExamples "how do i get a replacement card?"

`ByExamples` is the best of them: keep it, and delete the other two. It needs the extra `embed` and 23 MB of weights
(`fsm-orch model get minilm`); where these are too much, keep `ByKeyword`. The numbers are in notebooks/4_routing. Words
first, and a model for what they leave, is the pattern of `machines/shop.py`: it is as good as its model.

What specialists know, and what routes by it, is in `machines/domains.py`. Do not use a router where one prompt holds
all the answers: that is one call. The local model is too small to be a specialist: it turns down nearly everything.
"""

from __future__ import annotations

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, State, at_most
from machines.domains import DOMAINS, Domain, by_examples, by_words, routes


class Question(Context):
    """What a customer asks, and what the desk answers."""

    text: str
    answer: str | None = None


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


def colleague() -> Final:
    """Make the fallback, with its default answer."""
    return Final(fallback=True, sets={Question.answer: "This is not ours to answer; a colleague will get back to you."})


class ByExamples(Machine[Question]):
    """Route by examples, in about 5 ms and without a token; a human takes what is like none of them."""

    # Each name on the left becomes the name of a state; `specialists` holds all five for the helpers above.
    banking, credit_cards, travel, work, auto = specialists = desks()
    answered, human = Final(), colleague()
    triage = State(by_examples(Question.text, specialists, otherwise=human), initial=True)

    to_banking, to_credit_cards, to_travel, to_work, to_auto = routes(triage.to, specialists)
    to_human = triage.to(human, "none of these")
    anyone = banking | credit_cards | travel | work | auto
    done, not_mine = anyone.to(answered, "you answered the question"), anyone.to(human, "the question is not yours")

    limits = LIMITS
    policies = (at_most(1, anyone),)


class ByKeyword(Machine[Question]):
    """Route by words; a human takes what they do not decide."""

    banking, credit_cards, travel, work, auto = specialists = desks()
    answered, human = Final(), colleague()
    triage = State(by_words(Question.text, specialists, otherwise=human), initial=True)

    to_banking, to_credit_cards, to_travel, to_work, to_auto = routes(triage.to, specialists)
    to_human = triage.to(human, "none of these")
    anyone = banking | credit_cards | travel | work | auto
    done, not_mine = anyone.to(answered, "you answered the question"), anyone.to(human, "the question is not yours")

    limits = LIMITS
    policies = (at_most(1, anyone),)


class ByModel(Machine[Question]):
    """Route by a model; a human takes what it gives to nobody."""

    banking, credit_cards, travel, work, auto = specialists = desks()
    answered, human = Final(), colleague()
    triage = State(ROUTER, initial=True)

    to_banking, to_credit_cards, to_travel, to_work, to_auto = routes(triage.to, specialists)
    to_human = triage.to(human, "none of these")
    anyone = banking | credit_cards | travel | work | auto
    done, not_mine = anyone.to(answered, "you answered the question"), anyone.to(human, "the question is not yours")

    limits = LIMITS
    policies = (at_most(1, anyone),)
