"""Files of cassettes: what is none is refused with its name, what is wrong with it, and the fix."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fsm_orch.testing.cassette import MalformedCassette, UnknownRequest, cassette

URL = "https://x.example/v1/chat"
TRAFFIC: dict[str, Any] = {
    "version": 1,
    "interactions": [
        {
            "request": {
                "method": "POST",
                "uri": URL,
                "body": {"model": "m"},
                "headers": {"content-type": ["application/json"]},
            },
            "response": {
                "status": {"code": 200, "message": "OK"},
                "headers": {"content-type": ["application/json"]},
                "body": {"string": {"text": "Hi"}},
            },
        }
    ],
}
ODD = ["", "\ud800", "http://[", "http://x:99999", 99, 599, "/", [], [""], {"string": None}]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(ODD),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


def ways(value: Any, way: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Give the way to each member at any depth."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield (*way, name)
        yield from ways(member, (*way, name))


def spoilt(way: tuple[str | int, ...], *values: Any) -> dict[str, Any]:
    """Give traffic in which a member is another value, or is missing if none is given."""
    traffic = deepcopy(TRAFFIC)
    holder: Any = traffic
    for name in way[:-1]:
        holder = holder[name]
    if values:
        holder[way[-1]] = values[0]
    else:
        del holder[way[-1]]
    return traffic


def written(place: Path, traffic: Any) -> Path:
    place.write_text(json.dumps(traffic), encoding="utf-8")
    return place


def replayed(place: Path) -> str:
    """Give the answer to the one request that was recorded."""
    with cassette(place):
        return httpx2.post(URL, json={"model": "m"}).text


def test_what_is_well_formed_is_replayed(tmp_path: Path) -> None:
    """The traffic that all tests here spoil is a cassette."""

    assert {"text": "Hi"} == json.loads(replayed(written(tmp_path / "one.json", TRAFFIC)))


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        (b"", "it is not JSON: Expecting value"),
        (b"interactions:\n- request:\n    method: GET\nversion: 1\n", "it is not JSON: Expecting value: line 1"),
        (b"<<<<<<< HEAD\n{}", "it is not JSON"),
        (b"\xff\xfe{", "it is not UTF-8"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b'{"\\ud800": 1}', "it is not UTF-8"),
        (b"[]", "the whole: Input should be a valid dictionary"),
        (b'"text"', "the whole: Input should be a valid dictionary"),
        (b"null", "the whole: Input should be a valid dictionary"),
        (b"{}", "version: Field required"),
        (b'{"version": 1}', "interactions: Field required"),
        (b'{"version": 2, "interactions": []}', "version: Input should be 1"),
        (b'{"version": "1", "interactions": []}', "version: Input should be 1"),
        (b'{"version": 1, "interactions": {}}', "interactions: Input should be a valid list"),
        (b'{"version": 1, "interactions": [3]}', "interactions.0: Input should be a valid dictionary"),
    ],
    ids=range(15),
)
def test_another_file_is_refused(tmp_path: Path, held: bytes, reason: str) -> None:
    """What is not a cassette is refused with its name, what is wrong, and how to record it."""
    place = tmp_path / "one.json"
    place.write_bytes(held)

    with pytest.raises(MalformedCassette) as refused:
        replayed(place)

    assert str(refused.value).startswith(f"{str(place)!r} is not a cassette: {reason}")
    assert "delete it, and record it with a key, by cassette(..., record=True) or pytest --fsm-rec" in str(
        refused.value
    )


REQUIRED = [way for way in ways(TRAFFIC) if way[-1] not in (0, "content-type", "model", "text")]


@pytest.mark.parametrize("way", REQUIRED, ids=lambda way: ".".join(map(str, way)))
def test_what_is_missing_or_of_a_wrong_type_is_named(tmp_path: Path, way: tuple[str | int, ...]) -> None:
    """Without any member that it needs, or with a number too large for it, a cassette is refused by its place."""
    place = tmp_path / "one.json"
    for traffic in (spoilt(way), spoilt(way, 10**30)):
        written(place, traffic)

        with pytest.raises(MalformedCassette) as refused:
            replayed(place)

        assert f"is not a cassette: {'.'.join(map(str, way))}" in str(refused.value)


@settings(deadline=None)
@example(way=("interactions", 0, "request", "headers", "content-type"), value=[])
@example(way=("interactions", 0, "response", "headers", "content-type", 0), value="\x80")
@example(way=("interactions", 0, "response", "status", "message"), value="\x80")
@example(way=("interactions", 0, "response", "body", "string"), value=None)
@given(way=st.sampled_from(list(ways(TRAFFIC))), value=JSON)
def test_whatever_is_spoilt_is_refused_or_replayed(
    tmp_path_factory: pytest.TempPathFactory, way: tuple[str | int, ...], value: object
) -> None:
    """A cassette that was changed at any place is a cassette still, or refused; it breaks nothing."""
    place = tmp_path_factory.getbasetemp() / "spoilt.json"
    written(place, spoilt(way, value))

    with suppress(MalformedCassette, UnknownRequest):
        replayed(place)


def test_a_number_that_nobody_can_read_is_no_cassette(tmp_path: Path) -> None:
    """A file with a number of thousands of digits is refused by name as any other that is no JSON."""
    place = tmp_path / "big.json"
    place.write_text(f'{{"version": {"9" * 5_000}, "interactions": []}}')

    with pytest.raises(MalformedCassette, match=r"big\.json' is not a cassette: it is not JSON: .*digits.*delete it"):
        replayed(place)


def test_a_folder_is_no_cassette(tmp_path: Path) -> None:
    """A folder in the place of a cassette is refused by name, whether it is to be replayed or recorded over."""
    for record in (False, True):
        with (
            pytest.raises(MalformedCassette, match="is not a cassette: it cannot be read: Is a directory"),
            cassette(tmp_path, record=record),
        ):
            pass


@pytest.mark.parametrize("held", [b"import os\n", b"[1]", b"{}", b"\xff"])
def test_nothing_but_a_cassette_is_recorded_over(tmp_path: Path, held: bytes) -> None:
    """A file that is named by mistake is kept."""
    place = tmp_path / "conftest.py"
    place.write_bytes(held)

    with pytest.raises(MalformedCassette, match="Name another file"), cassette(place, record=True):
        pytest.fail("recorded")

    assert held == place.read_bytes()
