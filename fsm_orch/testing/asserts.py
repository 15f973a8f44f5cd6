"""Assertions about all runs of a machine at once. They are proved: no run is made, and no model is called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from ..amounts import Price
from ..define.machine import AnyMachine, definition_of
from ..define.policies import Cause, Policy
from ..define.rules.check import check
from ..errors import DefinitionError
from ..export.table import table
from ..limits import Limits
from ..proof.bounds.certificate import Certificate
from ..proof.bounds.certify import certify
from ..proof.bounds.skeleton import Measure
from ..proof.bounds.verifier import verify
from ..proof.bounds.words import bound_in_words, shown
from ..proof.explore.exploration import Exploration, PolicyVerdict, explore
from ..proof.explore.trace import Trace

_OF_POLICIES = frozenset({"FSM112", "FSM401", "FSM402"})
"""The findings about policies that hold for an asserted one too. Others do not: its guards need no name, for instance,
since it is in no digest."""
_REASONS = {
    "violated": "violated:",
    "possible": "possible, if guards that read fields with too many values to try, or validators, let it:",
    "unknown": "unknown, since not all paths were seen",
}


def assert_bounded(
    machine: AnyMachine,
    *,
    tokens: int | None = None,
    hops: int | None = None,
    calls: int | None = None,
    cost_usd: Decimal | str | None = None,
    seconds: float | Decimal | None = None,
    limits: Limits | None = None,
    prices: Mapping[str, Price] | None = None,
) -> Certificate:
    """Assert that no run of a machine takes more than this, and return the certificate that proves it.

    The ledger keeps every run within its limits anyhow, by landing it. This asserts more: no run ever needs more than
    this, so none has to be landed for it.

    Args:
        machine: the machine.
        tokens, hops, calls, cost_usd, seconds: the most a run may take, from 0; None: not asserted. Dollars are exact
            (`"0.05"` or a Decimal). Dollars are compared in whole micro-dollars, and seconds in whole milliseconds.
        limits: instead of the machine's.
        prices: by state, what its model costs; needed for `cost_usd`.

    Raises AssertionError: if a run may take more; shows the most expensive path.
    Raises ValueError: if an amount is not such a number.
    Raises CertificateError: if no run can start, or SciPy is needed and not installed.
    """
    wanted: dict[Measure, int | None] = {
        "tokens": _counted("tokens", tokens),
        "hops": _counted("hops", hops),
        "calls": _counted("calls", calls),
        "cost": _in_parts("cost_usd", cost_usd, 1_000_000, (Decimal, str, int), "exact dollars, such as '0.05'"),
        "milliseconds": _in_parts("seconds", seconds, 1_000, (float, int, Decimal), "a number, such as 0.25"),
    }
    definition = definition_of(machine, "assert_bounded")
    certificate = certify(definition, limits=limits, prices=prices)
    # A second opinion: the verifier shares no search with what made the certificate.
    verify(certificate, definition, limits=limits, prices=prices)
    wrong = [
        line for measure, most in wanted.items() if most is not None for line in _excess(certificate, measure, most)
    ]
    assert not wrong, "\n".join([f"{machine.__name__} is not bounded as asserted", *wrong])
    return certificate


def _counted(name: str, given: object) -> int | None:
    if given is None or (type(given) is int and given >= 0):
        return given
    raise ValueError(f"{name} is asserted as a whole number from 0, not {given!r}")


def _in_parts(name: str, given: object, parts: int, kinds: tuple[type, ...], allowed: str) -> int | None:
    """Return an amount in whole parts, rounded down, by the digits it is written with: no float is exactly 1.001."""
    if given is None:
        return None
    try:
        exact = Fraction(Decimal(str(given)))
    except (ValueError, ArithmeticError):  # not a number, or not a finite one
        exact = Fraction(-1)
    if exact < 0 or isinstance(given, bool) or not isinstance(given, kinds):
        raise ValueError(f"{name} is asserted as {allowed}, from 0 and finite, not {given!r}")
    return int(exact * parts)


def _excess(certificate: Certificate, measure: Measure, most: int) -> Iterator[str]:
    if measure not in certificate.bounds:
        yield "  cost: not bounded, since some price is not known. Give prices={'state': Price(...)} for every state"
    elif certificate.bounds[measure].bound > most:
        yield f"  asserted: at most {shown(most, measure)}; proved: {bound_in_words(certificate, measure)}"
        if measure == "tokens":
            bound = certificate.bounds[measure]
            yield "    " + " + ".join(f"{bound.worst_case[state]:,} ({state})" for state in bound.witness.states)


def assert_policy(machine: AnyMachine, *policies: Policy, limits: Limits | None = None) -> Exploration:
    """Assert that policies hold on every path of a machine, and return the exploration that shows it.

    Args:
        machine: the machine.
        policies: such as `never(Support.refund).before(Support.verify)`; none: the machine's own.
        limits: instead of the machine's.

    Raises AssertionError: if a policy does not hold, or may not hold because a guard reads a field with too many values
        to try; shows a shortest path.
    Raises DefinitionError: if a policy names parts of another machine, or sets a thing against itself.
    Raises TypeError: if an argument is not a policy.
    """
    definition = definition_of(machine, "assert_policy")
    check_policies(machine, *policies)
    explored = explore(definition, limits=limits, policies=policies or None)
    lines = unkept(explored)
    assert not lines, "\n".join([f"{machine.__name__} does not keep its policies", *lines])
    return explored


def check_policies(machine: AnyMachine, *policies: Policy) -> None:
    """Check policies as the machine's class would. One that names parts of another machine would hold of every run.

    Raises DefinitionError: if a policy names parts of another machine, or sets a thing against itself.
    Raises TypeError: if an argument is not a policy.
    """
    for policy in policies:
        if not isinstance(policy, Policy):
            raise TypeError(f"a policy of {machine.__name__} cannot be a {type(policy).__name__}: {_instead(policy)}")
    findings = [
        finding for finding in check(replace(machine.definition, policies=policies)) if finding.code in _OF_POLICIES
    ]
    if findings:
        raise DefinitionError(f"A policy asserted of {machine.__name__}", findings)


def _instead(wrong: Any) -> str:
    match wrong:
        case list() | tuple():
            return "pass policies one by one, each as an argument"
        case Cause():
            return "after(...) is half a policy, finish it with .eventually(...)"
        case _:
            return "pass what never, at_most, eventually or after(...).eventually return"


def unkept(explored: Exploration) -> list[str]:
    """Return lines about each policy and theorem that was not shown to hold; what certainly does not comes first."""
    doubts = [judged for judged in explored.policies if judged.verdict != "holds"]
    doubts.sort(key=lambda judged: judged.verdict != "violated")
    return [
        *(line for judged in doubts for line in _broken(judged)),
        *(line for broken in explored.broken for line in (f"  {broken.breach}: our mistake", *_shown(broken.trace))),
    ]


def _broken(judged: PolicyVerdict) -> Iterator[str]:
    yield f"  {judged.policy}: {_REASONS[judged.verdict]}"
    yield from _shown(judged.trace)


def _shown(trace: Trace | None) -> Iterator[str]:
    return (f"    {line}" for line in (table(trace).splitlines() if trace else ()))
