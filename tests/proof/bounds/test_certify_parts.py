"""A whole is certified with the certificates of the machines that it runs, and each is verified too."""

import json
import random as chance
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.claims import Document, altered, claim, numbers
from support.handfed import Asks, Manager, Parent, part
from support.lanes import in_both_lanes
from support.nests import nest, tape, world
from support.random_machines import Facts, Twins
from support.roads import Stop, crowd, nested, road

from fsm_orch import Final, Limits, Machine, State
from fsm_orch.amounts import Price
from fsm_orch.errors import CertificateError, StepError
from fsm_orch.kernel import inputs
from fsm_orch.kernel.begin import started
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.records import CallReserved
from fsm_orch.kernel.requests import RunPart
from fsm_orch.kernel.step import step
from fsm_orch.limits import CallLimits
from fsm_orch.proof.bounds.certificate import Certificate
from fsm_orch.proof.bounds.certify import certify
from fsm_orch.proof.bounds.verifier import verify

CROWD = crowd(states=11, hops=6)
ONE = Price(Fraction(1), Fraction(1))
TEN = Price(Fraction(10), Fraction(10))


class Small(Machine[Facts]):
    """Two calls of 100 tokens, in 150."""

    look = State(Twins(calls=2, writes=(), limits=CallLimits(max_input_tokens=50, max_output_tokens=50)), initial=True)
    done = Final()
    human = Final(fallback=True)
    finish = look.to(done)
    limits = Limits(tokens=150, cost_usd="0.0012", deadline_s=33)


class Whole(Machine[Facts]):
    """A model that may run the small one three times."""

    plan = State(
        Asks(
            kind="llm", proposes=True, calls=2, call_limits=CallLimits(max_input_tokens=9, max_output_tokens=1),
            parts=(part(Small, 3),),
        ),
        initial=True,
    )  # fmt: skip
    done = Final()
    human = Final(fallback=True)
    finish = plan.to(done, "always")


def test_a_visit_is_its_calls_and_all_runs_of_its_parts():
    """Each run counts, the losers of a race too, up to its bound or its limit, whichever is less."""
    found = certify(Whole.definition, prices={"plan": ONE, "plan.small.look": TEN})

    worst = {measure: bound.worst_case["plan"] for measure, bound in found.bounds.items()}
    charged = {"tokens": 2 * 10 + 3 * 150, "cost": 2 * 10 + 3 * 1_200, "calls": 2 + 3 * 2}
    assert {**charged, "hops": 1, "milliseconds": 33_000} == worst
    assert {"tokens": 200, "cost": 2_000} == {
        measure: found.parts["plan.small"].bounds[measure].bound for measure in ("tokens", "cost")
    }


def test_cost_is_bounded_if_that_of_every_part_is():
    """A price that is missing inside leaves the whole without a bound on cost; code needs none of its own."""
    without = certify(Whole.definition, prices={"plan": ONE})

    assert "cost" not in without.bounds
    verify(without, Whole.definition, prices={"plan": ONE})
    assert "cost" in certify(Parent.definition, prices={"fan.errand.look": ONE, "fan.closed.look": ONE}).bounds


@pytest.mark.parametrize("machine", [Whole, Parent, Manager])
def test_a_whole_is_believed_as_it_was_made(machine):
    """It survives JSON; altered in any number, of a part too, it is refuted."""
    whole = certify(machine.definition)
    document, random = claim(machine.definition), chance.Random(1)

    verify(Certificate.load(whole.dump()), machine.definition)

    for place in random.sample([*numbers(document)], 12):
        with pytest.raises(CertificateError):
            verify(altered(document, place, 1), machine.definition)


def test_a_part_is_its_own():
    """A whole is refuted with the certificate of another machine in the place of a part, without one, and with more."""
    document = claim(Whole.definition)
    other = claim(Whole.definition, limits=Limits(tokens=151))
    one_more = {**document["parts"], "plan.other": document["parts"]["plan.small"]}
    wrong = [({"plan.small": other}, "another machine"), ({}, "other parts"), (one_more, "other parts")]

    for parts, what in wrong:
        with pytest.raises(CertificateError, match=f"made for {what}"):
            verify(Document(json.loads(json.dumps(document | {"parts": parts}))), Whole.definition)


def test_models_and_prices_of_parts_are_compared():
    """A whole is refused at other prices of a part's model, or on another one."""
    prices, models = {"plan.small.look": ONE}, {"plan": "a:b", "plan.small.look": "c:d"}
    whole = certify(Whole.definition, prices=prices, models=models)

    verify(whole, Whole.definition, prices=prices, models=models)

    with pytest.raises(CertificateError, match="made for other prices"):
        verify(whole, Whole.definition, prices={"plan.small.look": TEN}, models=models)
    with pytest.raises(CertificateError, match="made for other models"):
        verify(whole, Whole.definition, prices=prices, models={**models, "plan.small.look": "e:f"})


@given(seed=st.integers(0, 10**6), most=st.integers(1, 3), less=st.integers(0, 200), is_crowd=st.booleans())
@settings(max_examples=12, deadline=None)
def test_what_is_certified_is_enough_for_what_the_kernel_moves(seed, most, less, is_crowd):
    """Within its bound a machine can start, and run all its parts at once: however its shares are counted."""
    inner = CROWD if is_crowd else nested(chance.Random(seed), depth=1)
    machine = road({"a": Stop(0, 0, runs={"inner": (inner, most)}), "b": 7}, [("a", "b")], tokens=10**7)
    bound = certify(machine).bounds["tokens"].bound
    compiled = CompiledMachine(machine, limits=Limits(hops=8, tokens=max(1, bound - less)))
    certificate = certify(machine, limits=compiled.limits)
    verify(certificate, machine, limits=compiled.limits)

    assert most * compiled.terms.shares["a.inner"].tokens <= certificate.bounds["tokens"].worst_case["a"]
    if certificate.verdict("tokens") == "slack":
        now = step(compiled, None, started(compiled, {}, run_id="r")).configuration
        runs = tuple(RunPart(part="inner") for _ in range(most))
        now = step(compiled, now, inputs.Asked(requests=runs, at=0.0)).configuration
        assert (most, now.visit and 1) == (len(now.visit.asks), 1)


def test_a_share_counted_by_hops_is_certified_as_it_is_moved():
    """Of a machine of very many paths the share is more than the bound; the whole is bounded by what is moved."""
    whole = road({"a": Stop(0, 0, runs={"inner": (CROWD, 1)})}, [])
    found = certify(whole)
    share = CompiledMachine(whole).terms.shares["a.inner"].tokens

    verify(found, whole)
    assert found.parts["a.inner"].bounds["tokens"].bound < share == found.bounds["tokens"].bound


@in_both_lanes(few=15, many=120)
def test_no_run_passes_its_bound(examples):
    """Random nests are charged, and call, no more than certified; and the kernel moves no part more than its bound."""
    for seed in range(examples):
        choices = tape(seed)
        machine = nest(choices).definition
        found, compiled = certify(machine), CompiledMachine(machine)
        verify(found, machine)
        for place, own in found.parts.items():
            assert compiled.terms.shares[place].tokens <= own.bounds["tokens"].bound, seed
        for _ in range(4):
            now, calls, at = None, 0, 0.0
            stepped = step(compiled, None, started(compiled, {"count": choices.below(9)}, run_id="r"))
            for _ in range(150):
                now = stepped.configuration
                calls += sum(isinstance(record, CallReserved) for record in stepped.records)
                if now.status == "finished":
                    break
                try:
                    stepped = step(compiled, now, world(choices, compiled, now, at))
                except StepError:
                    continue
            beyond = now.ledger.overrun.tokens
            assert now.ledger.settled.tokens - beyond <= found.bounds["tokens"].bound, seed
            assert calls <= found.bounds["calls"].bound, seed
