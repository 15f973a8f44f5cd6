"""The books of a visit: what its calls and children reserve, are charged and give back."""

from __future__ import annotations

from fractions import Fraction

import pytest
from support.desk import Support
from support.handfed import (
    FORKS,
    PARENT,
    SUPPORT,
    Parent,
    Play,
    Row,
    cancel,
    case,
    child,
    fail,
    merge,
    release,
    reply,
    reserve,
    settle,
    split,
    support,
    wrong,
)

from fsm_orch import Limits, Usage
from fsm_orch.amounts import Allowance, Amount, Price
from fsm_orch.kernel.effects import Act
from fsm_orch.kernel.engine import CompiledMachine


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


RUNNING = split(1, "forks", 400)
RICH = CompiledMachine(
    Parent.definition,
    limits=Limits(tokens=1_000, cost_usd="0.001"),
    prices={"fan": Price(Fraction(1), Fraction(1))},
    children={"forks": FORKS},
)


@pytest.mark.parametrize(
    "row",
    [
        case(
            "a share is moved, not copied",
            PARENT,
            RUNNING,
            tokens=(0, 400),
            shares={1: Allowance(400)},
            due=(Act((1,), 0, "fork", 1), Act((), 0, "fan", 1)),
        ),
        case(
            "money is moved like tokens",
            RICH,
            split(1, "forks", 300, cost=250),
            reserved=Amount(300, 250),
            shares={1: Allowance(300, 250)},
        ),
        case(
            "a machine of code alone needs no share",
            PARENT,
            split(1, "forks", 0),
            tokens=(0, 0),
            shares={1: Allowance(0)},
        ),
        case(
            "shares are admitted like calls, within caps",
            PARENT,
            RUNNING,
            split(2, "forks", 401),
            denied="call_limits",
            shares={1: Allowance(400)},
        ),
        case(
            "a merged child is charged what it settled, and its requests count",
            PARENT,
            split(1, "errand", 400),
            child(1, reserve(1, 50, 40)),
            child(1, settle(1, 60)),
            child(1, reply("finish")),
            merge(1),
            tokens=(60, 0),
            usage=Usage(requests=1, input_tokens=60),
            children={},
        ),
        case(
            "a child ends with its visit",
            PARENT,
            RUNNING,
            reply("finish"),
            state="done",
            children={},
            tokens=(0, 0),
            kinds=["child_record", "child_record", "call_settled", "handed_off", "run_finished"],
        ),
        case(
            "an overrun is not hidden in a child that nobody merged",
            PARENT,
            split(1, "errand", 100),
            child(1, reserve(1, 10, 10)),
            child(1, settle(1, 500)),
            reply("finish"),
            landing="overrun",
            tokens=(500, 0),
        ),
    ],
)
def test_children(row: Row) -> None:
    """A child lives on a share of its parent's ledger, in the place of a call."""
    row()


def test_a_merged_child_is_gone() -> None:
    """A merged child leaves those beside it as they are."""
    play = Play(PARENT, split(1, "forks", 100), split(2, "forks", 150), child(1, cancel()))
    beside = play.now.children[2]

    play.feed(merge(1))

    assert (play.now.children, play.now.child_machines) == ({2: beside}, {2: "forks"})
    assert play.seen("tokens") == (0, 150)


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
        wrong("a child that is not there is not merged", "there is none", SUPPORT, merge(1)),
        wrong(
            "a child is merged once",
            "child 1 cannot be merged: there is none$",
            PARENT,
            RUNNING,
            child(1, cancel()),
            merge(1),
            merge(1),
        ),
        wrong("a child that runs is not merged", "cannot be merged: it is running", PARENT, RUNNING, merge(1)),
        wrong("a share is not settled", "it is merged, not settled", PARENT, RUNNING, settle(1, 0)),
        wrong("a share is not released", "it is merged, not settled", PARENT, RUNNING, release(1)),
        wrong("no share is less than no tokens", "child 1 would take", PARENT, split(1, "errand", -1)),
        wrong("no share is less than no money", "child 1 would take", PARENT, split(1, "errand", 1, cost=-1)),
        wrong("a share lets its child start", "Support cannot start", PARENT, split(1, "desk", 100, query="x")),
        wrong(
            "a child is one that was compiled in",
            r"no child machine 'nobody'. Children: \['desk', 'errand', 'forks'\]",
            PARENT,
            split(1, "nobody", 10),
        ),
        wrong(
            "an input for a child has a child",
            "is for child 3, which is not running",
            PARENT,
            child(3, cancel()),
        ),
    ],
)
def test_what_the_books_do_not_hold(row: Row) -> None:
    """Numbers that fit no call and no child are an error, and nothing changes."""
    row()
