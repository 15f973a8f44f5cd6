"""Inputs and records as JSON: the form is what the documentation says, and nothing is lost on the way."""

import json
from datetime import UTC, datetime
from math import inf, nan
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import fields
from support.any_value import JSON, any_value

import fsm_orch
from fsm_orch import Limits, to_json
from fsm_orch.amounts import Usage
from fsm_orch.errors import StepError
from fsm_orch.kernel import inputs
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.records import Record
from fsm_orch.kernel.requests import UseTool
from fsm_orch.observe import record_from_json
from fsm_orch.run.result import RunResult
from fsm_orch.store import input_from_json
from fsm_orch.testing import runs
from machines.shop import ShopFloor


@settings(max_examples=50, deadline=None)
@given(runs(ShopFloor))
def test_what_a_run_leaves_behind_comes_back_from_json(result: RunResult) -> None:  # type: ignore[type-arg]
    """Every input and record of any run is read back as it was, and written again byte for byte."""
    assert result.journal == tuple(input_from_json(to_json(event)) for event in result.journal)
    assert result.records == tuple(record_from_json(to_json(record)) for record in result.records)
    for line in map(to_json, result.journal):
        assert line == to_json(input_from_json(line))


@settings(max_examples=20, deadline=None)
@given(runs(ShopFloor))
def test_a_line_is_one_object_with_its_kind_and_fields(result: RunResult) -> None:  # type: ignore[type-arg]
    """Anybody can read a line: one object with its kind and its fields by name; defaults are left out."""
    for value in (*result.journal, *result.records):
        line = to_json(value)
        read = json.loads(line)
        assert b"\n" not in line
        names = [name for name in value.__struct_fields__ if name in read]
        assert ["kind", *names] == list(read)
        told = [field.name for field in fields(value) if getattr(value, field.name) != field.default]
        assert isinstance(value, get_args(Input)) or names == told
        assert value.kind == read["kind"]


def test_the_form_is_written_down() -> None:
    """The line that the documentation shows is the line that is written."""
    event = inputs.CallReserved(call=1, input_tokens=120, output_tokens=256, at=0.25)

    assert to_json(event).decode() in (fsm_orch.kernel.codec.__doc__ or "")


KINDS = [*get_args(Input), *get_args(Record)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.__module__.rpartition('.')[2]}-{kind.__name__}")
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_whatever_a_field_holds_comes_back(kind: Any, data: st.DataObject) -> None:
    """Every kind of input and record comes back as it was, whatever texts, numbers and JSON its fields hold."""
    value = data.draw(any_value(kind))
    read = input_from_json if kind in get_args(Input) else record_from_json
    line = to_json(value)

    assert value == read(line) == read(line.decode())
    assert line == to_json(read(line))
    # other tools write the same object with spaces, or its keys in another order
    assert value == read(json.dumps(json.loads(line), sort_keys=True, indent=1))


CYCLE: list[Any] = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize(
    "held",
    [
        nan,
        inf,
        10**5000,
        "\ud800",
        {"a"},
        b"a",
        (1, 2),
        {1: 2},
        object(),
        datetime.now(UTC),
        Limits,
        CYCLE,
        {"a": [nan]},
    ],
    ids=lambda held: type(held).__name__,
)
def test_what_json_would_not_give_back_is_not_written(held: Any) -> None:
    """A value that JSON has no word for is an error that names its field, and shows nothing of it."""
    with pytest.raises(StepError, match=r"'answered' cannot be written: .* what 'value' holds$"):
        to_json(inputs.Answered(ask=1, id="a", value=held, at=0.0))


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (inputs.Cancelled(at=inf), "at"),
        (inputs.Cancelled(at=nan), "at"),
        (inputs.Cancelled(at=-1.0), "at"),
        (inputs.Cancelled(detail="\udfff", at=0.0), "detail"),
        (inputs.CallReleased(call=-1, at=0.0), "call"),
        (inputs.CallReleased(call=True, at=0.0), "call"),
        (inputs.Cancelled(at=0.0, path=(1, True)), "path"),
        (inputs.CallSettled(call=1, usage=Usage(input_tokens=-1), at=0.0), "usage"),
        (inputs.Failed(reason="tired", at=0.0), "reason"),  # type: ignore[arg-type]
        (inputs.Asked(requests=(UseTool(name="a", arguments={"b": {"c"}}),), at=0.0), "requests"),
    ],
)
def test_a_field_that_could_not_be_read_is_not_written(value: Input, field: str) -> None:
    """What `input_from_json` would refuse is refused when it is written, by the name of its field."""
    with pytest.raises(StepError, match=f"{value.kind!r} cannot be written: .* what {field!r} holds$"):
        to_json(value)


@pytest.mark.parametrize("value", [{}, None, Limits(), Usage(), "cancelled"])
def test_nothing_else_is_written(value: Any) -> None:
    """Only inputs and records have a form in a journal or a stream."""
    with pytest.raises(TypeError, match=f"to_json takes an input or a record, not a {type(value).__name__}"):
        to_json(value)


def line(kind: str, **held: str) -> str:
    """Return a line of JSON; what fields hold is JSON already."""
    return "{" + ",".join([f'"kind":"{kind}"', *(f'"{name}":{text}' for name, text in held.items())]) + "}"


SECRET = '"sk-secret"'
DEEP = "[" * 10_000 + "]" * 10_000
DAMAGED = {
    "nothing": ("", ""),
    "a list": ("[]", "Expected `object`, got `array`"),
    "no kind": ("{}", "missing required field `kind`"),
    "null": ("null", "Expected `object`, got `null`"),
    "a record": ('{"kind":"handed_off"}', r"at `\$.kind`"),
    "another kind": ('{"kind":"sk-secret"}', r"at `\$.kind`"),
    "two kinds": ('{"kind":"cancelled","kind":"call_released","call":1,"at":0}', r"at `\$.kind`"),
    "an unknown reason": (line("failed", reason=SECRET, at="0"), r"at `\$.reason`"),
    "a field too few": (line("failed", reason='"error"'), "missing required field `at`"),
    "a field too many": (line("call_released", call="1", at="0", secret=SECRET), "unknown field `secret`"),
    "a field too many inside": (
        line("call_settled", call="1", usage='{"seconds":1}', at="0"),
        r"at `\$.usage`: .* unknown field `seconds`",
    ),
    "a private key": ('{"kind":"call_released","call":1,"at":0,"sk-secret":1}', ""),
    "a field twice": ('{"kind":"cancelled","detail":"a","detail":"b","at":0}', "twice the field `detail`"),
    "a field twice inside": (line("replied", changes='{"a":1,"a":2}', at="0"), "twice the field `a`"),
    "a private key twice": (line("replied", changes='{"sk-secret":1,"sk-secret":2}', at="0"), ""),
    "a bool for a number": (line("call_released", call="true", at="0"), r"at `\$.call`: Expected `int`, got `bool`"),
    "a fraction": (line("call_released", call="1.5", at="0"), r"at `\$.call`"),
    "a number below 0": (line("call_reserved", call="1", input_tokens="-1", output_tokens="1", at="0"), "input_tokens"),
    "usage below 0": (line("call_settled", call="1", usage='{"output_tokens":-1}', at="0"), "usage.output_tokens"),
    "a time below 0": (line("cancelled", at="-1"), r"at `\$.at`"),
    "a number that is too long": (line("call_released", call="1" + "0" * 5_000, at="0"), r"at `\$.call`"),
    "a number that is too large": (line("call_released", call="1", at="1e999"), r"at `\$.at`"),
    "no number": (line("call_released", call="1", at="NaN"), "malformed"),
    "half a surrogate": (line("cancelled", detail='"\\ud800"', at="0"), "malformed"),
    "bare half a surrogate": (line("cancelled", detail='"\ud800"', at="0"), ""),
    "a nest": (line("answered", ask="1", id=SECRET, value=DEEP, at="0"), "nested too deeply"),
    "a nest of requests": (line("asked", at="0", requests=DEEP), ""),
    "a path of texts": (line("cancelled", at="0", path='["sk-secret"]'), r"at `\$.path\[0\]`"),
    "an unknown request": (line("asked", at="0", requests='[{"kind":"sk-secret"}]'), r"at `\$.requests\[0\].kind`"),
    "half a line": ('{"kind":"cancelled","at":', ""),
    "two lines": (line("cancelled", at="0") * 2, "malformed"),
    "limits below 0": (line("started", run_id='""', context="{}", limits='{"hops":-8}'), r"limits`: .* another `hops`"),
    "limits of text": (line("started", run_id='""', context="{}", limits='{"hops":"sk-secret"}'), "another `hops`"),
    "other limits": (line("started", run_id='""', context="{}", limits='{"sk-secret":1}'), "Expected `Limits`"),
}


@pytest.mark.parametrize(("text", "why"), DAMAGED.values(), ids=DAMAGED)
def test_what_is_no_input_is_refused(text: str, why: str) -> None:
    """A damaged line is an error that names the field, and shows nothing of what the line held."""
    with pytest.raises(StepError, match=f"^this line is no input of a journal.*{why}") as caught:
        input_from_json(text)

    assert "sk-secret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_what_is_no_text_is_refused() -> None:
    """A line of bytes that are no text is damaged; records are read as strictly as inputs are."""
    with pytest.raises(StepError, match="no input of a journal"):
        input_from_json(b"\xff")
    with pytest.raises(StepError, match=r"no record of a journal, at `\$.kind`"):
        record_from_json('{"kind":"cancelled","at":0}')


@given(
    st.text()
    | JSON.map(json.dumps)
    | JSON.map(lambda held: json.dumps({"kind": "answered", "value": held, "ask": 1, "id": "a", "at": held}))
)
def test_any_text_is_an_input_or_damaged(text: str) -> None:
    """Whatever is read is an input that could have been written, or a StepError."""
    try:
        read = input_from_json(text)
    except StepError:
        return

    assert read == input_from_json(to_json(read))
