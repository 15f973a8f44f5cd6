"""Runs in flight and each kind of change of their machine: judged, moved, and driven on, by the command line."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.databases import rows_of, url_of
from support.in_flight import journals, model, put_all, source, to_the_end
from support.repository import Repository
from typer.testing import CliRunner

from fsm_orch import Context, Final, HumanAgent, Machine, MemoryStore, Runner, State, Visit, discover
from fsm_orch.cli import app
from fsm_orch.cli.migrate.revisions import version
from fsm_orch.errors import Drifted, StepError
from fsm_orch.kernel.renames import Renames
from fsm_orch.run.migration import Case, Migration
from fsm_orch.store.sql import SqlStore

RENAMES = ("--rename", "billing=invoices", "--rename", "to_billing=to_invoices")


def everywhere(_: Sequence[str]) -> str:
    return "continues"


def unless_checked(passed: Sequence[str]) -> str:
    if passed[-1] == "verify":
        return "stranded"
    return "snapshot" if "verify" in passed else "continues"


def unless_ordered(passed: Sequence[str]) -> str:
    if {*passed} == {"triage"}:
        return "continues"
    return "stranded" if passed[-1] == "billing" else "snapshot"


def unless_twice(passed: Sequence[str]) -> str:
    return "stranded" if passed.count("billing") and "triage" in passed[passed.index("billing") :] else "continues"


def unless_verified(passed: Sequence[str]) -> str:
    return "snapshot" if "approve" in passed else "continues"


def unless_renamed(passed: Sequence[str]) -> str:
    if passed[-1] == "billing":
        return "stranded"
    return "snapshot" if "billing" in passed else "continues"


CHANGES = [
    pytest.param("prompt", (), everywhere, id="prompt"),
    pytest.param("added", (), everywhere, id="added"),
    pytest.param("removed", (), unless_checked, id="removed"),
    pytest.param("newread", (), unless_ordered, id="newread"),
    pytest.param("required", (), lambda _: "stranded", id="required"),
    pytest.param("tighter", (), unless_twice, id="tighter"),
    pytest.param("guardbody", (), unless_verified, id="guardbody"),
    pytest.param("renamed", (), unless_renamed, id="renamed"),
    pytest.param("renamed", RENAMES, everywhere, id="renamed, and said so"),
]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield Repository(tmp_path)
    sys.modules.pop("flight", None)


def migrated(url: str, *words: str) -> tuple[int, Any]:
    """Migrate from the last commit, and return the exit code and what is said."""
    result = CliRunner().invoke(app, ["migrate", "HEAD", "flight:Support", "--store", url, "--json", *words])
    assert result.stdout, result.stderr
    return result.exit_code, json.loads(result.stdout)


class Claim(Context):
    """What somebody wants back."""

    kind: str
    name: str


def look(visit: Visit[Claim]) -> None:
    """Stand for any code."""


def paid_by(*, reads: tuple[Any, ...]) -> Any:
    """Return a machine whose code, behind a human, reads some fields."""

    class Pays(Machine[Claim]):
        """Pay it back."""

        ask = State(HumanAgent("Pay?", reads=Claim.kind), initial=True)
        pay = State(look, reads=reads)
        done, human = Final(), Final(fallback=True)
        yes, no = ask.to(pay, "pay"), ask.to(human, "do not")
        end = pay.to(done)

    return Pays


def test_a_run_that_a_new_version_could_not_go_on_with_stays() -> None:
    """One that would read there what was redacted is not moved: nobody could resume it."""
    store, old, new = MemoryStore(), paid_by(reads=(Claim.kind,)), paid_by(reads=(Claim.kind, Claim.name))
    migration = Migration(store=store, old=old.definition, new=new.definition, renames=Renames(), way="apply")

    async def moved() -> list[Case]:
        await Runner(old, store=store, redact=Claim.name).run(Claim(kind="cup", name="Anna"), run_id="r")
        return [case async for case in migration.cases()]

    (case,) = asyncio.run(moved())
    assert ("stranded", "", True) == (case.judged.verdict, case.done, case.is_left)
    assert "'pay'" in case.judged.why
    assert "reads Claim.name, which was redacted" in case.judged.why


ON_STORES = [
    pytest.param(kind, *change.values, id=f"{change.id}-{kind}", marks=() if at % 2 == on_odd else pytest.mark.long)
    for at, change in enumerate(CHANGES)
    for on_odd, kind in enumerate(("sqlite", "postgresql"))
]
"""Each change on one of the two stores; on the other it takes the long lane."""


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "change", "words", "becomes"), ON_STORES)
def test_what_continues_goes_on_in_the_new_version_and_the_rest_in_the_old(
    repository: Repository, kind: str, change: str, words: tuple[str, ...], becomes: Callable[[Sequence[str]], str]
) -> None:
    """Each run has the verdict of its change; those that were rebound end there, and no input of any was changed."""
    repository.commit(flight=source())
    repository.write(flight=source(change))
    url = url_of(kind, repository.top, f"migrate_{change}_{len(words)}")
    store, new = SqlStore(url), discover.machine("flight:Support", repository.top)
    with version("HEAD", "flight:Support", repository.top) as old:
        was, digests = old.machine, [each.definition.digest for each in (old.machine, new)]
        passed = asyncio.run(put_all(store, was, asyncio.run(journals(was, (1, 2, 5)))))
        before = rows_of(url)
        verdicts = {run_id: becomes(places) for run_id, places in passed.items()}
        said = migrated(url, *words)

        assert before == rows_of(url)  # it was only asked
        assert (int({*verdicts.values()} != {"continues"}), verdicts) == (said[0], _told(said[1], verdicts))
        code, done = migrated(url, *words, "--apply")
        rows = {run.run_id: run for run in asyncio.run(store.list(limit=500))}
        moved = {run_id for run_id, verdict in verdicts.items() if verdict == "continues" and len({*digests}) == 2}

        assert said[0] == code
        assert (len(moved), moved) == (done["done"].get("rebound", 0), {run for run in rows if rows[run].rebound})
        assert {run: digests[run in moved] for run in rows} == {run: row.digest for run, row in rows.items()}
        runners = {digest: Runner[Any, Any](machine, model=model(1), store=store)
                   for digest, machine in zip(digests, (was, new), strict=True)}  # fmt: skip
        asyncio.run(_driven(rows, runners, verdicts, digests))
    after = rows_of(url)["fsm_inputs"]
    store.close()

    assert {*before["fsm_inputs"]} <= {*after}


def _told(said: Any, verdicts: dict[str, str]) -> dict[str, str]:
    """Return the verdict of each run; what is not told continues, as many as are said to."""
    told = {run["run_id"]: run["verdict"] for run in said["runs"]}
    assert all(run["why"] for run in said["runs"])
    assert len(verdicts) - len(told) == said["counts"]["continues"]
    return {run_id: told.get(run_id, "continues") for run_id in verdicts}


async def _driven(
    rows: Any, runners: dict[str, Runner[Any, Any]], verdicts: dict[str, str], digests: Sequence[str]
) -> None:
    """Drive each run to its end by the version that it is bound to; the other refuses it."""
    for run_id, row in rows.items():
        other = next((runner for digest, runner in runners.items() if digest != row.digest), None)
        if other is None and verdicts[run_id] != "continues":  # one digest, and another code
            with pytest.raises(Drifted, match=r"(?i)a guard or other code has changed since"):
                await runners[row.digest].resume(run_id)
            continue
        if other is not None:
            why = "was rebound from digest" if row.rebound else "was started on definition"
            with pytest.raises(StepError, match=why):
                await other.resume(run_id)
        result = await to_the_end(runners[row.digest], run_id)

        assert "finished" == result.status
        assert row.digest == result.journal[0].digest  # type: ignore[union-attr]
