"""What a request may offer at most, while nobody knows yet how much its call reserves."""

from __future__ import annotations

import pytest
from support.desk import Ticket
from support.handfed import Play, reserve, settle

from fsm_orch import Final, Limits, LLMAgent, Machine, State, Tool
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.legal import Offer, most_offered, offered


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


class Helper(Machine[Ticket]):
    """Help, for 100 tokens."""

    work = State(llm(calls=1), initial=True)
    done, human = Final(), Final(fallback=True)
    end = work >> done


class Boss(Machine[Ticket]):
    """An agent of three calls with a machine to use, whose exits cost nothing."""

    work = State(
        LLMAgent("Do it.", calls=3, max_input_tokens=80, max_output_tokens=20, tools=Tool(Helper, most_chars=20)),
        initial=True,
    )
    done, human = Final(), Final(fallback=True)
    over, lost = work.to(done, "over"), work.to(human, "lost")


def boss(tokens: int, *events: Input) -> Play:
    return Play(CompiledMachine(Boss.definition, limits=Limits(tokens=tokens)), *events)


BOTH, HELPER = (Boss.over, Boss.lost), ("Helper",)


@pytest.mark.parametrize(
    ("tokens", "events", "expected"),
    [
        pytest.param(400, (), Offer(BOTH, False), id="three calls of 100 and the machine are paid for"),
        pytest.param(399, (), Offer(BOTH, True), id="after three calls it may not be"),
        pytest.param(100, (), Offer(BOTH, True), id="it is if this call takes nothing"),
        pytest.param(360, CHARGED_60, Offer(BOTH, False), id="60, two calls more, and the machine are paid for"),
        pytest.param(160, CHARGED_60, Offer(BOTH, True), id="60 and the machine are paid for"),
        pytest.param(159, CHARGED_60, Offer(BOTH, False, unpaid=HELPER), id="it cannot be, whatever a call takes"),
    ],
)
def test_a_machine_is_offered_if_its_share_may_be_paid(tokens: int, events: tuple[Input, ...], expected: Offer) -> None:
    """As an exit is: the most has it as long as some call leaves enough for it, and says if a call may not."""
    made = boss(tokens, *events)

    assert expected == most_offered(made.compiled, made.now)


@pytest.mark.parametrize(("tokens", "unpaid"), [(170, ()), (169, HELPER)])
def test_what_its_call_has_reserved_counts(tokens: int, unpaid: tuple[str, ...]) -> None:
    """Of 170 tokens 70 are reserved, and 100 is what the machine may take; no handoff is closed by that."""
    made = boss(tokens, reserve(1, 50, 20))

    assert Offer(BOTH, False, unpaid=unpaid) == offered(made.compiled, made.now, Offer(BOTH, True))
