"""A help desk that is only measured: words first, and examples where they do not decide."""

from __future__ import annotations

from fsm_orch import Final, Machine, State
from machines.domains import by_examples, by_words, routes
from machines.helpdesk import LIMITS, Question, colleague, desks


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
