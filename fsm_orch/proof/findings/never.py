"""Findings about guards that never hold (FSM204), each once, where it is to be mended."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Any, TypeAlias

from ...define import codes
from ...define.definition import Definition
from ...define.guards import Guard
from ...define.policies import Policy
from ...define.states import Handoff
from ...define.wording import quoted
from ...errors import Finding
from ..explore.automata import guards as guards_of
from ..explore.domain import Domain, leaves
from .ways import MOST_CASES, cases, first_case

_Owner: TypeAlias = Handoff | Policy

_MOST_VALUES = 8
"""More values than these are not listed in a message."""


def never_open(definition: Definition) -> Iterator[Finding]:
    """Find guards that never hold. Their handoff is never taken, and a policy about them checks nothing."""
    domain = Domain(definition.context, guards_of(definition, definition.policies))
    asked: list[tuple[_Owner, Guard[Any]]]
    asked = [(handoff, handoff.guard) for handoff in definition.handoffs if handoff.guard is not None]
    asked += [(policy, guard) for policy in definition.policies for guard in policy.guards]
    # one mistake in a guard is one thing to mend, however many handoffs and policies stand on it
    stand_on: dict[Guard[Any], list[_Owner]] = {}
    for owner, guard in asked:
        for cause in _causes(domain, guard):
            owners = stand_on.setdefault(cause, [])
            if owner not in owners:
                owners.append(owner)
    for cause, owners in stand_on.items():
        yield from _found(domain, cause, owners)


def _causes(domain: Domain, guard: Guard[Any]) -> Sequence[Guard[Any]]:
    """Return what is to be mended of a guard: itself, or those of its leaves that keep it from holding.

    Where it holds all the same, they are only those that are mistakes: a part that just never holds may be meant.
    """
    never = [leaf for leaf in leaves(guard) if _never_holds(domain, leaf)]
    mistakes = [leaf for leaf in never if _mistakes(domain, leaf)]
    if not _never_holds(domain, guard):
        return mistakes
    needed = _needed(domain, guard, never)
    return [*mistakes, guard] if needed is None else [leaf for leaf in never if leaf in mistakes or leaf in needed]


def _needed(domain: Domain, guard: Guard[Any], never: Collection[Guard[Any]]) -> frozenset[Guard[Any]] | None:
    """Return which leaves, though they never do, would have to hold for a guard to hold; None if even that is too few.

    Of several ways it takes those with the fewest leaves.
    """
    holding = [
        frozenset(leaf for leaf in never if case.unknown[leaf] == "yes")
        for case in islice(cases(domain, (guard,), free=never), MOST_CASES)
        if case.holds == (True,)
    ]
    fewest = min(map(len, holding), default=0)
    return frozenset().union(*(leaves for leaves in holding if len(leaves) == fewest)) if holding else None


def _never_holds(domain: Domain, guard: Guard[Any]) -> bool:
    found = first_case(domain, (guard,), (True,))
    return found.case is None and found.is_all


def _found(domain: Domain, cause: Guard[Any], owners: Sequence[_Owner]) -> Iterator[Finding]:
    """Yield a finding for a predicate, or one for each owner of a guard that is composed: there is its line."""
    handoffs = [owner.name for owner in owners if isinstance(owner, Handoff)]
    policies = [str(owner) for owner in owners if isinstance(owner, Policy)]
    mistakes = _mistakes(domain, cause)
    why = f" ({'; '.join(mistakes)})" if mistakes else _whatever(domain, cause)
    if cause.connective is None:
        stands = " and ".join(filter(None, (quoted(handoffs), ", ".join(policies))))
        yield codes.finding(
            "FSM204",
            where=cause.where,
            about=", ".join(handoffs),
            problem=f"the guard {cause!r} never holds{why}; on it stand{'s' * (len(owners) == 1)} {stands}",
            level="error" if handoffs or mistakes else "warning",
        )
        return
    for owner in owners:
        what, name, about = (
            ("policy", str(owner), "") if isinstance(owner, Policy) else ("handoff", repr(owner.name), owner.name)
        )
        yield codes.finding(
            "FSM204",
            where=owner.where,
            about=about,
            problem=f"the guard of {name} never holds: {cause!r}{why}",
            fix=f"mend the guard, or remove the {what}",
            level="warning" if what == "policy" and not mistakes else "error",
        )


def _whatever(domain: Domain, guard: Guard[Any]) -> str:
    """Return the values of the fields that a guard reads, if they are few: it may look for one that there is not."""
    values = {name: domain.finite[name] for name in domain.reads(guard) if name in domain.finite}
    if guard.connective is not None or sum(map(len, values.values())) > _MOST_VALUES:
        return ""
    listed = [f"{name} is {' or '.join(map(repr, found))}" for name, found in values.items()]
    return f", whether {' and '.join(listed)}" if listed else ""


def _mistakes(domain: Domain, guard: Guard[Any]) -> tuple[str, ...]:
    """Return what the leaves raise, and which of them return something other than a bool.

    What they do after reading an opaque field is not seen.
    """
    return tuple(dict.fromkeys(said for leaf in leaves(guard) for said in _mistakes_of(domain, leaf)))


def _mistakes_of(domain: Domain, leaf: Guard[Any]) -> Iterator[str]:
    is_bool: Guard[Any] = Guard(lambda c: isinstance(leaf(c), bool), leaf.canonical, leaf.contexts, leaf.where)
    finite = [name for name in domain.reads(leaf) if name in domain.finite]
    for values in islice(domain.valuations(finite), MOST_CASES):
        answer = domain.ask(is_bool, values)
        if answer.error is not None:
            yield answer.error
        elif answer.outcome == "no":
            yield f"{leaf!r} returns something other than a bool"
