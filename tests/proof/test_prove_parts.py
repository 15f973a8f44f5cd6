"""Proofs of machines that run others inside their visits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console
from support.spoilt_rounds import Asker

from fsm_orch import (
    Context,
    Final,
    Limits,
    LLMAgent,
    Machine,
    ModelSettings,
    Runner,
    ScriptedModel,
    StartError,
    State,
    never,
)
from fsm_orch.amounts import Price
from fsm_orch.cli.page import show_proof
from fsm_orch.define.parts import Part
from fsm_orch.proof import prove
from machines.travel import Travel


class Nothing(Context):
    """No fields."""


def work(visit: Any) -> None:
    """Stand in for an agent."""


class Child(Machine[Nothing]):
    """Look twice, and keep one policy of two."""

    look = State(LLMAgent("Look.", max_input_tokens=90, max_output_tokens=10, calls=1), initial=True)
    again = State(work)
    seen = Final()
    lost = Final(fallback=True)
    on, done = look.to(again), again.to(seen)
    limits = Limits(hops=3, tokens=1_000)
    policies = (never(again).before(on), never(again))


class Whole(Machine[Nothing]):
    """Run it in two states."""

    first = State(
        Asker(kind="nested", parts=(Part(name="child", definition=Child.definition),), asks=1, must_ask=True),
        initial=True,
    )
    second = State(Asker(kind="map", parts=(Part(name="child", definition=Child.definition, most=2),), asks=2))
    done = Final()
    desk = Final(fallback=True)
    on, end = first.to(second), second.to(done)
    policies = (never(second).before(on),)


def test_a_part_is_proved_by_itself_within_its_share() -> None:
    """Its policies are judged in it, once for all places in which it runs, on no more than is moved to it."""
    found = prove(Whole)

    assert list(found.parts) == ["first.child", "second.child"]
    assert found.parts["first.child"] is found.parts["second.child"]
    part = found.parts["first.child"].exploration
    assert [judged.verdict for judged in part.policies] == ["holds", "violated"]
    assert part.measures.limits.tokens == part.measures.tokens.amount == 100
    assert found.bounds.tokens == 300
    assert found.bounds.calls == 3


def test_a_whole_is_no_sounder_than_its_parts() -> None:
    """A policy that is broken inside fails the check of the whole, whose own policies all hold."""
    found = prove(Whole)

    assert [judged.verdict for judged in found.policies] == ["holds"]
    assert not found.is_sound()
    assert prove(Travel).is_sound()


def test_the_policies_of_parts_are_printed_with_the_check() -> None:
    """The page names each place, and says what was judged there, and where to look."""
    out = Console(record=True, width=120, file=None, quiet=False)
    with out.capture() as said:
        show_proof(out, prove(Whole), "machine")

    text = said.get()
    assert "inside" in text
    assert "first.child (Child)" in text
    assert "violated  never(again)" in text
    assert "fsm-orch check on Child says why" in text
    assert "machines inside, taken as anything that uses up to its share" in " ".join(text.split())


@pytest.mark.parametrize("model", ["openai:gpt-5-mini"])
def test_money_is_bounded_through_all_levels(model: str) -> None:
    """The model of a whole is that of agents in its parts which name none, and its price is that of theirs."""
    found = prove(Whole, model=model)

    assert found.certificate.parts["first.child"].models == {"look": model}
    assert found.bounds.cost_usd == 3 * prove(Child, model=model).bounds.cost_usd > 0  # type: ignore[operator]


class Costly(Machine[Nothing]):
    """Begin by running a part that costs more than there is."""

    first = State(Asker(kind="nested", parts=(Part(name="child", definition=Child.definition),), asks=1), initial=True)
    done = Final()
    desk = Final(fallback=True)
    end = first.to(done)
    limits = Limits(cost_usd="0.000001")


@pytest.mark.parametrize("start", [prove, Runner])
def test_a_part_that_money_cannot_pay_is_an_objection_to_the_start(start: Callable[..., Any]) -> None:
    """What the parts of the first state may cost is held against the limit, before a run and before a proof."""
    said = r"Costly cannot start: what 'first' runs \('child'\) may take 100 tokens and \$0\.\d+; the limit is"

    with pytest.raises(StartError, match=said):
        start(Costly, model=ScriptedModel([], price=Price("25", "200")))


class Thrifty(Machine[Nothing]):
    """A part that has a cost limit of its own."""

    look = State(LLMAgent("Look.", max_input_tokens=90, max_output_tokens=10, calls=1), initial=True)
    done, desk = Final(), Final(fallback=True)
    end = look.to(done)
    limits = Limits(cost_usd="0.001")


class Deeper(Machine[Nothing]):
    """Run it, without a limit of money."""

    first = State(
        Asker(kind="nested", parts=(Part(name="thrifty", definition=Thrifty.definition),), asks=1), initial=True
    )
    done, desk = Final(), Final(fallback=True)
    end = first.to(done)


class Around(Machine[Nothing]):
    """Run that, in a state that few runs come to."""

    early = State(work, initial=True)
    late = State(Asker(kind="nested", parts=(Part(name="deeper", definition=Deeper.definition),), asks=1))
    done, desk = Final(), Final(fallback=True)
    on, end = early.to(late), late.to(done)
    off = early.to(done)


PLACES = {Thrifty: "look", Deeper: "first.thrifty.look", Around: "late.deeper.first.thrifty.look"}


@pytest.mark.parametrize("machine", PLACES)
def test_a_cost_limit_holds_at_every_level(machine: type[Machine[Nothing]]) -> None:
    """Where a part limits its cost, at whatever depth, a model of unknown price in it keeps every run from starting."""
    whose = "" if machine is Thrifty else f" of '{PLACES[machine].removesuffix('.look')}'"
    said = rf"^The price of the model of '{PLACES[machine]}' is not known, so a cost limit of \$0\.001{whose} cannot be"

    with pytest.raises(StartError, match=said):
        Runner(machine, model=ScriptedModel([], price=None))
    (finding,) = [one for one in prove(machine, model="compatible:mine").findings if one.code == "FSM306"]
    assert (Thrifty.look.where, PLACES[machine]) == (finding.where, finding.about)
    assert f"a cost limit of $0.001{whose} cannot be kept: no run starts" in finding.problem


@pytest.mark.parametrize("start", [prove, Runner])
@pytest.mark.parametrize("machine", PLACES)
def test_a_part_whose_own_limit_pays_no_call_is_an_objection_to_the_start(
    start: Callable[..., Any], machine: type[Machine[Nothing]]
) -> None:
    """At these prices each run of it would be landed at once: so it is said before a run and before a proof."""
    state, _, part = PLACES[machine].removesuffix(".look").rpartition(".")
    runs = "" if machine is Thrifty else f"'{state}' runs '{part}', which cannot: "
    said = rf"^{machine.__name__} cannot start: {runs}the first call of 'look' may take 100 tokens and \$0\.0025; the"

    with pytest.raises(StartError, match=said):
        start(machine, model=ScriptedModel([], price=Price(25, 25)))
    assert start(machine, model=ScriptedModel([], price=Price(10, 10)))


class Picky(Machine[Nothing]):
    """An agent with a setting."""

    look = State(LLMAgent("Look.", settings=ModelSettings(seed=7), model="openai:gpt-5-mini"), initial=True)
    seen, lost = Final(), Final(fallback=True)
    done = look >> seen


class OverPicky(Machine[Nothing]):
    """A machine that runs one."""

    ask = State(Asker(kind="nested", parts=(Part(name="picky", definition=Picky.definition),), asks=1), initial=True)
    seen, lost = Final(), Final(fallback=True)
    done = ask >> seen


def test_settings_inside_a_part_are_looked_at() -> None:
    """With them no run of the whole starts, so a check of it says so, at the place of the state inside."""
    (found,) = [finding for finding in prove(OverPicky).findings if finding.code == "FSM308"]

    assert ("error", "ask.picky.look") == (found.level, found.about)
    assert "'openai:gpt-5-mini' does not take (seed=7: the Responses API has none" in found.problem
    assert not prove(OverPicky).is_sound()
