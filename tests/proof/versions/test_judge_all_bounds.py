"""What the explorer leaves out of one machine, and what makes a difference between two versions of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from pydantic import ConfigDict

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, State, Visit, guard
from fsm_orch.kernel import inputs
from fsm_orch.kernel.begin import started
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import CallReserved, CallSettled, Input, Replied
from fsm_orch.proof.versions.every import judge_all
from fsm_orch.proof.versions.judge import judge


class Facts(Context):
    """What guards ask."""

    a: bool = False


@guard
def is_a(facts: Facts) -> bool:
    """Read the only field."""
    return facts.a


def work(visit: Visit[Any]) -> None:
    """Stand for any code."""


def asked_again(*, is_new: bool) -> Any:
    """Return a machine in which a guard is asked for the last time, and then once more."""

    class Asked(Machine[Facts]):
        """Ask."""

        one = State(work, writes=Facts.a, initial=True)
        two = State(work)
        three = State(work)
        done, other, human = Final(), Final(), Final(fallback=True)
        yes, no = one.to(two, guard=is_a), one.to(two, guard=~is_a)
        never = one.to(other, guard=is_a & ~is_a)
        if is_new:
            sooner = two.to(other, guard=is_a)
        on = two.to(three)
        end = three.to(done)

    return Asked


def larger_calls(*, is_new: bool) -> Any:
    """Return a machine whose model may be asked with a longer prompt."""

    class Asks(Machine[Facts]):
        """Ask a model."""

        one = State(
            LLMAgent("Do it.", calls=1, max_input_tokens=200 if is_new else 100, max_output_tokens=20), initial=True
        )
        two = State(work)
        done, human = Final(), Final(fallback=True)
        on, off = one.to(two, "well"), one.to(done, "else")
        lost = one.on_failure(two)
        end = two.to(done)

    return Asks


def another_exit(*, is_new: bool) -> Any:
    """Return a machine that comes by a state which leads to a model, and to an end no more."""
    small: dict[str, Any] = {"max_input_tokens": 1_000, "calls": 1}

    class Spends(Machine[Facts]):
        """Spend."""

        one = State(LLMAgent("One.", max_output_tokens=100, **small), initial=True, max_visits=3)
        mid = State(work, max_visits=3)
        two = State(LLMAgent("Two.", max_output_tokens=1_000, **small))
        three = State(work)
        done, human = Final(), Final(fallback=True)
        on, again = one.to(mid, "on"), one.to(one, "again")
        dear = mid.to(two)
        if not is_new:
            early = mid.to(done)
        back, well = two.to(three, "back"), two.to(done, "well")
        end = three.to(done)
        limits = Limits(tokens=4_200)

    return Spends


def moved_less(*, is_new: bool) -> Any:
    """Return a machine whose limit covers all, and whose thread may have less left, and a state that is dearer now."""

    class Talks(Machine[Facts]):
        """Talk."""

        one = State(work, initial=True)
        two = State(LLMAgent("Two.", max_output_tokens=900 if is_new else 100, max_input_tokens=100, calls=1))
        done, human = Final(), Final(fallback=True)
        on, out = one.to(two), one.to(done)
        end = two.to(done)
        limits = Limits(thread_tokens=20_000)

    return Talks


def settings(*, is_new: bool) -> Any:
    """Return a machine whose context takes short texts alone."""

    class Words(Context):
        """What is said."""

        if is_new:
            model_config = ConfigDict(str_max_length=3)
        text: str

    class Says(Machine[Words]):
        """Say."""

        one = State(work, initial=True)
        done, human = Final(), Final(fallback=True)
        end = one.to(done)

    return Says


def _spent(handoff: str) -> list[Input]:
    """Return a visit that makes one call of 1,100 tokens."""
    call = CallReserved(call=1, input_tokens=1_000, output_tokens=100, at=0.0)
    return [call, CallSettled(call=1, usage=None, at=0.0), Replied(handoff=handoff, at=0.0)]


LOST: list[tuple[Callable[..., Any], dict[str, Any], list[Input]]] = [
    (asked_again, {}, [Replied(changes={"a": True}, at=0.0), Replied(at=0.0)]),
    (
        larger_calls,
        {},
        [CallReserved(call=1, input_tokens=150, output_tokens=20, at=0.0), inputs.Failed(reason="denied", at=0.0)],
    ),
    (another_exit, {}, [*_spent("again"), *_spent("again"), *_spent("on")]),
    (settings, {"text": "longer"}, []),
    (moved_less, {}, [Replied(at=0.0)]),
]
"""Machines that change, and a run that the change loses."""


@pytest.mark.parametrize(("make", "context", "happened"), LOST, ids=[make.__name__ for make, _, _ in LOST])
def test_what_makes_no_difference_to_one_version_may_to_the_other(
    make: Callable[..., Any], context: dict[str, Any], happened: list[Input]
) -> None:
    """Not all runs are said to continue where one does not, be it because of what one version alone would leave out."""
    old, new = (CompiledMachine(make(is_new=is_new).definition) for is_new in (False, True))
    moved = 500 if old.limits.has_thread else None
    journal = [replace(started(old, context, run_id="r"), tokens=moved), *happened]

    assert any("continues" != judge(old, new, journal[:cut]).verdict for cut in range(1, len(journal) + 1))
    assert not judge_all(old, new).continues
    assert judge_all(old, old).continues
