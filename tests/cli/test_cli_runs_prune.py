"""`fsm-orch runs prune`: what has finished is forgotten by its age."""

import json

from cli.conftest import STORE, URL, asked
from support.in_store import change, put

from fsm_orch.cli import app
from fsm_orch.store import Head


def test_what_has_finished_is_pruned_by_age(cli, tmp_path, monkeypatch):
    """A dry run counts the same runs, and forgets none; younger ones and open ones stay."""
    monkeypatch.chdir(tmp_path)
    for run, status in (("old", "finished"), ("open", "waiting"), ("older", "finished")):
        put(URL, run, Head("a", status))
    change(tmp_path / "runs.db", "UPDATE fsm_runs SET began_at = began_at - 86400, stored_at = stored_at - 86400")
    put(URL, "young", Head("a", "finished"))
    prune = ["runs", "prune", *STORE, "--older-than"]

    def said(*words: str) -> str:
        return cli.invoke(app, [*prune, *words]).stdout

    assert said("2d", "--dry-run") == "would forget 0 runs\n"
    assert said("23h", "--dry-run") == "would forget 2 runs\n"
    assert json.loads(said("23h", "--dry-run", "--json")) == {"runs": 2, "is_dry_run": True}
    assert said("23h") == "forgot 2 runs\n"
    assert said("0s", "--json") == '{"runs":1,"is_dry_run":false}\n'
    assert asked(URL) == ("open", "waiting")


def test_a_dry_run_counts_what_is_pruned(cli, tmp_path, monkeypatch):
    """What a conversation goes on with stays, and is not counted."""
    monkeypatch.chdir(tmp_path)
    for run, status, thread in (
        ("a", "finished", "t"),
        ("b", "waiting", "t"),
        ("c", "finished", "t"),
        ("d", "finished", "u"),
    ):
        put(URL, run, Head("x", status), thread_id=thread)
    prune = ["runs", "prune", *STORE, "--older-than", "0s"]

    assert cli.invoke(app, [*prune, "--dry-run"]).stdout == "would forget 2 runs\n"
    assert cli.invoke(app, prune).stdout == "forgot 2 runs\n"
