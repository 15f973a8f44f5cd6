"""The table of failure modes names tests, and there are those."""

import re
import subprocess
import sys

import pytest
from support.shown import ROOT

PAGE = ROOT / "notebooks" / "explanation" / "failure-modes.md"
MODES = (
    "Self-handoff", "Ping-pong", "No timeout", "Shared mutable state", "Context lost", "History growth",
    "Silent empty output", "Duplicate fan-out", "Hallucinated agent", "Hallucinated parameters", "Wrong tool schema",
    "Misroute",
)  # fmt: skip
TEST = re.compile(r'<code title="(tests/[\w/]+\.py)">(\w+)</code>')
"""A test: its name is shown, and its file where one points at it."""


def rows() -> list[str]:
    """Return the rows of the table, without its head."""
    return [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| **")]


def test_every_mode_has_a_row() -> None:
    """Each failure mode has a row of its own, which says what becomes of it and names a test."""

    assert list(MODES) == [re.findall(r"\*\*(.+?)\*\*", row)[0] for row in rows()]
    assert [] == [row for row in rows() if not TEST.search(row)]
    assert [] == [row for row in rows() if not re.search(r"\| (prevented|bounded|measured)\b", row)]


def test_nothing_of_the_table_is_still_to_come() -> None:
    """Each row says what becomes of a failure now."""
    assert [] == [row for row in rows() if "still to come" in row]


@pytest.mark.slow
def test_the_tests_of_the_table_exist() -> None:
    """Every test that the page names is collected by pytest under that name."""
    named = sorted({"::".join(test) for test in TEST.findall(PAGE.read_text(encoding="utf-8"))})
    collect = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *named]
    done = subprocess.run(collect, cwd=ROOT, capture_output=True, text=True, check=False)
    collected = {line.partition("[")[0] for line in done.stdout.splitlines() if "::" in line}

    assert 0 == done.returncode, done.stdout + done.stderr
    assert len(named) >= len(MODES)
    assert set(named) == collected
