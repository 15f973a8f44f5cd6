"""Help desks that are only measured: words first, and a model or examples where these do not decide."""

from __future__ import annotations

from fsm_orch import Final, Machine, State, at_most
from machines.domains import by_examples, by_words, routes
from machines.helpdesk import LIMITS, ROUTER, Question, colleague, desks


class Hybrid(Machine[Question]):
    """Route by words, and ask a model where they do not decide.

    It is as good as its model: measure yours. A small one makes it worse than words alone, since it takes foreign
    questions that words would have left to a human. Examples after words are no better than examples alone.
    """

    banking, credit_cards, travel, work, auto = specialists = desks()
    answered, human = Final(), colleague()
    router = State(ROUTER)
    triage = State(by_words(Question.text, specialists, otherwise=router), initial=True)

    to_banking, to_credit_cards, to_travel, to_work, to_auto = routes((triage | router).to, specialists)
    unclear = triage.to(router, "the words do not decide")
    to_human = router.to(human, "none of these")
    anyone = banking | credit_cards | travel | work | auto
    done, not_mine = anyone.to(answered, "you answered the question"), anyone.to(human, "the question is not yours")

    limits = LIMITS
    policies = (at_most(1, anyone),)


class WordsThenExamples(Machine[Question]):
    """Route by words, and by examples where they do not decide; a human takes what is like none."""

    banking, credit_cards, travel, work, auto = specialists = desks()
    answered, human = Final(), colleague()
    router = State(by_examples(Question.text, specialists, otherwise=human))
    triage = State(by_words(Question.text, specialists, otherwise=router), initial=True)

    to_banking, to_credit_cards, to_travel, to_work, to_auto = routes((triage | router).to, specialists)
    unclear = triage.to(router, "the words do not decide")
    to_human = router.to(human, "none of these")
    done = (banking | credit_cards | travel | work | auto).to(answered, "you answered the question")
    not_mine = (banking | credit_cards | travel | work | auto).to(human, "the question is not yours")

    limits = LIMITS
