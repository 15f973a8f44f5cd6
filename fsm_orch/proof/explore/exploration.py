"""Exploration: a model checker for machines. It takes every run, breadth-first, over the real `kernel.step`.

*Breadth-first* means that all configurations after one hop come before those after two, so the first path to anything
is a shortest one. What is found holds for all runs, however agents and models behave: `adversary` gives every input
that may come, and `abstract` leaves out only values that decide nothing. A path that depends on an opaque guard is
*possible*, as is one that the validators of the context may refuse (see `reality`). Any other path is real.
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
    """The most that a run can use of something, and a run that does."""

    amount: int
    trace: Trace


@dataclass(frozen=True, kw_only=True)
class PolicyVerdict:
    """The verdict on a policy, with the path that shows it."""

    policy: Policy
    verdict: Verdict
    trace: Trace | None
    """The counterexample: a shortest path that breaks the policy, up to the step that breaks it for good; None if no
    such path was found."""


@dataclass(frozen=True, kw_only=True)
class BrokenTheorem:
    """A theorem that did not hold in some step: a mistake of the kernel, not of the machine."""

    breach: Breach
    trace: Trace | None
    """The path up to the step that broke it, without that step; None if it was the first step."""
    event: Input
    """The input that broke it."""


@dataclass(frozen=True, kw_only=True)
class Exploration:
    """The result of an exploration: what the runs of a machine can do, as far as they were explored."""

    configurations: int
    """How many configurations were found that differ in something that decides the rest of a run."""
    steps: int
    """How many inputs were given to the kernel."""
    seconds: float | None
    """How long it took; None: no clock was given."""
    is_complete: bool
    """Whether every run was explored; if not, everything below is what was found so far."""
    max_hops: Extreme
    max_tokens: Extreme
    """If `is_tight`, covers runs whose calls use their whole reservation or nothing; runs in between are bounded by the
    limit alone."""
    max_cost: Extreme
    """In micro-dollars; as for tokens if `is_tight`."""
    max_calls: Extreme
    """Requests to models."""
    is_tight: bool
    """Whether the ledger could deny something in some run, so that runs were distinguished by what they had spent."""
    reached: Mapping[str, Trace]
    """Every state and final state that some run enters, with a shortest path to it; if any path to it depends on no
    opaque guard, the shortest of those."""
    taken: frozenset[str]
    """The names of the handoffs that some run takes."""
    policies: tuple[PolicyVerdict, ...]
    """A verdict for each policy, in their order."""
    broken: tuple[BrokenTheorem, ...]
    """The theorems that did not hold after every step, each with the first step that broke it."""
    abstracted: tuple[str, ...]
    """What was left out or taken more widely than it is, one line each."""

    @property
    def held(self) -> tuple[Theorem, ...]:
        """The theorems that held after every step."""
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
    """Explore every run of a definition that has passed its checks.

    Args:
        limits: the limits of runs; None: the definition's.
        prices: by state, the price of its model; a state that is not named costs nothing.
        policies: the policies to decide; None: the definition's.
        max_configurations: where a walk stops; it also stops after 100 steps for each of them, so that time and memory
            are bounded. Policies over opaque guards have a walk of their own.
        until_broken: stop as soon as some policy is broken, without finding out which; for callers who ask only
            whether all hold.
        on_progress: called with the configurations found so far, and how many of the present layer are still to be
            expanded.
        clock: returns seconds; None: the exploration is not timed.

    Raises StepError: if no run can start within the limits.
    Raises ValueError: if `max_configurations` is less than 1.
    """
    if max_configurations < 1:
        raise ValueError(f"max_configurations is {max_configurations}: there must be room for at least 1")
    limits, policies = limits or definition.limits, definition.policies if policies is None else policies
    began = clock() if clock else 0.0
    walks = [
        walk(Play(definition, limits, prices or {}, group), max_configurations, on_progress, until_broken=until_broken)
        for group in _groups(definition, policies)
    ]
    judged = {verdict.policy: verdict for found in walks for verdict in _policy_verdicts(found)}
    first, tree = walks[0], walks[0].tree
    return Exploration(
        configurations=sum(len(found.tree) for found in walks),
        steps=sum(found.steps for found in walks),
        is_complete=all(found.is_complete for found in walks),
        max_hops=Extreme(first.deepest.hops, retrace(first.play, tree.path(first.deepest.node, "first"))),
        max_tokens=_extreme(first, "tokens"),
        max_cost=_extreme(first, "cost"),
        max_calls=_extreme(first, "calls"),
        is_tight=first.is_tight,
        reached={name: _trace_to(first, seen) for name, seen in first.entered.items()},
        taken=frozenset(first.taken),
        policies=tuple(judged[policy] for policy in policies),
        broken=tuple(broken for found in walks for broken in _broken_theorems(found)),
        abstracted=tuple(dict.fromkeys(note for found in walks for note in found.play.abstraction.notes())),
        seconds=clock() - began if clock else None,
    )


def _groups(definition: Definition, policies: tuple[Policy, ...]) -> list[tuple[Policy, ...]]:
    """Return the policies that are decided in one walk, and each policy that asks an opaque guard by itself."""
    # A policy asks its guards at every moment. The answers chosen for an opaque one split configurations that are alike
    # to the other policies, and would make every path of theirs depend on that guard: all would be only possible.
    domain = Domain(definition.context, guards(definition, policies))
    opaque = [policy for policy in policies if any(map(domain.is_opaque, leaves_of(policy.guards)))]
    return [tuple(p for p in policies if p not in opaque), *((policy,) for policy in opaque)]


def _extreme(found: Walk, way: Way) -> Extreme:
    amount, node = found.tree.dearest(way)
    return Extreme(amount, retrace(found.play, found.tree.path(node, way)))


def _trace_to(found: Walk, seen: Sightings) -> Trace:
    """Return the path to something that was seen: one that depends on no opaque guard, if there is any."""
    if seen.surely is not None:
        return retrace(found.play, found.tree.path(seen.surely.node, "sure"))
    assert seen.first is not None  # or it would not have been seen
    return retrace(found.play, found.tree.path(seen.first.node, "first"))


def _policy_verdicts(found: Walk) -> Iterator[PolicyVerdict]:
    unseen: Verdict = "holds" if found.is_complete else "unknown"
    for automaton, seen in zip(found.play.automata, found.breaks, strict=True):
        if seen.first is None:
            yield PolicyVerdict(policy=automaton.policy, verdict=unseen, trace=None)
        else:
            trace = _trace_to(found, seen)
            # Not violated without a real run: an opaque guard might never answer so, and a validator might refuse it.
            verdict: Verdict = "violated" if trace.is_sure and _is_real(found, automaton.policy, trace) else "possible"
            yield PolicyVerdict(policy=automaton.policy, verdict=verdict, trace=trace)


def _is_real(found: Walk, policy: Policy, trace: Trace) -> bool:
    """Return whether the real machine takes a path without opaque guards, which only validators could refuse."""
    play = found.play
    if not play.abstraction.has_validators:
        return True
    return is_real(
        CompiledMachine(play.abstraction.original, limits=play.compiled.limits, prices=play.compiled.prices),
        policy,
        trace,
    )


def _broken_theorems(found: Walk) -> Iterator[BrokenTheorem]:
    for breach, node, event in found.breaches.values():
        trace = retrace(found.play, found.tree.path(node, "first")) if node != ROOT else None
        yield BrokenTheorem(breach=breach, trace=trace, event=event)
