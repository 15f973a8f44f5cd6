"""The potential: what a run may still be charged, as its records tell it while it runs."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from support.random_machines import PLANS, drawn

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, Runner, ScriptedModel, State
from fsm_orch.kernel import records
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.potential import Potential
from fsm_orch.testing import Tape


class Question(Context):
    """What the test machine runs on."""

    text: str


def agent(tokens: int, **options: int) -> LLMAgent:
    return LLMAgent("Answer.", reads=(Question.text,), max_input_tokens=tokens - 40, max_output_tokens=40, **options)


class Desk(Machine[Question]):
    """A visit of `cheap` is charged 200 tokens at most, one of `dear` 900."""

    cheap = State(agent(200, calls=1), initial=True, max_visits=3)
    dear = State(agent(300, calls=3))
    answered = Final()
    human = Final(fallback=True)
    again = cheap.to(cheap, "once more")
    to_dear = cheap.to(dear, "it is hard")
    done = (cheap | dear).to(answered, "it is answered")
    limits = Limits(hops=4, tokens=10_000)


@given(PLANS)
def test_no_edge_costs_more_than_the_potential_falls(plan: Tape) -> None:
    """Counting hops alone gives numbers that the inequality of a certificate holds for, on every edge and hop."""
    machine, limits = drawn(plan)
    definition, potential = machine.definition, CompiledMachine(machine.definition, limits=limits).potential

    for source in definition.states:
        assert len(potential.to_come[source]) == max(1, limits.hops)
        assert all(number >= 0 for number in potential.to_come[source])
        for target in set(definition.successors[source]) & set(definition.states):
            for hops in range(limits.hops - 1):
                fall = potential.to_come[source][hops] - potential.to_come[target][hops + 1]
                assert potential.worst_case[target] <= fall


def test_counting_hops_follows_the_dearest_path() -> None:
    """Three more visits fit after the first: twice `cheap` again, then `dear`, from which nothing leads on."""
    potential = CompiledMachine(Desk.definition).potential

    assert [200 + 200 + 900, 200 + 900, 900, 0] == list(potential.to_come["cheap"])
    assert [0, 0, 0, 0] == list(potential.to_come["dear"])
    assert 200 + 200 + 200 + 900 == potential.ahead("cheap", 0, {"cheap": 1})


def test_visits_that_are_left_are_priced() -> None:
    """What lambda prices falls with each visit, and fractions are rounded up to whole tokens."""
    potential = Potential({"cheap": 200}, {"cheap": [Fraction(1, 3)]}, {"cheap": Fraction(1, 2)}, {"cheap": 3})

    assert 202 == potential.ahead("cheap", 0, {"cheap": 1})
    assert 201 == potential.ahead("cheap", 0, {"cheap": 2})
    assert 201 == potential.ahead("cheap", 0, {"cheap": 3})


def test_records_carry_what_is_still_to_come() -> None:
    """`settled + reserved + ahead` stands still while calls are made, and falls when a path is not taken."""
    model = ScriptedModel([{"handoff": "to_dear"}, "It is so."])

    result = Runner(Desk, model=model).run_sync(Question(text="why?"))

    totals = [record.stamp.settled + record.stamp.reserved + record.stamp.ahead for record in result.records]
    first, second = (record.tokens for record in result.records if isinstance(record, records.CallSettled))
    assert ["handed_off"] == [result.records[4].kind] == [result.records[8].kind]
    assert [1_500] * 5 + [first + 900] * 4 + [first + second] == totals


def test_a_run_is_never_said_to_cost_more_than_its_limit() -> None:
    """Where the worst case is above the limit, what is still to come is what the ledger would let through."""
    runner = Runner(Desk, model=ScriptedModel([]), limits=Limits(hops=4, tokens=1_000))

    first = runner.run_sync(Question(text="why?")).records[0]

    assert (0, 1_000) == (first.stamp.settled, first.stamp.reserved + first.stamp.ahead)
