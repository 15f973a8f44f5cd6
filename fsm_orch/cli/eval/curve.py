"""What each threshold of a machine's router would do with the queries that `fsm-orch eval` ran."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...agents.examples import ExamplesAgent
from ...define.context import Context
from ...define.definition import Definition
from ...define.states import Final
from ...evaluate.routes import Routing
from ...evaluate.thresholds import Curve, Scored, curve, scored


@dataclass(frozen=True)
class Tradeoff:
    """The router of a machine whose threshold can be chosen, and what each would do."""

    state: str
    threshold: float
    """The one that it has."""
    curve: Curve


def tradeoff(definition: Definition, routing: Routing, contexts: Sequence[Context]) -> Tradeoff | None:
    """Return what each threshold of the machine's examples agent would do with queries, by the runs that they made.

    None where the runs do not tell: if there is not exactly one such agent, if other agents write what it reads, or if
    it may hand to a state that routes on.

    Args:
        definition: the machine.
        routing: of the queries, in their order.
        contexts: what each run began with.
    """
    found = [(name, state.agent) for name, state in definition.states.items() if isinstance(state.agent, ExamplesAgent)]
    if len(found) != 1 or not contexts:
        return None
    ((name, agent),) = found
    decides = all(isinstance(way, Final) or way.name in routing.labels for way in (*agent.targets, agent.otherwise))
    if not decides or any(agent.field.name in state.spec.written_names for state in definition.states.values()):
        return None
    scores = []
    for context, route in zip(contexts, routing.routes, strict=True):
        if name in route.path:
            (score,) = scored(agent, [(str(getattr(context, agent.field.name)), route.expected)])
            scores.append(score)
        else:  # decided before the agent was asked: no threshold makes a difference
            scores.append(Scored(route.expected, route.reached, 1.0, route.reached))
    return Tradeoff(name, agent.threshold, curve(scores, routing.labels))
