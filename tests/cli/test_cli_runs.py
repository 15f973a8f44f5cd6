"""Stored runs by hand: `fsm-orch run --store`, `runs resume` and `land`, and what all of `runs` refuse."""

import json

import pytest
from cli.conftest import ASK, DESK, STORE, TOOL, URL, USE, asked, assert_refused, scripted
from support.in_store import change, put

from fsm_orch.cli import app
from fsm_orch.cli.stored import option_of
from fsm_orch.store import Head

pytestmark = pytest.mark.usefixtures("at_once")

AT = f"--store {URL}"
"""How a hint names the store."""


@pytest.mark.parametrize("words", [["show"], ["resume", "m"], ["answer", "m", "yes"], ["land"], ["replay", "m"]])
def test_a_shortened_id_is_told_the_whole_ones(cli, desk, words):
    """From 6 characters on, three at most are named; nothing has happened to them."""
    for name in ("abcdef-1", "abcdef-2", "abcdef-3", "abcdeh-4"):
        put(URL, name, Head("a"))
    words = [desk if word == "m" else word for word in words]
    three, one, short = (
        cli.invoke(app, ["runs", words[0], run_id, *words[1:], *STORE]) for run_id in ("abcdef", "abcdeh", "abcde")
    )
    put(URL, "abcdef-5", Head("a"))
    many = cli.invoke(app, ["runs", words[0], "abcdef", *words[1:], *STORE])

    said = three.stderr.partition("give a whole id, such as ")[2].strip()
    assert ["abcdef-1", "abcdef-2", "abcdef-3"] == sorted(said.split(", "))
    assert_refused(one, "knows of no run 'abcdeh': give a whole id, such as abcdeh-4")
    assert_refused(short, "knows of no run 'abcde': fsm-orch runs list shows those that it knows")
    assert_refused(many, ", and 1 more")
    rows = json.loads(cli.invoke(app, ["runs", "list", *STORE, "--json"]).stdout)
    assert {("a", "running")} == {(row["state"], row["status"]) for row in rows}
    assert "asked to land" not in cli.invoke(app, ["runs", "list", *STORE]).stdout


def test_a_run_that_is_kept_says_how_to_go_on_with_it(cli, write, monkeypatch):
    """Its id is told before anything happens, and where it waits the command that answers it, both with its store."""
    module = write(TOOL)
    scripted(monkeypatch, USE)
    result = cli.invoke(app, ["run", module, "a cup", *STORE])
    run_id, status = asked(URL)

    assert (result.exit_code, status) == (3, "waiting")
    first, _, last = result.stderr.splitlines()
    assert first == f"fsm-orch: run {run_id} is kept. If this ends: fsm-orch runs resume {run_id} {module} {AT}"
    command = f"fsm-orch runs answer {run_id} {module} ANSWER {AT}"
    assert last == f"fsm-orch: To answer it at any time: {command} (ANSWER: yes or no)"


@pytest.mark.parametrize(
    "more", [["--context", '{"answer": "early"}'], ["--model", "nobody:none"]], ids=["context", "model"]
)
def test_of_a_run_that_never_starts_nothing_is_said_but_why(cli, write, more):
    """No id and no way to go on with it: the store does not have it."""
    assert cli.invoke(app, ["run", write(DESK), "a cup", *STORE]).exit_code == 0
    result = cli.invoke(app, ["run", write(ASK), "a cup", *STORE, *more])

    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "kept" not in result.stderr
    assert len(json.loads(cli.invoke(app, ["runs", "list", *STORE, "--json"]).stdout)) == 1


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///runs.db", "sqlite:///runs.db"),
        ("sqlite:////var/my runs.db?sync=normal", "'sqlite:////var/my runs.db?sync=normal'"),
        ("postgresql://me@host:5432/runs", "postgresql://me@host:5432/runs"),
        ("redis://localhost", "redis://localhost"),
        ("sqlite:///runs.db?key=hush", "..."),
        ("sqlite:///runs.db?sync=normal&key=hush", "..."),
        *[
            (f"postgresql://{rest}", "...")
            for rest in (
                "me:hush@host/runs",
                "me:@host",
                ":hush@host",
                "me:1/hush@host",
                "me:1?hush@host",
                "me:1#hush@host/runs",
                "host/runs?password=hush",
                "me@host,me:hush@other/runs",
                "me%3Ahush@host/runs",
                "host/runs%3Fpassword%3Dhush",
                "host/runs?sslpassword=hush",
                "host/runs?passfile=hush",
                "?service=hush",
                "sk-ant-api03-" + "hushA1" * 10 + "@host/runs",
            )
        ],
    ],
)
def test_a_hint_shows_the_store_unless_its_url_may_hold_a_secret(url, shown):
    """It can be pasted then; else three dots stand for all of it."""
    assert option_of(url) == f"--store {shown}"
    assert option_of(url, "keys:codec") == f"--store {shown} --codec keys:codec"


def test_a_run_is_kept_in_a_file_that_is_made(cli, desk):
    """With a store a run is as without one, and is there afterwards."""
    result = cli.invoke(app, ["run", desk, "hello", *STORE, "--json"])

    assert (json.loads(result.stdout)["run_id"], "finished") == asked(URL)
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "nobody"], "knows of no run 'nobody'"),
        (["resume", "nobody", "MODULE"], "knows of no run 'nobody'"),
        (["answer", "nobody", "MODULE", "yes"], "knows of no run 'nobody'"),
        (["land", "nobody"], "knows of no run 'nobody'"),
        (["show", "RUN", "--at", "2"], "name its MODULE"),
        (["show", "RUN", "MODULE", "--at", "0"], "from 1 to that"),
        (["show", "RUN", "MODULE", "--at", "5"], "has 4 inputs"),
        (["answer", "RUN", "MODULE", "perhaps"], "answered by yes or no"),
        (["answer", "RUN", "MODULE", "yes", "--question", "k"], "no open question 'k': it waits for "),
        (["prune", "--older-than", "soon"], "'soon' is no span of time"),
    ],
)
def test_what_cannot_be_done_is_one_line(cli, tool, words, said):
    """It is said with what is expected; nothing has changed, and the exit code is 2."""
    run_id, status = asked(URL)
    result = cli.invoke(app, ["runs", *({"RUN": run_id, "MODULE": tool}.get(word, word) for word in words), *STORE])

    assert_refused(result, said)
    assert (run_id, status) == asked(URL)


@pytest.mark.parametrize(
    "words", [["show", "RUN", "MODULE"], ["resume", "RUN", "MODULE"], ["answer", "RUN", "MODULE", "yes"]]
)
def test_another_machine_than_the_runs_is_refused(cli, tool, write, words):
    """Both digests are named, and what to do."""
    run_id, _ = asked(URL)
    other = write(TOOL.replace("Help.", "Help us."))
    result = cli.invoke(app, ["runs", *({"RUN": run_id, "MODULE": other}.get(word, word) for word in words), *STORE])

    assert_refused(result, "was started on digest", "and Desk is now", "take the code that it was started with")


@pytest.mark.parametrize("command", ["show", "resume"])
@pytest.mark.parametrize("guard", ["amount > 100", "answer is None"])
def test_code_that_has_changed_under_a_run_is_told(cli, write, tmp_path, monkeypatch, command, guard):
    """A guard whose body was changed has the same digest, and folds the journal to another end."""
    module = write(DESK.replace('"it is small"', '"x"'))
    assert cli.invoke(app, ["run", module, "x", *STORE]).exit_code == 0
    run_id, _ = asked(URL)
    source = (tmp_path / f"{module}.py").read_text(encoding="utf-8")
    (tmp_path / f"{module}.py").write_text(source.replace("amount < 100", guard), encoding="utf-8")
    monkeypatch.delitem(__import__("sys").modules, module)
    __import__("importlib").invalidate_caches()
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    result = cli.invoke(app, ["runs", command, run_id, module, *STORE])

    assert_refused(result, "other code has changed since")


@pytest.mark.parametrize("command", ["show", "resume", "answer"])
def test_a_run_without_a_beginning_is_one_line(cli, tool, tmp_path, command):
    """It was forgotten between two looks at the store, or somebody has changed its rows."""
    run_id, _ = asked(URL)
    change(tmp_path / "runs.db", "DELETE FROM fsm_inputs WHERE position = 0")
    result = cli.invoke(app, ["runs", command, run_id, tool, *STORE])

    assert_refused(result, f"run '{run_id}' has no beginning")


def test_an_id_cannot_steer_the_terminal_from_a_hint(cli, tmp_path, monkeypatch):
    """What is to be done next is said with the id in one line, its control characters written out."""
    monkeypatch.chdir(tmp_path)
    put(URL, "a\x1b[2J\nb", Head("verify"))
    result = cli.invoke(app, ["runs", "land", "a\x1b[2J\nb", *STORE])

    assert "runs land a\\x1b[2J\\nb MODULE" in result.stdout


def test_a_run_that_waits_is_resumed_to_where_it_waits(cli, tool):
    """It is shown with its path so far, what it waits for and how to answer; the exit code says that it waits."""
    run_id, _ = asked(URL)
    result = cli.invoke(app, ["runs", "resume", run_id, tool, *STORE])

    assert result.exit_code == 3
    assert f"Waits: Use pay(cents=5)?  ({run_id}:0:1)\n" in result.stdout
    command = f"fsm-orch runs answer {run_id} {tool} ANSWER {AT}"
    assert result.stdout.endswith(f"To answer it at any time: {command} (ANSWER: yes or no)\n")


def test_a_run_that_another_worker_drives_is_left_alone(cli, tool, tmp_path):
    """Its lease is waited for, which is said, and then it is refused."""
    run_id, _ = asked(URL)
    change(tmp_path / "runs.db", "UPDATE fsm_runs SET owner = 'w'")
    change(tmp_path / "runs.db", "INSERT INTO fsm_workers VALUES ('w', 1e12)")
    result = cli.invoke(app, ["runs", "resume", run_id, tool, *STORE])

    waited, refused = result.stderr.splitlines()
    assert result.exit_code == 2
    assert "is driven by worker w" in waited
    assert waited.endswith("Waiting: if it has died, its lease is over within 15 s")
    assert "is driven by worker w" in refused


def test_landing_is_asked_of_whoever_drives_the_run(cli, tmp_path, monkeypatch):
    """Of one that a worker drives it is said that it lands it; of one that nobody drives, what lands it now."""
    monkeypatch.chdir(tmp_path)
    put(URL, "driven", Head("a"), is_beating=True)
    put(URL, "free", Head("a", "waiting"))
    put(URL, "done", Head("a", "finished"))
    driven, free, done = (cli.invoke(app, ["runs", "land", run, *STORE]) for run in ("driven", "free", "done"))

    assert driven.stdout == "asked to land: its worker lands it within seconds\n"
    command = f"fsm-orch runs land free MODULE {AT}"
    assert free.stdout == f"asked to land: nobody drives it. To land it now, name its module: {command}\n"
    assert_refused(done, "run 'done' has ended in 'a': there is nothing to land")
    listed = cli.invoke(app, ["runs", "list", *STORE]).stdout
    assert listed.count(", asked to land") == 2


def test_a_run_that_nobody_drives_is_landed_here(cli, tool):
    """With its machine it ends in the fallback, with the reason, and nothing is asked of anybody."""
    run_id, _ = asked(URL)
    result = cli.invoke(app, ["runs", "land", run_id, tool, *STORE])

    assert result.exit_code == 0, result.output
    assert "Landed in human (cancelled)" in result.stdout
    assert asked(URL) == (run_id, "finished")
