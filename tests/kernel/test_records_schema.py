"""The schema of records: what is published is what there is, and a reader of it is not misled by a later version."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journals.recordings import STORED
from jsonschema import Draft202012Validator
from support.any_value import any_value

from fsm_orch.kernel.records import Record
from fsm_orch.observe import records_schema, to_json

PUBLISHED = Path(__file__).parents[2] / "notebooks" / "reference" / "records.schema.json"
WRITE = (
    "python -c 'import json; from fsm_orch.observe import records_schema as s; print(json.dumps(s(), indent=2))' "
    "> notebooks/reference/records.schema.json"
)
_WORDS = ("title", "description")

VALIDATOR = Draft202012Validator(records_schema())


def changed(was: Any, now: Any, place: str = "") -> Iterator[str]:
    """Yield what is not as it was, other than properties that need not be there."""
    if not (isinstance(was, dict) and isinstance(now, dict)):
        if was != now:
            yield place
        return
    added = now.keys() - was.keys()
    if place.endswith("/properties"):
        added = set()  # whether one is required is said elsewhere
    for key in sorted((was.keys() | added) - {*(() if place.endswith("/properties") else _WORDS)}):
        if key in was and key in now:
            yield from changed(was[key], now[key], f"{place}/{key}")
        else:
            yield f"{place}/{key}"


def published() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    return read


def test_the_schema_is_as_it_was_published() -> None:
    """A record gains optional fields and nothing else, or the version of the schema rises."""
    was, now = published(), records_schema()

    if was["version"] == now["version"] and (what := list(changed(was, now))):
        pytest.fail(
            f"Records are not what readers of version {was['version']} expect: {', '.join(what)}.\n"
            "If this was not meant, mend it: a new field has a default, and no other field, kind or word changes. "
            f"If it was, raise RECORDS_VERSION in fsm_orch/kernel/schema.py, and publish it:\n    {WRITE}",
            pytrace=False,
        )
    if was != now:
        pytest.fail(f"The schema of records has grown, or says it otherwise. Publish it:\n    {WRITE}", pytrace=False)


def edited(edit: str) -> dict[str, Any]:
    made = deepcopy(records_schema())
    kinds = made["$defs"]
    released = kinds["CallReleased"]
    match edit:
        case "a field with a default":
            released["properties"]["new"] = {"type": "string", "default": ""}
        case "another description":
            released["description"] = "Something else."
        case "a required field":
            released["properties"]["new"] = {"type": "string"}
            released["required"].append("new")
        case "a field of another type":
            released["properties"]["call"] = {"type": "string"}
        case "a field that is gone":
            del released["properties"]["seconds"]
        case "a kind that is gone":
            made["anyOf"].pop()
        case "another reason":
            kinds["CallDenied"]["properties"]["reason"]["enum"].append("mood")
    return made


@pytest.mark.parametrize(
    ("edit", "is_change"),
    [
        ("a field with a default", False),
        ("another description", False),
        ("a required field", True),
        ("a field of another type", True),
        ("a field that is gone", True),
        ("a kind that is gone", True),
        ("another reason", True),
    ],
)
def test_only_an_optional_field_may_be_added(edit: str, *, is_change: bool) -> None:
    """The test above would fail on anything but an added optional field or other words."""
    assert is_change == bool(list(changed(records_schema(), edited(edit))))


def test_the_schema_is_one() -> None:
    """It is a JSON schema, and says its version."""
    Draft202012Validator.check_schema(records_schema())

    assert 1 == records_schema()["version"]


@pytest.mark.parametrize("kind", get_args(Record), ids=lambda kind: kind.__name__)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_every_record_is_of_the_schema(kind: Any, data: st.DataObject) -> None:
    """Whatever a record holds, the schema allows it, and so it does if a later version has added a field to it."""
    told = json.loads(to_json(data.draw(any_value(kind))))

    VALIDATOR.validate(told)
    VALIDATOR.validate({**told, "added_later": 1})


def test_stored_records_are_of_the_schema() -> None:
    """Records that were written down before are of it too."""
    lines = [line for path in STORED.glob("*.journal") for line in path.read_text(encoding="utf-8").splitlines()]
    told = [json.loads(line[2:]) for line in lines if line.startswith("< ")]

    assert {True} == {VALIDATOR.is_valid(record) for record in told}
    assert not VALIDATOR.is_valid({**told[0], "stamp": {}})
