"""What a check has to say of a machine that builds: findings that need proof, or judgement.

Their codes, with those that keep a class from being built, are in `fsm_orch.define.codes`.

An *error* is certain and breaks a promise that was made; a *warning* needs a decision; a *note* can be left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ...amounts import Price
from ...define.definition import Definition
from ...errors import Finding
from ..bounds.certificate import Certificate
from ..explore.exploration import Exploration
from . import affordable, failures, hops, never, prompts, verdicts, ways

_OF_DEFINITIONS: tuple[Callable[[Definition], Iterator[Finding]], ...] = (
    never.never_open,
    ways.overlapping,
    ways.dead_ends,
    prompts.shared,
    prompts.unscoped,
    prompts.recursive,
    prompts.needless_routing,
    prompts.single_agent,
)


def of_definition(definition: Definition) -> Iterator[Finding]:
    """Find what needs no proof, but a definition alone."""
    return (finding for rule in _OF_DEFINITIONS for finding in rule(definition))


def findings(
    definition: Definition,
    certificate: Certificate,
    exploration: Exploration,
    *,
    prices: Mapping[str, Price],
    models: Mapping[str, str] | None = None,
    refused: Mapping[str, str] | None = None,
    require_slack: bool = False,
) -> tuple[Finding, ...]:
    """Return all findings of a definition that builds, errors first.

    Args:
        certificate: its own.
        exploration: its own, of its own policies.
        prices: of each state's model; a state that is not named costs nothing.
        models: the names of the models whose prices were looked up, by state; None: none were.
        refused: by state, which of its settings its model does not take, and why; None: nobody looked.
        require_slack: a worst case above the limits is an error.
    """
    found = [
        *verdicts.broken(exploration),
        *verdicts.too_late(definition),
        *ways.forced(definition, exploration),
        *affordable.unpriced(definition, prices, models or {}),
        *affordable.one_call(definition, models or {}),
        *affordable.not_taken(definition, refused or {}),
        *affordable.out_of_reach(definition, prices),
        *affordable.no_way_out(definition, prices),
        *affordable.no_answer_fits(definition, prices),
        *of_definition(definition),
        *failures.unaffordable(definition, certificate),
        *affordable.slack(definition, certificate),
        *(affordable.guarded(definition, certificate) if require_slack else ()),
    ]
    found += hops.cut_short(definition, exploration, found)
    # by its name, not by its line: several handoffs may stand on one; and a note says nothing that could replace this
    told = _names(finding for finding in found if finding.level != "note")
    found += [finding for finding in ways.untaken(definition, exploration, found) if finding.about not in told]
    found = [finding for finding in found if not _is_explained(definition, finding, found)]
    weights = {"error": 0, "warning": 1, "note": 2}
    return tuple(sorted(found, key=lambda finding: weights[finding.level]))


def _is_explained(definition: Definition, finding: Finding, found: Sequence[Finding]) -> bool:
    """Return whether another finding is the reason of this one, so that mending that one may mend both."""
    match finding.code:
        case "FSM202" | "FSM203":  # exits that may be closed, one of them by a guard that is a mistake
            shut = _names(one for one in found if one.code == "FSM204")
            return any(exit_.name in shut for exit_ in definition.states[finding.about].exits)
        case "FSM303":  # a limit that no run uses up, since no run comes to the states that would
            return any(one.code == "FSM301" for one in found)
        case _:
            return False


def _names(found: Iterable[Finding]) -> set[str]:
    """Return the names of the states and handoffs that findings are about."""
    return {name for finding in found for name in finding.about.split(", ")}
