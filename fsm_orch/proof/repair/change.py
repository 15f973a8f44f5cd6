"""The smallest change that removes a counterexample: small edits of a machine are tried, and each is proved again.

For a policy three edits are tried: fewer visits, a guard that the machine or the policy already has, and one handoff
less. For the worst case: fewer visits, and fewer hops. An edit counts only if the machine still builds. An edit for a
policy must also leave the rest as it was: runs reach all states that they reached, and take all handoffs that they
took, except one that the edit removes. What they could enter by a handoff they still can: a landing excuses a run from
much, and an edit that leaves it no way but to land is hollow. So no edit may bring a new warning either. A handoff that
gets a guard must still be taken where code proposes nothing, or the guard has closed the door that it was to mend. The
only exit of a state of code gets its guard together with a last exit to the fallback, for all else.
Where no edit helps, none is suggested.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Iterator
from itertools import chain, islice, zip_longest
from typing import Any, NamedTuple

from ...define.definition import Definition
from ...define.guards import Guard, negated
from ...define.policies import Policy
from ...define.rules.check import check
from ...define.states import Handoff
from ...errors import CertificateError
from ..bounds.certificate import Certificate
from ..bounds.certify import certify
from ..explore.exploration import Exploration, explore
from ..explore.trace import Trace
from ..findings import of_definition
from .edits import Edit, drop, fewer_hops, fewer_visits, guard_or_else, guard_with, more_tokens

_MOST_TRIES = 30
"""The most edits that are tried, since each takes a proof of its own."""
_MOST_CONFIGURATIONS = 5_000
"""The most configurations that are explored of one edit; an edit that needs more does not count."""


class Change(NamedTuple):
    """An edit that was proved to help."""

    edit: Edit
    outcome: str
    """What is true of the machine after it, as a sentence."""

    def __str__(self) -> str:
        return f"{self.edit.words}: {self.outcome}"


def to_keep(definition: Definition, policy: Policy, trace: Trace, before: Exploration) -> Change | None:
    """Find the smallest change after which a policy holds; None if no edit that was tried helps.

    Args:
        policy: one of the definition's.
        trace: a path that breaks it; only states and handoffs on it are changed.
        before: the exploration of the definition; None is returned if it is not complete.

    Raises ValueError: if the policy is not one of the definition's.
    """
    # Without a complete exploration nobody knows what an edit would take away.
    if not before.is_complete:
        return None
    number = definition.policies.index(policy)
    for edit in islice(_edits(definition, policy, trace), _MOST_TRIES):
        changed = edit.apply(definition)
        if check(dataclasses.replace(changed, policies=())):  # a policy may speak of what was removed
            continue
        # By its number: the changed definition has states of its own, and its policies speak of those.
        after = _explored(changed, (changed.policies[number],))
        holds = after.is_complete and after.policies[0].verdict == "holds"
        if (
            holds
            and _keeps(before, after, edit.dropped)
            and _entered(definition, before) <= _entered(changed, after)
            and _warnings(changed) <= _warnings(definition)
            and _is_open(definition, changed, edit)
        ):
            return Change(edit, f"{policy} holds")
    return None


def _keeps(before: Exploration, after: Exploration, dropped: str | None) -> bool:
    """Return whether runs still reach all states and take all handoffs that they did, except one that was dropped."""
    return before.reached.keys() <= after.reached.keys() and before.taken - after.taken <= {dropped}


def _entered(definition: Definition, explored: Exploration) -> set[str]:
    """Return the states and final states that runs enter by a handoff, and not by landing alone."""
    return {handoff.target.name for handoff in definition.handoffs if handoff.name in explored.taken}


def _warnings(definition: Definition) -> set[tuple[str, str]]:
    """Return what a definition is warned of: the code, and what it is about."""
    return {(one.code, one.about or one.where) for one in of_definition(definition) if one.level != "note"}


def _is_open(definition: Definition, changed: Definition, edit: Edit) -> bool:
    """Return whether a handoff that got a guard is still taken by itself, if it was before."""
    # By itself: where code proposes nothing, and the first handoff whose guard holds is taken. An agent that proposes
    # a handoff against another's guard would take it still, and hide that nobody else does.
    if edit.guarded is None:
        return True
    name = edit.guarded[0]
    before, after = (explore(one, policies=(), is_tame=True).taken for one in (definition, changed))
    return name in after or name not in before


def _explored(definition: Definition, policies: tuple[Policy, ...]) -> Exploration:
    """Explore a definition without its limits of tokens and cost."""
    # Quicker, since what was spent then decides nothing, and it proves no less: all that the ledger can do is to land a
    # run or to fail a visit, and the adversary does both anyway.
    roomy = definition.limits.model_copy(update={"tokens": sys.maxsize, "cost_usd": None})
    return explore(
        definition, limits=roomy, policies=policies, max_configurations=_MOST_CONFIGURATIONS, until_broken=True
    )


def _edits(definition: Definition, policy: Policy, trace: Trace) -> Iterator[Edit]:
    """Yield the edits of what lies on a path, the smallest first."""
    if policy.pattern == "bounded_existence":
        yield from _fewer_visits(definition, policy, trace)
    on_path = {leg.handoff for leg in trace.legs}
    taken = [h for h in reversed(definition.handoffs) if h.name in on_path]
    guards = _guards(definition, policy)
    for handoff in taken:
        if handoff.kind == "handoff":
            others = [guard for guard in guards if guard is not handoff.guard]
            yield from (_guarded(definition, handoff, guard) for guard in (*others, *map(negated, others)))
    yield from map(drop, taken)


def _guarded(definition: Definition, handoff: Handoff, guard: Guard[Any]) -> Edit:
    """Return the edit that gives a handoff a guard; if code has no other way out, with an exit for all else."""
    # With a guard alone, the only exit would leave a state in which runs are stuck, and land.
    (source, *others) = handoff.sources
    names = {*definition.states, *definition.finals, *(other.name for other in definition.handoffs)}
    is_only = not others and source.spec.kind == "code" and len(source.exits) == 1 and handoff.guard is None
    if is_only and f"not_{handoff.name}" not in names:
        return guard_or_else(definition, handoff, guard)
    return guard_with(handoff, guard)


def _fewer_visits(definition: Definition, policy: Policy, trace: Trace) -> Iterator[Edit]:
    """Yield fewer visits of the states on a path, those that lose least first."""
    named = {getattr(atom, "name", "") for atom in policy.atoms}
    ends = {end.name for h in definition.handoffs if h.name in named for end in (h.target, *h.sources)}
    places = [name for name in dict.fromkeys(trace.path) if name in definition.states]
    places.sort(key=lambda place: (place not in named, place not in ends))
    # one visit less of each, then two of each: so of all that help, the largest `max_visits` is found
    tiers = zip_longest(*(fewer_visits(definition, place) for place in places))
    return (edit for tier in tiers for edit in tier if edit is not None)


def _guards(definition: Definition, policy: Policy) -> tuple[Guard[Any], ...]:
    """Return the guards of a policy and its machine, each once; those that the policy names come first."""
    named = [atom for atom in policy.atoms if isinstance(atom, Guard)]
    return tuple(dict.fromkeys([*named, *(h.guard for h in definition.handoffs if h.guard is not None)]))


def to_slacken(definition: Definition, certificate: Certificate) -> tuple[Change, ...]:
    """Find the changes after which the worst case fits the limit of tokens.

    Args:
        certificate: the certificate of the definition.

    Returns: first the smallest edit that lowers the worst case enough, if there is one; last the limit that is high
        enough. Empty if the worst case fits already.
    """
    worst = certificate.bounds["tokens"]
    if worst.bound <= definition.limits.tokens:
        return ()
    # Only fewer visits of states on the most expensive path can lower the worst case; the most expensive come first.
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
        except (
            CertificateError
        ):  # SciPy is not installed; the machine itself needed no solver, and this edit of it does
            return None
        if bound <= definition.limits.tokens:
            return Change(edit, f"worst case {bound:,} tokens")
    return None
