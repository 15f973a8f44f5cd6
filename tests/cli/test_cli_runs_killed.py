"""Stored runs in real processes: one is killed while its model is asked, others go on with it and answer it."""

import json
import signal
import subprocess
from pathlib import Path

import pytest
from support.in_store import change
from support.interrupted import begun
from support.killed import forget_leases, inputs, killed_in_its_call, stored
from support.servers import postgres
from support.stubbed import HANG, command, environment

pytestmark = pytest.mark.slow

URL = "sqlite:///runs.db"
USE = {"tool": "pay_back", "arguments": {"order": 1041, "cents": 4_900, "reason": "it is broken"}}
CLAIM = ("machines.refund", "Order 1041 arrived broken, please send my money back")
PAID = "$49.00 of order 1041 are on their way back to you."


def run(folder: Path, script, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `fsm-orch` with the store in a folder."""
    return run_at(folder, script, *words, "--store", URL)


def run_at(folder: Path, script, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `fsm-orch` in a process of its own."""
    line = command(script, *words)
    return subprocess.run(line, cwd=folder, env=environment(), capture_output=True, text=True, timeout=120, check=False)


def begin_and_kill(folder: Path) -> str:
    """Begin a claim, and kill its process while its model is asked: its reservation is stored before it leaves."""
    return killed_in_its_call(command(HANG, "run", *CLAIM, "--store", URL), folder, after=3)


def test_a_refund_is_approved_the_next_day_from_another_terminal(tmp_path):
    """Its process is killed, it is listed and resumed, and a day later it is approved, each in a process of its own."""
    run_id = begin_and_kill(tmp_path)
    listed = run(tmp_path, [], "runs", "list")
    forget_leases(tmp_path)
    free = run(tmp_path, [], "runs", "list", "--status", "running")
    resumed = run(tmp_path, [{"reply": {"use": USE}}], "runs", "resume", run_id, CLAIM[0])
    day = "UPDATE fsm_runs SET began_at = began_at - 86400, stored_at = stored_at - 86400"
    change(tmp_path / "runs.db", day)
    waits = run(tmp_path, [], "runs", "list", "--status", "waiting")
    no_yes = run(tmp_path, [], "runs", "answer", run_id, CLAIM[0], "perhaps")
    said = [{"reply": {"text": "I have paid it."}}]
    approved = run(tmp_path, said, "runs", "answer", run_id, CLAIM[0], "yes", "--who", "ann")
    shown = run(tmp_path, [], "runs", "show", run_id, "--json")

    assert "  worker " in listed.stdout
    assert "nobody drives it" in free.stdout
    assert (3, "") == (resumed.returncode, resumed.stderr)
    assert "Waits: Use pay_back(order=1041, cents=4900, reason='it is broken')?" in resumed.stdout
    assert " 1 d   1 d ago   a human answers until 20" in waits.stdout
    assert (2, True) == (no_yes.returncode, "answered by yes or no" in no_yes.stderr)
    assert (0, "") == (approved.returncode, approved.stderr)
    assert f"  answer  {PAID}\n" in approved.stdout
    answers = [each for each in json.loads(shown.stdout)["journal"] if each["kind"] == "answered"]
    assert [(True, "ann"), ("paid", None)] == [(each["value"], each.get("who")) for each in answers]


def test_ctrl_c_lands_a_run_that_was_resumed(tmp_path):
    """It is interrupted while its model is asked: it has landed, which the line says, and the store has its end."""
    run_id = begin_and_kill(tmp_path)
    forget_leases(tmp_path)
    resumed = begun(*command(HANG, "runs", "resume", run_id, CLAIM[0], "--store", URL), cwd=tmp_path, env=environment())
    with resumed:
        while inputs(tmp_path) < 5:
            assert resumed.poll() is None, resumed.communicate()
        resumed.send_signal(signal.SIGINT)
        _, stderr = resumed.communicate(timeout=60)

    (row,) = stored(tmp_path)
    assert (130, "fsm-orch: Interrupted: the run was landed\n") == (resumed.returncode, stderr)
    assert (row.head.state, row.head.status) == ("open_claim", "finished")


def test_a_server_is_a_store_like_a_file(tmp_path):
    """The commands do the same, and the password of its URL is in no line that they print."""
    server = postgres()
    server.empty()
    url = server.url.replace("postgres:secret", "postgres:hush")
    words = ("--store", url)
    done = [
        run_at(tmp_path, [{"reply": {"use": USE}}], "run", *CLAIM, *words),
        run_at(tmp_path, [], "runs", "list", *words),
    ]
    run_id = done[1].stdout.splitlines()[1].split()[0]
    said = [{"reply": {"text": "I have paid it."}}]
    done += [
        run_at(tmp_path, said, "runs", "answer", run_id, CLAIM[0], "yes", *words),
        run_at(tmp_path, [], "runs", "show", run_id, CLAIM[0], *words),
        run_at(tmp_path, [], "runs", "prune", "--older-than", "0s", *words),
        run_at(tmp_path, [], "runs", "show", run_id, *words),
    ]

    assert [3, 0, 0, 0, 0, 2] == [each.returncode for each in done]
    assert PAID in done[3].stdout
    assert "forgot 1 run\n" == done[4].stdout
    assert not any("hush" in each.stdout + each.stderr for each in done)
