"""Rules about the tools of a model: a call is left to read their results, and these fit into its request."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import Finding
from .. import codes
from ..definition import Definition


def calls(definition: Definition) -> Iterator[Finding]:
    """Yield a finding for each model that has tools and no second request; agents of users' own say nothing."""
    for state in definition.states.values():
        if state.spec.shown_chars and state.spec.calls == 1:
            yield codes.finding(
                "FSM141", where=state.where, problem=f"the model of {state.name!r} has tools, and makes 1 call a visit"
            )


def results(definition: Definition) -> Iterator[Finding]:
    """Yield a finding for each model whose request may be shorter than the results that it is to show."""
    for state in definition.states.values():
        shown, most = state.spec.shown_chars, state.spec.call_limits.max_input_tokens
        if shown > most:
            yield codes.finding(
                "FSM142",
                where=state.where,
                problem=f"the tools of {state.name!r} may give {shown:,} characters in a visit of {state.spec.asks} "
                f"asks, and a request may have {most:,} tokens",
            )
