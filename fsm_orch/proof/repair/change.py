"""The smallest change that removes a counterexample: small edits of the machine, each proved anew.

An edit that leaves less of the machine is none: all states that runs reach they still reach, all handoffs that they
take they still take, but for one that is removed or that the policy speaks of, fewer hops are enough for all of them,
and the class still builds. What is tried are fewer visits, fewer hops, a guard that the machine or the policy has
already, and one handoff less; where none of these is enough, none is suggested.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator
from itertools import chain, islice
from typing import Any, NamedTuple

from ...define.definition import Definition
from ...define.guards import Guard
from ...define.policies import Policy
from ...define.rules.check import check
from ...errors import CertificateError
from ..bounds.certificate import Certificate
from ..bounds.certify import certify
from ..explore.exploration import Exploration, explore
from ..explore.trace import Trace
from .edits import Edit, drop, fewer_hops, fewer_visits, guard_with, more_tokens

_MOST_TRIES = 30
_MOST_CONFIGURATIONS = 5_000


class Change(NamedTuple):
    """A change that was proved to help."""

    edit: Edit
    outcome: str
    """What is true then."""

    def __str__(self) -> str:
        return f"{self.edit.words}: {self.outcome}"


def to_keep(definition: Definition, policy: Policy, trace: Trace, before: Exploration) -> Change | None:
    """Find the smallest change after which a policy holds.

    Args:
        trace: a path that breaks it; what is changed lies on it.
        before: what was explored of the definition; nothing is suggested if that is not all.
    """
    if not before.is_complete:
        return None
    number, named = definition.policies.index(policy), {getattr(atom, "name", "") for atom in policy.atoms}
    for edit in islice(_edits(definition, policy, trace), _MOST_TRIES):
        changed = edit.apply(definition)
        if check(changed):
            continue
        after = _explored(changed, (changed.policies[number],))
        holds = after.is_complete and after.policies[0].verdict == "holds"
        if holds and _keeps(before, after, {*named, edit.dropped}):
            return Change(edit, f"{policy} holds")
    return None


def _keeps(before: Exploration, after: Exploration, spared: Collection[str | None]) -> bool:
    """Tell whether runs still reach and take all that they did, but for handoffs that are spared."""
    return before.reached.keys() <= after.reached.keys() and before.taken - after.taken <= set(spared)


def _explored(definition: Definition, policies: tuple[Policy, ...]) -> Exploration:
    """Explore without the limits of the ledger, which is quicker and proves no less.

    All that the ledger does is to land a run or to fail a visit, and the adversary does both anyway.
    """
    roomy = definition.limits.model_copy(update={"tokens": sys.maxsize, "cost_usd": None})
    return explore(
        definition, limits=roomy, policies=policies, max_configurations=_MOST_CONFIGURATIONS, until_broken=True
    )


def _edits(definition: Definition, policy: Policy, trace: Trace) -> Iterator[Edit]:
    """Give the edits of what lies on a path, the smallest first."""
    if policy.pattern == "bounded_existence":
        names = {getattr(atom, "name", "") for atom in policy.atoms}
        places = [name for name in dict.fromkeys(trace.path) if name in definition.states]
        for name in sorted(places, key=lambda place: place not in names):
            yield from fewer_visits(definition, name, at_most=policy.times)
    on_path = {turn.handoff for turn in trace.legs}
    taken = [h for h in reversed(definition.handoffs) if h.name in on_path]
    guards = _guards(definition, policy)
    for handoff in taken:
        if handoff.kind == "handoff":
            others = [guard for guard in guards if guard is not handoff.guard]
            yield from (guard_with(handoff, guard) for guard in (*others, *(~guard for guard in others)))
    yield from map(drop, taken)


def _guards(definition: Definition, policy: Policy) -> tuple[Guard[Any], ...]:
    """Give the guards that are there: those that the policy names first, since they are what it is about."""
    named = [atom for atom in policy.atoms if isinstance(atom, Guard)]
    return tuple(dict.fromkeys([*named, *(h.guard for h in definition.handoffs if h.guard is not None)]))


def to_slacken(definition: Definition, certificate: Certificate) -> tuple[Change, ...]:
    """Find the smallest change after which the worst case fits the limit of tokens, and the limit that it fits.

    Args:
        certificate: the definition's own.

    Returns: at most two changes; none if the worst case fits.
    """
    worst = certificate.bounds["tokens"]
    if worst.bound <= definition.limits.tokens:
        return ()
    visited = sorted(set(worst.witness.states), key=lambda state: (-worst.worst_case[state], state))
    edits = chain(*(fewer_visits(definition, state) for state in visited), fewer_hops(definition))
    found = _first_slack(definition, edits)
    raised = more_tokens(definition, worst.bound)
    return (*([found] if found else []), Change(raised, f"the worst case, {worst.bound:,} tokens, fits"))


def _first_slack(definition: Definition, edits: Iterable[Edit]) -> Change | None:
    for edit in islice(edits, _MOST_TRIES):
        changed = edit.apply(definition)
        if check(changed):
            continue
        try:
            bound = certify(changed).bounds["tokens"].bound
        except CertificateError:  # the machine itself needed no solver, and its changes do
            return None
        if bound <= definition.limits.tokens:
            return Change(edit, f"worst case {bound:,} tokens")
    return None
