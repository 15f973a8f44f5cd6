"""Well-formedness: every rule on a small machine, and the rules of paths against brute force.

Each case is the source of a module, in which a comment names the findings that must point at its line.
"""

from __future__ import annotations

import importlib.util
import itertools
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from fsm_orch import Context, DefinitionError, Final, Handoff, Limits, Machine, State
from fsm_orch.define.codes import CODES
from fsm_orch.define.context import FieldRef
from fsm_orch.define.definition import Definition
from fsm_orch.define.rules.check import check
from fsm_orch.define.rules.paths import unwritten_reads
from fsm_orch.define.rules.start import start_objection
from fsm_orch.errors import Finding

HEADER = """
from functools import partial
from typing import Annotated, Any
from pydantic import ConfigDict, Field, field_validator
from fsm_orch import *

class Ticket(Context):
    query: str
    answer: str | None = None
    level: Annotated[int, Field(ge=0)] = 0
    locale: Given[str] = "en"

class Vip(Ticket):
    manager: str = "none"

class Other(Context):
    query: str
    thing: str = ""

@guard
def is_high(t: Ticket) -> bool:
    return t.level > 3

@guard
def is_other(o: Other) -> bool:
    return True

@guard
def is_vip(v: Vip) -> bool:
    return True

def work(visit):
    return None

def model():
    return LLMAgent("Do it.", reads=(Ticket.query,))
"""

GOOD = '''
class Good(Machine[Ticket]):
    """Do good."""

    first = State(model(), initial=True)
    second = State(work, reads=(Ticket.answer, Ticket.locale), max_visits=2)
    third = State(LLMAgent("Write.", reads=(Ticket.query,), writes=(Ticket.answer,)), max_visits=1)
    done = Final()
    human = Final(fallback=True, sets={Ticket.answer: "later", Ticket.level: 3})

    to_third = first.to(third, "when it is new")
    again = third.to(third, "when it is not good enough")
    to_second = third.to(second, "when it is written")
    high = second.to(third, guard=is_high)
    end = (second | third).to(done, "when it is done")
    lost = second.on_failure(human)
'''

_CASES: list[tuple[str, str, str]] = []


def case(name: str, problem: str, body: str) -> None:
    """Add a case: what the (first) finding says, and the source with its findings marked."""
    _CASES.append((name, problem, body))


END = """
    done = Final()
    human = Final(fallback=True)
"""

case(
    "no_initial",
    "no initial states in M",
    f"""
class M(Machine[Ticket]):  # FSM101
    a = State(work)
    {END}
    end = a.to(done)
""",
)
case(
    "two_initials",
    "2 initial states ('a', 'b') in M",
    f"""
class M(Machine[Ticket]):  # FSM101
    a = State(work, initial=True)
    b = State(work, initial=True)
    {END}
    end = (a | b).to(done)
""",
)
case(
    "no_fallback",
    "no fallbacks in M",
    """
class M(Machine[Ticket]):  # FSM102
    a = State(work, initial=True)
    done = Final()
    end = a.to(done)
""",
)
case(
    "two_fallbacks",
    "2 fallbacks ('other', 'human') in M",
    f"""
class M(Machine[Ticket]):  # FSM102
    a = State(work, initial=True)
    other = Final(fallback=True)
    {END}
    end = a.to(done)
""",
)
case(
    "nothing_at_all",
    "no initial states in M",
    """
class M(Machine[Ticket]):  # FSM101 FSM102
    pass
""",
)
case(
    "unreachable_state",
    "no path leads to 'b'",
    f"""
class M(Machine[Ticket]):
    a = State(work, initial=True)
    b = State(work)  # FSM103
    {END}
    end = (a | b).to(done)
""",
)
case(
    "unreachable_final",
    "no path leads to 'never'",
    f"""
class M(Machine[Ticket]):
    a = State(work, initial=True)
    never = Final()  # FSM103
    {END}
    end = a.to(done)
""",
)
case(
    "trap",
    "from 'b' only the fallback can be reached",
    f"""
class M(Machine[Ticket]):
    a = State(work, initial=True)
    b = State(  # FSM104
        work,
        max_visits=1,
    )
    {END}
    to_b = a.to(b)
    end = a.to(done)
    give_up = b.to(human)
    loop = b.to(b, guard=is_high)
""",
)
case(
    "only_a_fallback",
    "from 'a' only the fallback can be reached",
    """
class M(Machine[Ticket]):
    a = State(work, initial=True)  # FSM104
    human = Final(fallback=True)
    end = a.to(human)
""",
)
case(
    "self_loop",
    "the self-loop a -> a has no bound of its own",
    f"""
class M(Machine[Ticket]):
    a = State(work, initial=True)  # FSM105
    {END}
    again = a.to(a, guard=is_high)
    end = a.to(done)
""",
)
case(
    "cycle_through_a_failure_edge",
    "the cycle a -> b -> a has no bound of its own",
    f"""
class M(Machine[Ticket]):
    a = State(work, initial=True)  # FSM105
    b = State(work)
    {END}
    to_b = a.to(b)
    back = b.on_timeout(a)
    end = b.to(done)
""",
)
case(
    "two_cycles_at_once",
    "the self-loop a -> a has no bound of its own",
    f"""
class M(Machine[Ticket]):
    a = State(work, initial=True)  # FSM105
    b = State(work)  # FSM105
    {END}
    again = a.to(a, guard=is_high)
    to_b = a.to(b)
    once_more = b.to(b, guard=is_high)
    end = b.to(done)
""",
)
case(
    "duplicate_handoff",
    "'too' leaves 'a' exactly as 'end' does",
    f"""
class M(Machine[Ticket]):
    a = State(work, initial=True)
    {END}
    end = a.to(done, guard=is_high)
    too = a.to(done, "said otherwise", guard=is_high)  # FSM106
    other = a.to(done)
""",
)
case(
    "duplicate_in_one_of_several_sources",
    "'too' leaves 'b' exactly as 'end' does",
    f"""
class M(Machine[Ticket]):
    a = State(work, initial=True)
    b = State(work)
    {END}
    to_b = a.to(b)
    end = b.to(done)
    too = (a | b).to(done)  # FSM106
""",
)
case(
    "unnamed_handoff",
    "a handoff to 'done' that is assigned to no attribute",
    f"""
class M(Machine[Ticket]):
    a = State(work, initial=True)
    {END}
    end = a.to(done)
    a.to(
        done, guard=is_high,
    )  # (two lines up) FSM107-2
""",
)
case(
    "overwritten_handoff",
    "a handoff to 'done' that is assigned to no attribute",
    f"""
class M(Machine[Ticket]):
    a = State(work, initial=True)
    {END}
    end = a.to(done, guard=is_high)  # FSM107
    end = a.to(done)
""",
)
case(
    "unnamed_handoff_on_the_only_way",
    "a handoff to 'b' that is assigned to no attribute",
    f"""
class M(Machine[Ticket]):
    a = State(work, initial=True)
    b = State(work)
    {END}
    a.to(b)  # FSM107
    end = b.to(done)
""",
)
case(
    "state_without_handoffs",
    "'b' has failure edges and no handoff",
    f"""
class M(Machine[Ticket]):
    a = State(work, initial=True)
    b = State(work)  # FSM104
    {END}
    to_b = a.to(b)
    lost = b.on_failure(done)
""",
)
case(
    "two_failure_edges",
    "'too' leaves 'a' exactly as 'lost' does",
    f"""
class M(Machine[Ticket]):
    a = State(work, initial=True)
    {END}
    end = a.to(done)
    lost = a.on_failure(done)
    too = a.on_failure(human)  # FSM109
    late = a.on_timeout(human)
    refused = a.on_refusal(human)
""",
)
case(
    "unwritten_read",
    "'b' reads 'answer', which this path did not write: a -> b",
    f"""
class M(Machine[Ticket]):
    a = State(work, initial=True)
    c = State(work, writes=(Ticket.answer,))
    b = State(work, reads=(Ticket.answer, Ticket.query, Ticket.locale))  # FSM110
    {END}
    to_c = a.to(c)
    to_b = (a | c).to(b)
    end = b.to(done)
""",
)
case(
    "unwritten_read_over_a_failure_edge",
    "'b' reads 'answer', which this path did not write (nothing that 'a' writes is kept when its visit fails): a -> b",
    f"""
class M(Machine[Ticket]):
    a = State(work, initial=True, writes=(Ticket.answer,))
    b = State(work, reads=(Ticket.answer,))  # FSM110
    {END}
    to_b = a.to(b)
    lost = a.on_failure(b)
    end = b.to(done)
""",
)
case(
    "unwritten_read_of_what_one_writes_oneself",
    "'a' reads 'answer', which this path did not write: a",
    f"""
class M(Machine[Ticket]):
    a = State(work, initial=True, reads=(Ticket.answer,), writes=(Ticket.answer,), max_visits=2)  # FSM110
    {END}
    again = a.to(a, guard=is_high)
    end = a.to(done)
""",
)
case(
    "foreign_field",
    "the agent of 'a' names Other.thing, which is not a field of Ticket",
    f"""
class M(Machine[Ticket]):
    a = State(work, initial=True, writes=(Other.thing,))  # FSM111
    {END}
    end = a.to(done)
""",
)
case(
    "field_of_a_derived_context",
    "the agent of 'a' names Vip.manager, which is not a field of Ticket",
    f"""
class M(Machine[Ticket]):
    a = State(work, initial=True, writes=(Vip.manager,))  # FSM111
    {END}
    end = a.to(done)
""",
)
case(
    "foreign_field_that_is_set",
    "final state 'human' sets Other.thing, which is not a field of Ticket",
    """
class M(Machine[Ticket]):
    a = State(work, initial=True)
    done = Final()
    human = Final(fallback=True, sets={Other.thing: "x"})  # FSM111
    end = a.to(done)
""",
)
case(
    "foreign_read",
    "the agent of 'a' names Other.thing, which is not a field of Ticket",
    f"""
class M(Machine[Ticket]):
    a = State(work, initial=True, reads=(Other.thing,))  # FSM111
    {END}
    end = a.to(done)
""",
)
case(
    "foreign_guard",
    "the guard of 'end' is annotated for Other",
    f"""
class M(Machine[Ticket]):
    a = State(work, initial=True)
    {END}
    end = a.to(done, guard=is_high | ~is_other)  # FSM112
""",
)
case(
    "guard_of_a_derived_context",
    "the guard of 'end' is annotated for Vip",
    f"""
class M(Machine[Ticket]):
    a = State(work, initial=True)
    {END}
    end = a.to(done, guard=is_vip)  # FSM112
""",
)
case(
    "foreign_function",
    "the agent of 'a' is annotated for Other",
    f"""
def for_others(visit: Visit[Other]):  # FSM112
    return None

class M(Machine[Ticket]):
    a = State(for_others, initial=True)
    {END}
    end = a.to(done)
""",
)
case(
    "foreign_dependencies",
    "the agent of 'a' is annotated for dependencies Shop",
    f"""
class Shop:
    pass

class Till(Shop):
    pass

def at_shop(visit: Visit[Ticket, Shop]):  # FSM112
    return None

class Fits(Machine[Ticket, Till]):
    a = State(at_shop, initial=True)
    {END}
    end = a.to(done)

class M(Machine[Ticket]):
    a = State(at_shop, initial=True)
    {END}
    end = a.to(done)
""",
)
case(
    "lambda_agent",
    "the agent of 'a' has no name of its own",
    f"""
class M(Machine[Ticket]):
    a = State(lambda visit: None, initial=True)  # FSM113
    b = State(partial(work), initial=False)  # FSM113
    {END}
    to_b = a.to(b)
    end = b.to(done)
""",
)
case(
    "lambda_guard",
    "the guard of 'end' has no name of its own",
    f"""
class M(Machine[Ticket]):
    a = State(work, initial=True)
    {END}
    end = a.to(done, guard=is_high & ~guard(lambda t: True))  # FSM113
""",
)
case(
    "name_on_the_wire",
    "the name 'größe'",
    f"""
class M(Machine[Ticket]):
    größe = State(work, initial=True)  # FSM114
    {END}
    {"e" * 65} = größe.to(done)  # FSM114
""",
)
case(
    "reserved_field",
    "state 'a' writes a field named 'handoff'",
    f"""
class Bad(Context):
    handoff: str = ""

class M(Machine[Bad]):
    a = State(work, initial=True, writes=(Bad.handoff,))  # FSM114
    {END}
    end = a.to(done)
""",
)
case(
    "subclassed",
    "Child subclasses the machine M",
    f"""
class M(Machine[Ticket]):
    a = State(work, initial=True)
    {END}
    end = a.to(done)

class Child(M):  # FSM115
    b = State(work)
""",
)
case("no_context", "M names no context class", "class M(Machine):  # FSM116\n    pass")
case(
    "wrong_context",
    "M names no context class",
    "class M(Machine[int]):  # FSM116\n    pass",
)
case(
    "no_description",
    "'end' leaves 'a', 'c' without a description",
    f"""
class M(Machine[Ticket]):
    a = State(model(), initial=True)
    b = State(work)
    c = State(model())
    {END}
    to_b = a.to(b, "when it must")
    to_c = b.to(c)
    end = (a | b | c).to(done, "  ")  # FSM117
    lost = a.on_failure(human)
""",
)
case(
    "foreign_target",
    "handoff 'end' joins <Final finish>, which is not an attribute of M",
    f"""
class Mine(Machine[Ticket]):
    a = State(work, initial=True)
    finish = Final()
    human = Final(fallback=True)
    end = a.to(finish)

class M(Machine[Ticket]):
    a = State(work, initial=True)
    {END}
    end = a.to(Mine.finish)  # FSM118
    fine = a.to(done)
""",
)
case(
    "foreign_source",
    "handoff 'end' joins <State start>, which is not an attribute of M",
    f"""
class Mine(Machine[Ticket]):
    start = State(work, initial=True)
    finish = Final()
    human = Final(fallback=True)
    end = start.to(finish)

class M(Machine[Ticket]):
    a = State(work, initial=True)
    {END}
    end = (Mine.start | a).to(done)  # FSM118
""",
)
case(
    "two_names",
    "one State under several names: M.a, M.b",
    f"""
class M(Machine[Ticket]):
    a = b = State(work, initial=True)  # FSM101-1 FSM118
    {END}
    end = a.to(done)
""",
)
case(
    "two_machines",
    "one State under several names: First.a, M.a",
    f"""
shared = State(work, initial=True)  # FSM118

class First(Machine[Ticket]):
    a = shared
    {END}
    end = a.to(done)

class M(Machine[Ticket]):
    a = shared
    {END}
    again = a.to(done)
""",
)
case(
    "no_hops",
    "a run needs at least 1 hop, to land; the limit is 0",
    f"""
class M(Machine[Ticket]):  # FSM119
    a = State(work, initial=True)
    {END}
    end = a.to(done)
    limits = Limits(hops=0)
""",
)
case(
    "no_tokens",
    "the first call of 'a' may take 2,304 tokens",
    f"""
class M(Machine[Ticket]):  # FSM119
    a = State(model(), initial=True)
    {END}
    end = a.to(done, "when done")
    limits = Limits(tokens=1_279)
""",
)
case(
    "no_hop_to_an_end_but_the_fallback",
    "the shortest way to an end other than the fallback takes 2 hops, and a run has 1: a -> b -> done",
    f"""
class M(Machine[Ticket]):  # FSM119
    a = State(work, initial=True)
    b = State(work)
    {END}
    give_up = a.to(human)
    to_b = a.to(b)
    end = b.to(done)
    limits = Limits(hops=1)
""",
)
case(
    "default_answer",
    "sets Ticket.answer to a value that does not fit",
    """
class M(Machine[Ticket]):
    a = State(work, initial=True)
    done = Final(sets={Ticket.level: -1})  # FSM120
    human = Final(fallback=True, sets={Ticket.answer: 3})  # FSM120
    end = a.to(done)
""",
)
case(
    "default_answer_of_a_type_that_would_be_coerced",
    "sets Ticket.level to a value that does not fit",
    """
class M(Machine[Ticket]):
    a = State(work, initial=True)
    done = Final(sets={Ticket.level: True})  # FSM120
    human = Final(fallback=True)
    end = a.to(done)
""",
)
case(
    "default_answer_against_a_validator",
    "sets Picky.answer to a value that does not fit",
    """
class Picky(Context):
    answer: str = "x"

    @field_validator("answer")
    @classmethod
    def not_blank(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("an answer says something")
        return value

class M(Machine[Picky]):
    a = State(work, initial=True)
    done = Final()
    human = Final(fallback=True, sets={Picky.answer: " "})  # FSM120
    end = a.to(done)
""",
)
case(
    "no_route",
    "the agent of 'a' routes to <State b>, to which no handoffs lead",
    """
class M(Machine[Ticket]):
    b = State(work)
    done = Final()
    human = Final(fallback=True)
    a = State(KeywordAgent(Ticket.query, {b: ["b"], done: ["end"]}, otherwise=human), initial=True)  # FSM121 FSM121
    lost = a.on_failure(b)
    end = (a | b).to(done)
""",
)
case(
    "two_routes",
    "the agent of 'a' routes to <Final done>, to which 2 handoffs ('end', 'high') lead",
    """
class M(Machine[Ticket]):
    done = Final()
    human = Final(fallback=True)
    a = State(KeywordAgent(Ticket.query, {done: ["end"]}, otherwise=human), initial=True)  # FSM121
    end = a.to(done)
    high = a.to(done, guard=is_high)
    give_up = a.to(human)
""",
)
case(
    "no_schema",
    "Live has no JSON schema",
    f"""
class Socket:
    pass

class Live(Context):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    socket: Socket

class M(Machine[Live]):  # FSM122
    a = State(work, initial=True)
    {END}
    end = a.to(done)
""",
)
for number, text in (
    ("max_visits=0", "max_visits=0, timeout_s=None"),
    ("max_visits=-1", "max_visits=-1, timeout_s=None"),
    ("timeout_s=0", "max_visits=None, timeout_s=0"),
    ("timeout_s=-0.5", "max_visits=None, timeout_s=-0.5"),
    ("timeout_s=float('inf')", "max_visits=None, timeout_s=inf"),
    ("timeout_s=float('nan')", "max_visits=None, timeout_s=nan"),
    ("max_visits=1.5", "max_visits=1.5, timeout_s=None"),
    ("max_visits=True", "max_visits=True, timeout_s=None"),
    ("max_visits='2'", "max_visits='2', timeout_s=None"),
):
    case(
        f"bounds {number}",
        f"'a' has {text}",
        f"""
class M(Machine[Ticket]):
    a = State(work, initial=True, {number})  # FSM123
    {END}
    end = a.to(done)
""",
    )
case(
    "foreign_policy",
    "eventually(done | <Final >) speaks of <Final >, which is not an attribute of M",
    f"""
class M(Machine[Ticket]):
    a = State(work, initial=True)
    {END}
    end = a.to(done)
    policies = (eventually(done | Final()),)  # FSM401
""",
)
case(
    "policy_of_one_thing",
    "never(a).after(done | a) holds one thing against itself",
    f"""
class M(Machine[Ticket]):
    a = State(work, initial=True)
    {END}
    end = a.to(done)
    policies = (never(a).after(done | a),)  # FSM402
""",
)
case(
    "nameless_guard_of_a_policy",
    "a guard of never(done).before(<unnamed guard>) has no name of its own",
    f"""
class M(Machine[Ticket]):
    a = State(work, initial=True)
    {END}
    end = a.to(done)
    policies = (never(done).before(guard(lambda ticket: True)),)  # FSM113
""",
)
case(
    "foreign_guard_of_a_policy",
    "a guard of eventually(is_other) is annotated for",
    f"""
class M(Machine[Ticket]):
    a = State(work, initial=True)
    {END}
    end = a.to(done)
    policies = (eventually(is_other),)  # FSM112
""",
)
for name, problem, line in (
    ("policies_that_are_one", "a Never named 'policies'", "policies = never(done)"),
    ("policies_in_a_list", "a list named 'policies'", "policies = [never(done), eventually(a)]"),
    ("policies_of_half_a_policy", "a Cause named 'policies'", "policies = after(a)"),
    ("policy_that_is_half", "after(a) in policies, without .eventually(...)", "policies = (never(done), after(a))"),
    ("policy_that_is_ignored", "eventually(done) under the name 'claim'", "claim = eventually(done)"),
    ("policies_that_are_ignored", "never(done) under the name 'policy'", "policy = (never(done),)"),
    ("policies_that_are_ignored_in_a_list", "never(done) under the name 'policys'", "policys = [1, never(done)]"),
    ("half_a_policy_that_is_ignored", "after(a) under the name 'claims'", "claims = {after(a)}"),
):
    case(
        name,
        problem,
        f"""
class M(Machine[Ticket]):
    a = State(work, initial=True)
    {END}
    end = a.to(done)
    {line}  # FSM114
""",
    )
case(
    "mutable_field",
    "Bag.things holds a list",
    """
class Bag(Context):  # FSM130
    things: list[str] = []
""",
)
case(
    "mark_that_cannot_be_kept",
    "Bag.things is marked Preset and has no default",
    """
class Bag(Context):  # FSM131
    things: Preset[tuple[str, ...]]
""",
)
case(
    "everything_at_once",
    "2 initial states ('a', 'b') in M",
    """
class M(Machine[Ticket]):  # FSM101 FSM102
    a = State(model(), initial=True)  # FSM105
    b = State(lambda visit: None, initial=True, max_visits=0)  # FSM113 FSM123
    done = Final(sets={Ticket.answer: 3})  # FSM120
    again = a.to(a)  # FSM117
    too = a.to(a)  # FSM106 FSM117
    a.to(done)  # FSM107
    end = b.to(done, guard=is_other)  # FSM112
    also = a.to(done, "when done")  # FSM106
""",
)
case(
    "paths_at_once",
    "from 'b' only the fallback can be reached",
    f"""
class M(Machine[Ticket]):  # FSM119
    a = State(model(), initial=True)
    b = State(work, reads=(Ticket.answer, Ticket.level))  # FSM104 FSM110 FSM110
    c = State(work)  # FSM103
    {END}
    end = (a | c).to(done, "when done")
    to_b = a.to(b, "when not")
    limits = Limits(tokens=1)
""",
)


def load(path: Path, body: str) -> ModuleType:
    path.write_text(HEADER + body, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def marked(path: Path) -> list[tuple[str, str]]:
    """Read the findings that comments name: `# FSM105`, or `# FSM107-2` for two lines up."""
    return sorted(
        (code, f"{path}:{number - int(up or 0)}")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for code, up in re.findall(r"(FSM\d+)(?:-(\d))?", line.partition("#")[2])
    )


@pytest.mark.parametrize(("name", "problem", "body"), _CASES, ids=[name for name, _, _ in _CASES])
def test_each_finding_points_at_its_line(
    name: str, problem: str, body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that cannot keep the promise shows exactly its findings, each at the line that declares it."""

    path = tmp_path / "declared.py"
    monkeypatch.setitem(sys.modules, "declared", SimpleNamespace(__file__=str(path)))

    with pytest.raises(DefinitionError) as caught:
        load(path, body)

    findings = caught.value.findings
    assert marked(path) == sorted((finding.code, finding.where) for finding in findings)
    assert any(problem in finding.problem for finding in findings), [finding.problem for finding in findings]
    for finding in findings:
        assert finding.expected
        assert finding.fix
        assert str(finding) in str(caught.value)


def test_a_good_machine_has_no_findings(tmp_path: Path) -> None:
    """A machine that keeps the promise builds, and has nothing to find."""

    assert () == check(load(tmp_path / "good.py", GOOD).Good.definition)


def test_every_documented_code_has_a_case() -> None:
    """Each code that keeps a class from being built is tried here, and no other."""

    tried = {code for _, _, body in _CASES for code in re.findall(r"FSM\d+", body)}

    assert {code.code for code in CODES.values() if code.found == "build"} == tried


def test_the_error_counts_and_shows_all_findings() -> None:
    """The message of a definition error names the subject, counts its findings and shows each."""

    finding = Finding("FSM101", "x.py:3", "no initial state", "one", "mark one")

    assert str(DefinitionError("M", [finding])) == (
        "M does not build: 1 finding\nFSM101 x.py:3\n  no initial state\n  expected: one\n  fix: mark one\n"
        "to learn more: fsm-orch explain FSM101"
    )
    assert str(DefinitionError("M", [finding, finding])).startswith("M does not build: 2 findings\n")


@given(st.lists(st.sampled_from(sorted(CODES)), min_size=1))
def test_the_error_ends_with_how_to_learn_more(found: list[str]) -> None:
    """However many findings there are, the last line alone says how to learn more, and names each code once."""

    error = DefinitionError("M", [Finding(code, "x.py:3", "it is wrong", "better", "mend it") for code in found])

    *above, last = str(error).splitlines()
    assert f"to learn more: fsm-orch explain {' '.join(dict.fromkeys(found))}" == last
    assert "explain" not in "".join(above)


def test_a_misspelt_default_answer_gets_a_hint(tmp_path: Path) -> None:
    """A foreign field whose name is nearly right is told what it may have meant."""

    with pytest.raises(DefinitionError, match=r"did you mean 'answer'\?"):
        load(
            tmp_path / "hint.py",
            """
class Near(Context):
    answers: str = ""

class M(Machine[Ticket]):
    a = State(work, initial=True, writes=(Near.answers,))
    done = Final()
    human = Final(fallback=True)
    end = a.to(done)
""",
        )


def test_a_start_without_a_cost_limit_mentions_none(tmp_path: Path) -> None:
    """Where money is not limited, an objection to the start speaks of no limit of $0."""

    definition = load(tmp_path / "start.py", GOOD).Good.definition

    reason = start_objection(definition, Limits(tokens=1))

    assert reason is not None
    assert re.search(r"limits? (is|are) 1\b", reason)
    assert "and $0" not in reason.partition("limits")[2]


def test_a_base_context_is_welcome(tmp_path: Path) -> None:
    """Fields, guards and functions of a base of the machine's context fit it."""

    module = load(
        tmp_path / "base.py",
        """
class M(Machine[Vip]):
    a = State(work, initial=True, reads=(Ticket.query, Vip.query), writes=(Ticket.answer,))
    done = Final()
    human = Final(fallback=True, sets={Ticket.answer: "later"})
    end = a.to(done, guard=is_high & is_vip)
""",
    )

    assert () == check(module.M.definition)


def test_guards_of_a_factory_are_not_equal(tmp_path: Path) -> None:
    """Two handoffs whose guards hold different values are not two equal handoffs."""

    try:
        load(
            tmp_path / "factory.py",
            """
def at_least(n):
    @guard
    def high(t: Ticket) -> bool:
        return t.level >= n
    return high

class M(Machine[Ticket]):
    a = State(work, initial=True)
    done = Final()
    human = Final(fallback=True)
    one = a.to(done, guard=at_least(1))
    two = a.to(done, guard=at_least(2))
""",
        )
    except DefinitionError as error:
        codes = {finding.code for finding in error.findings}
    else:
        codes = set()

    assert "FSM106" not in codes


@pytest.mark.parametrize(
    ("line", "do"),
    [
        ("policies = never(done)", "write a tuple: policies = (never(done),)"),
        ("policies = [never(done), never(a)]", "write a tuple: policies = (never(done), ...)"),
        ("policies = after(a)", "write a tuple: policies = (after(a).eventually(...),)"),
        ("policies = 'never'", "rename it, or write policies = (never(...),)"),
        ("policies = (after(a),)", "complete it: after(a).eventually(...)"),
        ("policies = ('never',)", "write never(...), at_most(...), eventually(...) or after(...).eventually(...)"),
        ("policy = never(a)", "write policies = (never(a),)"),
        ("policies = (never(a),); more = never(done)", "write policies = (never(done), ...)"),
        ("policy = (after(a),)", "write policies = (after(a).eventually(...),)"),
        ("limit = Limits()", "rename it, or write limits = Limits(...)"),
        ("limits = {'hops': 3}", "rename it, or write limits = Limits(...)"),
        ("model = 3", "rename it, or write model = 'provider:model'"),
        ("definition = 3", "rename it"),
    ],
)
def test_what_is_in_the_wrong_place_is_told_how_to_write_it(line: str, do: str, tmp_path: Path) -> None:
    """What would be checked by nothing is answered with the line to write instead."""

    with pytest.raises(DefinitionError) as caught:
        load(
            tmp_path / "policies.py",
            f"""
class M(Machine[Ticket]):
    a = State(work, initial=True)
    {END}
    end = a.to(done)
    {line}
""",
        )

    assert [do] == [finding.fix for finding in caught.value.findings]


def test_policies_may_be_gathered_under_other_names(tmp_path: Path) -> None:
    """A policy that is in `policies` as well is not lost, whatever else it is called."""

    module = load(
        tmp_path / "gathered.py",
        f"""
class M(Machine[Ticket]):
    a = State(work, initial=True)
    {END}
    end = a.to(done)
    first = never(human)
    others = (eventually(done), at_most(1, a))
    policies = (first, *others)
""",
    )

    assert 3 == len(module.M.policies)


@pytest.mark.parametrize("taken", ["definition", "limits", "model", "policies"])
def test_parts_do_not_take_the_names_of_a_machine(taken: str, tmp_path: Path) -> None:
    """A state called as an attribute that every machine has is a finding at its line, and not silently lost."""

    path = tmp_path / "taken.py"

    with pytest.raises(DefinitionError, match=f"{taken!r}") as caught:
        load(
            path,
            f"""
class M(Machine[Ticket]):
    a = State(work, initial=True)
    {taken} = State(work)  # FSM000
    {END}
    to_it = a.to({taken})
    end = {taken}.to(done)
""",
        )

    assert [where for _, where in marked(path)] == [finding.where for finding in caught.value.findings]


@pytest.mark.parametrize("target", ["'done'", "None", "Final", "end", "a | a"])
def test_a_target_is_a_state_or_a_final(target: str, tmp_path: Path) -> None:
    """A handoff to anything but a state or a final state is refused with a sentence that says what problem."""

    with pytest.raises((DefinitionError, TypeError), match=r"(joins|leads to|target)"):
        load(
            tmp_path / "target.py",
            f"""
class M(Machine[Ticket]):
    a = State(work, initial=True)
    {END}
    end = a.to(done)
    bad = a.to({target})
""",
        )


# --- random machines ------------------------------------------------------------------------------------------


class Fields(Context):
    given: str
    f: int = 0
    g: int = 0
    h: int = 0


REFS = {name: FieldRef(Fields, name) for name in Fields.model_fields}


def work(visit: Any) -> None:
    """Do nothing."""


@st.composite
def definitions(draw: st.DrawFn) -> Definition:
    """Draw definitions of up to six states with any edges; they need not be well-formed."""
    fields = st.lists(st.sampled_from(sorted(REFS)), unique=True, max_size=3)
    count = draw(st.integers(1, 6))
    states = {}
    for index in range(count):
        state = State(
            work,
            initial=index == 0,
            reads=[REFS[name] for name in draw(fields)],
            writes=[REFS[name] for name in draw(fields)],
            max_visits=draw(st.sampled_from([None, None, 1, 3])),
        )
        states[f"s{index}"] = state
    finals = {"done": Final(), "human": Final(fallback=True)}
    parts = {**states, **finals}
    for name, part in parts.items():
        part.__set_name__(Fields, name)
    handoffs: list[Handoff] = []
    for index in range(draw(st.integers(0, 12))):
        sources = draw(st.lists(st.sampled_from(sorted(states)), unique=True, min_size=1, max_size=2))
        target = parts[draw(st.sampled_from(sorted(parts)))]
        source: Any = states[sources[0]] if len(sources) == 1 else states[sources[0]] | states[sources[1]]
        kind = draw(st.sampled_from(["to", "to", "to", "on_failure", "on_timeout", "on_refusal"]))
        handoff = getattr(source, kind)(target)
        handoff.__set_name__(Fields, f"h{index}")
        handoffs.append(handoff)
    return Definition(
        name="Random",
        doc="",
        where="here:1",
        context=Fields,
        states=states,
        finals=finals,
        handoffs=tuple(handoffs),
    )


def edges(definition: Definition) -> list[tuple[str, str, frozenset[str]]]:
    """List every edge with the fields it writes."""
    return [
        (source.name, h.target.name, source.spec.written_names if h.kind == "handoff" else frozenset())
        for h in definition.handoffs
        for source in h.sources
    ]


def written_on_all_paths(definition: Definition) -> dict[str, frozenset[str]]:
    """Solve the forward dataflow problem: fields that every path to a state has written; unreachable ones lack."""
    known = {"s0": frozenset({"given"})}
    changed = True
    while changed:
        changed = False
        for source, target, writes in edges(definition):
            if source in known:
                after = known[source] | writes
                met = known[target] & after if target in known else after
                if known.get(target) != met:
                    known[target], changed = met, True
    return known


@given(definitions())
def test_unwritten_reads_agree_with_a_dataflow_analysis(definition: Definition) -> None:
    """A read is reported exactly if the fixpoint of all paths lacks its field (T6)."""

    known = written_on_all_paths(definition)
    expected = {
        (name, ref.name)
        for name, state in definition.states.items()
        for ref in state.spec.reads
        if name in known and ref.name not in known[name]
    }

    found = [tuple(re.findall(r"'(\w+)' reads '(\w+)'", finding.problem)[0]) for finding in unwritten_reads(definition)]

    assert expected == set(found)
    assert len(expected) == len(found)


@given(definitions())
def test_the_witness_of_an_unwritten_read_is_such_a_path(definition: Definition) -> None:
    """The path shown leads from the initial state to the reader over declared edges that do not write the field."""

    for finding in unwritten_reads(definition):
        reader, field = re.findall(r"'(\w+)' reads '(\w+)'", finding.problem)[0]
        path = finding.problem.rpartition(": ")[2].split(" -> ")
        bare = {(source, target) for source, target, writes in edges(definition) if field not in writes}

        assert "s0" == path[0]
        assert reader == path[-1]
        assert set(itertools.pairwise(path)) <= bare
        assert len(set(path)) == len(path)


def closure(pairs: set[tuple[str, str]], nodes: list[str]) -> set[tuple[str, str]]:
    reach = set(pairs)
    for via, a, b in itertools.product(nodes, nodes, nodes):
        if (a, via) in reach and (via, b) in reach:
            reach.add((a, b))
    return reach


@given(definitions())
def test_unbounded_cycles_agree_with_brute_force(definition: Definition) -> None:
    """A cycle is reported exactly if some cycle has no state with max_visits, and the one shown is such a cycle."""

    free = [name for name, state in definition.states.items() if state.max_visits is None]
    pairs = {(a, b) for a, b, _ in edges(definition) if a in free and b in free}
    expected = any(a == b for a, b in closure(pairs, free))

    found = [finding for finding in check(definition) if finding.code == "FSM105"]

    assert expected == bool(found)
    for finding in found:
        cycle = re.findall(r"s\d", finding.problem)
        assert cycle[0] == cycle[-1]
        assert set(itertools.pairwise(cycle)) <= pairs


@settings(phases=[Phase.explicit, Phase.reuse, Phase.generate])  # a machine of many edges shrinks slowly
@given(definitions())
def test_one_look_shows_every_unbounded_cycle(definition: Definition) -> None:
    """Bounding the first state of each cycle shown, as it advises, leaves no unbounded cycle."""

    shown = [re.findall(r"s\d", finding.problem) for finding in check(definition) if finding.code == "FSM105"]
    advised = {cycle[0] for cycle in shown}
    free = [n for n, s in definition.states.items() if s.max_visits is None and n not in advised]
    pairs = {(a, b) for a, b, _ in edges(definition) if a in free and b in free}

    assert not any(a == b for a, b in closure(pairs, free))


@given(definitions())
def test_unreachable_and_traps_agree_with_brute_force(definition: Definition) -> None:
    """A state is unreachable if no path leads to it, and a trap if no path leads on to a final state of its own."""

    nodes = [*definition.states, *definition.finals]
    reach = closure({(a, b) for a, b, _ in edges(definition)}, nodes)
    unreachable = {n for n in nodes if n not in ("s0", "human") and ("s0", n) not in reach}
    unasked = {n for n in definition.states if definition.states[n].handoffs and not definition.states[n].exits}
    traps = {n for n in definition.states if (n, "done") not in reach} | unasked

    findings = check(definition)

    assert unreachable == {re.findall(r"'(\w+)'", f.problem)[0] for f in findings if f.code == "FSM103"}
    assert traps == {re.findall(r"'(\w+)'", f.problem)[0] for f in findings if f.code == "FSM104"}


def test_a_machine_of_one_state_is_enough() -> None:
    """One code state, one final state and a fallback are a machine."""

    class Small(Machine[Fields]):
        only = State(work, initial=True)
        done = Final()
        human = Final(fallback=True)
        end = only.to(done)

    assert () == check(Small.definition)
