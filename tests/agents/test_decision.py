"""Decisions: how what a model replies is read."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter
from support.basket import ALL, GOOD, PLAIN, Basket, Card, Cash, Item, Mood, read

from fsm_orch.agents.decision import Decision, Form, form
from fsm_orch.define.context import Context
from fsm_orch.kernel.reasons import Refusal


class Placed(Context):
    answer: tuple[int, tuple[str, str] | None]


PLACED = form(Placed, ("answer",), ("to_billing", "done"), ("done",))


@pytest.mark.parametrize("text", [GOOD, f"\n\t {GOOD} \r\n"])
def test_a_decision_is_read(text: str) -> None:
    """One JSON object with a legal handoff and every field is a decision, white space around it or not."""

    assert Decision("done", {"answer": "yes", "count": 2}) == read(text)


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("not_json", ""),
        ("not_json", "   "),
        ("not_json", "I will hand you to billing."),
        ("not_json", "done"),
        ("not_json", "{'handoff': 'done', 'answer': 'yes', 'count': 2}"),
        ("not_json", f"```json\n{GOOD}\n```"),
        ("not_json", '{"handoff": "done", "answer": "yes", "count": NaN}'),
        ("not_json", '{"handoff": "done", "answer": "yes", "count": -Infinity}'),
        ("not_json", '{"handoff": "done", "answer": "yes", "count": 2,}'),
        ("trailing_text", f"{GOOD} I hope this helps."),
        ("trailing_text", f"{GOOD} 3"),
        ("trailing_text", f"{GOOD}}}"),
        ("trailing_text", f"{GOOD} [1]"),
        pytest.param("trailing_text", GOOD + "[" * 100_000, id="trailing_text-very deep"),
        ("trailing_text", f'{GOOD} {{"handoff": "done", "handoff": "done"}}'),
        ("two_decisions", GOOD + GOOD),
        ("two_decisions", f'{GOOD}\n{{"handoff": "to_billing"}}'),
        ("duplicate_key", '{"handoff": "done", "handoff": "to_billing", "answer": "yes", "count": 2}'),
        ("duplicate_key", '{"handoff": "done", "hand\\u006fff": "done", "answer": "yes", "count": 2}'),
        ("duplicate_key", '{"handoff": "done", "answer": {"a": 1, "a": 2}, "count": 2}'),
        ("truncated", '{"handoff": "done", "answer": "ye'),
        ("truncated", '{"handoff": "done"'),
        ("truncated", "{"),
        ("missing_field", '{"handoff": "done", "answer": "yes"}'),
        ("missing_field", '{"answer": "yes", "count": 2}'),
        ("missing_field", "{}"),
        ("unknown_field", '{"handoff": "done", "answer": "yes", "count": 2, "verified": true}'),
        ("wrong_type", '{"handoff": "done", "answer": "yes", "count": "2"}'),
        ("wrong_type", '{"handoff": "done", "answer": "yes", "count": true}'),
        ("wrong_type", '{"handoff": "done", "answer": "yes", "count": 2.5}'),
        ("wrong_type", '{"handoff": "done", "answer": "yes", "count": -1}'),
        ("wrong_type", '{"handoff": null, "answer": "yes", "count": 2}'),
        ("wrong_type", '{"handoff": ["done"], "answer": "yes", "count": 2}'),
        ("wrong_type", f"[{GOOD}]"),
        ("wrong_type", '"done"'),
        ("wrong_type", "null"),
        ("unknown_handoff", '{"handoff": "to_nowhere", "answer": "yes", "count": 2}'),
        ("unknown_handoff", '{"handoff": "Done", "answer": "yes", "count": 2}'),
        ("unknown_handoff", '{"handoff": "done ", "answer": "yes", "count": 2}'),
        ("unknown_handoff", '{"handoff": "d\\u043ene", "answer": "yes", "count": 2}'),
        ("unknown_handoff", '{"handoff": "", "answer": "yes", "count": 2}'),
    ],
)
def test_every_refusal_has_its_reason(reason: str, text: str) -> None:
    """Whatever is not exactly one decision is refused with the reason for it, and a sentence."""

    refusal = read(text)

    assert isinstance(refusal, Refusal)
    assert reason == refusal.reason
    assert refusal.detail.endswith(".")


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (" ", "The reply was empty. Reply with one JSON object and nothing else."),
        ("done", "The reply was not JSON. Reply with one JSON object and nothing else."),
        ('{"handoff": "done', "The reply was an unfinished JSON object. Reply more briefly."),
        ("[]", "The reply was not a JSON object. Reply with one JSON object."),
        ('{"a": 1, "a": 2}', "The reply had a key twice. Reply with one JSON object, each key once."),
        ("{}{}", "The reply held two decisions. Reply with exactly one JSON object."),
        ("{}.", "The reply went on after its JSON object. Reply with the object alone."),
        ('{"count": "2"}', "The reply did not fit: handoff: Field required; answer: Field required."),
        ('{"handoff": "done", "answer": "", "count": 2, "x": 1}', "The reply had keys that were not asked for."),
        (
            '{"handoff": "done", "answer": "", "count": "2"}',
            "The reply did not fit: count: Input should be a valid integer.",
        ),
    ],
)
def test_a_refusal_tells_the_model_what_to_do(text: str, detail: str) -> None:
    """Each refusal says in its own words what was wrong, and what to reply instead."""

    refusal = read(text)

    assert isinstance(refusal, Refusal)
    assert detail == refusal.detail


@pytest.mark.parametrize("answer", [r'"\ud800"', "[" * 300 + "]" * 300], ids=["half a surrogate pair", "very deep"])
def test_json_that_the_reader_cannot_take_is_not_json(answer: str) -> None:
    """What Python takes for JSON and the reader does not is refused like any other broken text."""

    assert read(f'{{"handoff": "done", "answer": {answer}, "count": 2}}') == Refusal(
        "not_json", "The reply was not JSON. Reply with one JSON object and nothing else."
    )


def test_a_reply_of_any_depth_is_read_or_refused() -> None:
    """No depth makes reading raise: not even where Python can just read a reply, and not write it out again."""
    for depth in range(sys.getrecursionlimit()):
        refusal = read(f'{{"handoff": "done", "answer": {"[" * depth}{"]" * depth}}}', PLACED)

        assert isinstance(refusal, Refusal)
        assert refusal.reason in {"missing_field", "wrong_type", "not_json"}


def test_a_reply_at_its_cap_is_told_to_be_brief() -> None:
    """The refusal of a reply that was cut off asks for a shorter one."""

    assert read(GOOD[:-3], is_truncated=True) == Refusal(
        "truncated", "The reply was cut off at its cap. Reply more briefly."
    )


@pytest.mark.parametrize("text", [GOOD[:-1], "", "{", "I think that"])
def test_a_reply_at_its_cap_is_truncated(text: str) -> None:
    """A reply that was cut off is refused as that, and free text is cut off whatever is there of it."""

    assert "truncated" == read(text, is_truncated=True).reason  # type: ignore[union-attr]
    assert "truncated" == read(GOOD, form(Basket, (), (), ()), is_truncated=True).reason  # type: ignore[union-attr]


def test_a_whole_decision_at_its_cap_is_one() -> None:
    """A decision that is whole is taken, though the model stopped at its cap: to ask again could not help."""

    assert read(GOOD) == read(GOOD, is_truncated=True)


@pytest.mark.parametrize("text", [f"{GOOD} I hope", '{"handoff": "done"}', GOOD + GOOD, '{"handoff": "no"}'])
def test_what_is_wrong_with_a_whole_object_is_said(text: str) -> None:
    """An object that is whole and wrong is refused for what is wrong with it, at its cap too."""

    assert read(text) == read(text, is_truncated=True)
    assert isinstance(read(text), Refusal)


def test_a_declared_handoff_off_the_menu_is_a_decision() -> None:
    """A handoff that the state declares and the menu lacks is read, for the kernel to judge."""

    assert Decision("to_search", {"answer": None, "count": 0}) == read(
        '{"handoff": "to_search", "answer": null, "count": 0}'
    )


def test_an_unknown_handoff_is_quoted_in_part() -> None:
    """A refusal quotes at most 64 characters of a handoff that does not exist, and tells the menu."""

    refusal = read(json.dumps({"handoff": "x" * 500, "answer": None, "count": 0}))

    assert Refusal("unknown_handoff", f"{'x' * 64!r} does not exist. Choose one of: to_billing, done.") == refusal


@pytest.mark.parametrize(
    "text",
    [
        '{"handoff": "done", "answer": 917351, "count": 2}',
        '{"handoff": "done", "answer": "SECRET", "count": "SECRET"}',
        '{"handoff": "done", "answer": "SECRET"}',
        '{"handoff": "done", "answer": "yes", "count": 2, "SECRET": 1}',
        '{"handoff": "done", "answer": {"SECRET": 1}, "count": 2}',
        'SECRET {"handoff": "done"}',
        '{"handoff": "done", "answer": "yes", "count": 2} SECRET',
        '{"SECRET": 1, "SECRET": 2}',
        '{"handoff": "done", "answer": "SECRET',
        '{"handoff": {"SECRET": 1}, "answer": "", "count": 2}',
    ],
)
def test_a_refusal_quotes_nothing_but_the_handoff(text: str) -> None:
    """What a model said besides a handoff's name is in no refusal: keys of its own making neither."""

    refusal = read(text)

    assert isinstance(refusal, Refusal)
    assert "SECRET" not in refusal.detail
    assert "917351" not in refusal.detail


def test_a_refusal_quotes_no_tag_of_a_union() -> None:
    """A value that chooses between nested models is a value too."""

    text = '{"handoff": "done", "pay": {"kind": "SECRET"}}'

    assert "SECRET" not in read(text, form(Basket, ("pay",), ("done", "more"), ("done",))).detail  # type: ignore[union-attr]


def test_nothing_to_decide_is_free_text() -> None:
    """Without a choice and without fields there is no schema, and any text is a decision."""

    asked = form(Basket, (), (), ())

    assert None is asked.schema
    assert ((), (), {}) == (asked.declared, asked.legal, asked.reader.model_fields)
    assert Decision(None, {}) == read("whatever {", asked)


def test_without_a_choice_no_handoff_is_asked() -> None:
    """A state of one exit asks for its fields alone, and refuses a handoff as a key of the model's own."""

    asked = form(Basket, ("answer",), (), ())

    assert Decision(None, {"answer": "yes"}) == read('{"answer": "yes"}', asked)
    assert "unknown_field" == read('{"answer": "yes", "handoff": "done"}', asked).reason  # type: ignore[union-attr]


nasty = st.one_of(
    st.text(),
    st.text(st.characters(categories=["Cs", "Cc", "Cf", "Zs", "Lu", "Nd"])),
    st.text(' \n{}[]",:\\u0dhanoftsw1-.eE', max_size=60),
    st.sampled_from(["[" * 100_000, "{" * 99, '{"a":' * 50_000, "9" * 5_000, "-", '{"a":1e999}', "\ufeff{}"]),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
near_misses = st.dictionaries(st.sampled_from(["handoff", "answer", "count", "other"]), values).map(json.dumps)


FORMS = [PLAIN, ALL, form(Basket, (), (), ()), PLACED]


@given(st.one_of(nasty, near_misses), st.booleans(), st.sampled_from(FORMS))
@example('{"handoff": "done", "answer": ' + '{"1":' * 400 + "1" + "}" * 401, False, FORMS[-1])
@example('{"handoff": "done", "answer": {"1": "\\ud800", "2": 1e999}}', False, FORMS[-1])
@example("\ud800", False, PLAIN)
@example('{"handoff": "\ud800", "answer": "\ud800", "count": 1}', False, PLAIN)
@example('{"handoff": "\\ud800", "answer": "\\ud800", "count": 1}', False, PLAIN)
@example('{"handoff": "done", "answer": "x", "count": ' + "9" * 5_000 + "}", False, PLAIN)
@example('{"handoff": "done", "answer": "\x00", "count": 1}', False, PLAIN)
def test_any_text_is_a_decision_or_a_refusal(text: str, is_truncated: bool, asked: Form) -> None:
    """No text whatever makes reading raise, and a decision names only what was declared."""

    answer = read(text, asked, is_truncated=is_truncated)

    assert isinstance(answer, Decision | Refusal)
    if isinstance(answer, Decision) and asked.schema is not None:
        assert answer.handoff in asked.declared
        assert set(answer.changes) == set(asked.reader.model_fields) - {"handoff"}


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
items = st.builds(Item, name=texts.filter(bool), count=st.integers(), default=texts)
WELL_FORMED: dict[str, st.SearchStrategy[Any]] = {
    "answer": st.none() | texts,
    "count": st.integers(0, 99),
    "price": st.floats(0, allow_nan=False, allow_infinity=False),
    "paid": st.booleans(),
    "mood": st.sampled_from(Mood),
    "choice": st.sampled_from(["x", "y"]),
    "only": st.just("one"),
    "number": st.sampled_from([1, 2]),
    "items": st.lists(items, max_size=3).map(tuple),
    "tags": st.frozensets(texts, max_size=3),
    "pay": st.builds(Card, const=st.integers()) | st.builds(Cash, coins=st.lists(st.integers(), max_size=2).map(tuple)),
    "when": st.none() | st.dates(),
    "cost": st.decimals(allow_nan=False, allow_infinity=False),
    "pattern": st.text("abc", max_size=5),
    "nested": st.none() | items,
}


@given(st.fixed_dictionaries(WELL_FORMED), st.sampled_from(["to_billing", "done"]), st.booleans())
def test_a_well_formed_reply_round_trips(changes: dict[str, Any], handoff: str, is_ascii: bool) -> None:
    """A reply that writes every field as its schema says is the decision that was meant."""

    reply = {
        "handoff": handoff,
        **{
            name: TypeAdapter(Basket.model_fields[name].annotation).dump_python(value, mode="json")
            for name, value in changes.items()
        },
    }

    assert Decision(handoff, changes) == read(json.dumps(reply, ensure_ascii=is_ascii), ALL)


def test_objects_stay_objects_where_no_tuple_is_asked_for() -> None:
    """Keys that are numbers mean nothing to a form without a tuple."""

    class Numbered(BaseModel):
        model_config = ConfigDict(frozen=True)
        one: int = Field(alias="1")

    class Holder(Context):
        held: Numbered

    assert Decision(None, {"held": Numbered(**{"1": 5})}) == read('{"held": {"1": 5}}', form(Holder, ("held",), (), ()))
    assert "missing_field" == read('{"1": "done", "2": "yes"}').reason  # type: ignore[union-attr]


@pytest.mark.parametrize("may_decline", [False, True])
def test_none_of_these_is_read_whenever_it_is_said(may_decline: bool) -> None:
    """It is on the menu only if that is offered; said at any time it is a decision, and nothing is written with it."""
    asked = form(Basket, ("answer", "count"), ("to_billing", "done"), ("done",), may_decline=may_decline)

    assert asked.schema is not None
    menu = ["done", "none_of_these"] if may_decline else ["done"]
    assert menu == asked.schema["properties"]["handoff"]["enum"] == list(asked.legal)
    for text in ('{"handoff": "none_of_these"}', '{"handoff": "none_of_these", "answer": "yes", "count": "many"}'):
        assert Decision("none_of_these", {}) == read(text, asked)


class Checked(Context):
    word: Annotated[str, AfterValidator(lambda word: _refused(word))] = "x"


def _refused(word: str) -> str:
    raise ValueError(f"{word[::-1]} is no colour" if word.isascii() else "half of \ud83d is no colour")


def test_a_validator_tells_the_model_why() -> None:
    """What the model wrote is refused with the validator's own words, which it may act on."""
    refusal = read('{"word": "seven"}', form(Checked, ("word",), (), ()))

    assert Refusal("wrong_type", "The reply did not fit: word: neves is no colour.") == refusal


def test_a_validator_whose_words_are_no_unicode_tells_the_model_too() -> None:
    """A validator's message with half a surrogate pair is told with a question mark in its place."""
    refusal = read('{"word": "\\ud83d\\ude00"}', form(Checked, ("word",), (), ()))

    assert Refusal("wrong_type", "The reply did not fit: half of ? is no colour.") == refusal
