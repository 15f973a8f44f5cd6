"""What a test waits for ends: a process that says nothing is killed."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from support.fleet import wait_until
from support.patience import in_time


def silent(does: str) -> subprocess.Popen[str]:
    """Return a process whose output nobody else holds."""
    return subprocess.Popen([sys.executable, "-c", does], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_process_that_says_nothing_is_killed() -> None:
    """Whoever reads from it is told of that, whatever was made of the end of what it said."""
    with silent("input()") as process:
        assert process.stdout is not None

        with pytest.raises(TimeoutError, match="was killed"), in_time(process, 0.2):
            int(process.stdout.readline())


def test_a_process_that_answers_lives() -> None:
    """It is not killed later either."""
    with silent("print(1); input(); print(2)") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with in_time(process, 600):
            assert "1\n" == process.stdout.readline()
        wait_until(lambda: not any(isinstance(each, threading.Timer) for each in threading.enumerate()))

        assert "2\n" == process.communicate("go\n", timeout=60)[0]
        assert 0 == process.returncode
