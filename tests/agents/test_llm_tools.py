"""LLM agents with tools: what a request offers, what comes of a use, and what the next request shows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.shop import (
    DONE,
    SOLVED,
    Shorten,
    Ticket,
    desk,
    order_status,
    refund,
    run,
    told,
    use,
    use_all,
)

from fsm_orch import CallFailed, LLMAgent, Message, Tool, to_json
from fsm_orch.kernel.records import Answered, Refused
from fsm_orch.models import Request

STATUS = Tool(order_status, choices={"order": Ticket.numbers})
REFUSED = "Your last reply was refused: "


def offers(request: Request) -> set[str]:
    """Return what a request offers: the names of its tools, and those of its handoffs."""
    text = json.dumps(request.schema)
    known = ("order_status", "refund", "Shorten", "solved", "other", "none_of_these", "use_all", '"answer"')
    return {name.strip('"') for name in known if json.dumps(name.strip('"')) in text}


def test_a_request_tells_the_tools_and_both_ways_to_reply() -> None:
    """What each takes, what it is for, and whether a human must approve it; then the handoffs as always."""
    _, model = run(desk(STATUS, Tool(refund, approval=True), Shorten), DONE, numbers=(4711, 815, 4711))

    assert model.requests[0].messages == (
        Message(
            role="system",
            content="\n".join(
                [
                    "Help.",
                    "Choose one handoff:",
                    "- solved: it is solved",
                    "- other: anything else",
                    "You may use tools:",
                    "- order_status(order: 4711 or 815): Return where an order is.",
                    "- refund(cents): Pay money back. A human must approve it.",
                    "- Shorten(text): Make a text short.",
                    'To use a tool, reply with one JSON object {"reply": {"use": {"tool": ..., "arguments": {...}}}}.',
                    "To use several at once, reply with one JSON object "
                    '{"reply": {"use_all": [{"tool": ..., "arguments": {...}}, ...]}}.',
                    'To decide, reply with one JSON object {"reply": {...}} with the keys handoff, answer in it.',
                ]
            ),
        ),
        Message(role="user", content='{"query":"help","numbers":[4711,815,4711]}'),
    )


def test_what_came_is_shown_in_the_next_requests_and_stays_out_of_the_conversation() -> None:
    """In the order in which it was asked for, over all rounds of the visit; the messages of the run have none of it."""
    result, model = run(
        desk(order_status, asks=3),
        use_all(("order_status", {"order": 815}), ("order_status", {"order": 4711})),
        use("order_status", order=1),
        SOLVED,
    )

    assert [(said.role, said.content) for said in model.requests[2].messages[2:]] == [
        ("assistant", '{"reply":{"use":{"tool":"order_status","arguments":{"order":815}}}}'),
        ("user", '{"result":"waiting for payment"}'),
        ("assistant", '{"reply":{"use":{"tool":"order_status","arguments":{"order":4711}}}}'),
        ("user", '{"result":"shipped"}'),
        ("assistant", '{"reply":{"use":{"tool":"order_status","arguments":{"order":1}}}}'),
        ("user", '{"result":"unknown"}'),
    ]
    assert result.context.answer == "on its way"
    assert not [message for message in result.messages if "shipped" in message.content]


def test_a_machine_is_a_tool_whose_result_is_what_it_wrote() -> None:
    """The manager keeps control; the machine runs on a share, and what it was given is not told again."""
    result, model = run(desk(Shorten), use("Shorten", text="a long text"), {"short": "a text"}, SOLVED)

    assert [len(request.messages) for request in model.requests] == [2, 2, 4]
    assert told(model) == '{"result":{"short":"a text"}}'
    assert result.state.name == "done"


def test_a_machine_that_was_landed_has_failed() -> None:
    """Its manager reads where it ended, and decides."""
    result, model = run(desk(Shorten), use("Shorten", text="x"), CallFailed("down"), SOLVED)

    assert told(model) == """{"failed":"it ended in 'failed'"}"""
    assert result.landing is None


def test_a_machine_is_offered_no_more_often_than_it_may_run() -> None:
    """It runs once in a visit, unless more is said."""
    _, model = run(desk(Shorten, order_status), use("Shorten", text="x"), {"short": "y"}, DONE)
    _, twice = run(desk(Tool(Shorten, most=2), asks=3), use("Shorten", text="x"), {"short": "y"}, DONE)

    assert offers(model.requests[2]) == {"order_status", "solved", "other", "answer"}
    assert "Shorten" in offers(twice.requests[2])


def test_when_all_machines_have_run_as_often_as_they_may_the_model_may_decline() -> None:
    """What is used up forces no yes."""
    _, model = run(desk(Shorten), use("Shorten", text="x"), {"short": "y"}, SOLVED)

    assert offers(model.requests[2]) == {"solved", "other", "none_of_these", "answer"}


def breaks(order: int) -> str:
    """Break."""
    raise ValueError("secret")


def test_what_a_tool_raised_is_told_by_its_kind_and_line_alone() -> None:
    """Its text may hold anything: neither the model nor the journal is told."""
    result, model = run(desk(breaks), use("breaks", order=1), DONE)

    assert told(model).startswith('{"failed":"it failed: ValueError at test_llm_tools.py:')
    assert "secret" not in told(model)
    assert b"secret" not in b"".join(map(to_json, [*result.journal, *result.records]))
    assert result.landing is None


def lies(order: int) -> int:
    """Return a number."""
    return "secret"  # type: ignore[return-value]


def test_what_is_not_what_was_said_is_told_as_a_failure() -> None:
    """The model learns that nothing came that it could rely on."""
    _, model = run(desk(lies), use("lies", order=1), DONE)

    assert told(model) == '{"failed":"it failed: it returned a str, which is not what it says that it returns"}'


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (use("order_status", order="815"), "The arguments of order_status did not fit: order: Input should be"),
        (use("refund", cents=5), "No tool is named 'refund'. Use order_status."),
        (use_all(), "nothing is asked for"),
        (use_all(*[("order_status", {"order": 1})] * 3), "it would be 3 requests in this visit, and 2 is the most"),
        ({"reply": {"use": 5}}, "The reply did not fit"),
    ],
)
def test_arguments_that_do_not_fit_are_told_and_can_be_mended(reply: Any, why: str) -> None:
    """It is a refusal: the model sees its reply and the reason, and nothing was used."""
    result, model = run(desk(order_status), reply, use("order_status", order=815), DONE)

    assert model.requests[1].messages[-2] == Message(role="assistant", content=json.dumps(reply))
    assert told(model, 1).startswith(f"{REFUSED}{why}")
    assert [record.ok for record in result.records if isinstance(record, Answered)] == [True]
    assert REFUSED not in told(model, 2)
    assert result.landing is None


def test_a_use_refused_for_good_fails_the_visit() -> None:
    """What a model asks for is held to its form as strictly as a decision."""
    result, _ = run(desk(order_status, calls=2), use("order_status", order="x"), use("order_status", order="x"))

    assert result.landing is not None
    assert result.landing.reason == "refusal"


def test_the_last_call_of_a_visit_is_offered_no_tools() -> None:
    """Nobody would read the results; where there is a choice it may take none of it, since tools are used up."""
    _, model = run(desk(order_status, calls=2, asks=4), use("order_status", order=1), SOLVED)

    assert offers(model.requests[0]) == {"order_status", "solved", "other", "use_all", "answer"}
    assert offers(model.requests[1]) == {"solved", "other", "none_of_these", "answer"}
    assert "You may use tools" not in model.requests[1].messages[0].content


def test_tools_are_offered_no_more_when_their_uses_are_used_up() -> None:
    """As on the last call; and where there is one way to go there is nothing to decline."""
    _, model = run(desk(order_status, asks=1), use("order_status", order=1), SOLVED)
    _, sole = run(desk(order_status, asks=1, two_exits=False), use("order_status", order=1), {"answer": "x"})

    assert offers(model.requests[1]) == {"solved", "other", "none_of_these", "answer"}
    assert offers(sole.requests[0]) == {"order_status", "answer"}
    assert offers(sole.requests[1]) == {"answer"}


def test_a_request_that_is_tried_again_is_drawn_anew() -> None:
    """The first try had a call after it, the second has none: so it offers no tools."""
    down = CallFailed("down", transient=True, retry_after_s=0.001)
    result, model = run(desk(order_status, calls=2), down, SOLVED)

    assert ["order_status" in offers(request) for request in model.requests] == [True, False]
    assert result.state.name == "done"


def test_tool_first_offers_nothing_but_tools_until_one_has_answered() -> None:
    """A failure is an answer too; then the handoffs are offered, and the tools beside them."""
    _, model = run(desk(breaks, order_status, tool_first=True), use("breaks", order=1), DONE)

    assert offers(model.requests[0]) == {"order_status", "use_all"}
    assert "First use a tool:" in model.requests[0].messages[0].content
    assert "handoff" not in model.requests[0].messages[0].content
    assert offers(model.requests[1]) == {"order_status", "solved", "other", "answer"}


def test_a_decision_that_comes_too_early_is_refused() -> None:
    """The model is told, and asked again; whoever insists is landed."""
    _, model = run(desk(order_status, tool_first=True), DONE, use("order_status", order=1), DONE)
    result, _ = run(desk(order_status, tool_first=True, calls=2), DONE, DONE)

    assert told(model, 1) == f"{REFUSED}It is too early to decide: first use order_status."
    assert result.landing is not None


def test_who_asks_once_too_often_is_told_that_no_tool_is_offered() -> None:
    """Not that fields are missing: the form has changed, and the model goes on as before."""
    _, model = run(desk(order_status, asks=1), *[use("order_status", order=1)] * 2, DONE)

    assert told(model, 2) == (
        f"{REFUSED}The reply did not fit: no tool can be used here, so reply with the decision alone, "
        'and no "reply" around it.'
    )


@pytest.mark.parametrize(
    ("numbers", "script", "refused", "landing"),
    [
        ((), (), ["declined"], "declined"),
        ((1,), ({"reply": 5},), ["missing_field", "must_ask"], "refusal"),
        ((1,), (CallFailed("down", transient=True, retry_after_s=0.001),), [], "failure"),
    ],
)
def test_a_call_that_could_be_offered_nothing_is_not_made(
    numbers: tuple[int, ...], script: tuple[Any, ...], refused: list[str], landing: str
) -> None:
    """Neither a tool, with no choice for it or nobody to read its result, nor a handoff, for which it is too early."""
    result, model = run(desk(STATUS, tool_first=True, calls=2), *script, numbers=numbers)

    assert len(model.requests) == len(script)
    assert [record.reason for record in result.records if isinstance(record, Refused)] == refused
    assert result.landing is not None
    assert result.landing.reason == landing


def test_choices_that_hold_nothing_leave_the_tool_out() -> None:
    """The model then decides with the tools that are left."""
    _, model = run(desk(STATUS, Shorten), DONE)

    assert offers(model.requests[0]) == {"Shorten", "solved", "other", "use_all", "answer"}


def test_the_words_of_a_model_with_nothing_to_decide_are_a_message() -> None:
    """Beside tools they stand in its form, without them they are free text."""
    machine = desk(order_status, writes=(), two_exits=False, asks=1)
    said, _ = run(machine, {"reply": {"text": "hello"}})
    free, model = run(machine, use("order_status", order=1), "hello")

    assert said.messages[-1] == free.messages[-1] == Message(role="assistant", content="hello", agent="work")
    assert model.requests[1].schema is None


def long(order: int) -> str:
    """Return a long text."""
    return "x" * 400


def test_results_are_shortened_where_the_prompt_would_be_too_long() -> None:
    """What a context holds is not known when the class is built; so results give way, and the request is not denied."""
    machine = desk(Tool(long, most_chars=400), max_input_tokens=900)
    _, model = run(machine, use_all(("long", {"order": 1}), ("long", {"order": 2})), SOLVED)

    assert [len(said.content) for said in model.requests[1].messages[3::2]] == [111, 111]


def test_what_was_refused_before_a_round_is_not_told_after_it() -> None:
    """The round has mended it."""
    _, model = run(desk(order_status), {"reply": 5}, use("order_status", order=1), {"reply": 5}, SOLVED)

    assert [REFUSED in told(model, number) for number in range(4)] == [False, True, False, True]
    assert [message.role for message in model.requests[3].messages] == ["system", "user", *["assistant", "user"] * 2]


NAMES = st.lists(st.integers(0, 10**6), min_size=1, max_size=3)


@given(st.booleans(), NAMES, st.text(alphabet="abc", max_size=8), st.booleans(), st.integers(1, 3))
def test_a_request_without_tools_is_no_longer_than_one_with_them(
    two_exits: bool, numbers: list[int], does: str, first: bool, asks: int
) -> None:
    """So the bound of the one that was counted holds for the one that is drawn for another try."""
    machine = desk(STATUS, two_exits=two_exits, does=does, tool_first=first, calls=2, asks=asks)
    _, model = run(machine, use("order_status", order=numbers[0]), "x", numbers=tuple(numbers))
    with_tools, without = model.requests
    results = sum(len(said.content) for said in without.messages[2:])
    asked, plain = [
        len(json.dumps(request.schema)) + sum(len(said.content) for said in request.messages)
        for request in (with_tools, without)
    ]

    assert first or plain - results <= asked


def test_an_agent_with_tools_makes_four_calls_and_asks_twice() -> None:
    """So are the bounds of its visit: 9,216 tokens, where one without tools takes 4,608."""
    spec, plain = LLMAgent("Help.", tools=order_status).spec, LLMAgent("Help.").spec

    assert (spec.calls, spec.asks, plain.calls, plain.asks) == (4, 2, 2, 0)


@pytest.mark.parametrize("options", [{"tool_first": True}, {"asks": 2}, {"tools": order_status, "asks": 0}])
def test_options_about_tools_need_tools(options: dict[str, Any]) -> None:
    """Nothing is dropped in silence."""
    with pytest.raises(ValueError, match="tools"):
        LLMAgent("Help.", **options)


def test_two_tools_of_one_name_are_refused() -> None:
    """The model could not tell them apart."""
    with pytest.raises(TypeError, match="two tools are named 'order_status'"):
        LLMAgent("Help.", tools=(order_status, STATUS))
