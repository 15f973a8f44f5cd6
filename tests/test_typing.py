"""What type checkers say of right and of wrong uses; the files they read are executed by nobody."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
RIGHT = "tests/typing/right_uses.py"
WRONG = "tests/typing/wrong_uses.py"
MARK = "  # error: "

pytestmark = pytest.mark.slow


class Complaint(NamedTuple):
    """An error of a checker."""

    file: str
    line: int
    message: str


Checker = Callable[[], tuple[Complaint, ...]]


@cache
def mypy() -> tuple[Complaint, ...]:
    """Ask mypy about both files."""
    cache = Path(".mypy_cache", os.environ.get("PYTEST_XDIST_WORKER", ""))  # two at once must not share one
    lines = _output("mypy", "--strict", f"--cache-dir={cache}", "--output=json", RIGHT, WRONG).splitlines()
    said = [json.loads(line) for line in lines if line.startswith("{")]
    return tuple(Complaint(item["file"], item["line"], item["message"]) for item in said if item["severity"] == "error")


@cache
def pyright() -> tuple[Complaint, ...]:
    """Ask pyright about both files."""
    said = json.loads(_output("pyright", "--outputjson", "--pythonpath", sys.executable, RIGHT, WRONG))
    return tuple(
        Complaint(Path(item["file"]).relative_to(ROOT).as_posix(), item["range"]["start"]["line"] + 1, item["message"])
        for item in said["generalDiagnostics"]
        if item["severity"] == "error"
    )


def _output(checker: str, *args: str) -> str:
    """Run a checker, which answers 1 when it finds errors, and more when it could not look."""
    done = subprocess.run([sys.executable, "-m", checker, *args], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_right_uses_pass(checker: Checker) -> None:
    """A checker has nothing to say of the right uses."""

    assert [] == [complaint for complaint in checker() if complaint.file == RIGHT]


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_wrong_uses_are_errors(checker: Checker) -> None:
    """A checker refuses each marked line of the wrong uses, and no other."""
    lines = dict(enumerate((ROOT / WRONG).read_text().splitlines(), 1))
    marked = {number for number, line in lines.items() if MARK in line}
    refused = {complaint.line for complaint in checker() if complaint.file == WRONG}

    assert [] == [f"{number}: {lines[number].strip()}" for number in sorted(marked ^ refused)]
