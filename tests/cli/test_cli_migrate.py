"""`fsm-orch migrate`: what it says, what it does with stored runs, and what it refuses."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli.conftest import CODEC
from click.testing import Result
from support.in_flight import journals, put_all, source
from support.repository import Repository
from typer.testing import CliRunner

from fsm_orch import discover
from fsm_orch.cli import app
from fsm_orch.cli.migrate.revisions import version
from fsm_orch.cli.stored import opened
from fsm_orch.kernel.renames import Renames
from fsm_orch.run.migration import Migration
from fsm_orch.store.sql import SqlStore


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    repository = Repository(tmp_path)
    repository.commit(flight=source())
    yield repository
    sys.modules.pop("flight", None)


def migrate(*words: str, old: str = "HEAD", new: str = "flight:Support") -> Result:
    """Migrate from a version to another."""
    return CliRunner().invoke(app, ["migrate", old, new, *words])


@pytest.fixture
def stored(repository: Repository) -> Iterator[str]:
    """Store runs of the version that was committed, and give the URL of their store."""
    url = f"sqlite:///{repository.top}/runs.db"
    store = SqlStore(url)
    with version("HEAD", "flight:Support", repository.top) as old:
        asyncio.run(put_all(store, old.machine, asyncio.run(journals(old.machine, (1, 2)))))
    yield url
    store.close()


def test_without_a_store_all_runs_that_could_be_are_judged(repository: Repository) -> None:
    """In CI it fails if one would be stranded; each reason is said once, with the way there and the commit to keep."""
    commit = repository.commit(unrelated="")
    repository.write(flight=source("removed"))
    result = migrate()
    said = json.loads(migrate("--json").stdout)

    assert (1, "") == (result.exit_code, result.stderr)
    assert "stranded  triage → verify\n  why: state 'verify' is gone" in result.stdout
    assert (
        f"git worktree add --detach ../old {commit[:12]} && cd ../old && fsm-orch worker flight:Support"
        in result.stdout
    )
    assert ("stranded", "state 'verify' is gone", ["triage", "verify"]) == tuple(
        said["losses"][0][name] for name in ("verdict", "why", "path")
    )
    assert said["counts"]["stranded"] > 0 < said["counts"]["continues"]
    assert said["old"] != said["new"]


def test_a_change_that_strands_nobody_passes(repository: Repository) -> None:
    """A new state, and another prompt."""
    repository.write(flight=source("added"))
    result = migrate()

    assert (0, "") == (result.exit_code, result.stderr)
    assert " places: a run goes on in the new version" in result.stdout
    assert "With --store and --apply, runs go on in the new version." in result.stdout


def test_a_name_that_changed_is_said(repository: Repository) -> None:
    """A state and a handoff; what is neither is refused, with those that there are."""
    repository.write(flight=source("renamed"))
    renamed = migrate("--rename", "billing=invoices", "--rename", "to_billing=to_invoices")
    wrong = migrate("--rename", "biling=invoices")
    twice = migrate("--rename", "billing=invoices", "--rename", "billing=triage")

    assert (1, 0, 2) == (migrate().exit_code, renamed.exit_code, wrong.exit_code)
    assert "--rename biling=invoices: say OLD=NEW, a state of the old version" in wrong.stderr
    assert "States: triage, billing, verify" in wrong.stderr
    assert "If that is one state under another name, say so: --rename billing=invoices" in migrate().stdout
    assert "--rename" not in renamed.stdout
    assert (2, True) == (twice.exit_code, "'billing' is 'invoices' already, so say it once" in twice.stderr)


def test_of_stored_runs_it_only_tells_unless_more_is_asked(repository: Repository, stored: str) -> None:
    """Each that does not continue, in a line with its way and its reason; then how many, and what keeps them alive."""
    repository.write(flight=source("removed"))
    result = migrate("--store", stored)

    assert 1 == result.exit_code
    assert "stranded  r1-4  triage → verify\n  why: state 'verify' is gone; input 4" in result.stdout
    assert {"continues  15 runs", "snapshot   4 runs", "stranded   1 run"} <= {*result.stdout.splitlines()}
    assert "Keep a worker of the old version until its runs have ended" in result.stdout
    assert migrate("--store", stored, "--pin").stdout == result.stdout


def test_those_that_continue_are_rebound_and_the_next_time_there_are_fewer(repository: Repository, stored: str) -> None:
    """What is left is what does not continue; `runs show` tells of the others that they were rebound."""
    repository.write(flight=source("removed"))
    done = json.loads(migrate("--store", stored, "--apply", "--json").stdout)
    again = json.loads(migrate("--store", stored, "--apply", "--json").stdout)
    show = CliRunner().invoke(app, ["runs", "show", "r2-4", "flight:Support", "--store", stored])
    as_json = json.loads(CliRunner().invoke(app, ["runs", "show", "r2-4", "--store", stored, "--json"]).stdout)
    listed = json.loads(CliRunner().invoke(app, ["runs", "list", "--store", stored, "--json"]).stdout)

    assert {"rebound": done["counts"]["continues"]} == done["done"]
    assert {**done["counts"], "continues": 0} == again["counts"]
    assert done["runs"] == again["runs"]
    assert f"rebound   from {done['old'][:12]} to {done['new'][:12]} on 2" in show.stdout
    assert [done["old"]] == [each["was"] for each in as_json["rebound"]]
    assert done["done"]["rebound"] == sum(bool(each["rebound"]) for each in listed)


def test_those_that_are_stranded_are_landed_by_the_old_version(repository: Repository, stored: str) -> None:
    """They end in its fallback, no model is asked, and no other run is touched; then none is stranded."""
    repository.write(flight=source("required"))
    before = json.loads(migrate("--store", stored, "--json").stdout)
    result = migrate("--store", stored, "--land", "--json")
    done = json.loads(result.stdout)
    rows = asyncio.run(_all(stored))

    assert (0, {"landed": before["counts"]["stranded"]}) == (result.exit_code, done["done"])
    assert {("human", "finished", before["old"])} == {(row.head.state, row.head.status, row.digest) for row in rows}
    assert 0 == json.loads(migrate("--store", stored, "--json").stdout)["counts"]["stranded"]


async def _all(url: str) -> Any:
    store = SqlStore(url)
    rows = await store.list(limit=500)
    store.close()
    return rows


def test_a_run_that_is_driven_stays_where_it_is(repository: Repository, stored: str) -> None:
    """It is said by whom, and that it is not done; the others are rebound."""
    repository.write(flight=source("prompt"))
    worker = SqlStore(stored)
    asyncio.run(_owned(worker, "r1-2"))
    result = migrate("--store", stored, "--apply", "--json")
    done = json.loads(result.stdout)
    worker.close()

    assert (1, ["r1-2"]) == (result.exit_code, [run["run_id"] for run in done["runs"]])
    assert "run 'r1-2' is driven by worker" in done["runs"][0]["problem"]
    assert done["counts"]["continues"] - 1 == done["done"]["rebound"]


async def _owned(store: SqlStore, run_id: str) -> None:
    await store.beat()
    await store.claim(run_id)


def test_runs_are_judged_through_the_codec_of_their_store(repository: Repository) -> None:
    """Without it no journal can be read, and none is moved; with it the runs that continue are rebound."""
    url, codec = f"sqlite:///{repository.top}/coded.db", "coding:mirror"
    repository.write(coding=CODEC, flight=source("prompt"))
    with version("HEAD", "flight:Support", repository.top) as old, opened(url, codec, is_there=False) as store:
        asyncio.run(put_all(store, old.machine, asyncio.run(journals(old.machine, (1,)))))
    refused = migrate("--store", url, "--apply")
    done = migrate("--store", url, "--apply", "--codec", codec, "--json")
    sys.modules.pop("coding", None)

    assert (2, 0) == (refused.exit_code, done.exit_code), done.output
    assert "was it stored with a codec" in refused.stderr
    assert json.loads(done.stdout)["done"]["rebound"] == len(asyncio.run(_all(url)))


def test_another_code_under_one_digest_is_told(repository: Repository, stored: str) -> None:
    """Workers of the new version take such runs, and refuse them: nothing can be rebound."""
    repository.write(flight=source("guardbody"))
    result = migrate("--store", stored, "--apply")

    assert 1 == result.exit_code
    assert "Both versions have one digest, so a worker of the new one takes these runs" in result.stdout
    assert not any(row.rebound for row in asyncio.run(_all(stored)))


def test_no_more_than_a_page_is_looked_at_at_once(repository: Repository, stored: str) -> None:
    """Runs are judged one after the other, while others may be stored."""
    repository.write(flight=source("prompt"))
    new, loaded, store = discover.machine("flight:Support", repository.top), list[str](), SqlStore(stored)
    load = store.load

    async def watched(run_id: str) -> Any:
        loaded.append(run_id)
        return await load(run_id)

    store.load = watched  # type: ignore[method-assign]

    async def first(migration: Migration) -> None:
        async for case in migration.cases():
            assert [case.run.run_id] == loaded
            return

    with version("HEAD", "flight:Support", repository.top) as old:
        definitions = old.machine.definition, new.definition
        asyncio.run(first(Migration(store=store, old=definitions[0], new=definitions[1], renames=Renames(), way="pin")))
    store.close()


def test_each_run_is_looked_at_once_whatever_happens_to_it_meanwhile(repository: Repository, stored: str) -> None:
    """One that waits is answered before those that wait are listed, and runs; another ran before, and waits by then."""
    repository.write(flight=source("prompt"))
    new, store, asked = discover.machine("flight:Support", repository.top), SqlStore(stored), list[str]()
    rows = asyncio.run(store.list(limit=500))
    waits, runs = (next(row for row in rows if row.head.status == status) for status in ("waiting", "running"))

    async def listed(*, status: str, after: str | None, **_: Any) -> Any:
        asked.append(status)
        answered = {waits.run_id: "running", runs.run_id: "waiting"} if "waiting" in asked else {}
        return [row for row in rows if after is None and answered.get(row.run_id, row.head.status) == status]

    store.list = listed  # type: ignore[method-assign, assignment]

    async def seen(migration: Migration) -> list[str]:
        return [case.run.run_id async for case in migration.cases()]

    with version("HEAD", "flight:Support", repository.top) as old:
        definitions = old.machine.definition, new.definition
        migration = Migration(store=store, old=definitions[0], new=definitions[1], renames=Renames(), way="pin")
        ids = asyncio.run(seen(migration))
    store.close()

    assert sorted(row.run_id for row in rows) == sorted(ids)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--apply",), "--apply is for runs that are stored: say --store too"),
        (("--land", "--apply", "--store", "sqlite:///runs.db"), "--land and --apply are two things"),
        (("--store", "sqlite:///nowhere.db"), "there is no"),
    ],
)
def test_what_it_cannot_do_is_said_at_once(repository: Repository, words: tuple[str, ...], why: str) -> None:
    """One line, and exit code 2."""
    result = migrate(*words)

    assert (2, 1) == (result.exit_code, result.stderr.count("\n"))
    assert why in result.stderr


def test_a_module_may_be_the_old_version(repository: Repository) -> None:
    """It is kept beside the new one, and a worker drives both."""
    repository.write(older=source(), flight=source("removed"))
    result = migrate(old="older:Support")

    assert 1 == result.exit_code
    assert "fsm-orch worker flight:Support --also older:Support --store ..." in result.stdout
    sys.modules.pop("older", None)
