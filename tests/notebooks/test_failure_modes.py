"""The tables of failure modes and of threats name tests, and there are those."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.shown import ROOT

PAGE = ROOT / "notebooks" / "explanation" / "failure-modes.md"
THREATS = ROOT / "notebooks" / "explanation" / "threats.md"
MODES = (
    "Self-handoff", "Ping-pong", "No timeout", "Shared mutable state", "Context lost", "History growth",
    "Silent empty output", "Duplicate fan-out", "Hallucinated agent", "Hallucinated parameters", "Wrong tool schema",
    "Misroute",
)  # fmt: skip
TEST = re.compile(r'<code title="(tests/[\w/]+\.py)">(\w+)</code>')
"""A test: its name is shown, and its file where one points at it."""


def rows(page: Path = PAGE) -> list[str]:
    """Return the rows of the tables of a page, without their heads."""
    return [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| **")]


def test_every_mode_has_a_row() -> None:
    """Each failure mode has a row of its own, which says what becomes of it and names a test."""

    assert list(MODES) == [re.findall(r"\*\*(.+?)\*\*", row)[0] for row in rows()]
    assert [] == [row for row in rows() if not TEST.search(row)]
    assert [] == [row for row in rows() if not re.search(r"\| (prevented|bounded|measured)\b", row)]


def test_nothing_of_the_table_is_still_to_come() -> None:
    """Each row says what becomes of a failure now."""
    assert [] == [row for row in rows() if "still to come" in row]


def test_every_threat_has_a_row() -> None:
    """Each of both lists has one, the tenth of models a table; each row says what is done, and names a test."""
    threats = rows(THREATS)

    assert "\n## Unbounded consumption (LLM10)\n" in THREATS.read_text(encoding="utf-8")
    assert [f"LLM{number:02}" for number in range(1, 10)] == re.findall(r"\*\*(LLM\d\d) ", "\n".join(threats))
    assert [f"ASI{number:02}" for number in range(1, 11)] == re.findall(r"\*\*(ASI\d\d) ", "\n".join(threats))
    assert [] == [row for row in threats if not TEST.search(row)]
    assert [] == [row for row in threats if not re.search(r"\| (prevented|bounded|not prevented)\b", row)]


@pytest.mark.slow
@pytest.mark.parametrize("page", [PAGE, THREATS], ids=lambda page: page.stem)
def test_the_tests_of_the_table_exist(page: Path) -> None:
    """Every test that the page names is collected by pytest under that name."""
    named = sorted({"::".join(test) for test in TEST.findall(page.read_text(encoding="utf-8"))})
    collect = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *named]
    done = subprocess.run(collect, cwd=ROOT, capture_output=True, text=True, check=False)
    collected = {line.partition("[")[0] for line in done.stdout.splitlines() if "::" in line}

    assert 0 == done.returncode, done.stdout + done.stderr
    assert len(named) >= len(rows(page))
    assert set(named) == collected
