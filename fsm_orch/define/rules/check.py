"""Whether a definition can keep the promise: every rule that can be known before anything runs.

Each rule is a function from a definition to its findings; `check` asks them all, so that a user sees every finding at
once. What is stable about each finding is in `define.codes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...errors import Finding
from ..definition import Definition
from . import claims, edges, fields, functions, names, parts, paths, start, states, tools

Rule = Callable[[Definition], Iterator[Finding]]


def check(definition: Definition) -> tuple[Finding, ...]:
    """Return the findings of every rule that has something to look at.

    Rules about edges are skipped while a state or handoff belongs to another machine; rules about paths, while a
    handoff has no name or there is not exactly one initial state.
    """
    findings: list[Finding] = []
    for rules, blind in _RULES:
        if not blind & {finding.code for finding in findings}:
            findings += [finding for rule in rules for finding in rule(definition)]
    return tuple(findings)


_PART_RULES: tuple[Rule, ...] = (
    states.initial_state,
    states.fallback,
    states.owners,
    claims.policies,
    names.wire_names,
    fields.declared_fields,
    functions.contexts,
    functions.dependencies,
    parts.depth,
    parts.crossings,
    parts.taken,
    parts.branches,
    parts.ends,
    tools.calls,
    tools.results,
    names.nameless_functions,
    edges.descriptions,
    states.bounds,
    fields.kept,
    fields.schema,
    fields.asked,
)
_EDGE_RULES: tuple[Rule, ...] = (names.unnamed_handoffs, edges.duplicates, edges.routes, paths.cycles)
_END_RULES: tuple[Rule, ...] = (paths.traps,)
_PATH_RULES: tuple[Rule, ...] = (paths.unreachable, paths.unwritten_reads, start.can_start, start.no_way_out)
_RULES: tuple[tuple[tuple[Rule, ...], frozenset[str]], ...] = (
    (_PART_RULES, frozenset()),
    (_EDGE_RULES, frozenset({"FSM118"})),
    (_END_RULES, frozenset({"FSM107", "FSM118"})),
    (_PATH_RULES, frozenset({"FSM101", "FSM107", "FSM118"})),
)
"""Groups of rules. A group is skipped if a code in its set was found before."""
