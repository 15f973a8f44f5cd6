"""What becomes of one stored run in a new version of its machine."""

from __future__ import annotations

from decimal import Decimal

import pytest
from support.versions import TO_INVOICES, shop

from fsm_orch.errors import StepError
from fsm_orch.kernel import inputs
from fsm_orch.kernel.begin import started
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.renames import Renames
from fsm_orch.proof.versions.judge import judge
from fsm_orch.proof.versions.verdicts import Judged


def run(old: CompiledMachine) -> list[Input]:
    """Return the journal of a run that goes to billing, back, and on to the check of who somebody is."""
    return [
        started(old, {"query": "my money"}, run_id="r"),
        inputs.Replied(handoff="to_billing", at=1.0),
        inputs.Replied(handoff="back", changes={"answer": "a"}, at=2.0),
        inputs.Replied(handoff="to_verify", at=3.0),
    ]


def judged(*changes: str, renames: Renames | None = None) -> list[Judged]:
    """Judge that run after each of its inputs, under a changed shop."""
    old, new = CompiledMachine(shop().definition), CompiledMachine(shop(*changes).definition)
    journal = run(old)
    return [judge(old, new, journal[:cut], renames=renames or Renames()) for cut in range(1, len(journal) + 1)]


@pytest.mark.parametrize(
    ("change", "verdicts"),
    [
        ("none", "cccc"),
        ("prompt", "cccc"),
        ("added", "cccc"),
        ("removed", "cccs"),
        ("newread", "cspp"),
        ("required", "ssss"),
        ("tighter", "ccss"),
        ("guardbody", "cccc"),
        ("renamed", "cspp"),
        ("field", "ccpp"),
        ("calls", "cccc"),
        ("entry", "cccc"),
        ("fewer", "cccc"),
        ("more", "cccc"),
        ("policy", "csss"),
        ("repeatable", "cccp"),
    ],
)
def test_each_kind_of_change_gives_its_verdicts(change: str, verdicts: str) -> None:
    """After each input the run continues (c), could stand as a snapshot (p) or is stranded (s)."""
    words = {"c": "continues", "p": "snapshot", "s": "stranded"}

    assert [words[each] for each in verdicts] == [each.verdict for each in judged(change)]


def test_code_that_may_be_repeated_no_longer_does_not_go_on_where_it_may_have_acted() -> None:
    """A worker that is drained in the midst of it lets the run go as one that may act again, which it must not now."""
    old, new = CompiledMachine(shop("repeatable").definition), CompiledMachine(shop().definition)
    journal = run(old)
    found = [judge(old, new, journal[:cut]) for cut in range(1, 5)]

    assert ["continues"] * 3 + ["snapshot"] == [each.verdict for each in found]
    assert "'verify' may have acted, and could be repeated then: it would act again, and must not" == found[-1].why


def test_a_renamed_state_strands_nobody() -> None:
    """With its new name told, every run continues."""
    assert {"continues"} == {each.verdict for each in judged("renamed", renames=TO_INVOICES)}


def test_what_is_gone_is_told_with_the_input() -> None:
    """The reason names the state that is gone, and the input at which the new version goes another way."""
    found = judged("removed")[-1]

    assert "state 'verify' is gone; input 4, 'replied': the state is 'triage' now, and was 'verify'" == found.why
    assert (("triage", "billing", "triage", "verify"), 4) == (found.path, found.at)


def test_a_policy_that_only_smaller_limits_keep_makes_a_run_possible() -> None:
    """A run keeps its limits: a policy that holds within those of the new version alone is not shown to hold of it."""
    found = judged("fewest", "at_most")[0]

    assert "possible" == found.verdict
    assert "it keeps its own limits, within which at_most(2, triage) is not shown to hold" in found.why
    assert "continues" == judged("fewest")[0].verdict


def test_a_run_whose_cost_is_limited_goes_on_at_prices_that_it_keeps() -> None:
    """Of a model that only the new version has it keeps no price, so it does not continue; without a limit it does."""
    old = shop().definition
    new = CompiledMachine(shop("added").definition)
    limited = CompiledMachine(old, limits=old.limits.model_copy(update={"cost_usd": Decimal("1")}))
    first = started(limited, {"query": "q"}, run_id="r")

    found = judge(limited, new, [first])
    assert "its cost is limited, and it keeps no price of the model of 'sales'" in found.why
    assert "snapshot" == found.verdict
    assert "continues" == judge(CompiledMachine(old), new, run(CompiledMachine(old))[:1]).verdict


def test_a_run_that_has_ended_strands_nobody() -> None:
    """It continues where the new version tells the same of it, and is a snapshot where that would tell otherwise."""
    old = CompiledMachine(shop().definition)
    ended = [*run(old)[:2], inputs.Replied(handoff="done", changes={"answer": "a"}, at=2.0)]

    assert "continues" == judge(old, CompiledMachine(shop("removed").definition), ended).verdict
    assert "snapshot" == judge(old, CompiledMachine(shop("required").definition), ended).verdict


def test_a_machine_in_another_place_is_no_other_machine() -> None:
    """Its name is in the digest, and its rename changes nothing for a run."""
    old, new = CompiledMachine(shop().definition), CompiledMachine(shop("called").definition)

    assert old.definition.digest != new.definition.digest
    assert "continues" == judge(old, new, run(old)).verdict


def test_a_journal_of_another_machine_is_refused() -> None:
    """What the old version does not fold is judged of nothing."""
    old, other = CompiledMachine(shop().definition), CompiledMachine(shop("added").definition)

    with pytest.raises(StepError, match="was started on definition"):
        judge(old, old, run(other))
    with pytest.raises(StepError, match="has no beginning"):
        judge(old, old, run(old)[1:])
