"""Machines that differ from one another in one thing, for what is said of their digests."""

from __future__ import annotations

import re
import types
from collections.abc import Callable
from typing import Any

from fsm_orch import (
    Context,
    Final,
    Given,
    HumanAgent,
    KeywordAgent,
    Limits,
    LLMAgent,
    Machine,
    Map,
    ModelSettings,
    Nested,
    Parallel,
    State,
    Tool,
    Visit,
    Window,
    at_most,
    guard,
    never,
)
from fsm_orch.define import Guard, Policy
from fsm_orch.define.agent_spec import AgentSpec
from fsm_orch.define.definition import Definition
from fsm_orch.define.parts import Part, ToolSpec
from fsm_orch.limits import CallLimits


class Ticket(Context):
    query: str
    answer: str | None = None
    level: int = 0


class OtherTicket(Context):
    query: str
    answer: str | None = None
    level: int = 0


@guard
def is_high(t: Ticket) -> bool:
    return t.level > 3


@guard
def is_low(t: Ticket) -> bool:
    return t.level < 3


def work(visit: Visit[Any]) -> None:
    """Do nothing."""


def toil(visit: Visit[Any]) -> None:
    """Do nothing, otherwise."""


def build(
    *,
    name: str = "Support",
    context: type[Context] = Ticket,
    agent: Callable[..., Any] | None = None,
    code: Callable[..., Any] = work,
    code_options: dict[str, Any] | None = None,
    state_options: dict[str, Any] | None = None,
    sets: dict[Any, object] | None = None,
    order: str = "to_code end high",
    description: str = "when it must",
    target: str = "code",
    guard: Guard[Any] | None = is_high,
    failure: str = "on_failure",
    handoff: str = "to_code",
    limits: Limits | None = None,
    policy: Callable[[dict[str, Any]], Policy] | None = None,
    machine_model: str | None = None,
    doc: str = "Help.",
    **llm: Any,
) -> Definition:
    """Build a machine in which each argument changes one thing."""
    options: dict[str, Any] = {"reads": (Ticket.query,), "writes": (Ticket.answer,), **llm}
    first = State(agent or LLMAgent(options.pop("instructions", "Do it."), **options), initial=True, max_visits=3)
    second = State(code, **{"max_visits": 2, **(state_options or {}), **(code_options or {})})
    parts: dict[str, Any] = {"first": first, "code": second, "done": Final(), "other": Final()}
    parts["human"] = Final(fallback=True, sets=sets or {})
    made = {
        "to_code": lambda: first.to(parts[target], description),
        "end": lambda: (first | second).to(parts["done"], "when it is done"),
        "high": lambda: second.to(parts["other"], guard=guard),
    }
    body = {**parts, **{handoff if key == "to_code" else key: made[key]() for key in order.split()}}
    body["to_else"] = first.to(parts["other" if target == "code" else "code"], "otherwise")
    body["lost"] = getattr(second, failure)(parts["human"])
    body["limits"] = limits or Limits()
    body["policies"] = (policy(body),) if policy else ()
    body["model"] = machine_model
    body["__doc__"] = doc
    machine = types.new_class(name, (Machine[context],), exec_body=lambda ns: ns.update(body))  # type: ignore[valid-type]
    definition: Definition = machine.definition
    return definition


BASE = build().digest


class Specified:
    """An agent that says of itself what it is told."""

    def __init__(self, **options: Any) -> None:
        self.spec = AgentSpec(**{"kind": "code", "name": "Specified", "canonical": {}, **options})

    async def act(self, visit: Visit[Any]) -> Any: ...


def specified(**options: Any) -> Definition:
    return build(agent=Specified(**options))  # type: ignore[arg-type]


SPECIFIED = specified().digest


def toil_and_moil(visit: Visit[Any]) -> dict[object, object]:
    """Do something."""
    return {Ticket.answer: "no"}


def first_of(values: tuple[Any, ...]) -> object:
    """Return the first."""
    return values[0]


def branch(field: object = Ticket.answer) -> State:
    """Make a branch that writes a field."""
    return State(toil_and_moil, reads=Ticket.query, writes=field)


class Line(Context):
    text: str
    number: int = 0
    answer: str | None = None


@guard
def is_long(line: Line) -> bool:
    return line.number > 3


class Each(Machine[Line]):
    """Something that runs inside."""

    look = State(work, reads=Line.text, writes=(Line.answer, Line.number), initial=True)
    done, none, human = Final(), Final(), Final(fallback=True)
    give_up, finish = look.to(none, guard=is_long), look.to(done)


class Lines(Ticket):
    other: Given[str] = ""
    lines: Given[tuple[str, ...]] = ()
    more: Given[tuple[str, ...]] = ()
    results: tuple[str | None, ...] = ()


def nested(**options: Any) -> dict[str, Any]:
    """Change the agent into a machine that runs inside."""
    return {"agent": Nested(Each, **{"give": {Line.text: Ticket.query}, "writes": Ticket.answer, **options})}


def parallel(*branches: Any, **options: Any) -> dict[str, Any]:
    """Change the agent into branches; without any, into two of one function."""
    both = branches or (branch(), branch(Ticket.level))
    return {"agent": Parallel(*both, **options)}


def mapped(**options: Any) -> dict[str, Any]:
    """Change the agent into one that runs for each item."""
    usual = {"over": Lines.lines, "item": Line.text, "into": Lines.results, "result": Line.answer}
    return {"context": Lines, "agent": Map(Each, **{**usual, **options})}


def with_ends(*, good: str = "done", none: str = "other") -> Definition:
    """Build a machine that goes on by the end of the one inside it."""
    finals = {"done": Final(), "other": Final(), "human": Final(fallback=True)}
    ends = {Each.done: finals[good], Each.none: finals[none]}
    state = State(Nested(Each, give={Line.text: Ticket.query}, ends=ends), initial=True)
    body = {**finals, "first": state, "end": state.to(finals["done"]), "to_other": state.to(finals["other"])}
    made = types.new_class("Support", (Machine[Ticket],), exec_body=lambda ns: ns.update(body))
    definition: Definition = made.definition
    return definition


def routed_machine(first: str, second: str, otherwise: str) -> Definition:
    parts: dict[str, Any] = {"a": State(work), "b": State(work), "c": State(work)}

    class Routed(Machine[Ticket]):
        a, b, c = parts["a"], parts["b"], parts["c"]
        start = State(
            KeywordAgent(Ticket.query, {parts[first]: ["x"], parts[second]: ["y"]}, otherwise=parts[otherwise]),
            initial=True,
        )
        done = Final()
        human = Final(fallback=True)
        to_a, to_b, to_c = start.to(a), start.to(b), start.to(c)
        end = (a | b | c).to(done)

    return Routed.definition


def look_up(text: str) -> str:
    """Look it up."""
    return text


def look_well(text: str) -> str:
    """Look it up."""
    return text


def count_up(text: int) -> str:
    """Look it up."""
    return str(text)


def looked(text: str) -> int:
    """Look it up."""
    return len(text)


def using(*tools: Any, **options: Any) -> dict[str, Any]:
    """Give the agent tools, and no other calls than those it has without."""
    return {"tools": tools, "calls": 2, **options}


CHANGES: list[dict[str, Any]] = [
    {"name": "Sales"},
    using(look_up),
    using(look_well),
    using(count_up),
    using(looked),
    using(look_up, looked),
    using(looked, look_up),
    using(look_up, asks=1),
    using(look_up, tool_first=True),
    *(using(Tool(look_up, **{option: True})) for option in ("approval", "repeatable")),
    using(Tool(look_up, timeout_s=3)),
    using(Tool(look_up, most_chars=20)),
    using(Tool(look_up, attempts=2)),
    {**using(Tool(look_up, choices={"text": Lines.lines})), "context": Lines},
    {**using(Tool(look_up, choices={"text": Lines.more})), "context": Lines},
    using(Each),
    using(Tool(Each, most=2)),
    using(Tool(Each, most_chars=20)),
    {"context": OtherTicket, "guard": None, "reads": (OtherTicket.query,), "writes": (OtherTicket.answer,)},
    {"agent": work},
    {"state_options": {"repeatable": True}},
    {"code": toil},
    {"instructions": "Do it well."},
    {"does": ("help",)},
    {"must_not": ("help",)},
    {"reads": ()},
    {"writes": (Ticket.level,)},
    {"writes": (Ticket.answer, Ticket.level)},
    {"calls": 3},
    {"max_input_tokens": 1_023},
    {"max_output_tokens": 257},
    {"model": "openai:gpt-5-mini"},
    {"window": Window(messages=5)},
    {"settings": ModelSettings(seed=5)},
    {"window": Window(chars=5)},
    {"window": Window(summary=True)},
    {"code_options": {"attempts": 2}},
    {"code_options": {"writes": (Ticket.level,)}},
    {"code_options": {"reads": (Ticket.query,)}},
    {"state_options": {"entry": True}},
    {"state_options": {"max_visits": 1}},
    {"state_options": {"max_visits": None}},
    {"state_options": {"timeout_s": 5}},
    {"state_options": {"expires_s": 5}},
    {"sets": {Ticket.answer: "later"}},
    {"sets": {Ticket.answer: None}},
    {"order": "end to_code high"},
    {"order": "to_code high end"},
    {"description": "when it may"},
    {"target": "other"},
    {"guard": is_low},
    {"guard": ~is_high},
    {"guard": is_high & is_low},
    {"guard": None},
    {"failure": "on_timeout"},
    {"failure": "on_refusal"},
    {"handoff": "onwards"},
    {"policy": lambda parts: never(parts["other"])},
    {"limits": Limits(thread_tokens=10_000)},
    {"limits": Limits(thread_cost_usd="0.50")},
    *({"limits": Limits(**limit)} for limit in ({"hops": 7}, {"tokens": 9_999}, {"cost_usd": "0.05"})),
    *({"limits": Limits(**limit)} for limit in ({"deadline_s": 59}, {"visit_s": 9.5})),
    {"policy": lambda parts: never(parts["other"], strict=True)},
    {"policy": lambda parts: never(parts["other"]).before(parts["code"])},
    {"policy": lambda parts: at_most(2, parts["code"])},
    {"policy": lambda parts: at_most(3, parts["code"])},
    {"model": "local:small"},
    {"machine_model": "local:small"},
    nested(),
    nested(take={Ticket.level: Line.number}),
    nested(writes=(), take={Ticket.answer: Line.text}),
    {**nested(give={Line.text: Lines.other}), "context": Lines},
    {**nested(), "context": Lines},
    {"agent": HumanAgent("Well?")},
    {"agent": HumanAgent("Is it?")},
    parallel(),
    parallel(branch(Ticket.level), branch()),
    {"agent": Parallel(one=branch(), two=branch(Ticket.level))},
    parallel(tolerate=True),
    parallel(join=1, tolerate=True),
    parallel(branch(), branch(), join="first"),
    parallel(branch(), branch(), merge={Ticket.answer: first_of}),
    parallel(branch(), branch(), merge={Ticket.answer: max}),
    parallel(branch(), Nested(Each, give={Line.text: Ticket.query}, take={Ticket.level: Line.number})),
    mapped(),
    mapped(most=3),
    mapped(over=Lines.more),
    mapped(result=Line.text),
]
"""What `build` is given: no two make the same machine."""


class Inner(Machine[Ticket]):
    """A part."""

    look = State(work, initial=True)
    done = Final()
    human = Final(fallback=True)
    finish = look.to(done)


class Other(Machine[Ticket]):
    """Another part."""

    look = State(work, initial=True)
    done = Final()
    human = Final(fallback=True)
    finish = look.to(done)
    limits = Limits(hops=3)


OPTIONS_OF_AGENTS: list[dict[str, Any]] = [
    {"kind": "llm"},
    {"reads": (Ticket.query,)},
    {"writes": (Ticket.answer,)},
    {"calls": 1},
    {"calls": 2},
    {"call_limits": CallLimits(max_input_tokens=1)},
    {"settings": ModelSettings(seed=5)},
    {"attempts": 2},
    {"parts": (Part(name="inner", definition=Inner.definition),)},
    {"parts": (Part(name="inner", definition=Inner.definition, most=2),)},
    {"parts": (Part(name="other", definition=Inner.definition),)},
    {"parts": (Part(name="inner", definition=Other.definition),)},
    {"tools": (ToolSpec(name="pay"),)},
    {"tools": (ToolSpec(name="pay", approval=True),)},
    {"tools": (ToolSpec(name="pay", repeatable=True),)},
    {"tools": (ToolSpec(name="pay", timeout_s=2.5),)},
    {"asks_human": True},
    {"asks": 1},
    {"must_ask": True},
    {"writes": (Ticket.answer,), "may_omit": (Ticket.answer,)},
    {"proposes": True},
    {"model": "local:small"},
    {"canonical": {"more": 1}},
]
"""What `specified` is given: no two make the same machine."""


def shown(change: dict[str, Any]) -> str:
    return re.sub(r" at 0x\w+", "", repr(change))  # addresses differ from process to process
