"""Findings about agents that are models: equal prompts, no scope, types without end, needless orchestration (5xx)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ...amounts import FREE
from ...define import codes
from ...define.definition import Definition
from ...define.states import State
from ...define.strict import is_recursive
from ...define.wrapped import working
from ...errors import Finding


def shared(definition: Definition) -> Iterator[Finding]:
    """Find models that are told the same: which of them a query is handed to makes no difference but the bill."""
    told: dict[_Prompt, State] = {}
    for state in definition.states.values():
        prompt = _prompt(state)
        first = told.setdefault(prompt, state) if prompt else state
        if prompt and first is not state:
            yield codes.finding(
                "FSM501",
                where=state.where,
                about=state.name,
                problem=f"{state.name!r} and {first.name!r} have the same prompt: {prompt.instructions!r}",
            )


def unscoped(definition: Definition) -> Iterator[Finding]:
    """Find models that write fields and are not told what is theirs to answer; one that only routes has its menu."""
    for state in working(definition):
        prompt = _prompt(state)
        if prompt and state.spec.writes and not (prompt.does or prompt.must_not):
            written = ", ".join(ref.name for ref in state.spec.writes)
            yield codes.finding(
                "FSM502",
                where=state.where,
                about=state.name,
                problem=f"{state.name!r} writes {written}, and neither `does` nor `must_not` says what is its job",
            )


def recursive(definition: Definition) -> Iterator[Finding]:
    """Find fields that a model writes and that contain themselves: not every provider can hold it to them."""
    for state in working(definition):
        name = state.name
        for ref in state.spec.writes if state.spec.kind == "llm" else ():
            if is_recursive(ref.owner.__pydantic_fields__[ref.name].rebuild_annotation()):
                yield codes.finding(
                    "FSM505",
                    where=state.where,
                    about=name,
                    problem=f"the model of {name!r} writes {ref!r}, whose type contains itself",
                )


def needless_routing(definition: Definition) -> Iterator[Finding]:
    """Find models that are asked where to go where there is one way, and that write nothing either.

    What they say may be what they are for: it is among the messages that later agents, and the caller, can read.
    """
    for name, state in definition.states.items():
        exits = state.exits
        if (
            state.spec.calls
            and state.spec.proposes
            and len(exits) == 1
            and not (state.spec.writes or state.spec.asks)
            and len(definition.states) > 1
        ):
            yield codes.finding(
                "FSM503",
                where=state.where,
                about=state.name,
                problem=f"the model of {name!r} has one way to go, to {exits[0].target.name!r}, and writes no field; "
                f"a visit may cost {state.spec.worst_case(FREE).tokens:,} tokens",
                fix="let it write what it finds out; or, if nobody is to read what it says, which is lost then, hand "
                f"off to {exits[0].target.name!r} directly",
            )


def single_agent(definition: Definition) -> Iterator[Finding]:
    """Find machines that are one call of one model."""
    states = list(definition.states.values())
    is_one = len(states) == 1 and states[0].spec.calls and not states[0].spec.asks
    if is_one and states[0].max_visits in (None, 1):
        spec = states[0].spec
        yield codes.finding(
            "FSM504",
            where=definition.where,
            problem=f"{definition.name} is one agent; a run takes at most {spec.worst_case(FREE).tokens:,} tokens",
            fix=f"call the model without a machine ({spec.grant(FREE).tokens:,} tokens at most) if its limits, landing "
            "and journal are not what you want it for",
        )


class _Prompt(NamedTuple):
    """What a prompt is made of, white space aside."""

    instructions: str
    does: tuple[str, ...]
    must_not: tuple[str, ...]
    window: tuple[Any, ...]
    """How much it sees of what was said."""
    reads: frozenset[str]
    writes: frozenset[str]
    """The form that it fills in."""
    tools: tuple[str, ...]
    """What it may use."""


def _prompt(state: State) -> _Prompt | None:
    told = state.spec.canonical or {}
    if state.spec.kind != "llm" or "instructions" not in told:
        return None
    does, must_not = (tuple(map(_squeezed, told.get(key, ()))) for key in ("does", "must_not"))
    reads, writes = (frozenset(ref.name for ref in refs) for refs in (state.spec.reads, state.spec.writes))
    tools = tuple(tool["name"] for tool in told.get("tools", ()))
    return _Prompt(_squeezed(told["instructions"]), does, must_not, tuple(told.get("window", ())), reads, writes, tools)


def _squeezed(text: str) -> str:
    return " ".join(text.split())
