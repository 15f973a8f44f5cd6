"""What is blamed for a guard that never holds, and for a handoff that no run takes."""

from __future__ import annotations

import types
from functools import reduce
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_orch import Context, Final, Given, HumanAgent, Limits, Machine, Preset, State, all_of, any_of, guard
from fsm_orch.define import Guard
from fsm_orch.proof import prove
from fsm_orch.proof.explore.domain import leaves
from fsm_orch.proof.findings.never import never_open


class Order(Context):
    vip: Given[bool] = False
    paid: Given[bool] = False
    kind: Given[Literal["new", "used"]] = "new"
    usual: Preset[bool] = True


@guard
def is_vip(order: Order) -> bool:
    return order.vip


@guard
def is_paid(order: Order) -> bool:
    return order.paid


@guard
def is_broken(order: Order) -> bool:
    return order.kind == "broken"  # type: ignore[comparison-overlap]  # the mistake that is looked for


@guard
def is_lost(order: Order) -> bool:
    return order.kind == "lost"  # type: ignore[comparison-overlap]


@guard
def is_misspelt(order: Order) -> bool:
    return order.paidd  # type: ignore[attr-defined, no-any-return]


@guard
def is_usual(order: Order) -> bool:
    return order.usual


def act(visit: Any) -> None:
    """Write nothing."""


def blamed(on: Guard[Order]) -> set[str]:
    """Return the guards that are said never to hold, in a machine with this guard on its first exit."""

    class Desk(Machine[Order]):
        look = State(act, initial=True)
        sent, human = Final(), Final(fallback=True)
        done, other = look.to(sent, guard=on), look.to(human)

    named = {repr(one): one for one in (on, *leaves(on))}
    found = [finding.problem for finding in never_open(Desk.definition)]
    return {name for name in named for said in found if f"the guard {name} never" in said or f"holds: {name}" in said}


@pytest.mark.parametrize(
    ("whole", "causes"),
    [
        (is_vip & ~is_vip & ~is_broken, ["((is_vip & ~is_vip) & ~is_broken)"]),
        ((is_vip & ~is_vip) & (is_paid | is_broken), ["((is_vip & ~is_vip) & (is_paid | is_broken))"]),
        (~is_misspelt, ["is_misspelt"]),
        (is_vip & ~is_misspelt & is_broken, ["is_misspelt", "is_broken"]),
        (~is_broken & is_misspelt, ["is_misspelt"]),
        (is_vip & ~is_vip & is_misspelt, ["is_misspelt", "((is_vip & ~is_vip) & is_misspelt)"]),
        (is_broken & is_lost, ["is_broken", "is_lost"]),
        (is_broken | is_lost, ["is_broken", "is_lost"]),
        ((is_broken & is_lost) | (is_lost & is_vip), ["is_lost"]),
    ],
    ids=repr,
)
def test_no_guard_is_blamed_that_keeps_nothing_from_holding(whole: Guard[Order], causes: list[str]) -> None:
    """A leaf that never holds is a cause only if the whole would hold with it; else the whole is."""
    assert blamed(whole) == set(causes)


LEAVES = (is_vip, is_paid, is_broken, is_lost)
ANSWERS = {"is_vip": (True, False), "is_paid": (True, False), "is_broken": (False,), "is_lost": (False,)}
WHOLES = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: (
        st.builds(lambda one: ~one, inner) | st.builds(all_of, inner, inner) | st.builds(any_of, inner, inner)
    ),
    max_leaves=6,
)


def holds(on: Guard[Any], said: dict[str, bool]) -> bool:
    """Return what a guard answers where its leaves answer so."""
    if on.connective is None:
        return said[repr(on)]
    answers = [holds(part, said) for part in on.parts]
    return {"all": all(answers), "any": any(answers), "not": not answers[0]}[on.connective]


def said_of(answers: dict[str, tuple[bool, ...]]) -> list[dict[str, bool]]:
    """Return every way in which leaves may answer."""
    ways: list[dict[str, bool]] = [{}]
    return reduce(lambda found, name: [{**way, name: one} for way in found for one in answers[name]], answers, ways)


@given(WHOLES)
def test_what_is_blamed_can_be_mended(whole: Guard[Order]) -> None:
    """What never holds is found, and where its leaves are blamed it may hold once they may."""
    never = not any(holds(whole, said) for said in said_of(ANSWERS))

    causes = blamed(whole)

    assert bool(causes) == never
    if never and repr(whole) not in causes:
        assert any(holds(whole, said) for said in said_of(ANSWERS | dict.fromkeys(causes, (True, False))))


def why_untaken(namespace: dict[str, Any]) -> list[str]:
    """Return why handoffs of a machine are taken by no run."""
    made = types.new_class("Desk", (Machine[Order],), exec_body=lambda body: body.update(namespace))
    return [finding.problem.partition(": ")[2] for finding in prove(made).findings if finding.code == "FSM205"]


def test_a_guard_that_what_is_never_written_keeps_open_is_not_blamed() -> None:
    """The field holds what opens the guard, so something else keeps runs from the handoff: here, the hops."""
    look, pack = State(act, initial=True, max_visits=2), State(act)
    sent, human = Final(), Final(fallback=True)
    hops = {"to_pack": look.to(pack), "back": pack.to(look, guard=is_usual), "done": pack.to(sent)}

    (why,) = why_untaken(
        {"look": look, "pack": pack, "sent": sent, "human": human, **hops, "limits": Limits(hops=2)},
    )

    assert why.startswith("by then its guard is closed, an exit before it is taken, or no visit, hop")


def test_the_time_of_a_human_is_not_told_as_that_of_another() -> None:
    """Of a timeout that leaves a human's state too, the time of the other state is named."""
    ask, pack = State(HumanAgent("Pack?", writes=Order.paid), initial=True), State(act, timeout_s=70)
    sent, human = Final(), Final(fallback=True)
    ways = {"yes": ask.to(pack, "yes"), "no": ask.to(human, "no"), "done": pack.to(sent)}

    (why,) = why_untaken(
        {"ask": ask, "pack": pack, "sent": sent, "human": human, **ways, "late": (ask | pack).on_timeout(sent)},
    )

    assert why == "a visit may take 70 s, and by then the run has been landed, for its 60 s"
