"""Conversations: roles are kept, both sides are heard, and a field is shown to those that may see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal
from unittest.mock import ANY

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from fsm_orch import (
    Context,
    Final,
    Given,
    LLMAgent,
    Machine,
    Message,
    Reply,
    Runner,
    ScriptedModel,
    StartError,
    State,
    Visit,
    Window,
)
from fsm_orch.kernel.codec import input_from_json, to_json
from fsm_orch.messages import ToolCall


class Query(Context):
    """What a customer asks, what only the desk sees, and what is answered."""

    text: str
    account: Given[str] = "A-77"
    note: str | None = None
    answer: str | None = None


WIDE = Window(messages=50, chars=9_000)


class Chat(Machine[Query]):
    """Talk."""

    talk = State(LLMAgent("Talk.", reads=Query.text, window=WIDE), initial=True)
    done, human = Final(), Final(fallback=True)
    ok = talk.to(done, "answered")


class Desk(Machine[Query]):
    """Route, look at the account, and answer."""

    triage = State(LLMAgent("Route.", reads=Query.text), initial=True)
    look = State(LLMAgent("Look.", reads=(Query.text, Query.account), writes=Query.note))
    reply = State(LLMAgent("Answer.", reads=(Query.text, Query.note), writes=Query.answer))
    done, human = Final(), Final(fallback=True, sets={Query.answer: "A colleague writes to you."})
    to_look, to_human = triage.to(look, "a question"), triage.to(human, "anything else")
    looked = look.to(reply, "the note is written")
    ok = reply.to(done, "answered")


def look(visit: Visit[Query]) -> Reply:
    """Say what it is handed of the conversation."""
    heard = "; ".join(said.content for said in visit.messages)
    return Reply(messages=(Message(role="assistant", content=heard, agent="look"),))


class ByCode(Machine[Query]):
    """Look by code."""

    look_ = State(look, reads=Query.account, initial=True)
    done, human = Final(), Final(fallback=True)
    end = look_.to(done)


def relay(visit: Visit[Query]) -> Reply:
    """Say what came of a tool, and what somebody said."""
    return Reply(
        messages=(
            Message(role="user", content="Hi"),
            Message(role="assistant", content="", tool_calls=(ToolCall(id="1", name="look", arguments="{}"),)),
            Message(role="tool", content="42", tool_call_id="1"),
        )
    )


class Relay(Machine[Query]):
    """Relay a conversation."""

    relay = State(relay, initial=True)
    done, human = Final(), Final(fallback=True)
    end = relay.to(done)


def write(visit: Visit[Query]) -> dict[Any, Any]:
    return {Query.note: visit.state.name}


class Twice(Machine[Query]):
    """Write one field twice."""

    one = State(write, writes=Query.note, initial=True)
    two = State(write, writes=Query.note)
    done, human = Final(), Final(fallback=True)
    on, end = one.to(two), two.to(done)


def turns(machine: type[Machine[Any, Any]], asked: Sequence[str], *script: Any) -> tuple[ScriptedModel, Any]:
    """Run a turn for each text, each on the messages of the one before; return the model and the last result."""
    model, result = ScriptedModel(script), None
    for text in asked:
        said = result.messages if result else ()
        result = Runner(machine, model=model).run_sync(Query(text=text), messages=said)
    return model, result


def sent(model: ScriptedModel, number: int) -> list[tuple[str, str]]:
    return [(said.role, said.content) for said in model.requests[number].messages if said.role != "system"]


def test_three_turns_are_a_conversation() -> None:
    """Each prompt holds what both sides said before, in order and each with its role."""
    model, _ = turns(Chat, ["I am Ann", "Who am I?", "And you?"], "Hello Ann", "Ann", "Bob")

    assert sent(model, 2) == [
        ("user", '{"text":"I am Ann"}'),
        ("assistant", "Hello Ann"),
        ("user", '{"text":"Who am I?"}'),
        ("assistant", "Ann"),
        ("user", '{"text":"And you?"}'),
    ]


def test_what_is_written_into_fields_is_said_too() -> None:
    """An agent sees in the next turn what was given and written before, of the fields that are its own to see."""
    script = [{"handoff": "to_look"}, {"note": "gold customer"}, {"answer": "On Monday."}]

    model, result = turns(Desk, ["When?", "And where?"], *script, *script)

    first = [("user", '{"text":"When?"}')]
    assert sent(model, 3) == [*first, ("user", '{"text":"And where?"}')]
    assert sent(model, 4)[:-1] == [
        ("user", '{"text":"When?","account":"A-77"}'),
        ("assistant", '{"note":"gold customer"}'),
    ]
    assert sent(model, 5)[:-1] == [
        *first,
        ("assistant", '{"note":"gold customer"}'),
        ("assistant", '{"answer":"On Monday."}'),
    ]
    assert "account" not in str(sent(model, 5))
    assert result.messages[-1].agent == "reply"


def test_what_a_landed_run_says_is_said() -> None:
    """The default answer, which the customer got, is part of the conversation."""
    _, result = turns(Desk, ["Hi"], {"handoff": "to_human"})

    assert [(m.role, m.agent, m.content) for m in result.messages] == [
        ("user", None, '{"text":"Hi","account":"A-77"}'),
        ("assistant", "human", '{"answer":"A colleague writes to you."}'),
    ]


def test_code_that_reads_a_conversation_sees_its_fields_alone() -> None:
    """What an own agent is handed of a conversation shows it no field that it does not declare."""
    _, before = turns(Desk, ["Hi"], {"handoff": "to_human"})
    result = Runner(ByCode).run_sync(Query(text="x"), messages=before.messages)

    shown = Message(role="assistant", content='{"account":"A-77"}', agent="look")
    assert result.messages == (
        *before.messages,
        Message(role="user", content='{"account":"A-77"}', fields=("account",)),
        shown,
    )


def test_what_an_agent_says_is_signed() -> None:
    """What an agent says without its name is its own, so that the next run can place it; a user's words are not."""
    result = Runner(Relay).run_sync(Query(text="x"))
    again = Runner(Relay).run_sync(Query(text="y"), messages=result.messages)

    assert [(m.role, m.agent) for m in again.messages] == [
        ("user", None),
        ("assistant", "relay"),
        ("tool", "relay"),
    ] * 2


def test_a_field_that_is_written_twice_is_said_once() -> None:
    """A field is said where it was written last."""
    result = Runner(Twice).run_sync(Query(text="x"))

    assert [(m.agent, m.content) for m in result.messages] == [("two", '{"note":"two"}')]


roles = st.sampled_from(("system", "user", "assistant"))
history = st.lists(
    st.builds(Message, role=roles, content=st.text(max_size=8), agent=st.sampled_from((None, "talk", "other"))),
    max_size=6,
)


@given(history)
def test_a_history_keeps_its_roles(messages: list[Message]) -> None:
    """Every message that is given reaches the model as said by its role, whoever wrote it, and stays in the result."""
    model = ScriptedModel(["Hi"])

    result = Runner(Chat, model=model).run_sync(Query(text="x"), messages=messages)

    assert [(m.role, m.content) for m in model.requests[0].messages[1:-1]] == [(m.role, m.content) for m in messages]
    assert list(result.messages[: len(messages)]) == messages
    assert result.messages == Runner(Chat, model=model).replay(result.journal).messages
    assert result.journal == tuple(input_from_json(to_json(one)) for one in result.journal)


CALL = ToolCall(id="1", name="look", arguments="{}")


@pytest.mark.parametrize(
    "said",
    [
        Message(role="tool", content="42", tool_call_id="1"),
        Message(role="assistant", content="", tool_calls=(CALL,)),
        Message(role="assistant", content="I look.", tool_calls=(CALL,)),
    ],
)
def test_tool_calls_of_nobody_are_refused(said: Message) -> None:
    """A call of a tool, or its result, that no agent of a machine made has no place, and is not lost in silence."""
    with pytest.raises(StartError, match=r"call of a tool, or its result, that is no agent's: .* agent="):
        Runner(Chat, model=ScriptedModel([])).run_sync(Query(text="x"), messages=[said])


def test_own_tool_calls_go_with_their_results() -> None:
    """An agent sees its own calls and results, and never a result whose call its window cut off."""
    called = Message(role="assistant", content="", tool_calls=(CALL,), agent="talk")
    result = Message(role="tool", content="42", tool_call_id="1", agent="talk")
    wide, narrow = ScriptedModel(["Hi"]), ScriptedModel(["Hi"])

    class Narrow(Machine[Query]):
        talk = State(LLMAgent("Talk.", reads=Query.text, window=Window(messages=1)), initial=True)
        done, human = Final(), Final(fallback=True)
        ok = talk.to(done, "answered")

    Runner(Chat, model=wide).run_sync(Query(text="x"), messages=[called, result])
    Runner(Narrow, model=narrow).run_sync(Query(text="x"), messages=[called, result])

    assert wide.requests[0].messages[1:-1] == (called, result)
    assert narrow.requests[0].messages[1:-1] == ()


class Same(list[Message]):
    """A list that says it equals anything."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Undecided(list[Message]):
    """A list that cannot say what it equals, as arrays and tables cannot."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("the truth value is ambiguous")

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("kind", [Same, Undecided])
def test_a_conversation_is_not_asked_what_it_equals(kind: type[list[Message]]) -> None:
    """What a run is given is heard, whatever its own `==` answers."""
    said = kind([Message(role="user", content="Hello")])

    result = Runner(Chat, model=ScriptedModel(["Hi"])).run_sync(Query(text="x"), messages=said)

    assert "Hello" == result.messages[0].content


@pytest.mark.parametrize(
    ("made", "error", "said"),
    [
        ({"content": None}, TypeError, "content of a message is text, not None: write '' if there is none"),
        ({"content": [{"type": "text"}]}, TypeError, "is text, not list: join the texts of its parts"),
        ({"content": b"x"}, TypeError, "is text, not bytes: decode it"),
        ({"content": 7}, TypeError, "is text, not int: write its text"),
        ({"content": "\ud800"}, ValueError, "holds a lone surrogate"),
        ({"role": "developer"}, ValueError, "one of system, user, assistant, tool, summary, not 'developer'"),
        ({"role": ["user"]}, ValueError, "one of system, user, assistant, tool"),
        ({"agent": 7}, TypeError, "the agent of a message is text, not int"),
        ({"tool_calls": [CALL]}, TypeError, "a tuple of ToolCall"),
        ({"tool_calls": ({"id": "1"},)}, TypeError, "a tuple of ToolCall"),
        ({"tool_calls": ANY}, TypeError, "a tuple of ToolCall"),
        ({"tool_call_id": 1}, TypeError, "the tool_call_id of a message is text, not int"),
        ({"fields": ("text",)}, ValueError, "a JSON object of exactly these"),
        ({"fields": ("text",), "content": '{"other":1}'}, ValueError, "a JSON object of exactly these"),
    ],
)
def test_a_message_says_what_is_wrong_with_it(made: dict[str, Any], error: type[Exception], said: str) -> None:
    """What no model could be sent is refused where it is written, without what it held."""
    with pytest.raises(error, match=said):
        Message(**{"role": "user", "content": "x", **made})


def test_a_tool_call_is_text() -> None:
    """Arguments are JSON as text, and not yet an object."""
    arguments: Any = {"order": 1}

    with pytest.raises(TypeError, match="the arguments of a tool call is text, not dict"):
        ToolCall(id="1", name="look", arguments=arguments)


def test_a_secret_in_a_message_is_not_shown() -> None:
    """What is refused as no text is not quoted."""

    class Secret:
        def __str__(self) -> str:
            return "sk-1234"

        __repr__ = __str__

    content: Any = Secret()
    with pytest.raises(TypeError) as caught:
        Message(role="user", content=content)

    assert "sk-1234" not in str(caught.value)


def test_fields_that_a_window_cuts_become_text() -> None:
    """A message that is cut shows no whole field any more, and says so."""
    long = Message(role="user", content=f'{{"text":"{"x" * 50}"}}', fields=("text",))

    (cut,) = Window(chars=20).view([long], agent="talk")

    assert (cut.content, cut.fields) == ('{"text":"xxxxx [...]', UNSET)


def test_messages_are_stored_as_ever() -> None:
    """A message without fields is written as it was before there were any, and read from what was stored then."""
    role: Literal["user"] = "user"
    stored = b'{"kind":"replied","messages":[{"role":"user","content":"x","agent":null,"tool_calls":[],'
    stored += b'"tool_call_id":null}],"at":0.0}'

    read = input_from_json(stored)

    assert to_json(read) == stored
    assert getattr(read, "messages", None) == (Message(role=role, content="x"),)
