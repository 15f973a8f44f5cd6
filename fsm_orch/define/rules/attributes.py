"""Rules about the attributes of a machine's class: none is taken for something else, or for nothing, in silence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...errors import Finding
from ...limits import Limits
from .. import codes
from ..policies import Cause, Policy
from ..source import where_called
from ..states import Chain


def attributes(declared: Mapping[str, object]) -> Iterator[Finding]:
    """Find values under names that a machine reserves, and limits and policies where nothing reads them.

    Args:
        declared: the attributes of the class, by name.
    """
    for value, came, do in (*_misnamed(declared), *_misplaced(declared)):
        yield codes.finding(
            "FSM114",
            where=getattr(value, "where", where_called()),
            problem=came,
            expected="limits = Limits(...), model = 'provider:model', policies = (never(...),); `definition` is taken",
            fix=do,
        )


def twice(declared: Mapping[str, object]) -> Iterator[Finding]:
    """Find attributes that bear the name of a handoff in a chain."""
    for name, chain in declared.items():
        for handoff in chain.handoffs if isinstance(chain, Chain) else ():
            if handoff.name != name and handoff.name in declared:
                yield codes.finding(
                    "FSM114",
                    where=handoff.where,
                    problem=f"{handoff.name!r} is a handoff of the chain {name!r}, and another attribute",
                    expected="other names than those of the handoffs in a chain",
                    fix="rename the attribute, or the chain",
                )


_Wrong = tuple[object, str, str]
"""A value that is not where it belongs, what is said of it, and what to do."""


_OWN = {
    "limits": "limits = Limits(...)",
    "model": "model = 'provider:model'",
    "policies": "policies = (never(...),)",
}
"""What a machine reads under a name of its own, as it is declared."""


def _misnamed(declared: Mapping[str, object]) -> Iterator[_Wrong]:
    """Find limits under another name, and other things under the names that a machine has of its own."""
    kinds: dict[str, Any] = {"limits": Limits, "model": str | None}
    for name, value in declared.items():
        is_lost = isinstance(value, Limits) and name not in kinds
        if is_lost or name == "definition" or (name in kinds and not isinstance(value, kinds[name])):
            yield value, f"a {type(value).__name__} named {name!r}", _renamed("limits" if is_lost else name)


def _renamed(name: str) -> str:
    return f"rename it, or write {_OWN[name]}" if name in _OWN else "rename it"


def _misplaced(declared: Mapping[str, object]) -> Iterator[_Wrong]:
    """Find policies that nothing would check, and what is among the policies and is not one."""
    policies = declared.get("policies", ())
    checked = policies if isinstance(policies, tuple) else ()
    for name, value in declared.items():
        held = value if isinstance(value, tuple | list | set | frozenset) else (value,)
        given = [one for one in held if isinstance(one, Policy | Cause)]
        lost = [one for one in given if one not in checked]
        if name != "policies" and lost:
            do = f"write {_written([*lost, *checked])}"
            yield lost[0], f"{lost[0]} under the name {name!r}, where nothing checks it", do
        elif name == "policies" and value is not checked:
            do = f"write a tuple: {_written(given)}" if given else _renamed(name)
            yield given[0] if given else value, f"a {type(value).__name__} named 'policies'", do
    for one in checked:
        if isinstance(one, Cause):
            yield one, f"{one} in policies, without .eventually(...)", f"complete it: {_whole(one)}"
        elif not isinstance(one, Policy):
            allowed = "never(...), at_most(...), eventually(...) or after(...).eventually(...)"
            yield one, f"a {type(one).__name__} in policies", f"write {allowed}"


def _written(policies: Sequence[Policy | Cause]) -> str:
    """Write policies as they are declared, the first of them in full."""
    return f"policies = ({_whole(policies[0])},{' ...' if len(policies) > 1 else ''})"


def _whole(policy: Policy | Cause) -> str:
    return f"{policy}.eventually(...)" if isinstance(policy, Cause) else str(policy)
