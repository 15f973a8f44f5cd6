"""Exploration: a model checker for machines, over the real `kernel.step`.

What the bare graph of a machine decides is decided there (`bare`). All else is a walk through every run, breadth-first:
all configurations after one hop come before those after two, so the first path to anything is a shortest one. What is
found holds for all runs, however agents and models behave. The adversary of that walk spends nothing (`adversary`),
since a run that has spent less can do no less; what may happen within a visit is looked at for the theorems alone
(`audit`), and what runs use at most in walks of their own (`measures`). Only values that decide nothing are left out
(`abstract`), and what guards have answered stands until they may answer otherwise (`memory`).

A path that depends on an opaque guard, or that the validators of the context may refuse, is *possible*; if values are
found with which the real kernel takes it (`values`, `reality`), it is real, as any other path is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ...amounts import Price
from ...define.definition import Definition
from ...define.policies import Policy
from ...kernel.engine import CompiledMachine
from ...kernel.inputs import Input
from ...limits import Limits
from . import bare
from .audit import Audit
from .automata import Verdict, guards
from .breach import THEOREMS, Breach, Theorem
from .domain import Domain, leaves_of
from .measures import Measures
from .play import Play
from .reality import is_real
from .retrace import retrace
from .trace import Trace
from .tree import ROOT, Way
from .values import with_values
from .walk import OnProgress, Sightings, walk


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
    """How many configurations were found that differ in something that decides a policy."""
    steps: int
    """How many inputs were given to the kernel."""
    seconds: float | None
    """How long it took; None: no clock was given."""
    is_complete: bool
    """Whether every run was explored; if not, everything below is what was found so far."""
    measures: Measures
    """The most that a run can use of something; found when it is asked for, which may take longer than all the rest."""
    reached: Mapping[str, Trace]
    """Every state and final state that some run enters with all agents available, with a shortest path to it; if any
    path to it depends on no opaque guard, the shortest of those."""
    taken: frozenset[str]
    """The names of the handoffs that some run takes with all agents available."""
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
    is_tame: bool = False,
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
        is_tame: whether code proposes no handoff, so that the first whose guard holds is taken. By default it may name
            any, as any function can.
        on_progress: called with the configurations found so far, and how many of the present layer are still to be
            expanded.
        clock: returns seconds; None: the exploration is not timed.

    Raises StepError: if no run can start within the limits.
    Raises ValueError: if `max_configurations` is less than 1.
    """
    if max_configurations < 1:
        raise ValueError(f"max_configurations is {max_configurations}: there must be room for at least 1")
    limits, prices = limits or definition.limits, prices or {}
    policies = definition.policies if policies is None else policies
    began = clock() if clock else 0.0
    certain = tuple(policy for policy in policies if bare.holds(definition, policy, limits))
    walks = [
        _Verdicts(
            Play(definition, limits, prices, group, against="tame" if is_tame else "lean"),
            max_configurations,
            on_progress,
            until_broken=until_broken,
            is_audited=number == 0,  # the theorems are about runs, whatever policies say of them
        )
        for number, group in enumerate(
            _groups(definition, tuple(policy for policy in policies if policy not in certain))
        )
    ]
    judged = {policy: PolicyVerdict(policy=policy, verdict="holds", trace=None) for policy in certain}
    judged |= {verdict.policy: verdict for found in walks for verdict in found.policies()}
    first = walks[0].walk
    return Exploration(
        configurations=sum(len(found.walk.tree) for found in walks),
        steps=sum(found.walk.steps for found in walks),
        is_complete=all(found.walk.is_complete for found in walks),
        measures=Measures(definition, limits, prices, max_configurations, on_progress),
        reached=_Traces(walks[0], first.entered),
        taken=frozenset(first.taken),
        policies=tuple(judged[policy] for policy in policies),
        broken=tuple(broken for found in walks for broken in found.broken()),
        abstracted=(
            *dict.fromkeys(note for found in walks for note in found.walk.play.abstraction.notes()),
            *_inside(definition),
        ),
        seconds=clock() - began if clock else None,
    )


class _Traces(Mapping[str, Trace]):
    """Paths to what a walk has seen, by name."""

    # not a dictionary: a path is as long as the machine is deep, and most who ask want the names alone
    def __init__(self, found: _Verdicts, seen: Mapping[str, Sightings]) -> None:
        self._found, self._seen = found, seen

    def __getitem__(self, name: str) -> Trace:
        return self._found.trace_to(self._seen[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._seen)

    def __len__(self) -> int:
        return len(self._seen)


def _inside(definition: Definition) -> Iterator[str]:
    """Yield what is said of the machines that run inside, if there are any."""
    places = [f"{name}.{part.name}" for name, state in definition.states.items() for part in state.spec.parts]
    if places:
        yield f"machines inside, taken as anything that uses up to its share and ends well or not: {', '.join(places)}"


def _groups(definition: Definition, policies: tuple[Policy, ...]) -> list[tuple[Policy, ...]]:
    """Return the policies that are decided in one walk, and each policy that asks an opaque guard by itself."""
    # A policy asks its guards at every moment. The answers chosen for an opaque one split configurations that are alike
    # to the other policies, and would make every path of theirs depend on that guard: all would be only possible.
    domain = Domain(definition.context, guards(definition, policies))
    opaque = [policy for policy in policies if any(map(domain.is_opaque, leaves_of(policy.guards)))]
    return [tuple(p for p in policies if p not in opaque), *((policy,) for policy in opaque)]


class _Verdicts:
    """A walk that decides policies, with what it found put into words."""

    def __init__(
        self, play: Play, room: int, on_progress: OnProgress | None, *, until_broken: bool, is_audited: bool
    ) -> None:
        self._play = play
        self._audit = Audit(play)
        self.walk = walk(
            play,
            room,
            on_progress,
            until_broken=until_broken,
            is_subsuming=True,
            on_visit=(lambda node, position, _: self._audit.look_into(node, position)) if is_audited else None,
        )
        """Of the lean adversary, which spends nothing: whatever can happen at all happens under it."""

    def trace_to(self, seen: Sightings) -> Trace:
        """Return the path to something that was seen: one that depends on no opaque guard, if there is any."""
        if seen.surely is not None:
            return self._trace(seen.surely.node, "sure")
        assert seen.first is not None  # or it would not have been seen
        return self._trace(seen.first.node, "first")

    def _trace(self, node: int, way: Way) -> Trace:
        return retrace(self._play, self.walk.tree.path(node, way))

    def policies(self) -> Iterator[PolicyVerdict]:
        """Yield the verdict on each policy of the walk."""
        unseen: Verdict = "holds" if self.walk.is_complete else "unknown"
        for automaton, seen in zip(self._play.automata, self.walk.breaks, strict=True):
            if seen.first is None:
                yield PolicyVerdict(policy=automaton.policy, verdict=unseen, trace=None)
            else:
                real = self._real(automaton.policy, seen)
                verdict: Verdict = "violated" if real else "possible"
                yield PolicyVerdict(policy=automaton.policy, verdict=verdict, trace=real or self.trace_to(seen))

    def _real(self, policy: Policy, seen: Sightings) -> Trace | None:
        """Return a path that breaks a policy and that a real run is known to take; None if none is."""
        # An opaque guard might never answer so, and a validator might refuse it. So the real kernel has to take it.
        abstraction, compiled = self._play.abstraction, self._play.compiled
        if seen.surely is not None and not abstraction.has_validators:
            return self._trace(seen.surely.node, "sure")
        machine = CompiledMachine(abstraction.original, limits=compiled.limits, prices=compiled.prices)
        opaque = {leaf: abstraction.may_read[leaf] for leaf in abstraction.opaque_leaves}
        paths = [self._trace(seen.surely.node, "sure")] if seen.surely else []
        paths += [self._trace(sighting.node, "first") for sighting in sorted(seen.some)]
        found = (
            with_values(abstraction.original.context, path, opaque, lambda filled: is_real(machine, policy, filled))
            for path in paths
        )
        return next((trace for trace in found if trace is not None), None)

    def broken(self) -> Iterator[BrokenTheorem]:
        """Yield the theorems that some step broke."""
        for breach, node, event in {**self._audit.breaches, **self.walk.breaches}.values():
            trace = retrace(self._play, self.walk.tree.path(node, "first")) if node != ROOT else None
            yield BrokenTheorem(breach=breach, trace=trace, event=event)
