"""Triage of whatever a log may hold: each command ends with a result or an error, and no line rules a terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.lanes import in_both_lanes
from typer.testing import CliRunner

from fsm_orch.cli import app

COMMANDS = ("loops", "worst", "misroutes", "errors", "context")
HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\r\x08\u202e\u2028"
"""What clears a screen, names a window, colours, goes back, and turns the order of letters."""
EVENTS = (
    *("run_started", "visit_started", "handed_off", "landed", "run_finished", "call_settled", "call_released"),
    *("call_denied", "attempt_failed", "refused", "overspent", "changed", "asked"),
)
names = st.sampled_from(["a", "b", "7", "", "x" * 401, HOSTILE, "a" + HOSTILE, "[red]a[/red]", "[/]", "\ud800", "é"])
numbers = st.sampled_from([0, 1, 3, -1, 1 << 53, 1 << 64, 10**400, 1e308, 0.5, True, "1"])
anything = st.none() | names | numbers | st.just([]) | st.just({"a": HOSTILE})
FIELDS: dict[str, Any] = {
    **dict.fromkeys(("run_id", "state", "source", "target", "handoff", "reason", "agent", "model"), names),
    **dict.fromkeys(("machine", "root", "digest", "trace_id", "path"), names | st.just("1.1")),
    **dict.fromkeys(("hops", "settled", "remaining", "seconds", "cost", "messages", "input_tokens"), numbers),
    "timestamp": anything | st.just("2026-01-01T00:00:00Z") | st.just("9999-12-31T23:59:59-23:59"),
    "written": anything | st.lists(names, max_size=3),
    "is_retried": anything,
}


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Draw a line: a record, mostly, with a field of a wrong type, one that stands twice, or its end cut off."""
    plain = {"event": draw(st.sampled_from(EVENTS)), "run_id": "7", "state": "a", "hops": draw(st.integers(0, 4))}
    shown = {"source": draw(names), "target": draw(names), "handoff": draw(names), "reason": draw(names)}
    chosen = draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=4, unique=True))
    made = plain | shown | {name: draw(FIELDS[name]) for name in chosen}
    said = json.dumps(made, ensure_ascii=draw(st.booleans()))
    if draw(st.booleans()):
        said = said[:-1] + "," + json.dumps({draw(st.sampled_from(sorted(FIELDS))): draw(anything)})[1:]
    if draw(st.integers(0, 5)) == 0:
        said = said[: draw(st.integers(0, len(said)))]
    match draw(st.integers(0, 6)):
        case 0:
            return f"2026-01-01T00:00:00.1Z {draw(names)} stdout F {said}"
        case 1:
            return f"Jan 01 00:00:00 host {draw(names)}[1]: {said}"
        case 2:
            return json.dumps({"log": said + "\n", "stream": "stdout", "time": draw(anything)})
        case 3:
            return json.dumps({"MESSAGE": said, "__REALTIME_TIMESTAMP": draw(anything)})
        case _:
            return said


def is_plain(shown: str) -> bool:
    """Check that a terminal would write this down and obey nothing of it."""
    return not any(
        (char < " " and char != "\n") or "\x7f" <= char <= "\x9f" or char in "\u202e\u2028" for char in shown
    )


@in_both_lanes(few=3, many=25)
def test_whatever_a_log_holds_each_command_ends(tmp_path: Path, examples: int) -> None:
    """With a result and no error of ours, and no escape sequence of a line on the terminal."""
    log = tmp_path / "drawn.log"

    @settings(max_examples=examples)
    @given(st.lists(texts() | st.text(max_size=30), min_size=1, max_size=8), st.sampled_from([(), ("--since", "1h")]))
    @example([json.dumps({"event": "run_started", "run_id": "7", "state": "a", "hops": 0, "machine": HOSTILE})], ())
    def each_command_ends(lines: list[str], more: tuple[str, ...]) -> None:
        log.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
        for command in COMMANDS:
            words = ["triage", command, *(["7"] if command == "context" else []), str(log), *more]
            shown = CliRunner().invoke(app, words)
            told = CliRunner().invoke(app, [*words, "--json"])

            assert not isinstance(shown.exception or told.exception, Exception), (shown.exception, told.exception)
            assert shown.exit_code in (0, 1, 2)
            assert shown.exit_code == told.exit_code
            assert is_plain(shown.output), repr(shown.output)
            assert is_plain(told.stderr)
            if told.exit_code == 0:
                json.loads(told.stdout)
                assert is_plain(told.stdout), repr(told.stdout)

    each_command_ends()


def test_the_name_of_a_file_and_of_a_run_is_shown_safely(tmp_path: Path) -> None:
    """What a user has asked for rules no terminal either."""
    hostile = "\x1b[2J\x07"
    missing = CliRunner().invoke(app, ["triage", "worst", str(tmp_path / f"{hostile}.log")])
    empty = tmp_path / f"{hostile}empty.log"
    empty.write_text("{}\n", encoding="utf-8")
    unknown = CliRunner().invoke(app, ["triage", "context", hostile, str(empty)])

    for result in (missing, unknown):
        assert result.exit_code in (1, 2)
        assert is_plain(result.output), repr(result.output)
