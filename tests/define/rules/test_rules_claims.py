"""Rules about policies, and about attributes that nothing would read."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.declared import case, load, machine, refused, shows


@pytest.mark.parametrize(
    ("problem", "source"),
    [
        case(
            "a policy speaks of its own machine",
            "eventually(done | <Final >) speaks of <Final >, which is not an attribute of M",
            "policies = (eventually(done | Final()),)  # FSM401",
        ),
        case(
            "a policy does not hold one thing against itself",
            "never(a).after(done | a) holds one thing against itself",
            "policies = (never(a).after(done | a),)  # FSM402",
        ),
    ],
)
def test_policies_that_claim_nothing(problem: str, source: str, path: Path) -> None:
    """A policy that cannot be meant is found at its line."""
    shows(path, source, problem)


@pytest.mark.parametrize(
    ("line", "problem", "fix"),
    [
        ("policies = never(done)", "a Never named 'policies'", "write a tuple: policies = (never(done),)"),
        (
            "policies = [never(done), never(a)]",
            "a list named 'policies'",
            "write a tuple: policies = (never(done), ...)",
        ),
        ("policies = after(a)", "a Cause named 'policies'", "write a tuple: policies = (after(a).eventually(...),)"),
        ("policies = (never(a), after(a))", "after(a) in policies, without", "complete it: after(a).eventually(...)"),
        ("claim = eventually(done)", "under the name 'claim'", "write policies = (eventually(done),)"),
        ("policys = [1, never(done)]", "under the name 'policys'", "write policies = (never(done),)"),
        ("claims = {after(a)}", "under the name 'claims'", "write policies = (after(a).eventually(...),)"),
        ("policies = (never(a),); more = never(done)", "the name 'more'", "write policies = (never(done), ...)"),
    ],
)
def test_a_policy_in_the_wrong_place_is_told_how_to_write_it(line: str, problem: str, fix: str, path: Path) -> None:
    """A policy that nothing would check is answered at its line, with the line to write instead."""
    [finding] = refused(path, machine(f"{line}  # FSM114")).findings

    assert fix == finding.fix
    assert problem in finding.problem


@pytest.mark.parametrize(
    ("line", "problem", "fix"),
    [
        ("policies = 'never'", "a str named 'policies'", "rename it, or write policies = (never(...),)"),
        ("policies = ('never',)", "a str in policies", "write never(...), at_most(...), eventually(...) or after(...)"),
        ("limit = Limits()", "a Limits named 'limit'", "rename it, or write limits = Limits(...)"),
        ("limits = {'hops': 3}", "a dict named 'limits'", "rename it, or write limits = Limits(...)"),
        ("model = 3", "a int named 'model'", "rename it, or write model = 'provider:model'"),
        ("definition = 3", "a int named 'definition'", "rename it"),
    ],
)
def test_a_value_in_the_wrong_place_is_told_how_to_write_it(line: str, problem: str, fix: str, path: Path) -> None:
    """A value that does not know its line is answered at the class, with what to write instead."""
    [finding] = refused(path, machine(line, found="FSM114")).findings

    assert finding.fix.startswith(fix)
    assert problem in finding.problem


def test_policies_may_be_gathered_under_other_names(path: Path) -> None:
    """A policy that is in `policies` as well is not lost, whatever else it is called."""
    gathered = "first = never(human); others = (eventually(done), at_most(1, a)); policies = (first, *others)"

    assert 3 == len(load(path, machine(gathered)).M.policies)


@pytest.mark.parametrize("taken", ["definition", "limits", "model", "policies"])
def test_parts_do_not_take_the_names_of_a_machine(taken: str, path: Path) -> None:
    """A state called as an attribute that every machine has is a finding at its line, and not silently lost."""
    error = refused(path, machine(f"{taken} = State(work)  # FSM114\nto_it = a.to({taken})"))

    assert f"{taken!r}" in str(error)
