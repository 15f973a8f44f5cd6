"""What the runs have recorded that a fork comes from, on the machine that they were run on and on another version."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

import pytest
from msgspec.structs import replace
from support.answers import ANSWERS, Question, version
from support.office import forked

from fsm_orch import Machine, MemoryStore, Runner, ScriptedModel
from fsm_orch.run.lineage import ancestors, lineage, recorded_by
from fsm_orch.run.loading import Seen
from fsm_orch.store.values import Head, Listed, Origin


async def stored() -> tuple[MemoryStore, type[Machine[Question]]]:
    """Store a run of the old version, `p`."""
    store, old = MemoryStore(), version()
    await Runner(old, model=ScriptedModel(ANSWERS), store=store).run(Question(text="q"), run_id="p")
    return store, old


async def places(store: MemoryStore, origin: Origin, *machines: type[Machine[Question]]) -> list[list[str]]:
    """Return where effects are recorded, in each of the runs that a fork comes from."""
    compiled = [Runner(machine, model=ScriptedModel([]), store=store).compiled for machine in machines]
    found = await lineage(store, compiled, fork_of(origin))
    return [[key.place for key in each.outcomes] for each in found.runs]


def fork_of(origin: Origin, **listed: Any) -> Listed:
    """Return a fork as a store lists it."""
    ages: dict[str, Any] = {"began_at": inf, "stored_at": inf}
    return Listed(
        **{"run_id": "x", "head": Head("s"), "inputs": 1, "epoch": 0, "owner": None, **ages, **listed}, origin=origin
    )


async def test_the_version_that_a_run_was_run_on_knows_all_of_it() -> None:
    """Also where the fork is of another."""
    store, old = await stored()

    assert [["find"]] == await places(store, Origin("p", 1), old)
    assert [["find"]] == await places(store, Origin("p", 1), version(has_check=True), old)


@pytest.mark.parametrize(("cut", "known"), [(1, []), (2, ["find"])])
async def test_where_a_run_leads_elsewhere_in_a_version_it_is_known_up_to_the_cut(cut: int, known: list[str]) -> None:
    """What follows would be of states in which that version has not been."""
    store, _ = await stored()

    assert [known] == await places(store, Origin("p", cut), version(has_check=True))


async def test_a_version_in_which_a_run_is_the_same_knows_all_of_it() -> None:
    """Such as one with another prompt."""
    store, old = await stored()
    new = version(prompt="Answer well.")

    assert old.definition.digest != new.definition.digest
    assert [["find"]] == await places(store, Origin("p", 1), new)


async def test_a_lineage_ends_where_a_run_is_forgotten() -> None:
    """Of the fork of a fork the nearest is first."""
    store, old = await stored()
    runner = Runner(old, model=ScriptedModel(ANSWERS), store=store)
    await forked(store, runner, "p", "f")
    two = await places(store, Origin("f", 1), old)
    await store.prune(ended_before=float("inf"))

    assert [[], ["find"]] == two
    assert [[]] == await places(store, Origin("f", 1), old)
    assert [] == await places(store, Origin("p", 1), old)


class Behind(MemoryStore):
    """A store whose lists show a run as it stood a moment ago."""

    shown: Listed | None = None

    async def list(self, **options: Any) -> Sequence[Listed]:
        """Return that run, or what is asked for."""
        return [self.shown] if self.shown is not None else await super().list(**options)


async def test_a_run_that_goes_on_meanwhile_is_known_as_far_as_it_was_shown() -> None:
    """What came since is not taken for a journal that leads elsewhere, of which all after the cut would be left out."""
    store, old = Behind(), version()
    runner = Runner(old, model=ScriptedModel(ANSWERS), store=store)
    await runner.run(Question(text="q"), run_id="p")
    await forked(store, runner, "p", "f", at=2)
    (row,) = await store.list(run_id="f")
    store.shown = replace(row, run_id="p", origin=None)

    assert [["find"]] == await places(store, Origin("p", 1), version(prompt="Answer well."))


async def lost(store: MemoryStore, fork: Listed, *machines: type[Machine[Question]]) -> str | None:
    """Return the first run that a fork comes from of which it is not known what it did."""
    compiled = [Runner(machine, model=ScriptedModel([]), store=store).compiled for machine in machines]
    return (await lineage(store, compiled, fork)).lost


async def test_it_is_known_of_which_run_it_is_not_known_what_it_did() -> None:
    """One that leads elsewhere in the version of its fork, or is forgotten; of several the nearest."""
    store, old = await stored()
    await forked(store, Runner(old, model=ScriptedModel(ANSWERS), store=store), "p", "f")
    other, same = version(has_check=True), version(prompt="Answer well.")

    assert [None, None] == [await lost(store, fork_of(Origin(run, 1)), old) for run in "pf"]
    assert [None, "p"] == [await lost(store, fork_of(Origin("p", 1)), each) for each in (same, other)]
    await store.prune(ended_before=inf)
    assert ["p", "p"] == [await lost(store, fork_of(Origin(run, 1)), old) for run in "pf"]


async def test_a_run_that_took_the_id_of_one_that_is_forgotten_is_no_parent() -> None:
    """It began after the fork; were it a fork of the fork, the two would come from each other for ever."""
    store, old = await stored()
    runner = Runner(old, model=ScriptedModel(ANSWERS * 2), store=store)
    await forked(store, runner, "p", "f")
    (fork,) = await store.list(run_id="f")
    await store.prune(ended_before=inf)
    await forked(store, runner, "f", "p")

    assert "p" == await lost(store, fork, old)
    assert "f" == await lost(store, fork_of(Origin("p", 1), run_id="f"), old)


async def test_a_run_whose_journal_is_damaged_is_lost() -> None:
    """What it did is known to nobody; its fork can be looked at, and is told so."""
    store, old = await stored()
    (row,) = await store.list(run_id="p")
    broken = Seen(row, (await store.load("p"))[:1] * 2)
    compiled = [Runner(old, model=ScriptedModel([]), store=store).compiled]
    fork = fork_of(Origin("p", 1))

    assert "p" == recorded_by(compiled, fork, [broken]).lost
    assert None is recorded_by(compiled, fork, await ancestors(store, fork)).lost
