"""What a request may offer at most, while nobody knows yet how much its call reserves."""

from __future__ import annotations

import pytest
from support.desk import Ticket
from support.handfed import Play, reserve, settle

from fsm_orch import Final, Limits, LLMAgent, Machine, State
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.legal import Offer, most_offered


def llm(*, calls: int) -> LLMAgent:
    return LLMAgent("Do it.", calls=calls, max_input_tokens=80, max_output_tokens=20)


class Desk(Machine[Ticket]):
    """An agent of three calls, whose one exit needs another 100 tokens."""

    ask = State(llm(calls=3), initial=True)
    dear = State(llm(calls=1))
    done, human = Final(), Final(fallback=True)
    on, over, end = ask.to(dear, "on"), ask.to(done, "over"), dear.to(done, "always")


def play(tokens: int, *events: Input) -> Play:
    return Play(CompiledMachine(Desk.definition, limits=Limits(tokens=tokens)), *events)


ALL, REST = (Desk.on, Desk.over), (Desk.over,)
CHARGED_60 = (reserve(1, 50, 20), settle(1, 60))


@pytest.mark.parametrize(
    ("tokens", "events", "expected"),
    [
        pytest.param(400, (), Offer(ALL, False), id="three calls of 100 and the exit are paid for"),
        pytest.param(399, (), Offer(ALL, True), id="after three calls the exit may be used up"),
        pytest.param(200, (), Offer(ALL, True), id="after one call it may"),
        pytest.param(199, (), Offer(ALL, True), id="it is, and is not if the call takes less than its grant"),
        pytest.param(360, CHARGED_60, Offer(ALL, False), id="60, two calls more, and the exit are paid for"),
        pytest.param(359, CHARGED_60, Offer(ALL, True), id="after two calls more the exit may be used up"),
        pytest.param(160, CHARGED_60, Offer(ALL, True), id="60 and the exit are paid for"),
        pytest.param(159, CHARGED_60, Offer(REST, True), id="what is used up is not offered, whatever a call takes"),
    ],
)
def test_the_most_that_a_request_may_offer(tokens: int, events: tuple[Input, ...], expected: Offer) -> None:
    """It is used up, or may be, as soon as the calls that are left could take what an exit needs; to the token."""
    made = play(tokens, *events)

    assert expected == most_offered(made.compiled, made.now)
