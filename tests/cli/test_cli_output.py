"""Output that cannot be written: a full device, a pipe that nobody reads, a stdout that is closed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FULL = Path("/dev/full")
OTHERS = [
    "explain FSM105",
    "explain --json",
    "explain --markdown",
    "check machines.shop",
    "check machines.shop --json",
    "run machines.shop:ShopFloor shoes",
    "run machines.shop:ShopFloor shoes --json",
    "graph machines.shop",
    "model list",
    "model list --json",
    "--version",
]
"""Each writes to stdout; `run` needs no model for this query."""
COMMANDS = ["explain", *(pytest.param(command, marks=pytest.mark.slow) for command in OTHERS)]
HELP = ["--help", "explain --help", ""]
"""What typer writes by itself, which ends without a word if nobody reads it."""


def write_to(stdout: int, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command with stdout at a file descriptor."""
    program = "from fsm_orch.cli import app; app()"
    line = [sys.executable, "-c", program, *command.split()]
    return subprocess.run(line, stdout=stdout, stderr=subprocess.PIPE, text=True, cwd=ROOT, timeout=60, check=False)


def to_full_device(command: str) -> subprocess.CompletedProcess[str]:
    """Run a command with its output on a device that is full."""
    with FULL.open("wb") as full:
        return write_to(full.fileno(), command)


def to_closed_pipe(command: str) -> subprocess.CompletedProcess[str]:
    """Run a command with its output in a pipe whose reader has left."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return write_to(writer, command)
    finally:
        os.close(writer)


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("command", [*COMMANDS, *(pytest.param(command, marks=pytest.mark.slow) for command in HELP)])
def test_a_full_device_is_one_line(command: str) -> None:
    """A command whose output does not fit says so in one line, and has not succeeded."""
    ran = to_full_device(command)

    assert (2, "fsm-orch: cannot write to stdout: No space left on device\n") == (ran.returncode, ran.stderr)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_pipe_without_a_reader_is_an_exit_code(command: str) -> None:
    """A reader such as `head` leaves once it has enough: nothing is said of it, and the command has not succeeded."""
    ran = to_closed_pipe(command)

    assert (141, "") == (ran.returncode, ran.stderr)


@pytest.mark.parametrize("command", [*COMMANDS, *(pytest.param(command, marks=pytest.mark.slow) for command in HELP)])
def test_a_closed_stdout_is_one_line(command: str) -> None:
    """A command whose output has nowhere to go says so in one line, and has not succeeded."""
    line = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-c", "from fsm_orch.cli import app; app()"]
    ran = subprocess.run(
        [*line, *command.split()], stderr=subprocess.PIPE, text=True, cwd=ROOT, timeout=60, check=False
    )

    assert (2, "fsm-orch: cannot write to stdout: Bad file descriptor\n") == (ran.returncode, ran.stderr)


@pytest.mark.slow
@pytest.mark.parametrize("command", HELP)
def test_help_that_nobody_reads_has_not_succeeded(command: str) -> None:
    """No traceback is shown of it either."""
    ran = to_closed_pipe(command)

    assert (1, "") == (ran.returncode, ran.stderr)


def test_what_cannot_be_said_is_an_exit_code() -> None:
    """Where stderr takes nothing either, the exit code alone says that nothing was written."""
    reader, writer = os.pipe()
    os.close(reader)
    line = [sys.executable, "-c", "from fsm_orch.cli import app; app()", "explain"]
    try:
        ran = subprocess.run(line, stdout=writer, stderr=writer, timeout=60, check=False)
    finally:
        os.close(writer)

    assert ran.returncode != 0


@pytest.mark.parametrize("opened", [">", ">>"])
def test_a_file_that_stdout_is_keeps_what_others_write_to_it(opened: str, tmp_path: Path) -> None:
    """Before and after: the name of an output that is open already is no file to be put in another's place."""
    program = f"{sys.executable} -c 'from fsm_orch.cli import app; app()' graph machines.shop --output /dev/stdout"
    file = tmp_path / "all.mmd"
    subprocess.run(
        ["sh", "-c", f"(echo FIRST; {program}; {program}; echo LAST) {opened} {file}"], cwd=ROOT, timeout=60, check=True
    )
    said = file.read_text(encoding="utf-8")

    assert (said[:6], said[-5:], said.count("flowchart TD")) == ("FIRST\n", "LAST\n", 2)
