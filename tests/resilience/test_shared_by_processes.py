"""Gates that real processes share over a real Redis: one bucket, one breaker, one set of places for all of them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import accumulate
from statistics import median
from uuid import uuid4

import pytest
from support.peers import LEASE_S, OPEN_S, Peer, at_once, peers
from support.servers import redis

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def four() -> Iterator[list[Peer]]:
    """Four processes, whose gates are as new when a test ends well."""
    with peers(4, redis().url, uuid4().hex) as started:
        yield started


def test_one_breaker_and_one_probe_of_four(four: list[Peer]) -> None:
    """Three failures of three processes open it for all four, one of them is the probe, and its success closes it."""
    assert [0] * 4 == [peer.ask("enter") for peer in four]
    assert [False, False, True] == [peer.ask("leave", 0, "error") for peer in four[:3]]
    assert [True] * 4 == at_once(four, "is_shut")

    time.sleep(OPEN_S)
    entered = at_once(four, "enter")
    (probe,) = [number for number in entered if isinstance(number, int)]
    assert 3 == len([reason for reason in entered if str(reason).startswith("shut: ")])
    assert [True] * 4 == at_once(four, "is_shut")
    assert four[entered.index(probe)].ask("leave", probe, "ok") is False

    assert [False] * 4 == at_once(four, "is_shut")
    assert [0] * 4 == at_once(four, "enter")


def test_one_pace(four: list[Peer]) -> None:
    """Four processes that want more leave 100 times in most seconds, within 2 %, and never more often for long."""
    # a process that has no turn for a while leaves less often, and the turns that it had are nobody's
    left = sorted(moment for moments in at_once(four, "leave_for", 4.0, 20) for moment in moments)
    seconds = [later - since for since, later in zip(left, left[100:], strict=False)]

    assert median(seconds) == pytest.approx(1.0, rel=0.02)
    assert (len(left) - 1) / (left[-1] - left[0]) <= 100 * 1.02


def test_eight_places_are_never_nine(four: list[Peer]) -> None:
    """Of 600 stays in four processes at most eight are at the same time, by the clock of the server, and eight are."""
    stays = [stay for stays in at_once(four, "stay", 15, 10) for stay in stays]
    changes = sorted([(since, 1) for since, _ in stays] + [(until, -1) for _, until in stays])

    assert 600 == len(stays)
    assert 8 == max(accumulate(change for _, change in changes))


def test_who_is_killed_frees_its_places() -> None:
    """Eight places of a process that is killed are another's as soon as their leases have run out, and not before."""
    with peers(2, redis().url, uuid4().hex) as (killed, other):
        killed.ask("hold", 8, 1.0)
        assert "full: no place came free, 8 attempts are at work, and 0 wait" == other.ask("hold", 1, 1.2 * LEASE_S)
        killed.ask("is_shut")  # a beat or more
        killed.send(signal.SIGKILL)
        began = time.monotonic()
        assert isinstance(other.ask("hold", 8, 3 * LEASE_S), float)

    assert LEASE_S * 0.5 < time.monotonic() - began


def test_who_is_killed_in_line_keeps_nobody_waiting() -> None:
    """It stood before another process in the line, and was killed there."""
    with peers(3, redis().url, uuid4().hex) as (holder, killed, other):
        holder.ask("hold", 8, 1.0)
        killed.begin("hold", 8, 60.0)
        time.sleep(0.3)
        killed.send(signal.SIGKILL)
        holder.ask("give_back")
        assert isinstance(other.ask("hold", 8, 3 * LEASE_S), float)


def test_a_prober_that_is_killed_lets_another_one_try() -> None:
    """Its lease runs out; and one that was only stopped that long says nothing any more."""
    with peers(2, redis().url, uuid4().hex) as (stopped, other):
        for _ in range(3):
            stopped.ask("leave", 0, "error")
        time.sleep(OPEN_S)
        late = stopped.ask("enter")
        assert late > 0
        stopped.send(signal.SIGSTOP)
        time.sleep(LEASE_S + 0.1)
        probe = other.ask("enter")
        assert probe > late
        stopped.send(signal.SIGCONT)
        stopped.ask("leave", late, "ok")  # what it sees itself hangs on whether it was stopped while it asked
        assert other.ask("is_shut") is True
        assert other.ask("leave", probe, "ok") is False


def test_a_process_ends_without_a_word_though_its_gates_are_open() -> None:
    """Nobody has closed them, and they keep nothing alive."""
    program = f"""
from fsm_orch.resilience.shared import SharedGates
shared = SharedGates({redis().url!r}, namespace={uuid4().hex!r}, lease_s=60, timeout_s=20).open()
shared.breaker("agent")
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, timeout=60, check=False)
    assert (0, b"", b"") == (done.returncode, done.stdout, done.stderr)
