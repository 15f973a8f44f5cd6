"""Exploration: every run of a machine, breadth first over the real `kernel.step`, against an adversary.

What is found holds for all runs, however their agents and models behave: fields that guards do not look into are not
told apart (`abstract`), and everything else is done as `adversary` says. A path that
hangs on a guard over such fields is *possible*, as is one that the validators of the context may refuse
(`reality`); any other is real.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ...amounts import Price
from ...define.definition import Definition
from ...define.policies import Policy
from ...kernel.engine import CompiledMachine
from ...kernel.inputs import Input
from ...limits import Limits
from .automata import Verdict, guards
from .domain import Domain, leaves_of
from .play import Play
from .reality import is_real
from .retrace import retrace
from .theorems import THEOREMS, Breach, Theorem
from .trace import Trace
from .tree import ROOT, Way
from .walk import OnProgress, Sightings, Walk, walk


class Extreme(NamedTuple):
    """The most that a run can take, and a run that does."""

    amount: int
    trace: Trace


@dataclass(frozen=True, kw_only=True)
class PolicyVerdict:
    """What is known of a policy."""

    policy: Policy
    verdict: Verdict
    trace: Trace | None
    """A shortest path that breaks it; it ends where nothing can mend it any more."""


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A theorem that did not hold: the kernel's mistake, not the machine's."""

    breach: Breach
    trace: Trace | None
    """The path to the step that broke it, that step left out; None if it was the start."""
    event: Input
    """The input that broke it."""


@dataclass(frozen=True, kw_only=True)
class Exploration:
    """What the runs of a machine can do, as far as they were explored."""

    configurations: int
    """Configurations that differ in something that decides a run's future."""
    steps: int
    """Inputs that the kernel was given."""
    seconds: float | None
    """None: no clock was given."""
    is_complete: bool
    """Whether every run was seen; if not, the numbers below are what was seen so far."""
    max_hops: Extreme
    max_tokens: Extreme
    """If `is_tight`, of runs whose calls use all or nothing; only the limit bounds the others."""
    max_cost: Extreme
    """Micro-dollars."""
    max_calls: Extreme
    is_tight: bool
    """Whether the ledger may deny something in some run, so that what calls use was told apart."""
    reached: Mapping[str, Trace]
    """Every state and final state that some run enters, with a shortest path to it."""
    taken: frozenset[str]
    """Every handoff that some run takes."""
    policies: tuple[PolicyVerdict, ...]
    broken: tuple[Broken, ...]
    """Of the theorems that were checked after every step, those that did not hold, with the first step each."""
    abstracted: tuple[str, ...]
    """What was not told apart, a sentence each."""

    @property
    def held(self) -> tuple[Theorem, ...]:
        """The theorems that were checked after every step, and held."""
        broken = {found.breach.theorem for found in self.broken}
        return tuple(theorem for theorem in THEOREMS if theorem not in broken)


def explore(
    definition: Definition,
    *,
    limits: Limits | None = None,
    prices: Mapping[str, Price] | None = None,
    policies: tuple[Policy, ...] | None = None,
    max_configurations: int = 100_000,
    until_broken: bool = False,
    on_progress: OnProgress | None = None,
    clock: Callable[[], float] | None = None,
) -> Exploration:
    """Explore every run of a definition that has been checked.

    Args:
        limits: instead of the definition's.
        prices: of each state's model; a state that is not named costs nothing.
        policies: instead of the definition's.
        max_configurations: where to stop, or after 100 steps for each of them; memory and time are bounded by it.
        until_broken: stop once some policy is broken, and leave it undecided; for those who ask only whether all hold.
        on_progress: told now and then how far it is.
        clock: seconds, to time it.

    Raises StepError: if no run can start within the limits.
    Raises ValueError: if there is no room for one configuration.
    """
    if max_configurations < 1:
        raise ValueError(f"{max_configurations} configurations leave no room for the first")
    limits, policies = limits or definition.limits, definition.policies if policies is None else policies
    began = clock() if clock else 0.0
    walks = [
        walk(Play(definition, limits, prices or {}, group), max_configurations, on_progress, until_broken=until_broken)
        for group in _groups(definition, policies)
    ]
    judged = {verdict.policy: verdict for found in walks for verdict in _judged(found)}
    first, tree = walks[0], walks[0].tree
    return Exploration(
        configurations=sum(len(found.tree) for found in walks),
        steps=sum(found.steps for found in walks),
        is_complete=all(found.is_complete for found in walks),
        max_hops=Extreme(first.deepest.hops, retrace(first.play, tree.path(first.deepest.node, "first"))),
        max_tokens=_most(first, "tokens"),
        max_cost=_most(first, "cost"),
        max_calls=_most(first, "calls"),
        is_tight=first.is_tight,
        reached={name: _shown(first, seen) for name, seen in first.entered.items()},
        taken=frozenset(first.taken),
        policies=tuple(judged[policy] for policy in policies),
        broken=tuple(broken for found in walks for broken in _broken(found)),
        abstracted=tuple(dict.fromkeys(note for found in walks for note in found.play.abstraction.notes())),
        seconds=clock() - began if clock else None,
    )


def _groups(definition: Definition, policies: tuple[Policy, ...]) -> list[tuple[Policy, ...]]:
    """Give each policy that asks an unknown guard a walk of its own.

    Its guesses would tell apart what is one to all others, and make every path of theirs hang on them.
    """
    domain = Domain(definition.context, guards(definition, policies))
    guessing = [policy for policy in policies if any(map(domain.is_opaque, leaves_of(policy.guards)))]
    return [tuple(p for p in policies if p not in guessing), *((policy,) for policy in guessing)]


def _most(found: Walk, way: Way) -> Extreme:
    amount, node = found.tree.dearest(way)
    return Extreme(amount, retrace(found.play, found.tree.path(node, way)))


def _shown(found: Walk, seen: Sightings) -> Trace:
    """Write down the way to what was seen: a sure one, if there is one."""
    if seen.surely is not None:
        return retrace(found.play, found.tree.path(seen.surely.node, "sure"))
    assert seen.first is not None  # or it would not have been seen
    return retrace(found.play, found.tree.path(seen.first.node, "first"))


def _judged(found: Walk) -> Iterator[PolicyVerdict]:
    unseen: Verdict = "holds" if found.is_complete else "unknown"
    for automaton, seen in zip(found.play.automata, found.breaks, strict=True):
        if seen.first is None:
            yield PolicyVerdict(policy=automaton.policy, verdict=unseen, trace=None)
        else:
            trace = _shown(found, seen)
            verdict: Verdict = "violated" if trace.is_sure and _is_real(found, automaton.policy, trace) else "possible"
            yield PolicyVerdict(policy=automaton.policy, verdict=verdict, trace=trace)


def _is_real(found: Walk, policy: Policy, trace: Trace) -> bool:
    """Tell whether the machine itself takes a sure path, which only validators could refuse."""
    play = found.play
    if not play.abstraction.has_validators:
        return True
    return is_real(
        CompiledMachine(play.abstraction.original, limits=play.compiled.limits, prices=play.compiled.prices),
        policy,
        trace,
    )


def _broken(found: Walk) -> Iterator[Broken]:
    for breach, node, event in found.breaches.values():
        trace = retrace(found.play, found.tree.path(node, "first")) if node != ROOT else None
        yield Broken(breach=breach, trace=trace, event=event)
