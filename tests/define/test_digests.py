"""The digest of a definition: what is in it, and that it has one spelling."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from pydantic import Field
from support.changed import (
    BASE,
    CHANGES,
    OPTIONS_OF_AGENTS,
    SPECIFIED,
    Lines,
    build,
    routed_machine,
    shown,
    specified,
    with_ends,
    work,
)

from fsm_orch import Context, DefinitionError, Final, Limits, Machine, Nested, State, Visit
from fsm_orch.define.agent_spec import AgentSpec


def test_the_digest_is_a_hash_of_json() -> None:
    """A digest is 64 hex digits over canonical JSON, the same whenever the same machine is built."""
    assert 64 == len(BASE)
    assert int(BASE, 16)
    assert BASE == build().digest
    assert json.loads(json.dumps(build().canonical)) == build().canonical


def test_all_changes_make_digests_of_their_own() -> None:
    """Whatever decides how a run moves is in the digest: no two of the changes above make the same machine."""
    same: dict[str, list[str]] = {BASE: ["nothing"], SPECIFIED: ["an agent that says nothing"]}
    for change in CHANGES:
        same.setdefault(build(**change).digest, []).append(shown(change))
    for option in OPTIONS_OF_AGENTS:
        same.setdefault(specified(**option).digest, []).append(shown(option))

    assert [] == [alike for alike in same.values() if len(alike) > 1]


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


def test_time_has_one_spelling_in_a_digest() -> None:
    """3 seconds and 3.0 are the same time, of a state and of a run."""
    three, exactly, longer = (build(state_options={"timeout_s": seconds}).digest for seconds in (3, 3.0, 3.5))

    assert three == exactly != longer
    assert build(limits=Limits(deadline_s=3)).digest == build(limits=Limits(deadline_s=3.0)).digest


def test_money_has_one_spelling_in_a_digest() -> None:
    """$0.05 and $0.050 are one limit."""
    assert build(limits=Limits(cost_usd="0.05")).digest == build(limits=Limits(cost_usd="0.050")).digest


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


def test_what_is_said_of_threads_is_in_the_digest() -> None:
    """Limits of threads, and where runs may start besides, make digests of their own; unsaid they are in none."""
    plain, tokens, dollars = (
        build(limits=limits) for limits in (Limits(), Limits(thread_tokens=10_000), Limits(thread_cost_usd="0.50"))
    )

    assert 3 == len({plain.digest, tokens.digest, dollars.digest})
    assert {"hops", "tokens", "cost_usd", "deadline_s", "visit_s"} == plain.canonical["limits"].keys()
    assert "0.5" == dollars.canonical["limits"]["thread_cost_usd"]
    assert build(state_options={"entry": True}).digest != plain.digest == build(state_options={"entry": False}).digest
