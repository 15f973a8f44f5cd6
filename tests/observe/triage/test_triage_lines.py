"""Lines of logs: what is a record among them, whatever has been put around it, and whatever an attacker wrote."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_orch.observe.triage.faults import faults
from fsm_orch.observe.triage.lines import LONGEST, Line, Tally, read
from fsm_orch.observe.triage.loops import loops
from fsm_orch.observe.triage.misroutes import misroutes
from fsm_orch.observe.triage.passed import passed
from fsm_orch.observe.triage.runs import runs
from fsm_orch.observe.triage.worst import worst

RECORD = {"event": "handed_off", "run_id": "r", "state": "b", "source": "a", "handoff": "h", "target": "b", "hops": 1}
PLAIN = json.dumps(RECORD)
AT = datetime(2026, 11, 27, 2, 0, 0, 500_000, UTC).timestamp()


def one(line: str | bytes) -> tuple[Line | None, Tally]:
    tally = Tally()
    found = list(read([line if isinstance(line, bytes) else line.encode()], tally))
    return (found[0] if found else None), tally


def with_time(**more: Any) -> str:
    return json.dumps({**RECORD, **more})


@pytest.mark.parametrize(
    ("line", "at"),
    [
        (PLAIN, None),
        (f"{PLAIN}\r\n", None),
        (with_time(timestamp="2026-11-27T02:00:00.5Z"), AT),
        (with_time(timestamp="2026-11-27T02:00:00.500000"), AT),
        (with_time(time="2026-11-27T03:00:00.5+01:00"), AT),
        (with_time(**{"@timestamp": "2026-11-27 02:00:00.5Z"}), AT),
        (with_time(ts=AT), AT),
        (with_time(ts=AT * 1000), AT),
        (with_time(timestamp="soon", ts=AT), AT),
        (with_time(timestamp=10**400, ts=AT), AT),
        (json.dumps({"log": PLAIN, "time": 10**400}), None),
        (f"2026-11-27T02:00:00.500000000Z stdout F {PLAIN}", AT),
        (f"2026-11-27T02:00:00.5Z {PLAIN}", AT),
        (f"web-1  | {PLAIN}", None),
        (f"Nov 27 02:00:00 host fsm[12]: {PLAIN}", None),
        (f"{{worker 3}} {PLAIN}", None),
        (json.dumps({"log": PLAIN + "\n", "stream": "stdout", "time": "2026-11-27T02:00:00.5Z"}), AT),
        (json.dumps({"MESSAGE": PLAIN, "__REALTIME_TIMESTAMP": "1795744800500000", "PRIORITY": "6"}), AT),
        (json.dumps({"message": PLAIN, "level": "info"}), None),
    ],
)
def test_what_is_around_a_record_is_taken_off(line: str, at: float | None) -> None:
    """Prefixes and wraps of docker, kubectl, containerd and journald, and their time if the record has none."""
    found, tally = one(line)

    assert found is not None
    assert ("r", "a", "h", "b", 1) == (found.run_id, found.source, found.handoff, found.target, found.hops)
    assert at == found.at
    assert (1, 0, 0) == (tally.records, tally.foreign, tally.damaged)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("", "foreign"),
        ("GET / 200", "foreign"),
        ('{"event": "report", "message": "run_id"}', "foreign"),
        ('{"run_id": "r", "msg": "of another program"}', "foreign"),
        (with_time(event="hello"), "foreign"),
        (with_time(event=["handed_off"]), "foreign"),
        (PLAIN[:-1], "damaged"),
        (with_time(hops=-1), "damaged"),
        (with_time(hops=10**30), "damaged"),
        (with_time(hops="1"), "damaged"),
        (with_time(run_id=7), "damaged"),
        (with_time(run_id="r" * 1_000), "damaged"),
        (with_time(written={"a": 1}), "damaged"),
        (with_time(more=None).replace("null", "[" * 100_000 + "]" * 100_000), "damaged"),
        (with_time(time=None).replace("null", "[" * 100_000 + "]" * 100_000), "damaged"),
        (with_time(more="\ud800"), "damaged"),
        (PLAIN.encode() + b"\xff", "damaged"),
        (json.dumps({"log": PLAIN[:-1]}), "damaged"),
        (json.dumps({"log": json.dumps({"log": PLAIN})}), "foreign"),
        (with_time(more="x" * LONGEST), "too_long"),
    ],
)
def test_what_is_no_record_is_counted(line: str | bytes, what: str) -> None:
    """It is of another program, cut, of other types, nested too deeply or too long; nothing raises."""
    found, tally = one(line)

    if line == with_time(more="\ud800"):  # which JSON may spell, and a text may not hold: either is right
        assert tally.records + tally.damaged == 1
        return
    assert found is None
    counts = {name: getattr(tally, name) for name in ("foreign", "damaged", "too_long")}
    assert counts == {"foreign": 0, "damaged": 0, "too_long": 0, what: 1}


KEYS = sorted({*Line.__struct_fields__, "@timestamp", "log", "MESSAGE", "message"})
KINDS = ["run_started", "visit_started", "handed_off", "landed", "refused", "attempt_failed", "call_settled"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([PLAIN, "a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
ENTRIES = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6).map(json.dumps)
SMALL = st.fixed_dictionaries(
    {"event": st.sampled_from([*KINDS, "run_finished", "call_denied", "overspent", "call_released"])},
    optional={
        "path": st.sampled_from(["", "1", "1.2", "...", "x"]),
        "hops": st.integers(0, 5),
        "source": st.sampled_from("abc"),
        "target": st.sampled_from("abc"),
        "handoff": st.sampled_from([None, "h", "\x1b[2J"]),
        "machine": st.text(max_size=3),
        "settled": st.integers(0, 2**53),
        "reason": st.text(max_size=3),
        "written": st.lists(st.text(max_size=3), max_size=3),
        "is_retried": st.booleans(),
    },
).flatmap(
    lambda line: st.sampled_from(["r", "s", "r:1.2", "r:x"]).map(
        lambda run_id: json.dumps({"run_id": run_id, "state": "a", **line})
    )
)


@given(st.lists(ENTRIES | SMALL | st.text() | st.just(PLAIN), max_size=12), st.binary(max_size=20))
def test_no_line_breaks_an_answer(lines: list[str], noise: bytes) -> None:
    """Whatever types, ids and orders lines have, each command has an answer, and every line is accounted for."""
    raw = [noise, *(line.encode(errors="replace") for line in lines)]
    tally = Tally()
    seen = list(runs(read(raw, tally), tally))

    assert tally.lines == tally.records + tally.foreign + tally.damaged
    loops(seen, {}, now_s=0)
    assert worst(seen, top=3).runs == tally.runs == sum(not run.is_inside for run in seen)
    found = misroutes(seen, {})
    assert 0 <= found.doubted.count <= found.doubted.of
    faults(seen)
    passed(read(raw, Tally()), "", {})
