"""Policies: what must be true of every run of a machine, as data; `fsm_orch.proof.explore.automata` checks them.

    never(refund).before(verify)        precedence: on the way to a refund one must pass through verify
    never(leak)                         absence
    never(search).after(paid)           absence after
    never(small).when(is_large)         absence when: at one moment, on what the hop left
    at_most(2, search)                  bounded existence
    eventually(answered | human)        existence: every run passes through one of them
    after(order).eventually(shipped)    response
    never(till.tool(refund))            the use of a tool: it stands where a state does, in each of these

These are the specification patterns of Dwyer, Avrunin and Corbett (ICSE 1999), one way to write each, and `when`. They
speak of the *moments* of a run. Every hop has two: its handoff is taken; then a state or final state is entered, and
guards hold on the context that the hop left. A run begins with the second. What falls into one moment counts as before,
as after and as following. In a visit, each use of a tool is a moment too: from it on the tool is due, approved if it
has to be, whatever comes of it. Of several that are asked for at once, the first asked for comes first. To `when` a hop
is one moment: its handoff is taken while guards hold on what it left.

A landing excuses a run from what was still to come, and is not a moment itself, unless a policy is strict. It never
excuses what has happened: a refund without verification stays one, wherever the run ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from .defaults import said
from .guards import Guard
from .source import where_called
from .subject import Atom, alternatives, listed

Pattern = Literal[
    "absence", "absence_after", "absence_when", "precedence", "existence", "response", "bounded_existence"
]

_TIMES = ("before", "after", "when")
_NO_TRUTH = "a policy is neither true nor false: list policies, (one, other), instead of and, or, not"


@dataclass(frozen=True)
class Policy:
    """What must be true of every run; made by `never`, `at_most`, `eventually` and `after`."""

    pattern: Pattern
    subject: tuple[Atom, ...]
    """What it speaks of: any of these."""
    other: tuple[Atom, ...] = ()
    """What comes before, or after, or holds at the time; any of these."""
    times: int = 0
    """How often at most; for `at_most` alone."""
    strict: bool = False
    """Whether a landed run is judged like any other."""
    where: str = field(default="unknown", compare=False)
    """`file:line` of the declaration."""

    @property
    def atoms(self) -> tuple[Atom, ...]:
        """Everything that it speaks of."""
        return (*self.subject, *self.other)

    @property
    def guards(self) -> tuple[Guard[Any], ...]:
        """The guards among them."""
        return tuple(atom for atom in self.atoms if isinstance(atom, Guard))

    @property
    def canonical(self) -> dict[str, Any]:
        """The policy as JSON: parts by their names, guards by their canonical form."""
        return said(
            pattern=self.pattern,
            subject=list(map(_canonical, self.subject)),
            other=list(map(_canonical, self.other)),
            times=self.times,
            strict=self.strict,
        )

    def __bool__(self) -> NoReturn:
        # as of a guard: `policies = (one and other,)` would be the other alone, in silence
        raise TypeError(_NO_TRUTH)

    if not TYPE_CHECKING:  # type checkers say themselves that there is no such method

        def __getattr__(self, name: str) -> NoReturn:
            raise AttributeError(_no_second_time(self, name) if name in _TIMES else f"a policy has no {name!r}")

    def __str__(self) -> str:
        subject, other = listed(self.subject), listed(self.other)
        strict = ", strict=True" if self.strict else ""
        match self.pattern:
            case "absence":
                return f"never({subject}{strict})"
            case "absence_after":
                return f"never({subject}{strict}).after({other})"
            case "absence_when":
                return f"never({subject}{strict}).when({other})"
            case "precedence":
                return f"never({subject}{strict}).before({other})"
            case "existence":
                return f"eventually({subject}{strict})"
            case "response":
                return f"after({other}).eventually({subject}{strict})"
            case "bounded_existence":
                return f"at_most({self.times}, {subject}{strict})"


class Never(Policy):
    """The policy that something does not happen; `before`, `after` and `when` say when."""

    def before(self, other: Atom) -> Policy:
        """Allow it once something else has happened: on the way to it, every run passes through `other`."""
        return Policy("precedence", self.subject, alternatives(other), strict=self.strict, where=self.where)

    def after(self, other: Atom) -> Policy:
        """Allow it until something else happens."""
        return Policy("absence_after", self.subject, alternatives(other), strict=self.strict, where=self.where)

    def when(self, condition: Guard[Any]) -> Policy:
        """Allow it where a guard does not hold, on the context that the hop left: with what the hop itself wrote.

        A state stands for every hop into it, and for the start; a final state has written what it sets by then.

        Raises TypeError: if the condition is not a guard, such as a state.
        """
        others = alternatives(condition)
        if not all(isinstance(other, Guard) for other in others):
            raise TypeError(
                f"when(...) takes a guard, which holds of a context, not {listed(others)}: write after(...)"
            )
        return Policy("absence_when", self.subject, others, strict=self.strict, where=self.where)


def never(subject: Atom, *, strict: bool = False) -> Never:
    """Forbid something, at any time; `.before(y)`, `.after(y)` and `.when(guard)` forbid it at some times alone.

    Args:
        subject: a state, a final state, a handoff, a tool (`till.tool(refund)`) or a guard; several joined by `|` are
            any of them.
        strict: judge a landed run like any other.
    """
    return Never("absence", alternatives(subject), strict=strict, where=where_called())


def at_most(times: int, subject: Atom, *, strict: bool = False) -> Policy:
    """Bound how often something happens in a run.

    A guard is counted at the start, if it holds there, and at every hop after which it holds.

    Raises ValueError: if `times` is not a whole number from 1.
    """
    if type(times) is not int or times < 1:
        raise ValueError(f"at_most takes a whole number from 1, not {times!r}: what is not to happen is never(...)")
    return Policy("bounded_existence", alternatives(subject), times=times, strict=strict, where=where_called())


def eventually(subject: Atom, *, strict: bool = False) -> Policy:
    """Require that something happens in every run before it ends."""
    return Policy("existence", alternatives(subject), strict=strict, where=where_called())


class Cause:
    """The first half of `after(x).eventually(y)`; not a policy yet."""

    def __bool__(self) -> NoReturn:
        raise TypeError(_NO_TRUTH)

    def __init__(self, cause: tuple[Atom, ...], where: str) -> None:
        self._cause = cause
        self.where = where

    def __str__(self) -> str:
        return f"after({listed(self._cause)})"

    def eventually(self, subject: Atom, *, strict: bool = False) -> Policy:
        """Require that whenever the first has happened, this happens then or later."""
        return Policy("response", alternatives(subject), self._cause, strict=strict, where=self.where)


def after(cause: Atom) -> Cause:
    """Begin `after(x).eventually(y)`: every x is followed by a y before the run ends."""
    return Cause(alternatives(cause), where_called())


def _no_second_time(policy: Policy, name: str) -> str:
    """Return why a policy takes no time: only `never` does, and one."""
    if policy.pattern not in ("absence_when", "absence_after", "precedence"):
        return f"{policy} takes no .{name}(...): only never(...) does"
    return (
        f"{policy} takes no .{name}(...): a policy has one of .before, .after and .when. "
        'For "if a guard holds, only after y" write two: give the way that needs no y a handoff of its own, with '
        "never(handoff).when(guard) and never(state).before(handoff | y)"
    )


def _canonical(atom: Atom) -> Any:
    return {"guard": atom.canonical} if isinstance(atom, Guard) else atom.title
