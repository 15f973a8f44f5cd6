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
    "Misroute", "Step repetition", "Crash of the process", "Work done twice", "Provider down",
    "Budget checked too late", "Verification missing", "Premature end", "Instructions hidden in data",
    "Role without a scope", "Ignored instructions",
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
    assert [] == [row for row in rows() if not re.search(r"\| (prevented|bounded|measured|not prevented)\b", row)]


def told_by_readme() -> list[list[str]]:
    """Return the cells of each row of README's table, without its head."""
    _, _, section = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## How teams of agents fail\n")
    lines = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_readme_says_the_same_of_each_mode() -> None:
    """README's table has each mode once, with the verdict of the page, in at most sixteen lines."""
    of_page = {}
    for row in rows():
        name, verdict = re.findall(r"^\| \*\*(.+?)\*\*.+? \| (.+?):", row)[0]
        of_page[name.lower()] = verdict
    of_readme = [(name, verdict) for names, verdict, _ in told_by_readme() for name in names.split(", ")]

    assert sorted(of_page.items()) == sorted(of_readme)
    assert len(told_by_readme()) + 2 <= 16


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
