"""Windows on a conversation: what crosses a handoff."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fsm_orch.agents.window import Window
from fsm_orch.messages import Message, ToolCall

AGENTS = ("triage", "billing")
calls = st.builds(ToolCall, id=st.sampled_from("123"), name=st.just("look"), arguments=st.just("{}"))


@st.composite
def messages(draw: st.DrawFn) -> Message:
    agent = draw(st.sampled_from((None, *AGENTS)))
    role = "user" if agent is None else draw(st.sampled_from(("assistant", "tool")))
    return Message(
        role=role,
        content=draw(st.text(max_size=30)),
        agent=agent,
        tool_calls=tuple(draw(st.lists(calls, max_size=2))) if role == "assistant" else (),
        tool_call_id="1" if role == "tool" else None,
    )


conversations = st.lists(messages(), max_size=12).map(tuple)
windows = st.builds(Window, messages=st.integers(0, 8), chars=st.integers(0, 90))


@given(windows, conversations, st.sampled_from(AGENTS))
def test_a_view_never_exceeds_its_caps(window: Window, conversation: tuple[Message, ...], agent: str) -> None:
    """A view has at most so many messages and so many characters together."""

    view = window.view(conversation, agent=agent)

    assert len(view) <= window.messages
    assert sum(len(message.content) for message in view) <= window.chars


@given(windows, conversations, st.sampled_from(AGENTS))
def test_tool_calls_of_others_never_cross(window: Window, conversation: tuple[Message, ...], agent: str) -> None:
    """Tool calls and their results are seen by the agent that made them, and by no other."""

    view = window.view(conversation, agent=agent)

    assert [] == [m for m in view if m.agent != agent and (m.tool_calls or m.role == "tool")]


def visible(conversation: tuple[Message, ...], agent: str) -> list[Message]:
    """What an agent might see without any cap, written apart from the library."""
    shown = []
    for message in conversation:
        if message.agent in (agent, None):
            shown.append(message)
        elif message.role != "tool" and (message.content or not message.tool_calls):
            shown.append(replace(message, tool_calls=()))
    return shown


@given(conversations, st.sampled_from(AGENTS))
def test_a_wide_window_shows_everything_visible(conversation: tuple[Message, ...], agent: str) -> None:
    """Without a cap that binds, all of the user's words, one's own and what others said are seen in order."""

    expected = visible(conversation, agent)

    assert expected == list(Window(messages=100, chars=10_000).view(conversation, agent=agent))


@given(windows, conversations, st.sampled_from(AGENTS))
def test_the_newest_are_kept(window: Window, conversation: tuple[Message, ...], agent: str) -> None:
    """A view is the newest part without a gap; only its newest message may be cut, and only if it stands alone."""

    view = list(window.view(conversation, agent=agent))
    newest = visible(conversation, agent)

    if view and view[-1] != newest[-1]:
        assert 1 == len(view)
        kept = view[0].content.removesuffix(" [...]")
        assert newest[-1].content.startswith(kept)
        assert replace(newest[-1], content=view[0].content) == view[0]
        assert window.chars == len(view[0].content)
    else:
        assert newest[len(newest) - len(view) :] == view


@given(windows, conversations, st.sampled_from(AGENTS))
def test_a_view_is_as_long_as_it_can_be(window: Window, conversation: tuple[Message, ...], agent: str) -> None:
    """An older message is left out only where a cap says so."""

    view = window.view(conversation, agent=agent)
    newest = visible(conversation, agent)

    is_cut = bool(view) and view[-1] != newest[-1]
    if len(view) < min(window.messages, len(newest)) or is_cut:
        too_much = newest[len(newest) - len(view) - (0 if is_cut else 1) :]
        assert sum(len(m.content) for m in too_much) > window.chars


def test_a_cut_message_says_so() -> None:
    """The newest message is cut to the cap and marked."""

    long = Message(role="user", content="x" * 50)

    assert ("x" * 14 + " [...]",) == tuple(m.content for m in Window(chars=20).view([long], agent="triage"))


def test_zero_messages_hide_the_conversation() -> None:
    """A window of 0 messages shows nothing."""

    assert () == Window(messages=0).view([Message(role="user", content="hi")], agent="triage")


@pytest.mark.parametrize("caps", [{"messages": -1}, {"chars": -1}])
def test_negative_caps_are_refused_or_show_nothing(caps: dict[str, int]) -> None:
    """A negative cap is refused when it is declared, or shows nothing; it never drops the oldest only."""

    talk = [Message(role="user", content="one"), Message(role="user", content="two")]
    try:
        window = Window(**caps)
    except ValueError:
        return

    assert () == window.view(talk, agent="triage")
