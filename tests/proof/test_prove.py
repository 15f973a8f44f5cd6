"""`prove(machine)`: all that is known of a machine before any run, from the public names alone."""

import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from support.desk import Support

from fsm_orch import (
    Certificate,
    Context,
    Final,
    Given,
    Machine,
    Price,
    ScriptedModel,
    StartError,
    State,
    Visit,
    eventually,
    guard,
    never,
)
from fsm_orch.define import Policy
from fsm_orch.errors import ModelUnavailable
from fsm_orch.proof import Bounds, Proof, prove
from machines.helpdesk import ByModel
from machines.shop import ShopFloor


def test_a_proof_has_bounds_policies_findings_and_a_certificate() -> None:
    """What `fsm-orch check` prints is had by name."""
    proof = prove(Support)

    assert [str(judged.policy) for judged in proof.policies] == [str(policy) for policy in Support.policies]
    assert {judged.verdict for judged in proof.policies} <= {"holds", "violated", "possible", "unknown"}
    assert Certificate.load(proof.certificate.dump()) == proof.certificate
    assert proof.is_sound() == (not [found for found in proof.findings if found.level == "error"])


def test_bounds_are_those_of_the_certificate() -> None:
    """Each bound is the certificate's, in the unit that its name says."""
    proof = prove(ShopFloor, model="local:smollm2")
    proved = {measure: bound.bound for measure, bound in proof.certificate.bounds.items()}

    assert Bounds(tokens=4_128, cost_usd=Decimal(0), calls=4, hops=6, seconds=60.0) == proof.bounds
    assert (4_128, 0, 4, 6) == (proved["tokens"], proved["cost"], proved["calls"], proved["hops"])


def test_cost_is_bounded_where_every_price_is_known() -> None:
    """A model's own price counts, or the table's for a name; without one, cost is not bounded."""
    dear = ScriptedModel([], price=Price(Fraction(1), Fraction(10)))
    first_call = ShopFloor.definition.states["router"].spec.call_limits
    dollars = Decimal(first_call.max_input_tokens + 10 * first_call.max_output_tokens) / 1_000_000

    assert prove(ShopFloor).bounds.cost_usd is None
    assert prove(ShopFloor, model=dear).bounds.cost_usd == 4 * dollars
    assert prove(ShopFloor, model="openai:gpt-5-mini").bounds.cost_usd > 0
    assert prove(ShopFloor, model="compatible:mine").bounds.cost_usd is None


def test_a_name_that_can_be_no_models_is_refused() -> None:
    """A typo in a provider is no unknown price."""
    with pytest.raises(ModelUnavailable, match="providers: "):
        prove(ShopFloor, model="opnai:gpt-5")


def test_a_machine_that_cannot_start_at_this_price_has_no_proof() -> None:
    """Where no run starts there is nothing to prove, and it is said why."""
    definition = Support.definition
    tight = definition.limits.model_copy(update={"cost_usd": Decimal("0.000001")})
    with pytest.raises(StartError, match="cannot start"):
        prove(replace(definition, limits=tight), model=ScriptedModel([], price=Price(Fraction(9), Fraction(9))))


def test_a_proof_is_shown_in_a_line() -> None:
    """In a console a proof says its bounds, its verdicts and how much was found."""
    proof = prove(ByModel)

    assert repr(proof).startswith("<Proof ByModel: at most ")
    assert isinstance(proof, Proof)
    assert "\n" not in repr(proof)


def test_a_proof_is_printed_to_be_read() -> None:
    """What no run exceeds, each verdict with its path and what closes it, and each finding with its fix, in lines."""
    first, holds, violated, path, change, *others = str(prove(Slip)).splitlines()

    assert first == "Slip has something to mend: at most 0 tokens, 0 calls, 2 hops, 20 s"
    assert holds == "  holds     never(pay).before(check)"
    assert violated == "  violated  never(pay).when(~is_paid)"
    assert path == "            check -on-> pay"
    assert (
        change
        == "            the smallest change: give `on` the guard `guard=is_paid`: never(pay).when(~is_paid) holds"
    )
    codes = [finding.code for finding in prove(Slip).findings if finding.code != "FSM411"]
    assert [line.split()[1] for line in others[::2]] == codes
    assert all(line.startswith("            fix: ") for line in others[1::2])
    assert str(prove(ByModel)).startswith("ByModel is sound: at most ")


def test_running_loads_no_prover() -> None:
    """`import fsm_orch` loads what a runner verifies certificates with, and nothing that makes or explores."""
    program = "import sys, fsm_orch; print(*[m for m in sys.modules if m.startswith('fsm_orch.proof')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    loaded = {name.removeprefix("fsm_orch.proof").lstrip(".") for name in done.stdout.split()}
    assert loaded <= {"", "bounds"} | {
        f"bounds.{m}" for m in ("certificate", "verifier", "assumptions", "skeleton", "tolls")
    }


class Bill(Context):
    paid: Given[bool] = False


@guard
def is_paid(bill: Bill) -> bool:
    return bill.paid


def tell(visit: Visit[Bill]) -> None: ...


class Till(Machine[Bill]):
    """A machine whose runs may begin in what its policy forbids."""

    count = State(tell, initial=True)
    done, human = Final(), Final(fallback=True)
    over = count.to(done)


class Slip(Machine[Bill]):
    """Check, and pay whatever was found."""

    check, pay = State(tell, initial=True), State(tell)
    done, human = Final(), Final(fallback=True)
    on, off = check.to(pay), check.to(human)
    over = pay.to(done)
    policies = (never(pay).before(check), never(pay).when(~is_paid))


@pytest.mark.parametrize(
    "policy", [eventually(is_paid, strict=True), never(~is_paid), never(is_paid), never(is_paid | Till.over)]
)
def test_a_policy_that_a_start_breaks_is_shown(policy: Policy) -> None:
    """A run that breaks its policy before its first hop is a counterexample like any other."""
    proof = prove(replace(Till.definition, policies=(policy,)))

    (example,) = proof.counterexamples
    assert ("violated", policy) == (example.verdict, example.policy)
    assert not proof.is_sound()
