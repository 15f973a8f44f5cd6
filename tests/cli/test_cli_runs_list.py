"""`fsm-orch runs list`."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli.conftest import DESK
from support.in_store import change, put

from fsm_orch.cli import app
from fsm_orch.store import Head

SCRIPT = Path(sys.executable).with_name("fsm-orch")


@pytest.fixture
def url(tmp_path, monkeypatch) -> str:
    """A store with a run of each kind, the oldest first."""
    monkeypatch.chdir(tmp_path)
    place = "sqlite:///runs.db"
    put(place, "done", Head("paid", "finished", 3, 812), thread_id="t1", tenant="acme")
    put(place, "waits", Head("approve", "waiting", 1, 1_512, time.time() + 2 * 86_400 + 60), thread_id="t1")
    put(place, "late", Head("approve", "waiting", 1, 0, time.time() - 3_700))
    put(place, "free", Head("verify"), tenant="acme")
    put(place, "driven", Head("verify"), is_beating=True)
    change(tmp_path / "runs.db", "UPDATE fsm_runs SET began_at = began_at - 7200, stored_at = stored_at - 300")
    return place


def shown(result) -> dict[str, str]:
    """Give the line of each run, after its id."""
    assert result.exit_code == 0, result.output
    return {line.split()[0]: " ".join(line.split()[1:]) for line in result.stdout.splitlines()[1:]}


def test_each_run_is_a_line_that_says_who_is_to_do_something(cli, url):
    """It says the machine, where the run stands, what it has used, how old it is, and who drives it or is asked."""
    lines = shown(cli.invoke(app, ["runs", "list", "--store", url]))

    assert list(lines) == ["driven", "free", "late", "waits", "done"]
    assert lines["done"] == "01234567 paid finished 3 812 2 h 5 min ago"
    assert lines["free"] == "01234567 verify running 0 0 2 h 5 min ago nobody drives it"
    assert lines["driven"].startswith("01234567 verify running 0 0 2 h 5 min ago worker ")
    assert lines["late"].endswith("(1 h ago)")
    assert "a human answers until 20" in lines["waits"]
    assert lines["waits"].endswith("(in 2 d)")


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--status", "waiting"], ["late", "waits"]),
        (["--status", "running"], ["driven", "free"]),
        (["--status", "finished"], ["done"]),
        (["--thread", "t1"], ["waits", "done"]),
        (["--tenant", "acme", "--status", "running"], ["free"]),
        (["--after", "late"], ["waits", "done"]),
    ],
)
def test_what_is_asked_for_is_listed(cli, url, options, ids):
    """Each filter must hold, and a page goes on where the one before ended."""
    assert ids == list(shown(cli.invoke(app, ["runs", "list", "--store", url, *options])))


def test_a_full_page_says_how_to_go_on(cli, url):
    """Below it stands the option that shows the next one."""
    result = cli.invoke(app, ["runs", "list", "--store", url, "--limit", "2"])

    assert result.stdout.endswith("\nthe next page: --after free\n")


def test_machines_whose_modules_are_given_are_shown_by_name(cli, desk):
    """The digest says nothing to a person; runs of other machines keep theirs."""
    store = ["--store", "sqlite:///runs.db"]
    assert cli.invoke(app, ["run", desk, "hello", *store]).exit_code == 0
    put("sqlite:///runs.db", "other", Head("verify"))
    named = ["runs", "list", *store, "--machine", desk]
    lines = shown(cli.invoke(app, named))
    machines = {row["run_id"]: row["machine"] for row in json.loads(cli.invoke(app, [*named, "--json"]).stdout)}

    assert lines.pop("other").startswith("01234567 verify running")
    assert machines.pop("other") is None
    assert [line.split()[0] for line in lines.values()] == ["Desk"]
    assert list(machines.values()) == ["Desk"]


@pytest.mark.parametrize(("target", "said"), [("nowhere", "nowhere"), ("broken", "FSM")])
def test_a_module_without_such_machines_is_said(cli, url, write, target, said):
    """What cannot be found, or does not build, is not passed over."""
    broken = write(DESK.replace("fallback=True, ", ""))
    target = broken if target == "broken" else target
    result = cli.invoke(app, ["runs", "list", "--store", url, "--machine", target])

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_as_json_a_list_is_printed(cli, url):
    """It holds all that the store knows of each run, and no line beside it."""
    result = cli.invoke(app, ["runs", "list", "--json", "--status", "waiting"], env={"FSM_ORCH_STORE": url})
    late, waits = json.loads(result.stdout)

    assert (late["run_id"], waits["run_id"]) == ("late", "waits")
    kept = {key: waits[key] for key in ("state", "status", "hops", "tokens", "thread_id", "owner", "is_driven")}
    assert isinstance(kept.pop("owner"), str)
    assert kept == {
        **{"state": "approve", "status": "waiting", "hops": 1, "tokens": 1_512, "thread_id": "t1"},
        "is_driven": False,
    }


def test_a_store_without_such_runs_says_so(cli, url):
    """An empty page is a line, and an empty list."""
    nobody = ["runs", "list", "--store", url, "--tenant", "nobody"]

    assert cli.invoke(app, nobody).stdout == "no such run\n"
    assert json.loads(cli.invoke(app, [*nobody, "--json"]).stdout) == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:///rnus.db", "there is no file 'rnus.db'"),
        ("mysql://me:hush@host/db", "a store is named by"),
        ("postgresql://me:hush@127.0.0.1:1/db", "could not do it"),
        ("sqlite:///" + __file__, "is no database of SQLite"),
    ],
)
def test_a_store_that_cannot_be_read_is_one_line(cli, tmp_path, monkeypatch, url, said):
    """It is said without the URL's password, nothing is made, and the exit code is 2."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fsm_orch.cli.stored._PATIENCE_S", 0.0)
    result = cli.invoke(app, ["runs", "list", "--store", url])

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert "hush" not in result.output
    assert result.stderr.count("\n") == 1
    assert [] == list(tmp_path.iterdir())


def test_a_page_below_a_run_that_is_not_known_is_refused(cli, url):
    """It would be empty, as if there were no more."""
    result = cli.invoke(app, ["runs", "list", "--store", url, "--after", "nobody"])

    assert (result.exit_code, result.stdout) == (2, "")
    assert "knows of no run 'nobody'" in result.stderr


def test_a_name_cannot_steer_the_terminal(cli, url):
    """Control characters in the ids and states of runs are written out."""
    put(url, "a\x1b[2Jb", Head("s\x07"))
    result = cli.invoke(app, ["runs", "list", "--store", url])

    assert "a\\x1b[2Jb" in result.stdout
    assert "s\\x07" in result.stdout


@pytest.mark.parametrize("columns", ["80", "200"])
def test_a_name_is_one_line(cli, url, monkeypatch, columns):
    """What stands behind an end of line in an id cannot be taken for another run."""
    put(url, "a\nfree\tverify", Head("s\nt"))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", columns)
    result = cli.invoke(app, ["runs", "list", "--store", url])

    assert 0 == result.exit_code
    assert "a\\nfree\\tverify" in result.stdout
    assert "s\\nt" in result.stdout


def test_a_moment_that_no_calendar_has_is_listed(cli, url):
    """A question may be open for longer than there are years."""
    put(url, "ages", Head("approve", "waiting", expires_at=1e15))

    assert "until a moment that no calendar has" in shown(cli.invoke(app, ["runs", "list", "--store", url]))["ages"]


def test_a_pipe_that_nobody_reads_is_no_success(url, tmp_path):
    """A list that could not be written has not succeeded, which its exit code says."""
    reader, writer = os.pipe()
    os.close(reader)
    line = [SCRIPT, "runs", "list", "--store", url]
    ran = subprocess.run(line, cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(writer)

    assert (141, "") == (ran.returncode, ran.stderr)


def test_a_narrow_terminal_cuts_no_id(cli, url, monkeypatch):
    """What is copied into the next command is whole, and what does not fit beside it stands below."""
    put(url, "9f" * 16, Head("approve", "waiting"))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    result = cli.invoke(app, ["runs", "list", "--store", url])
    plain = re.sub(r"\x1b\[[0-9;]*m", "", result.stdout)

    assert "9f" * 16 + "   approve   waiting" in plain
    assert "    a human answers; machine 01234567, stored 0 s ago\n" in plain
    assert "    nobody drives it; machine 01234567, stored 5 min ago\n" in plain
    assert max(map(len, plain.splitlines())) <= 80
