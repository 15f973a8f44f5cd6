"""Assertions about all runs of a machine at once: proved, so no run is made and no model is called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from ..budget import Price
from ..limits import Limits
from ..machine import AnyMachine
from ..policies import Policy
from ..proof.certificate import Certificate, certify
from ..proof.check import check
from ..proof.explore import Exploration, Judged, explore
from ..proof.report.table import table
from ..proof.skeleton import Measure
from ..proof.trace import Trace
from ..proof.words import bound_in_words, shown

_REASONS = {
    "violated": "breaks it",
    "possible": "breaks it, if guards answer as shown: they read fields with too many values to try",
    "unknown": "not all paths were seen",
}


def assert_bounded(
    machine: AnyMachine,
    *,
    tokens: int | None = None,
    hops: int | None = None,
    calls: int | None = None,
    cost_usd: Decimal | str | None = None,
    seconds: float | None = None,
    limits: Limits | None = None,
    prices: Mapping[str, Price] | None = None,
) -> Certificate:
    """Assert that no run of a machine takes more, and give the certificate that proves it.

    The ledger keeps a run within its limits whatever it is. What is asserted here is more: that no run comes to need
    so much, so that none has to be landed for it.

    Args:
        tokens, hops, calls, cost_usd, seconds: at most so much; what is None is not asserted.
        limits: instead of the machine's.
        prices: of the model of each state that makes calls; needed for `cost_usd`.

    Raises AssertionError: if a run might; shows the dearest path.
    Raises CertificateError: if no run can start, or SciPy is needed and not installed.
    """
    certificate = certify(machine.definition, limits=limits, prices=prices)
    check(certificate, machine.definition, limits=limits, prices=prices)
    wanted: dict[Measure, int | None] = {
        "tokens": tokens,
        "hops": hops,
        "calls": calls,
        "cost": None if cost_usd is None else int(Decimal(cost_usd) * 1_000_000),
        "milliseconds": None if seconds is None else int(seconds * 1_000),
    }
    wrong = [
        line for measure, most in wanted.items() if most is not None for line in _excess(certificate, measure, most)
    ]
    assert not wrong, "\n".join([f"{machine.__name__} is not bounded as asserted", *wrong])
    return certificate


def _excess(certificate: Certificate, measure: Measure, most: int) -> Iterator[str]:
    if measure not in certificate.bounds:
        yield "  cost: not bounded, since some price is not known. Give prices={'state': Price(...)} for every state"
    elif certificate.bounds[measure].bound > most:
        yield f"  asserted: at most {shown(most, measure)}; proved: {bound_in_words(certificate, measure)}"
        if measure == "tokens":
            bound = certificate.bounds[measure]
            yield "    " + " + ".join(f"{bound.worst_case[state]:,} ({state})" for state in bound.witness.states)


def assert_policy(machine: AnyMachine, *policies: Policy, limits: Limits | None = None) -> Exploration:
    """Assert that policies hold on every path of a machine, and give the exploration that shows it.

    Args:
        policies: such as `never(Support.refund).before(Support.verify)`; the machine's own if none is given.
        limits: instead of the machine's.

    Raises AssertionError: if one does not hold, or that hangs on guards which read fields with too many values to try;
        shows a shortest path.
    """
    explored = explore(machine.definition, limits=limits, policies=policies or None)
    wrong, still_open = unkept(explored)
    lines = [*wrong, *still_open]
    assert not lines, "\n".join([f"{machine.__name__} does not keep its policies", *lines])
    return explored


def unkept(explored: Exploration) -> tuple[list[str], list[str]]:
    """Show what does not hold for sure in what was explored, and what is open."""
    wrong = [line for judged in explored.policies if judged.verdict == "violated" for line in _broken(judged)]
    wrong += [line for broken in explored.broken for line in (f"  {broken.breach}: our mistake", *_shown(broken.trace))]
    doubts = [judged for judged in explored.policies if judged.verdict in ("possible", "unknown")]
    return wrong, [line for judged in doubts for line in _broken(judged)]


def _broken(judged: Judged) -> Iterator[str]:
    yield f"  {judged.policy}: {judged.verdict}, {_REASONS[judged.verdict]}"
    yield from _shown(judged.trace)


def _shown(trace: Trace | None) -> Iterator[str]:
    return (f"    {line}" for line in (table(trace).splitlines() if trace else ()))
