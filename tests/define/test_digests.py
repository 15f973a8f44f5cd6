"""The digest of a definition: what is in it, what is not, and that it is the same in every process."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from fsm_orch import (
    Context,
    DefinitionError,
    Final,
    Given,
    HumanAgent,
    KeywordAgent,
    Limits,
    LLMAgent,
    Machine,
    Map,
    Nested,
    Parallel,
    State,
    Visit,
    Window,
    at_most,
    guard,
    never,
)
from fsm_orch.define import Guard, Policy
from fsm_orch.define.agent_spec import AgentSpec
from fsm_orch.define.defaults import DEFAULTS, said
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


def test_the_digest_is_a_hash_of_json() -> None:
    """A digest is 64 hex digits over canonical JSON, the same whenever the same machine is built."""
    assert 64 == len(BASE)
    assert int(BASE, 16)
    assert BASE == build().digest
    assert json.loads(json.dumps(build().canonical)) == build().canonical


class Specified:
    """An agent that says of itself what it is told."""

    def __init__(self, **options: Any) -> None:
        self.spec = AgentSpec(**{"kind": "code", "name": "Specified", "canonical": {}, **options})

    async def act(self, visit: Visit[Any]) -> Any: ...


def specified(**options: Any) -> Definition:
    return build(agent=Specified(**options))  # type: ignore[arg-type]


SPECIFIED = specified().digest
CHANGES: list[dict[str, Any]] = [
    {"name": "Sales"},
    {"context": OtherTicket, "guard": None, "reads": (OtherTicket.query,), "writes": (OtherTicket.answer,)},
    {"agent": work},
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
    {"window": Window(chars=5)},
    {"code_options": {"attempts": 2}},
    {"code_options": {"writes": (Ticket.level,)}},
    {"code_options": {"reads": (Ticket.query,)}},
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
    *({"limits": Limits(**limit)} for limit in ({"hops": 7}, {"tokens": 9_999}, {"cost_usd": "0.05"})),
    *({"limits": Limits(**limit)} for limit in ({"deadline_s": 59}, {"visit_s": 9.5})),
    {"policy": lambda parts: never(parts["other"], strict=True)},
    {"policy": lambda parts: never(parts["other"]).before(parts["code"])},
    {"policy": lambda parts: at_most(2, parts["code"])},
    {"policy": lambda parts: at_most(3, parts["code"])},
    {"model": "local:small"},
    {"machine_model": "local:small"},
]


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


def test_where_a_run_goes_from_each_end_is_in_the_digest() -> None:
    """Two machines that go on otherwise from the ends of the one inside them are two machines."""
    assert with_ends().digest == with_ends().digest != with_ends(good="other", none="done").digest


def test_what_a_part_is_given_is_in_the_digest() -> None:
    """Two fields that cross the other way round make another machine, though the same ones are read."""

    class Pair(Context):
        one: str
        two: str

    class Both(Machine[Pair]):
        look = State(work, initial=True)
        done, human = Final(), Final(fallback=True)
        finish = look.to(done)

    one, two = {Pair.one: Lines.query, Pair.two: Lines.other}, {Pair.two: Lines.query, Pair.one: Lines.other}
    first, second = (build(context=Lines, agent=Nested(Both, give=given)) for given in (one, two))  # type: ignore[arg-type]

    assert first.states["first"].spec.reads == second.states["first"].spec.reads
    assert first.digest != second.digest


CHANGES += [
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


def shown(change: dict[str, Any]) -> str:
    return re.sub(r" at 0x\w+", "", repr(change))  # addresses differ from process to process


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
    {"attempts": 2},
    {"parts": (Part(name="inner", definition=Inner.definition),)},
    {"parts": (Part(name="inner", definition=Inner.definition, most=2),)},
    {"parts": (Part(name="other", definition=Inner.definition),)},
    {"parts": (Part(name="inner", definition=Other.definition),)},
    {"tools": (ToolSpec(name="pay"),)},
    {"tools": (ToolSpec(name="pay", approval=True),)},
    {"tools": (ToolSpec(name="pay", repeatable=True),)},
    {"asks_human": True},
    {"asks": 1},
    {"must_ask": True},
    {"writes": (Ticket.answer,), "may_omit": (Ticket.answer,)},
    {"proposes": True},
    {"model": "local:small"},
    {"canonical": {"more": 1}},
]


def test_all_changes_make_digests_of_their_own() -> None:
    """Whatever decides how a run moves is in the digest: no two of the changes above make the same machine."""
    same: dict[str, list[str]] = {BASE: ["nothing"], SPECIFIED: ["an agent that says nothing"]}
    for change in CHANGES:
        same.setdefault(build(**change).digest, []).append(shown(change))
    for option in OPTIONS_OF_AGENTS:
        same.setdefault(specified(**option).digest, []).append(shown(option))

    assert [] == [alike for alike in same.values() if len(alike) > 1]


@pytest.mark.parametrize(
    "option",
    [
        {"does": ()},
        {"must_not": ()},
        {"calls": 2},
        {"max_input_tokens": 2_048},
        {"max_output_tokens": 256},
        {"model": None},
        {"window": None},
        {"window": Window()},
        {"window": Window(messages=6, chars=2_000)},
        {"code_options": {"attempts": 1}},
        {"code_options": {"reads": ()}},
        {"code_options": {"writes": ()}},
        {"state_options": {"initial": False}},
        {"state_options": {"timeout_s": None}},
        {"state_options": {"expires_s": None}},
        {"sets": {}},
        {"limits": Limits()},
        {"limits": Limits(hops=8, tokens=10_000, cost_usd=None, deadline_s=60, visit_s=10)},
        {"machine_model": None},
        {"policy": None},
        {"doc": "Help otherwise."},
    ],
    ids=shown,
)
def test_an_option_at_its_default_is_not_in_the_digest(option: dict[str, Any]) -> None:
    """An option that holds its default, or is for people only, makes the same machine as if it were left out."""
    assert BASE == build(**option).digest


def test_an_agents_option_at_its_default_is_not_in_the_digest() -> None:
    """What an agent of a user's own leaves out, and what it says as it is anyway, make the same machine."""
    usual = {"reads": (), "writes": (), "calls": 0, "attempts": 1, "proposes": False, "model": None}
    asks = {"parts": (), "tools": (), "asks_human": False, "asks": 0, "must_ask": False}

    assert SPECIFIED == specified(**usual, **asks, call_limits=CallLimits()).digest


def test_time_has_one_spelling_in_a_digest() -> None:
    """3 seconds and 3.0 are the same time, of a state and of a run."""
    three, exactly, longer = (build(state_options={"timeout_s": seconds}).digest for seconds in (3, 3.0, 3.5))

    assert three == exactly != longer
    assert build(limits=Limits(deadline_s=3)).digest == build(limits=Limits(deadline_s=3.0)).digest


def test_money_has_one_spelling_in_a_digest() -> None:
    """$0.05 and $0.050 are one limit."""
    assert build(limits=Limits(cost_usd="0.05")).digest == build(limits=Limits(cost_usd="0.050")).digest


def words_in(part: Any) -> set[str]:
    """Return every key of a JSON value."""
    if isinstance(part, dict):
        return set(part).union(*map(words_in, part.values()))
    return set().union(*map(words_in, part)) if isinstance(part, list) else set()


def test_every_default_is_tried() -> None:
    """Whatever a digest leaves out at its default is in the canonical form of some machine above."""
    told = words_in(routed_machine("a", "b", "c").canonical)
    told |= words_in(with_ends().canonical)
    for change in CHANGES:
        told |= words_in(build(**change).canonical)
    for option in OPTIONS_OF_AGENTS:
        told |= words_in(specified(**option).canonical)

    assert set() == DEFAULTS.keys() - told


@pytest.mark.parametrize(
    ("way", "options"),
    [
        (Machine, "policies model"),
        (State, "initial max_visits timeout_s expires_s reads writes attempts"),
        (LLMAgent, "does must_not reads writes model window"),
        (AgentSpec, "routes reads writes calls attempts parts tools asks_human asks must_ask proposes model"),
        (Part, "most"),
        (ToolSpec, "approval repeatable"),
        (Final, "fallback sets"),
        (State.to, "description guard"),
        (Policy, "other times strict"),
        (never, "strict"),
    ],
    ids=lambda it: str(getattr(it, "__qualname__", it)),
)
def test_what_is_left_out_is_what_users_get(way: Any, options: str) -> None:
    """A default in the table of digests is that of the signature: neither changes once it was shipped."""
    filled_in = {"window": [Window().messages, Window().chars], "sets": {}}  # for None
    for option in options.split():
        usual = getattr(way, option) if way is Machine else inspect.signature(way).parameters[option].default
        written = filled_in[option] if option in filled_in and usual is None else usual

        assert said(**{option: list(written) if isinstance(written, tuple) else written}) == {}


def test_any_change_of_a_field_is_in_the_digest() -> None:
    """A context of the same name with another field, bound or default makes another machine."""

    def digest(annotation: Any, default: Any) -> str:
        made: Any = type(Context)(
            "Made",
            (Context,),
            {"__annotations__": {"query": str, "n": annotation}, "n": default, "__module__": __name__},
        )

        class Same(Machine[made]):
            first = State(work, initial=True)
            done = Final()
            human = Final(fallback=True)
            end = first.to(done)

        return Same.definition.digest

    digests = [digest(int, 0), digest(int, 1), digest(float, 0), digest(Annotated[int, Field(ge=0)], 0)]

    assert len(digests) == len(set(digests))


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


def routed(first: str, second: str, otherwise: str) -> str:
    return routed_machine(first, second, otherwise).digest


def test_where_words_lead_is_in_the_digest() -> None:
    """A keyword agent whose words lead to other states is another agent."""
    assert routed("a", "b", "c") == routed("a", "b", "c")
    assert 6 == len({routed(*ways) for ways in ("abc", "acb", "bac", "bca", "cab", "cba")})


class Answers(Context):
    query: str
    score: float = 0.0
    blob: bytes = b""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({Answers.query: "a"}, {Answers.query: "b"}),
        ({Answers.score: float("inf")}, {Answers.score: float("nan")}),
        ({Answers.blob: b"\xff"}, {Answers.blob: b"\xfe"}),
    ],
    ids=["plain", "not finite", "bytes"],
)
def test_default_answers_that_differ_have_other_digests(one: dict[Any, object], other: dict[Any, object]) -> None:
    """What a final state sets is in the digest, or is refused when the class is built."""

    def digest(sets: dict[Any, object]) -> str:
        class M(Machine[Answers]):
            first = State(work, initial=True)
            done = Final()
            human = Final(fallback=True, sets=sets)
            end = first.to(done)

        return M.definition.digest

    try:
        digests = {digest(one), digest(other)}
    except DefinitionError:
        return

    assert 2 == len(digests)


class AgentOne:
    spec = AgentSpec(kind="code", name="AgentOne", canonical={})

    async def act(self, visit: Visit[Any]) -> Any: ...


class AgentTwo:
    spec = AgentSpec(kind="code", name="AgentTwo", canonical={})

    async def act(self, visit: Visit[Any]) -> Any: ...


def test_agents_of_other_classes_have_other_digests() -> None:
    """Two agents of a user's own classes are told apart, though they say the same of reads, writes and calls."""
    assert build(agent=AgentOne()).digest != build(agent=AgentTwo()).digest  # type: ignore[arg-type]


SCRIPT = """
import json
from typing import Annotated
from fsm_orch import *

LETTERS = [chr(97 + n) * 3 for n in range(12)]

class Plain(Context):
    query: str
    answer: str | None = None
    level: int = 0

class WithDefault(Context):
    query: str
    tags: frozenset[str] = frozenset(LETTERS)

class WithTags(Context):
    query: str
    tags: frozenset[str] = frozenset()

Wide = type(Context)("Wide", (Context,), {"__annotations__": {name: str for name in LETTERS}, "__module__": __name__})

@guard
def is_high(t: Plain) -> bool:
    return t.level > 3

def work(visit):
    return None

digests = {}

class PlainMachine(Machine[Plain]):
    a = State(LLMAgent("Do it.", reads=(Plain.query,), writes=(Plain.answer, Plain.level)), initial=True)
    done = Final()
    human = Final(fallback=True, sets={Plain.answer: "später", Plain.level: 2})
    high = a.to(human, "when high", guard=is_high | ~is_high)
    end = a.to(done, "when done")

digests["a plain machine"] = PlainMachine.definition.digest

def digest(label, context, agent, sets=None):
    class M(Machine[context]):
        a = State(agent, initial=True)
        done = Final()
        human = Final(fallback=True, sets=sets or {})
        end = a.to(done, "when done")
    digests[label] = M.definition.digest

digest("a frozenset as a default", WithDefault, work)
digest("a frozenset that is set", WithTags, work, {WithTags.tags: frozenset(LETTERS)})
digest("a set of reads", Wide, LLMAgent("Do it.", reads={getattr(Wide, n) for n in LETTERS}))
digest("a set of writes", Wide, LLMAgent("Do it.", writes={getattr(Wide, n) for n in LETTERS}))
digest("a set of phrases", Plain, LLMAgent("Do it.", must_not=set(LETTERS)))

class Keywords(Machine[Plain]):
    done = Final()
    human = Final(fallback=True)
    a = State(KeywordAgent(Plain.query, {done: set(LETTERS)}, otherwise=human), initial=True)
    end = a.to(done)
    give_up = a.to(human)

digests["a set of words"] = Keywords.definition.digest

class Item(Wide):
    line: str
    told: str = ""

class EachItem(Machine[Item]):
    a = State(work, reads=Item.line, writes=Item.told, initial=True)
    done, human = Final(), Final(fallback=True)
    end = a.to(done)

class Items(Wide):
    lines: tuple[str, ...]
    told: tuple[str, ...] = ()

each = Map(EachItem, over=Items.lines, item=Item.line, into=Items.told, result=Item.told)
digest("what each item requires", Items, each)
print(json.dumps(digests))
"""


@pytest.fixture(scope="module")
def digests_of_processes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """Digests as two processes with different hash seeds compute them."""
    path = tmp_path_factory.mktemp("digests") / "machines_apart.py"
    path.write_text(SCRIPT, encoding="utf-8")
    return [
        json.loads(
            subprocess.run(
                [sys.executable, str(path)],
                env={**os.environ, "PYTHONHASHSEED": seed},
                capture_output=True,
                text=True,
                check=True,
                cwd=Path(__file__).parent,
            ).stdout
        )
        for seed in ("1", "2")
    ]


def test_the_digest_is_the_same_in_every_process(digests_of_processes: list[dict[str, str]]) -> None:
    """A machine has one digest, however a process orders its sets: a journal must fold in another process."""
    one, other = digests_of_processes

    assert 8 == len(one)
    assert one == other
