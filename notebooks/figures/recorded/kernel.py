"""Recorded runs, each as a machine of its own agents that the kernel plays: does a limit do what arithmetic says?

A machine declares the handoffs that its recording shows, and that each agent may end the work. Its agents do what they
did, and spend what they spent; no model is called.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from operator import or_

from fsm_orch import Context, Final, Handoff, Limits, LLMAgent, Machine, RunResult, State
from fsm_orch.testing import Turn, play

from .guards import GUARDS, Guard
from .runs import Recorded

AMPLE = Limits(hops=1_000, tokens=10_000_000, deadline_s=1e6, visit_s=1e5)
AMPLE_VISITS = 1_000
"""Limits that no recorded run comes near, so that one limit can be tried at a time."""


class Task(Context):
    """What a recorded team worked on; nothing of it decides where a run goes."""

    text: str


def machine_of(run: Recorded, *, max_visits: int = AMPLE_VISITS) -> type[Machine[Task]]:
    """Return the machine of a recorded run.

    Args:
        max_visits: how often each agent may be visited.
    """
    names = _names(run)
    most = max(visit.tokens for visit in run.visits)
    states = {
        agent: State(
            LLMAgent(f"Work as {agent}.", reads=Task.text, calls=1, max_input_tokens=0, max_output_tokens=most),
            initial=agent == run.visits[0].agent,
            max_visits=max_visits,
        )
        for agent in names
    }
    done, human = Final(), Final(fallback=True)
    seen = dict.fromkeys((source.agent, target.agent) for source, target in pairwise(run.visits))
    attributes = {
        **{names[agent]: state for agent, state in states.items()},
        "done": done,
        "human": human,
        **{
            f"{names[source]}_to_{names[target]}": states[source].to(states[target], f"it is for {target}")
            for source, target in seen
        },
        "finish": reduce(or_, states.values()).to(done, "the work is done"),
        "limits": AMPLE,
        "__module__": __name__,
    }
    return types.new_class("RecordedRun", (Machine[Task],), exec_body=lambda body: body.update(attributes))


def _names(run: Recorded) -> dict[str, str]:
    """Return a name for each agent: their own may be too long for a handoff."""
    return {agent: f"agent_{number}" for number, agent in enumerate(dict.fromkeys(v.agent for v in run.visits))}


def turns_of(run: Recorded, machine: type[Machine[Task]]) -> list[Turn]:
    """Return what the agents of a recorded run did, visit by visit."""
    names = _names(run)
    ways = [f"{names[source.agent]}_to_{names[target.agent]}" for source, target in pairwise(run.visits)]
    return [
        Turn(_state(machine, names[visit.agent]), _handoff(machine, way), tokens=(visit.tokens,))
        for visit, way in zip(run.visits, [*ways, "finish"], strict=True)
    ]


def _state(machine: type[Machine[Task]], name: str) -> State:
    return machine.definition.states[name]


def _handoff(machine: type[Machine[Task]], name: str) -> Handoff:
    return next(handoff for handoff in machine.definition.handoffs if handoff.name == name)


def played(run: Recorded, *, handoffs: int | None = None, max_visits: int = AMPLE_VISITS) -> RunResult[Task]:
    """Play a recorded run under one limit.

    Args:
        handoffs: the most handoffs between agents; a machine counts the last hop, into a final state, too.
        max_visits: the most visits of one agent.
    """
    machine = machine_of(run, max_visits=max_visits)
    limits = AMPLE if handoffs is None else AMPLE.model_copy(update={"hops": handoffs + 1})
    return play(machine, Task(text="?"), turns_of(run, machine), limits=limits)


def stopped_at(run: Recorded, result: RunResult[Task]) -> int | None:
    """Return the number of the first message that did not happen in a played run; None if all of it happened."""
    # the last hop leaves for a final state, so there are as many visits as hops
    return None if result.landing is None else run.visits[len(result.path)].first


@dataclass(frozen=True)
class Agreement:
    """How the kernel judges all runs under one limit."""

    setting: int
    landed: int
    """Runs that it lands."""
    agreed: int
    """Runs of which `guards` says the same: where it is stopped, and what its agents have spent by then."""


def agreements(runs: Sequence[Recorded]) -> dict[str, tuple[Agreement, ...]]:
    """Return how the kernel judges all runs, under each limit on visits and handoffs that is tried."""
    plays: dict[str, Callable[[Recorded, int], RunResult[Task]]] = {
        "visits": lambda run, most: played(run, max_visits=most),
        "handoffs": lambda run, most: played(run, handoffs=most),
    }
    return {
        name: tuple(_agreement(runs, GUARDS[name], setting, play_it) for setting in GUARDS[name].settings)
        for name, play_it in plays.items()
    }


def _agreement(
    runs: Sequence[Recorded], guard: Guard, setting: int, play_it: Callable[[Recorded, int], RunResult[Task]]
) -> Agreement:
    judged = [(run, play_it(run, setting), guard.stop(run, setting)) for run in runs]
    return Agreement(
        setting=setting,
        landed=sum(result.landing is not None for _, result, _ in judged),
        agreed=sum(
            stopped_at(run, result) == stop and result.charged_tokens == _spent(run, stop)
            for run, result, stop in judged
        ),
    )


def _spent(run: Recorded, stop: int | None) -> int:
    return sum(visit.tokens for visit in run.visits if stop is None or visit.first < stop)
