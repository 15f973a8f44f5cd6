"""Inputs and records as JSON: the form is what the documentation says, and nothing is lost on the way."""

import json

import pytest
from hypothesis import given, settings

import fsm_orch
from fsm_orch import to_json
from fsm_orch.errors import StepError
from fsm_orch.kernel import inputs
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
    """Anybody can read a line: one object, without a line break, whose keys are `kind` and the names of the fields."""
    for value in (*result.journal, *result.records):
        line = to_json(value)
        read = json.loads(line)
        assert b"\n" not in line
        assert ["kind", *value.__struct_fields__] == list(read)
        assert value.kind == read["kind"]


def test_the_form_is_written_down() -> None:
    """The line that the documentation shows is the line that is written."""
    event = inputs.CallReserved(call=1, input_tokens=120, output_tokens=256, at=0.25)

    assert to_json(event).decode() in (fsm_orch.kernel.codec.__doc__ or "")


@pytest.mark.parametrize(
    "line",
    [b"", b"[]", b"{}", b"null", b'{"kind":"handed_off"}', b'{"kind":"failed","reason":"sk-secret","at":0}', b"\xff"],
    ids=["nothing", "a list", "no kind", "null", "a record", "an unknown reason", "no text"],
)
def test_what_is_no_input_is_refused(line: bytes) -> None:
    """A damaged line is an error that says where, and shows nothing of what the line held."""
    with pytest.raises(StepError, match="no input of a journal") as caught:
        input_from_json(line)

    assert "sk-secret" not in str(caught.value)


def test_limits_that_are_none_are_refused() -> None:
    """The limits in `started` are validated as all limits are."""
    event = inputs.Started(run_id="r", context={})
    line = to_json(event).replace(b'"hops":8', b'"hops":-8')

    with pytest.raises(StepError, match="no input of a journal"):
        input_from_json(line)
