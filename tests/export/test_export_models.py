"""Definitions in the languages of model checkers, and as JSON."""

from __future__ import annotations

import enum
import hashlib
import json
import os
import subprocess
import sys
import types
from typing import Any, Literal

import pytest
from pydantic import Field, model_validator
from support import checkers
from support.finite import drawn

from fsm_orch import Context, Final, Given, Limits, LLMAgent, Machine, State, guard
from fsm_orch.define.policies import never
from fsm_orch.export.canonical import canonical
from fsm_orch.export.finite import Fork, finite_model
from fsm_orch.export.names import distinct, label, plain
from fsm_orch.export.promela import promela
from fsm_orch.export.tla import module_name, tla
from fsm_orch.proof.explore.exploration import explore
from machines.helpdesk import ByKeyword
from machines.shop import ShopFloor

needs_spin = pytest.mark.skipif(checkers.why_no_spin() != "", reason=checkers.why_no_spin())
needs_tlc = pytest.mark.skipif(checkers.why_no_tlc() != "", reason=checkers.why_no_tlc())

PLACES = ("init", "CASE", "hops", "state", "never", "MODULE", "now")
HANDOFFS = ("run", "Next", "while", "WF_x")
HOSTILE = "*/ assert(false) (* \\* \" \\\\ %s ' é\u2028\x00 *) /*"


class Mood(enum.Enum):
    CALM = 1
    CROSS = 2


class Facts(Context):
    chan: Given[bool] = False
    DOMAIN: Given[Mood | None] = None
    EXCEPT: Given[Literal["*/", '"', "None", "é"] | None] = None
    größe: Given[bool] = False  # noqa: PLC2401 - any letter may be in a name
    text: str = ""


@guard
def is_chan(facts: Facts) -> bool:
    return facts.chan and facts.DOMAIN is Mood.CALM


@guard
def is_odd(facts: Facts) -> bool:
    return facts.EXCEPT in ('"', "None") or facts.größe


@guard
def is_empty(facts: Facts) -> bool:
    return not facts.text


def act(visit: Any) -> None:
    """Stand for an agent."""


def hostile() -> type[Machine[Facts]]:
    """Make a machine of keywords, whose texts would end a comment or a string."""

    def fill(body: dict[str, Any]) -> None:
        agent = LLMAgent("x", writes=(Facts.chan, Facts.EXCEPT, Facts.text), calls=1)
        first, second, third, last = (State(agent if n == 1 else act, initial=not n, max_visits=1) for n in range(4))
        ends = [Final(), Final(), Final(fallback=True, sets={Facts.chan: True})]
        body.update(zip(PLACES, [first, second, third, last, *ends], strict=True))
        chain = ((first, second, None), (second, third, ~is_odd), (third, last, is_chan), (last, ends[0], ~is_empty))
        handoffs = [one.to(other, HOSTILE, guard=guarded) for one, other, guarded in chain]
        body.update(zip(HANDOFFS, handoffs, strict=True))
        body.update(od=first.to(ends[1], HOSTILE, guard=is_odd), fi=first.on_failure(ends[1]))
        body.update(__doc__=HOSTILE, limits=Limits(hops=6, tokens=1_000_000))
        body["policies"] = (never(ends[1]).before(is_odd), never(third).after(~is_empty), never(body["od"]))

    return types.new_class("EXTENDS", (Machine[Facts],), exec_body=fill)


class Bare(Machine[Facts]):
    """No guards, no policies, one state."""

    only = State(LLMAgent("x", calls=3), initial=True)
    done, human = Final(), Final(fallback=True)
    go = only.to(done, "always")


def seen_by_spin(definition: Any, folder: Any) -> checkers.Seen:
    return checkers.spin(promela(definition), (*definition.states, *definition.finals), folder)


@needs_spin
def test_spin_reads_any_name_and_text(tmp_path):
    """Keywords, quotes and ends of comments in names, values and texts change nothing of what SPIN sees."""
    definition = hostile().definition
    explored, seen = explore(definition), seen_by_spin(definition, tmp_path)

    assert explored.measures.hops.amount == seen.hops
    assert explored.measures.tokens.amount == seen.tokens
    assert frozenset(explored.reached) == seen.places


@needs_tlc
def test_tlc_reads_any_name_and_text(tmp_path):
    """Keywords, quotes and ends of comments in names, values and texts change nothing of what TLC sees."""
    definition = hostile().definition
    explored = explore(definition)
    (seen,) = checkers.tlc({module_name(definition): tla(definition)}, tmp_path)

    assert explored.measures.hops.amount == seen.hops
    assert explored.measures.tokens.amount == seen.tokens
    assert frozenset(explored.reached) == seen.places


@needs_spin
@pytest.mark.parametrize("machine", [ShopFloor, ByKeyword, Bare])
def test_machines_as_users_write_them_are_checked_by_spin(machine, tmp_path):
    """SPIN sees of the example machines, and of one without any guard, what exploration sees."""
    definition = machine.definition
    explored, seen = explore(definition), seen_by_spin(definition, tmp_path)

    assert (explored.measures.hops.amount, explored.measures.tokens.amount) == (seen.hops, seen.tokens)
    assert frozenset(explored.reached) == seen.places


@needs_tlc
def test_machines_as_users_write_them_are_checked_by_tlc(tmp_path):
    """TLC sees of the same machines what exploration sees."""
    definitions = [machine.definition for machine in (ShopFloor, ByKeyword, Bare)]

    for definition, seen in zip(
        definitions, checkers.tlc({module_name(d): tla(d) for d in definitions}, tmp_path), strict=True
    ):
        explored = explore(definition)
        assert (explored.measures.hops.amount, explored.measures.tokens.amount) == (seen.hops, seen.tokens)
        assert frozenset(explored.reached) == seen.places


@needs_spin
def test_a_broken_policy_is_named_as_users_run_it(tmp_path):
    """`spin -search` on the text as it is reports a policy that some run breaks, and none that all runs keep."""
    number = next(n for n in range(60) if {j.verdict for j in explore(drawn(n).definition).policies} >= {"violated"})
    text = promela(drawn(number).definition)
    (tmp_path / "m.pml").write_text(text)
    ran = subprocess.run(
        [checkers.SPIN, "-search", "-c0", "m.pml"],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )

    violated = [n for n, j in enumerate(explore(drawn(number).definition).policies, 1) if j.verdict == "violated"]
    assert [n for n in range(1, 8) if f"assertion violated policy_{n} " in ran.stdout] == violated


@pytest.mark.parametrize("write", [promela, tla, canonical])
def test_the_text_is_the_same_in_every_process(write):
    """No order of a set or hash shows in what is written."""
    code = f"from machines.shop import ShopFloor; from {write.__module__} import {write.__name__} as write; "
    texts = {
        subprocess.run(
            [sys.executable, "-c", code + "print(write(ShopFloor.definition), end='')"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    }

    assert texts == {write(ShopFloor.definition)}


def test_names_are_kept():
    """A reader finds the machine's own names in both languages, beside what its guards and policies say."""
    definition = ShopFloor.definition

    for text in (promela(definition), tla(definition)):
        assert all(name in text for name in (*definition.states, *definition.finals))
        assert all(handoff.name in text for handoff in definition.handoffs)
        assert definition.digest in text


def test_the_texts_are_ascii():
    """Whatever names and texts hold, both languages are written in ASCII, without control characters."""
    for text in (promela(hostile().definition), tla(hostile().definition)):
        assert text.replace("\n", "").isprintable()
        assert text.isascii()


def test_json_is_what_the_digest_is_over():
    """The digest can be computed again from the JSON alone."""
    read = json.loads(canonical(hostile().definition))

    text = json.dumps(read["definition"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() == read["digest"]
    assert read["digest"] == hostile().definition.digest


def test_a_guard_is_asked_in_the_order_of_its_reading():
    """On entry a guard is open once it reads a field that the agent writes, and closed if it is before."""

    class Pair(Context):
        a: Given[bool] = False
        b: Given[bool] = False

    @guard
    def both(pair: Pair) -> bool:
        return pair.a and pair.b

    class Order(Machine[Pair]):
        """Write the second field."""

        one = State(act, writes=(Pair.b,), initial=True)
        done, human = Final(), Final(fallback=True)
        go = one.to(done, guard=both)
        otherwise = one.to(human)

    edge = finite_model(Order.definition).places[0].exits[0]
    a, b = finite_model(Order.definition).variables
    assert edge.foreseen == Fork(a, (False, True))
    assert edge.holds == Fork(a, (False, Fork(b, (False, True))))


def test_an_opaque_leaf_is_one_variable():
    """A leaf that reads what cannot be listed is a variable, the same one in every guard that it is part of."""
    modelled = finite_model(hostile().definition)

    (leaf,) = (variable for variable in modelled.variables if not variable.is_field)
    assert leaf.name == "is_empty"
    assert not modelled.is_exact
    assert [place.name for place in modelled.places if leaf in place.writes] == ["CASE"]


def test_a_field_that_is_not_given_starts_at_its_default():
    """Runs begin with any value of what is given, and with the default of everything else."""
    starts = {v.name: v.starts for v in finite_model(drawn(0).definition).variables if v.is_field}

    assert starts["a"] == (False, True)
    assert starts.get("b", (False,)) == (False,)


class Derived(Context):
    a: bool
    b: bool = False

    @model_validator(mode="before")
    @classmethod
    def derive(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {"b": values["a"], **values}


@guard
def is_derived(context: Derived) -> bool:
    return context.b


def test_a_field_that_a_validator_derives_starts_with_any_value():
    """A run may begin otherwise than with the default, so a model that begins with it alone would prove too much."""

    class Deriving(Machine[Derived]):
        """Leave by what was derived."""

        one = State(LLMAgent("Go on."), initial=True)
        done, human = Final(), Final(fallback=True)
        on, off = one.to(done, "derived", guard=is_derived), one.to(human, "not")

    assert {"b": (False, True)} == {v.name: v.starts for v in finite_model(Deriving.definition).variables}


class Parcel(Context):
    weight: int = 3
    promised: Given[int] = 3
    labels: tuple[str, ...] = Field(default_factory=tuple)
    insured: bool = False


class Weighed(Parcel):
    @model_validator(mode="before")
    @classmethod
    def weigh(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {"weight": 5, **values}


@guard
def is_light(parcel: Parcel) -> bool:
    return parcel.weight < 4


@guard
def is_promised(parcel: Parcel) -> bool:
    return parcel.promised < 4


@guard
def is_labelled(parcel: Parcel) -> bool:
    return len(parcel.labels) > 0


@guard
def is_cared_for(parcel: Parcel) -> bool:
    return parcel.insured or parcel.weight < 4


@pytest.mark.parametrize(
    ("asked", "context", "first"),
    [
        pytest.param(is_light, Parcel, (True,), id="of its default, which every run begins with"),
        pytest.param(is_promised, Parcel, (False, True), id="of what the caller gives"),
        pytest.param(is_labelled, Parcel, (False, True), id="of what a factory makes"),
        pytest.param(is_cared_for, Parcel, (False, True), id="of a listed field too, which has a variable of its own"),
        pytest.param(is_light, Weighed, (False, True), id="of what a validator derives"),
    ],
)
def test_an_opaque_leaf_starts_with_every_answer_that_a_run_may_begin_with(asked, context, first):
    """Its first answer is one alone only where each run begins with the same value of all that it may read."""

    class Packing(Machine[context]):
        """Leave by what was asked."""

        one = State(LLMAgent("Go on."), initial=True)
        done, human = Final(), Final(fallback=True)
        on, off = one.to(done, "so", guard=asked), one.to(human, "not")

    (leaf,) = (variable for variable in finite_model(Packing.definition).variables if not variable.is_field)
    assert leaf.starts == first


def test_distinct_names_stay_distinct():
    """Names that become the same identifier are numbered."""
    assert distinct(["a b", "a_b", "a_b_2", "é", ""], "at_") == ("at_a_b", "at_a_b_2", "at_a_b_2_2", "at_x", "at_x_2")


def test_labels_of_values():
    """A value is called as its user would call it."""
    assert [label(value) for value in (Mood.CALM, "x y", None, 3)] == ["CALM", "x y", "None", "3"]


@pytest.mark.parametrize("text", ["*/", "/*", "(*", "*)", "(*)", "/*/", "**/"])
def test_no_text_ends_a_comment(text):
    """Nothing that begins or ends a comment in either language is left of a text."""
    assert not any(mark in plain(text) for mark in ("*/", "/*", "(*", "*)"))
