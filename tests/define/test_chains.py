"""Chains: handoffs from state to state, written as one line."""

from __future__ import annotations

import pickle
from typing import Annotated, Any, cast

import pytest
from pydantic import Field

from fsm_orch import Context, DefinitionError, Final, LLMAgent, Machine, Runner, ScriptedModel, State, Visit, never


class Article(Context):
    """A text in the making."""

    source: str
    facts: Annotated[str, Field(max_length=40)] | None = None
    draft: str | None = None
    text: Annotated[str, Field(max_length=10)] | None = None


class Newsroom(Machine[Article]):
    """Turn a source into a short text."""

    extract = State(LLMAgent("List the facts.", reads=Article.source, writes=Article.facts), initial=True)
    write = State(LLMAgent("Write a paragraph.", reads=Article.facts, writes=Article.draft))
    shorten = State(LLMAgent("Shorten it.", reads=Article.draft, writes=Article.text))
    printed, dropped = Final(), Final(fallback=True)
    flow = extract >> write >> shorten >> printed
    policies = (never(printed).before(flow),)


def rest(visit: Visit[Any]) -> None:
    """Do nothing."""


def test_a_chain_names_its_handoffs() -> None:
    """Each handoff of a chain is named by it and its place, and is an attribute of the machine."""
    names = [(handoff.name, handoff.sources[0].name, handoff.target.name) for handoff in Newsroom.definition.handoffs]

    assert names == [("flow_1", "extract", "write"), ("flow_2", "write", "shorten"), ("flow_3", "shorten", "printed")]
    assert pickle.loads(pickle.dumps(Newsroom.flow.handoffs[1])) is Newsroom.flow.handoffs[1]


def test_a_sole_handoff_bears_the_name_itself() -> None:
    """A chain of one handoff is named like one that is declared by `to`, and makes the same machine."""

    def build(*, is_chain: bool) -> type[Machine[Article]]:
        class Desk(Machine[Article]):
            a = State(rest, initial=True)
            done, human = Final(), Final(fallback=True)
            go = a >> done if is_chain else a.to(done)

        return Desk

    assert build(is_chain=True).definition.digest == build(is_chain=False).definition.digest


def choose(visit: Visit[Article]) -> Any:
    """Name the handoff of a chain of one."""
    return Choosing.other


class Choosing(Machine[Article]):
    """Choose by code among chains of one."""

    a = State(choose, initial=True)
    done, end, human = Final(), Final(), Final(fallback=True)
    go = a >> done
    other = a >> end


def test_a_sole_handoff_is_what_its_name_means() -> None:
    """It stands where one is named: in a reply, a turn, and what is pickled."""
    result = Runner(Choosing).run_sync(Article(source="x"))

    assert result.state is Choosing.end
    assert ["other"] == [step.handoff for step in result.path]
    assert pickle.loads(pickle.dumps(Choosing.other)) is Choosing.other


def test_several_states_begin_a_chain() -> None:
    """What is joined by | leads on together."""

    class Desk(Machine[Article]):
        a, b = State(rest, initial=True), State(rest)
        done, human = Final(), Final(fallback=True)
        to_b = a.to(b)
        end = (a | b) >> done

    assert [source.name for source in Desk.definition.handoffs[1].sources] == ["a", "b"]


def test_the_order_of_declaration_is_kept() -> None:
    """A handoff of a chain stands where the chain does: of two that are open the first declared is taken."""

    class Desk(Machine[Article]):
        a = State(rest, initial=True)
        done, other, human = Final(), Final(), Final(fallback=True)
        first = a >> done
        second = a.to(other)

    assert Runner(Desk).run_sync(Article(source="x")).state is Desk.done


def test_nothing_leads_on_from_an_end() -> None:
    """A chain ends in a final state."""
    a, done, b = State(rest), Final(), State(rest)

    with pytest.raises(TypeError, match=r"so the one of .*test_chains.py:\d+ is the last of its chain"):
        a >> done >> b


def test_a_chain_leads_to_one_state_at_a_time() -> None:
    """Several states can begin a chain and none can follow in it; the error names them."""
    one, two, three = State(rest), State(rest), State(rest)

    with pytest.raises(TypeError, match=r"leads to one State or Final, not to <State > \| <State >$"):
        one >> cast("Any", two | three)


def test_a_name_in_a_chain_is_nothing_else() -> None:
    """An attribute that bears the name of a handoff in a chain is found."""
    with pytest.raises(DefinitionError, match=r"FSM114[\s\S]*'go_2' is a handoff of the chain 'go', and another"):

        class Desk(Machine[Article]):
            a, go_2 = State(rest, initial=True), State(rest)
            done, human = Final(), Final(fallback=True)
            go = a >> go_2 >> done


async def test_a_pipeline_validates_each_step() -> None:
    """What does not fit the type of a step's field is refused, told to the model, and repaired."""
    long = "x" * 11
    model = ScriptedModel([{"facts": "a"}, {"draft": "b"}, {"text": long}, {"text": "short"}])
    result = await Runner(Newsroom, model=model, limits=Newsroom.limits.model_copy(update={"tokens": 20_000})).run(
        Article(source="news")
    )

    assert (result.state, result.context.text) == (Newsroom.printed, "short")
    assert [hop.handoff for hop in result.path] == ["flow_1", "flow_2", "flow_3"]
    assert "at most 10 characters" in model.requests[-1].messages[-1].content
