"""The books of a visit: what its calls and parts reserve, are charged and give back."""

from __future__ import annotations

from fractions import Fraction

import pytest
from support.desk import Support
from support.handfed import (
    PARENT,
    SUPPORT,
    Asks,
    Manager,
    Parent,
    Play,
    Row,
    ask,
    cancel,
    case,
    fail,
    inside,
    part,
    release,
    reply,
    reserve,
    run,
    settle,
    support,
    wrong,
)
from support.random_machines import Facts, Twins

from fsm_orch import Final, Limits, Machine, State, Usage
from fsm_orch.amounts import Allowance, Amount, Price
from fsm_orch.kernel.effects import Act
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.limits import CallLimits


class Thrifty(Machine[Facts]):
    """A part that may make two calls, and can pay for one and a half."""

    look = State(Twins(calls=2, writes=(), limits=CallLimits(max_input_tokens=50, max_output_tokens=50)), initial=True)
    done = Final()
    human = Final(fallback=True)
    finish = look.to(done)
    limits = Limits(cost_usd="0.15")


class Spending(Machine[Facts]):
    """Does not limit what it costs."""

    fan = State(Asks(parts=(part(Thrifty),)), initial=True)
    done = Final()
    human = Final(fallback=True)
    finish = fan.to(done)


def priced(input_price: Fraction, output_price: Fraction) -> CompiledMachine:
    return CompiledMachine(Support.definition, prices={"triage": Price(input_price, output_price)})


DEAR = priced(Fraction(1), Fraction(8))
CACHED = CompiledMachine(Support.definition, prices={"triage": Price(Fraction(4), Fraction(1), Fraction(1))})

CALL = reserve(1, 50, 100)


@pytest.mark.parametrize(
    "row",
    [
        case("entering a state reserves its grant", SUPPORT, tokens=(0, 700), due=(Act((), 0, "triage", 1),)),
        case("the first call takes over the grant and gives back the difference", SUPPORT, CALL, tokens=(0, 150)),
        case("a further call reserves its own", SUPPORT, CALL, reserve(2, 60, 100), tokens=(0, 310)),
        case(
            "settling charges what was used",
            SUPPORT,
            CALL,
            settle(1, 70),
            tokens=(70, 0),
            usage=Usage(requests=1, input_tokens=70),
        ),
        case(
            "a call without usage costs its reservation, and is still a request",
            SUPPORT,
            CALL,
            settle(1, None),
            tokens=(150, 0),
            usage=Usage(requests=1),
        ),
        case("a call that was never sent is free", SUPPORT, CALL, release(1), tokens=(0, 0)),
        case(
            "a call that was never sent is still one of the visit's calls",
            SUPPORT,
            CALL,
            release(1),
            reserve(2, 50, 100),
            reserve(3, 1, 1),
            denied="calls",
            tokens=(0, 150),
        ),
        case("a call may reserve its agent's caps to the token", SUPPORT, reserve(1, 600, 100), denied=None),
        case("a call reserves no input above its caps", SUPPORT, reserve(1, 601, 100), denied="call_limits"),
        case(
            "input from a cache costs its own price, and counts in full",
            CACHED,
            CALL,
            settle(1, 50, 10, cached=30),
            settled=Amount(60, 20 * 4 + 30 * 1 + 10),
            usage=Usage(requests=1, input_tokens=50, output_tokens=10, cached_input_tokens=30),
        ),
        case("a call within its caps may cost what they do", DEAR, reserve(1, 600, 100), denied=None),
        case("dear output is not cheap input", DEAR, reserve(1, 599, 101), denied="call_limits"),
        case(
            "after one denial even a call that fits is denied",
            SUPPORT,
            reserve(1, 5_000, 100),
            reserve(1, 1, 1),
            denied="repeated",
        ),
        case(
            "settled, reserved and new stay within the limit, to the token",
            support(tokens=850),
            CALL,
            reserve(2, 600, 100),
            denied=None,
        ),
        case("what the run cannot pay is denied", support(tokens=849), CALL, reserve(2, 600, 100), denied="budget"),
        case("nothing is sent once the deadline has passed", SUPPORT, reserve(1, 1, 1, at=60), denied="deadline"),
        case(
            "money is rounded up when it is held",
            priced(Fraction(1, 4), Fraction(2)),
            CALL,
            reserved=Amount(150, 213),
        ),
        case(
            "money is rounded up when it is charged",
            priced(Fraction(1, 4), Fraction(2)),
            CALL,
            settle(1, 3, 1),
            settled=Amount(4, 3),
        ),
        case("no tokens are a number of input tokens", SUPPORT, reserve(1, 0, 5), tokens=(0, 5)),
        case("no tokens are a number of output tokens", SUPPORT, reserve(1, 5, 0), settle(1, 5, 0), tokens=(5, 0)),
        case("a call may use nothing at all", SUPPORT, reserve(1, 0, 0), settle(1, 0, 0), tokens=(0, 0)),
        case(
            "an overrun is charged in full, and lands at once",
            SUPPORT,
            CALL,
            settle(1, 151),
            overrun=1,
            landing="overrun",
            tokens=(151, 0),
        ),
        case(
            "what an agent left open is charged in full, each call for itself",
            SUPPORT,
            CALL,
            reserve(2, 60, 100),
            reply("resolved"),
            charged=[(1, 150), (2, 160)],
            tokens=(310, 0),
        ),
        case(
            "a cancelled run is charged in full for its open call",
            SUPPORT,
            CALL,
            cancel(at=1),
            landing="cancelled",
            tokens=(150, 0),
            kinds=["call_settled", "landed", "run_finished"],
        ),
        case("an unused grant is given back once", SUPPORT, fail(), landing="failure", tokens=(0, 0)),
    ],
)
def test_calls(row: Row) -> None:
    """A call reserves before it is sent, and is charged when it is settled."""
    row()


RICH = CompiledMachine(
    Parent.definition,
    limits=Limits(tokens=1_000, cost_usd="0.001"),
    prices={"fan.errand.look": Price(Fraction(1), Fraction(3))},
)


@pytest.mark.parametrize(
    "row",
    [
        case(
            "a share is moved, not copied",
            PARENT,
            ask(run("errand")),
            tokens=(0, 100),
            shares=[Allowance(100)],
            due=(Act((1,), 0, "look", 1),),
        ),
        case(
            "money is moved like tokens, at the price of the model of the part",
            RICH,
            ask(run("errand"), run("errand")),
            reserved=Amount(200, 400),
            shares=[Allowance(100, 200)] * 2,
        ),
        case(
            "a machine of code alone needs no share",
            PARENT,
            ask(run("approval")),
            tokens=(0, 0),
            shares=[Allowance(0)],
        ),
        case(
            "money too comes back",
            RICH,
            ask(run("errand")),
            inside(1, reserve(1, 50, 40)),
            inside(1, settle(1, 20, 10)),
            inside(1, reply("finish", note="n")),
            reserved=Amount(),
            settled=Amount(30, 50),
        ),
        case(
            "a part that has ended is charged what it settled, and its requests count",
            PARENT,
            ask(run("errand")),
            inside(1, reserve(1, 50, 40)),
            inside(1, settle(1, 60)),
            inside(1, reply("finish", note="n")),
            tokens=(60, 0),
            usage=Usage(requests=1, input_tokens=60),
            shares=[],
        ),
        case(
            "an overrun is not hidden in a part",
            PARENT,
            ask(run("errand"), run("errand")),
            inside(1, reserve(1, 10, 10)),
            inside(1, settle(1, 500)),
            landing="overrun",
            tokens=(500, 0),
        ),
    ],
)
def test_parts(row: Row) -> None:
    """A part lives on a share of the ledger of the machine that runs it."""
    row()


def test_a_part_that_has_ended_is_gone() -> None:
    """It leaves those beside it as they are."""
    play = Play(PARENT, ask(run("errand"), run("errand")))
    beside = play.now.visit.asks[2]  # type: ignore[union-attr]

    play.feed(inside(1, cancel()))

    assert play.now.visit.asks[2] is beside  # type: ignore[union-attr]
    assert play.seen("tokens") == (0, 100)


def test_a_parts_own_limit_of_money_holds() -> None:
    """Its cost is limited even if that of the machine that runs it is not, and its share is no more than its limit."""
    prices = {"fan.thrifty.look": Price(Fraction(1_000), Fraction(1_000))}
    compiled = CompiledMachine(Spending.definition, prices=prices)

    play = Play(compiled, ask(run("thrifty")))

    assert [Allowance(200, 150_000)] == play.seen("shares")
    assert play.now.ledger.limit.cost is None


def test_a_round_that_money_does_not_pay_has_not_begun() -> None:
    """All its shares are added up, in money as in tokens, before the first is moved."""
    prices = {"plan": Price(Fraction(1), Fraction(1)), "plan.errand.look": Price(Fraction(2), Fraction(2))}
    paid, short = (
        CompiledMachine(Manager.definition, limits=Limits(tokens=10_000, cost_usd=cost), prices=prices)
        for cost in ("0.000400", "0.000399")
    )

    assert Amount(200, 400) == Play(paid, ask(run("errand"), run("errand"))).seen("reserved")
    denied = Play(short, ask(run("errand"), run("errand")))
    assert ("denied", Amount()) == (denied.seen("failed"), denied.seen("reserved"))


@pytest.mark.parametrize(
    "row",
    [
        wrong("calls are numbered in order", "the next call of this visit is 1", SUPPORT, reserve(2, 1, 1)),
        wrong("no input is less than nothing", "would reserve -1", SUPPORT, reserve(1, -1, 1)),
        wrong("no output is less than nothing", r"would reserve 1 \+ -1", SUPPORT, reserve(1, 1, -1)),
        wrong("only an open call is settled", "call 1 is not open", SUPPORT, settle(1, None)),
        wrong("only an open call is released", "call 1 is not open", SUPPORT, release(1)),
        wrong("no input is given back", "counts are never negative", SUPPORT, CALL, settle(1, -1, 5)),
        wrong("no output is given back", "counts are never negative", SUPPORT, CALL, settle(1, 5, -1)),
        wrong("no cached input is given back", "counts are never negative", SUPPORT, CALL, settle(1, 5, cached=-1)),
        wrong("cached input is a part of the input", "a part of the input", SUPPORT, CALL, settle(1, 5, cached=6)),
    ],
)
def test_what_the_books_do_not_hold(row: Row) -> None:
    """Numbers that fit no call are an error, and nothing changes."""
    row()
