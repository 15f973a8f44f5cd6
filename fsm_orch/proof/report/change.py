"""The smallest change that removes a counterexample: small edits of the machine, each proved anew.

An edit that leaves less of the machine is none: every state and final state that runs reach, they still reach, fewer
hops are enough for every handoff, and the class still builds. What is tried are fewer visits, fewer hops, a guard that
the machine or the policy has already, and one handoff less; where none of these is enough, none is suggested.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any, NamedTuple

from ...budget import Price
from ...definition import Definition
from ...errors import CertificateError
from ...guards import Guard
from ...policies import Policy
from ...wellformed import check
from ..certificate import Certificate, certify
from ..explore import explore
from ..trace import Trace
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


def to_keep(definition: Definition, policy: Policy, trace: Trace, *, prices: Mapping[str, Price]) -> Change | None:
    """Find the smallest change after which a policy holds.

    Args:
        trace: a path that breaks it; what is changed lies on it.
    """
    number = definition.policies.index(policy)
    before = explore(definition, prices=prices, policies=(), max_configurations=_MOST_CONFIGURATIONS)
    for edit in islice(_edits(definition, policy, trace), _MOST_TRIES):
        changed = edit.apply(definition)
        if check(changed):
            continue
        kept = changed.policies[number]
        after = explore(changed, prices=prices, policies=(kept,), max_configurations=_MOST_CONFIGURATIONS)
        keeps_all = before.reached.keys() == after.reached.keys()
        if keeps_all and after.is_complete and after.policies[0].verdict == "holds":
            return Change(edit, f"{policy} holds")
    return None


def _edits(definition: Definition, policy: Policy, trace: Trace) -> Iterator[Edit]:
    """Give the edits of what lies on a path, the smallest first."""
    if policy.pattern == "bounded_existence":
        names = {getattr(atom, "name", "") for atom in policy.atoms}
        places = [name for name in dict.fromkeys(trace.path) if name in definition.states]
        for name in sorted(places, key=lambda place: place not in names):
            yield from fewer_visits(definition, name, at_most=policy.times)
    on_path = {turn.handoff for turn in trace.turns}
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
