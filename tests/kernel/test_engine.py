"""The engine: one compiled machine, fired on bare cursors, and the only judge of guards."""

from __future__ import annotations

import gc
import logging
from fractions import Fraction
from typing import Any

import pytest
import transitions
from hypothesis import given
from hypothesis import strategies as st
from support.raised import FAILURES, INTERRUPTS

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, State, guard
from fsm_orch.amounts import Amount, Price
from fsm_orch.define.guards import Guard
from fsm_orch.define.states import Handoff
from fsm_orch.kernel.engine import CompiledMachine, GuardAnswer, judged


class Flags(Context):
    answer: bool | None = None
    ok: bool = True


@guard
def answers(f: Flags) -> bool:
    return f.answer  # type: ignore[return-value]


@guard
def is_ok(f: Flags) -> bool:
    return f.ok


@guard
def breaks(f: Flags) -> bool:
    raise LookupError("a secret")


@guard
def exits(f: Flags) -> bool:
    raise KeyboardInterrupt


def raising(error: BaseException) -> Guard[Flags]:
    """Return a guard that raises."""

    def raising(f: Flags) -> bool:
        raise error

    return guard(raising)


def work(visit: Any) -> None:
    """Do nothing."""


class Small(Machine[Flags]):
    a = State(LLMAgent("Do it.", max_input_tokens=10, max_output_tokens=5), initial=True, max_visits=3)
    b = State(work, max_visits=3)
    done = Final()
    human = Final(fallback=True)
    to_b = a.to(b, "x", guard=is_ok)
    back = b.to(a, guard=answers)
    bad = b.to(done, guard=breaks)
    turned = b.to(done, guard=~breaks)
    stop = b.to(human, guard=exits)
    end = (a | b).to(done, "y")
    lost = b.on_failure(a)


COMPILED = CompiledMachine(Small.definition)
DECLARED = {(source, handoff.name): handoff for source, handoff in Small.definition.edges}


@pytest.mark.parametrize("answer", ["yes", "", 1, 0, None, [1], {"x": 1}, 1.0, object], ids=repr)
def test_an_answer_that_is_no_bool_counts_as_false(answer: object) -> None:
    """A guard that answers anything but a bool does not hold, and is recorded as raising."""

    judgement = COMPILED.holds(Small.back, Flags.model_construct(answer=answer))

    assert not judgement.holds
    assert "TypeError in answers" == judgement.error
    assert None is COMPILED.fire("b", Small.back, Flags.model_construct(answer=answer))


@pytest.mark.parametrize("answer", [True, False])
def test_a_bool_counts_as_itself(answer: bool) -> None:
    """A guard that answers a bool is taken at its word."""

    assert GuardAnswer(answer) == COMPILED.holds(Small.back, Flags.model_construct(answer=answer))
    assert ("a" if answer else None) == COMPILED.fire("b", Small.back, Flags.model_construct(answer=answer))


@pytest.mark.parametrize(("handoff", "shown"), [(Small.bad, "breaks"), (Small.turned, "~breaks")])
def test_a_guard_that_raises_counts_as_false(handoff: Handoff, shown: str) -> None:
    """A guard that raises does not hold, turned round or not; its error is told without its message."""

    assert GuardAnswer(holds=False, error=f"LookupError in {shown}") == COMPILED.holds(handoff, Flags())
    assert None is COMPILED.fire("b", handoff, Flags())


@pytest.mark.parametrize("error", FAILURES, ids=repr)
def test_whatever_fails_in_a_guard_means_no(error: BaseException) -> None:
    """An exit, a cancellation and a group of failures count as false like any Exception."""
    assert GuardAnswer(holds=False, error=f"{type(error).__name__} in <unnamed guard>") == judged(
        raising(error), Flags()
    )


@pytest.mark.parametrize("error", INTERRUPTS, ids=repr)
def test_an_interrupt_is_no_answer(error: BaseException) -> None:
    """What is meant for whoever called, such as an interrupt from the keyboard, is not swallowed, by firing neither."""
    with pytest.raises(BaseException) as caught:
        judged(raising(error), Flags())
    with pytest.raises(KeyboardInterrupt):
        COMPILED.fire("b", Small.stop, Flags())

    assert error is caught.value


def test_no_guard_always_holds() -> None:
    """A handoff without a guard holds."""

    assert GuardAnswer(holds=True) == COMPILED.holds(Small.end, Flags())


@given(
    st.sampled_from([*Small.definition.states, *Small.definition.finals, "nowhere"]),
    st.sampled_from(Small.definition.handoffs),
)
def test_firing_is_declared_or_raises(state: str, handoff: Handoff) -> None:
    """A handoff fired from a state that declares it leads to its target; from any other it raises."""

    oracle = CompiledMachine(Small.definition, oracle=lambda h, c: GuardAnswer(holds=True))

    if (state, handoff.name) in DECLARED:
        assert handoff.target.name == oracle.fire(state, handoff, Flags())
    else:
        with pytest.raises((transitions.MachineError, KeyError, ValueError)):
            oracle.fire(state, handoff, Flags())


def test_firing_a_handoff_of_another_machine_raises() -> None:
    """A handoff of another machine is not declared here, though it bears the name of one that is."""

    class Twin(Machine[Flags]):
        a = State(work, initial=True)
        done = Final()
        human = Final(fallback=True)
        to_b = a.to(done)

    with pytest.raises(Exception, match="to_b"):
        COMPILED.fire("a", Twin.to_b, Flags())


def test_an_unknown_handoff_raises() -> None:
    """A handoff that no state declares is not fired."""

    class Alien(Machine[Flags]):
        a = State(work, initial=True)
        done = Final()
        human = Final(fallback=True)
        alien = a.to(done)

    with pytest.raises(Exception, match="alien"):
        COMPILED.fire("a", Alien.alien, Flags())


@pytest.mark.parametrize("state", list(Small.definition.states))
def test_landing_leads_to_the_fallback(state: str) -> None:
    """Every state has a landing edge, which asks no guard."""

    refusing = CompiledMachine(Small.definition, oracle=lambda h, c: GuardAnswer(holds=False))

    assert "human" == refusing.land(state)


@pytest.mark.parametrize("state", ["done", "human", "nowhere"])
def test_only_states_land(state: str) -> None:
    """A final state has no landing edge: a run that has ended moves no more."""

    with pytest.raises((transitions.MachineError, KeyError, ValueError)):
        COMPILED.land(state)


def test_an_oracle_replaces_every_guard() -> None:
    """With an oracle no guard is evaluated, neither by judging nor by firing; it is asked for each handoff."""

    asked: list[tuple[str, Context]] = []
    context = Flags()

    def oracle(handoff: Handoff, context: Context) -> GuardAnswer:
        asked.append((handoff.name, context))
        return GuardAnswer(holds=handoff.name != "to_b")

    compiled = CompiledMachine(Small.definition, oracle=oracle)

    assert "done" == compiled.fire("b", Small.bad, context)
    assert "human" == compiled.fire("b", Small.stop, context)
    assert None is compiled.fire("a", Small.to_b, context)
    assert [("bad", context), ("stop", context), ("to_b", context)] == asked


def inner(compiled: CompiledMachine) -> transitions.Machine:
    return compiled._compile()


def test_no_run_is_ever_registered() -> None:
    """The one machine inside knows no model, however often it was fired."""

    machines_before = [m for m in gc.get_objects() if isinstance(m, transitions.Machine)]
    compiled = CompiledMachine(Small.definition)
    made = [m for m in gc.get_objects() if isinstance(m, transitions.Machine) and m not in machines_before]
    for _ in range(50):
        compiled.fire("a", Small.to_b, Flags())
        compiled.land("a")
    after = [m for m in gc.get_objects() if isinstance(m, transitions.Machine) and m not in machines_before]

    assert 1 == len(made)
    assert made == after
    assert [] == made[0].models


def test_there_are_no_triggers_but_the_declared() -> None:
    """The machine inside has a trigger for each handoff and one for landing, and none that jumps over guards."""

    assert {*(h.name for h in Small.definition.handoffs), "*land*"} == set(inner(COMPILED).events)
    assert [*Small.definition.states, *Small.definition.finals] == list(inner(COMPILED).states)


def test_edges_inside_are_the_declared_ones() -> None:
    """The machine inside has exactly the declared edges, and a landing edge for each state."""

    edges = {
        (trigger, source, transition.dest)
        for trigger, event in inner(COMPILED).events.items()
        for source, transitions_ in event.transitions.items()
        for transition in transitions_
    }

    expected = {(name, source, h.target.name) for (source, name), h in DECLARED.items()}
    assert expected | {("*land*", name, "human") for name in Small.definition.states} == edges


def test_misfires_log_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """An undeclared pair or a guard that raises leaves no line in a log: records say it."""

    with caplog.at_level(logging.DEBUG, logger="transitions"):
        COMPILED.fire("b", Small.bad, Flags())
        with pytest.raises((transitions.MachineError, KeyError, ValueError)):
            COMPILED.fire("done", Small.end, Flags())

    assert [] == [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_an_application_hears_its_own_machines_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Firing writes no line of any level, and a machine that the application made of `transitions` writes its own."""
    its_own = transitions.Machine(states=["x", "y"], initial="x", name="lamp")
    its_own.add_transition("press", "x", "y", conditions=[lambda: True])

    with caplog.at_level(logging.DEBUG):
        assert CompiledMachine(Small.definition).fire("a", Small.to_b, Flags()) == "b"
        silent = caplog.text
        its_own.press()  # type: ignore[attr-defined]

    assert "" == silent
    assert "lamp: Finished processing state x exit callbacks." in caplog.text


def test_firing_keeps_no_state() -> None:
    """Firing is a function of its arguments: what was fired before does not matter."""

    assert ["b", "b", "a", "b"] == [
        COMPILED.fire("a", Small.to_b, Flags()),
        COMPILED.fire("a", Small.to_b, Flags()),
        COMPILED.fire("b", Small.back, Flags(answer=True)),
        COMPILED.fire("a", Small.to_b, Flags()),
    ]


def test_an_edge_without_a_guard_is_remembered_for_itself() -> None:
    """Fired again, each leads where it did before, and no other does."""
    compiled, flags = CompiledMachine(Small.definition), Flags()

    for _ in range(2):
        ends = [compiled.fire("a", Small.end, flags), compiled.fire("b", Small.end, flags)]
        assert ["done", "done"] == ends
        assert ["a", "human", "human"] == [
            compiled.fire("b", Small.lost, flags),
            compiled.land("a"),
            compiled.land("b"),
        ]


def test_grants_are_priced() -> None:
    """The grant of each state is its largest call at its own price; a state without a price costs nothing."""

    compiled = CompiledMachine(Small.definition, prices={"a": Price(Fraction(1, 3), Fraction(2))})

    assert {"a": Amount(15, 14), "b": Amount()} == {name: state.grant for name, state in compiled.states.items()}
    assert {"a": Amount(15, 0), "b": Amount()} == {name: state.grant for name, state in COMPILED.states.items()}


def test_limits_are_overridden() -> None:
    """A compiled machine has the limits of its definition, unless it is given others."""

    assert Small.definition.limits == COMPILED.limits
    assert Limits(hops=1) == CompiledMachine(Small.definition, limits=Limits(hops=1)).limits
