"""The form of a request that offers tools: its schema, and how replies are read."""

from __future__ import annotations

import json
from enum import Enum
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from support.fits import fits
from support.provider_dialects import check_schema
from support.shop import Shorten, Ticket, order_status, refund, use, use_all

from fsm_orch import Tool
from fsm_orch.agents.decision import Decision, form
from fsm_orch.agents.tool_form import Offered, ToolForm, tool_form
from fsm_orch.kernel.reasons import Refusal
from fsm_orch.kernel.requests import RunPart, UseTool

DECISION = form(Ticket, ("answer",), ("solved", "other"), ("solved", "other"))
SPEECH = form(Ticket, (), (), ())


class Level(Enum):
    """How urgent."""

    LOW = "low"
    HIGH = "high"


class Item(BaseModel):
    """An item."""

    name: str
    level: Level


def order(items: list[Item], place: tuple[int, str]) -> str:
    """Order items."""
    return ""


def report(items: Item | None, kind: Literal["a", 1]) -> str:
    """Report items."""
    return ""


ALL = tuple(Offered(Tool(work)) for work in (order_status, refund, order, report, Shorten))
ASKED = tool_form(ALL, DECISION, is_list=True)
LIMITED = tool_form((Offered(Tool(order_status), (("order", "[4711,815]"),)),), DECISION, is_list=False)
FIRST = tool_form((Offered(Tool(order_status)), Offered(Tool(refund))), None, is_list=False)
FORMS = (ASKED, LIMITED, FIRST, tool_form(ALL[:1], SPEECH, is_list=True))


def read(asked: ToolForm, reply: Any) -> Any:
    return asked.read(reply if isinstance(reply, str) else json.dumps(reply), is_truncated=False)


@pytest.mark.parametrize("asked", FORMS)
def test_the_schema_keeps_to_the_dialect_of_strict_modes(asked: ToolForm) -> None:
    """So it goes to every provider, and a local grammar can be made of it."""
    check_schema(json.loads(json.dumps(asked.schema)))

    assert list(asked.schema["properties"]) == ["reply"]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (use("order_status", order=1), (UseTool(name="order_status", arguments={"order": 1}),)),
        (
            use_all(("refund", {"cents": 5}), ("Shorten", {"text": "x"})),
            (UseTool(name="refund", arguments={"cents": 5}), RunPart(part="Shorten", context={"text": "x"})),
        ),
        (
            use("order", items=[{"name": "a", "level": "low"}], place={"1": 2, "2": "b"}),
            (UseTool(name="order", arguments={"items": [{"name": "a", "level": "low"}], "place": [2, "b"]}),),
        ),
        (use("report", items=None, kind=1), (UseTool(name="report", arguments={"items": None, "kind": 1}),)),
        ({"reply": {"handoff": "other", "answer": None}}, Decision("other", {"answer": None})),
        ({"reply": {"handoff": "none_of_these"}}, Decision("none_of_these", {})),
    ],
)
def test_a_reply_is_read_as_what_it_asks_for_or_decides(reply: Any, expected: Any) -> None:
    """It is valid by the schema, and read as requests with their arguments as JSON, or as a decision."""
    assert fits(reply, ASKED.schema) == (expected != Decision("none_of_these", {}))
    assert read(ASKED, reply) == expected


@pytest.mark.parametrize(
    ("asked", "reply", "reason", "detail"),
    [
        (ASKED, "", "not_json", "empty"),
        (ASKED, '{"reply": {"use"', "truncated", "unfinished"),
        (ASKED, '{"reply": {}, "reply": {}}', "duplicate_key", "twice"),
        (ASKED, {"handoff": "other", "answer": None}, "missing_field", 'under one key, {"reply"'),
        (ASKED, {"reply": 5}, "missing_field", "under one key"),
        (ASKED, {"reply": {"handoff": "other", "answer": None}, "more": 1}, "unknown_field", "keys"),
        (ASKED, {"reply": {**use("refund", cents=5)["reply"], "handoff": "other"}}, "unknown_field", "keys"),
        (ASKED, {"reply": {"use": 5}}, "wrong_type", 'a use is {"tool"'),
        (ASKED, {"reply": {"use": {"tool": "refund"}}}, "wrong_type", 'a use is {"tool"'),
        (ASKED, use("pay", cents=5), "undeclared_ask", "No tool is named 'pay'. Use order_status or refund"),
        (ASKED, {"reply": {"use": {"tool": [], "arguments": {}}}}, "undeclared_ask", r"No tool is named '\[\]'"),
        (ASKED, use("refund", cents="5"), "wrong_type", "arguments of refund did not fit: cents: Input should be"),
        (ASKED, use("refund", cents=5, key="mine"), "wrong_type", "key: Extra inputs"),
        (ASKED, use("refund"), "wrong_type", "cents: Field required"),
        (ASKED, {"reply": {"use": {"tool": "refund", "arguments": 5}}}, "wrong_type", "arguments of refund"),
        (ASKED, use("Shorten", text=None), "wrong_type", "arguments of Shorten did not fit: text"),
        (ASKED, use("Shorten", text="x", short="y"), "wrong_type", "short: Extra inputs"),
        (ASKED, use("Shorten", text="\ud800"), "wrong_type", "arguments of Shorten"),
        (LIMITED, use("order_status", order=77), "wrong_type", "order is one of 4711, 815"),
        (LIMITED, use("order_status", order=True), "wrong_type", "order"),
        (FIRST, {"reply": {"handoff": "other"}}, "must_ask", "first use order_status or refund"),
        (FORMS[3], {"reply": {"text": "  "}}, "wrong_type", '{"text": "..."}'),
        (FORMS[3], {"reply": {"words": "x"}}, "wrong_type", '{"text": "..."}'),
    ],
)
def test_a_reply_that_does_not_fit_says_why(asked: ToolForm, reply: Any, reason: str, detail: str) -> None:
    """The reason is for the records, the sentence for the model that is to mend it."""
    refusal = read(asked, reply)

    assert isinstance(refusal, Refusal)
    assert refusal.reason == reason
    assert any(part in refusal.detail for part in (detail, detail.replace("\\", "")))


def test_a_reply_that_was_cut_off_is_told_to_be_shorter() -> None:
    """Half a use is none."""
    text = json.dumps(use("refund", cents=5))[:-4]

    assert ASKED.read(text, is_truncated=True) == Refusal(
        "truncated", "The reply was cut off at its cap. Reply more briefly."
    )


def test_what_there_is_to_say_is_text_where_nothing_is_decided() -> None:
    """An agent that writes nothing and has one way to go speaks inside its form."""
    assert read(FORMS[3], {"reply": {"text": "hello"}}) == Decision(None, {}, "hello")


def two_items() -> tuple[Tool, Tool]:
    """Return tools whose signatures have different classes of one name."""

    def first() -> type[BaseModel]:
        class Thing(BaseModel):
            size: int

        return Thing

    def second() -> type[BaseModel]:
        class Thing(BaseModel):
            name: str

        return Thing

    def measure(thing: object) -> str:
        """Measure a thing."""
        return ""

    def call(thing: object) -> str:
        """Call a thing."""
        return ""

    for function, kind in ((measure, first()), (call, second())):
        function.__annotations__["thing"] = kind
    return Tool(measure), Tool(call)


def test_classes_of_one_name_are_told_apart() -> None:
    """Each tool has its own, in the schema as in what is read."""
    asked = tool_form(tuple(map(Offered, two_items())), DECISION, is_list=False)
    sized, named = use("measure", thing={"size": 1}), use("call", thing={"name": "x"})

    assert fits(sized, asked.schema)
    assert fits(named, asked.schema)
    assert not fits(use("call", thing={"size": 1}), asked.schema)
    assert isinstance(read(asked, sized), tuple)
    assert isinstance(read(asked, named), tuple)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["reply", "use", "use_all", "tool", "arguments", "order", "text", "handoff", "answer", "1", "2"]
            )
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
        | st.fixed_dictionaries({"tool": st.sampled_from([each.tool.name for each in ALL]) | inner, "arguments": inner})
    ),
    max_leaves=12,
)


@given(JSON | st.fixed_dictionaries({"reply": JSON}), st.sampled_from(FORMS), st.booleans())
def test_every_reply_is_read_and_what_is_asked_for_fits_the_schema(reply: Any, asked: ToolForm, cut: bool) -> None:
    """Nothing is raised, whatever came; and the requests that are read are ones the schema allows."""
    made = asked.read(json.dumps(reply), is_truncated=cut)

    if isinstance(made, tuple):
        assert fits(reply, asked.schema)
    elif isinstance(made, Decision):
        assert asked.decision is not None
    else:
        assert isinstance(made, Refusal)
        assert made.detail


@given(st.integers(), st.lists(st.integers(), min_size=1, max_size=4))
def test_a_choice_is_held_to_what_the_field_holds(order: int, held: list[int]) -> None:
    """The schema has its values as an enum, and whatever else came is refused."""
    asked = tool_form((Offered(Tool(order_status), (("order", json.dumps(held)),)),), DECISION, is_list=False)
    reply = use("order_status", order=order)

    assert isinstance(read(asked, reply), tuple) == fits(reply, asked.schema) == (order in held)
