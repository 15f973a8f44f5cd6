"""The entrance: what stands before the runs of a runner, an admission and quotas, as its user gave it and checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..amounts import dollars
from ..clock import Clock
from ..define.wording import kind_of
from ..errors import StartError
from ..kernel.engine import CompiledMachine
from ..models.base import Model
from ..resilience.admission import Admission
from ..resilience.base import Holdings
from ..resilience.holding import MemoryHoldings
from ..resilience.quota import Quota
from ..store.base import Store
from .costs import costs_at_most


@dataclass(frozen=True, kw_only=True, eq=False)
class Entrance:
    """What stands before the runs of one runner.

    Args:
        admission: gives places; None: everybody has one.
        quotas: what runs take from.
        holdings: holds what they take.
        models: the names of those that a run may call.
        store: keeps the runs; None: nothing does.
    """

    admission: Admission | None
    quotas: tuple[Quota, ...]
    holdings: Holdings
    models: tuple[str, ...]
    store: Store | None


def entrance_of(
    compiled: CompiledMachine,
    models: Iterable[Model],
    admission: Any,
    quotas: Any,
    holdings: Any,
    *,
    store: Store | None,
    wall_clock: Clock,
) -> Entrance | None:
    """Return what stands before the runs of a machine; None if nothing does.

    Raises StartError: if no run could be admitted within a quota, two have one name, or holdings have nothing to hold;
        or if an admission by tokens has fewer than one run may cost.
    Raises TypeError: if something is of a wrong kind, such as a class.
    """
    if admission is not None and not isinstance(admission, Admission):
        raise TypeError(f"admission= takes an Admission, not {kind_of(admission)}: admission=Admission(64)")
    if holdings is not None and (isinstance(holdings, type) or not hasattr(holdings, "settle")):
        raise TypeError(f"holdings= takes what holds of quotas, not {kind_of(holdings)}: holdings=store.holdings")
    found = _quotas(quotas)
    if holdings is not None and not found:
        raise StartError("holdings= holds of quotas, and none are given: quotas=Quota(tokens=1_000_000)")
    if admission is None and not found:
        return None
    if admission is not None and admission.by == "tokens":
        _check_beside(admission, compiled)
    for quota in found:
        _check_room(quota, compiled)
    own: Holdings = getattr(store, "holdings", None) or MemoryHoldings(wall_clock)
    return Entrance(
        admission=admission,
        quotas=found,
        holdings=own if holdings is None else holdings,
        models=tuple(sorted({model.name for model in models})),
        store=store,
    )


def _quotas(given: Any) -> tuple[Quota, ...]:
    quotas = (given,) if isinstance(given, Quota) else given
    if not isinstance(quotas, Sequence) or not all(isinstance(each, Quota) for each in quotas):
        raise TypeError(f"quotas= takes a Quota, or several, not {kind_of(given)}: quotas=Quota(tokens=1_000_000)")
    names = [each.name for each in quotas]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise StartError(
            f"several quotas are called {twice[0]!r}: say name= of each, by which messages tell them apart"
        )
    return tuple(quotas)


def _check_beside(admission: Admission, compiled: CompiledMachine) -> None:
    """Check that the tokens of an admission are those of one run at least: 8 of them are likely meant to be runs.

    Raises StartError: if they are fewer.
    """
    least = _least(compiled)
    if compiled.limits.thread_tokens is None and least > admission.most:
        raise StartError(
            f"the admission has {admission.most:,} tokens for all runs together, and any run of "
            f"{compiled.definition.name} may cost {least:,}, so no two would ever run at once: give it the tokens of "
            "as many as may, or count runs, as in Admission(8)"
        )


def _least(compiled: CompiledMachine) -> int:
    """Return how many tokens a run may cost that begins where that is least."""
    return min(costs_at_most(compiled, start).tokens for start in compiled.definition.starts)


def _check_room(quota: Quota, compiled: CompiledMachine) -> None:
    """Check that a run can be admitted within a quota that nobody else takes from.

    Raises StartError: if none could.
    """
    name, limits, least = compiled.definition.name, compiled.limits, _least(compiled)
    if quota.tokens is not None and limits.thread_tokens is None and least > quota.tokens:
        raise StartError(
            f"the quota {quota.name!r} has {quota.tokens:,} tokens, and any run of {name} may cost {least:,}, so "
            "none would be admitted: lower Limits(tokens=), or give it more"
        )
    if quota.cost_micros is None or limits.thread_cost_micros is not None:
        return
    if limits.cost_micros is None:
        raise StartError(
            f"the quota {quota.name!r} holds the dollars that a run may cost, and runs of {name} have no limit of "
            "them: declare Limits(cost_usd=...)"
        )
    if limits.cost_micros > quota.cost_micros:
        raise StartError(
            f"the quota {quota.name!r} has {dollars(quota.cost_micros)}, and any run of {name} may cost "
            f"{dollars(limits.cost_micros)}, so none would be admitted: lower Limits(cost_usd=), or give it more"
        )
