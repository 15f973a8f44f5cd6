"""What a check has to say of a machine that builds: findings that need proof, or judgement.

A code is stable and never used twice; its first digit is its family. Those of 1xx, and FSM401 and FSM402, keep a class
from being built (`fsm_orch.define.rules.check`); the others are found here.

1xx, definition
    FSM101 initial states, FSM102 fallback, FSM103 unreachable, FSM104 trap, FSM105 unbounded cycle, FSM106 duplicate
    handoff, FSM107 unnamed handoff, FSM109 failure edges, FSM110 unwritten read, FSM111 foreign field, FSM112 foreign
    guard or function, FSM113 nameless callable, FSM114 name, FSM115 subclassed, FSM116 no context, FSM117 no
    description, FSM118 foreign or twice-named part, FSM119 cannot start, FSM120 default answer, FSM121 route, FSM122
    context without a schema, FSM123 visits or timeout, FSM130 mutable field
2xx, landing
    FSM201 overlapping guards, FSM202 dead end behind guards, FSM203 an agent that can close its own exits, FSM204 a
    guard that never holds, FSM205 a handoff that no run takes
3xx, bounds
    FSM301 a state that no run can afford, FSM302 limits that no way to an answer fits, FSM303 limits that are never
    reached, FSM304 a failure edge that may cost more than is left, FSM305 a worst case above the limit, FSM306 a
    cost limit with a model of unknown price
4xx, policies
    FSM401 foreign policy, FSM402 policy of a thing with itself, FSM411 violated, FSM412 possibly violated, FSM413
    undecided
5xx, prompts
    FSM501 shared prompt, FSM502 no scope, FSM503 a model over one exit, FSM504 a machine of one agent

An *error* is certain and breaks a promise that was made; a *warning* needs a decision; a *note* can be left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ...amounts import Price
from ...define.definition import Definition
from ...errors import Finding
from ..bounds.certificate import Certificate
from ..explore.exploration import Exploration
from . import affordable, failures, prompts, verdicts, ways

_RULES: tuple[Callable[[Definition], Iterator[Finding]], ...] = (
    ways.never_open,
    ways.overlapping,
    ways.dead_ends,
    prompts.shared,
    prompts.unscoped,
    prompts.needless_routing,
    prompts.single_agent,
)


def findings(
    definition: Definition,
    certificate: Certificate,
    exploration: Exploration,
    *,
    prices: Mapping[str, Price],
    models: Mapping[str, str] | None = None,
    require_slack: bool = False,
) -> tuple[Finding, ...]:
    """Say everything that is to be said of a definition that builds, errors first.

    Args:
        certificate: its own.
        exploration: its own, of its own policies.
        prices: of each state's model; a state that is not named costs nothing.
        models: the names of the models whose prices were looked up, by state; None: none were.
        require_slack: a worst case above the limits is an error.
    """
    found = [
        *verdicts.broken(exploration),
        *affordable.unpriced(definition, prices, models or {}),
        *affordable.out_of_reach(definition, prices),
        *affordable.no_answer_fits(definition, prices),
        *(finding for rule in _RULES for finding in rule(definition)),
        *failures.unaffordable(definition, certificate),
        *affordable.slack(definition, certificate),
        *(affordable.guarded(definition, certificate) if require_slack else ()),
    ]
    told = {finding.where for finding in found}
    found += [finding for finding in ways.untaken(definition, exploration, found) if finding.where not in told]
    weights = {"error": 0, "warning": 1, "note": 2}
    return tuple(sorted(found, key=lambda finding: weights[finding.level]))
