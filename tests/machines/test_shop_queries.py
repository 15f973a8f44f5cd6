"""Real user queries through the shop: few are about a shop, and none leaves the definition."""

from __future__ import annotations

import random
from contextlib import closing
from dataclasses import replace

import pytest
from benchmarks.shop_queries import FILE, Tally, run_all, sample
from msgspec import structs
from support.data import data

from fsm_orch import ModelUnavailable, Runner, RunResult, ScriptedModel
from fsm_orch.kernel import records
from fsm_orch.kernel.records import Record
from fsm_orch.models import Model, Request
from fsm_orch.models.local import LocalModel
from fsm_orch.testing import TheoremChecker
from machines.shop import Query, ShopFloor

WRONG = ["to_billing", "back", "answered", ""]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return sample(data(FILE).parent, 200)


def erratic() -> ScriptedModel:
    """Make a router that proposes anything at all, on its menu or not."""
    chance = random.Random(0)

    def reply(request: Request) -> dict[str, str]:
        assert request.schema is not None
        return {"handoff": chance.choice([*request.schema["properties"]["handoff"]["enum"], *WRONG])}

    return ScriptedModel([reply] * 1_000)


def assert_safe(model: Model, tally: Tally, results: list[RunResult[Query]]) -> None:
    """Ask both accounts of the runs: what their records show, and what their journals fold to."""
    figures = tally.figures()
    assert figures["ended"] == len(results)
    assert figures["transitions_outside"] == 0
    assert set(figures["limits_passed"].values()) == {0}
    assert figures["tokens_charged"] <= figures["tokens_reserved"]
    for result in results:
        TheoremChecker(Runner(ShopFloor, model=model).compiled).follow_all(result.journal)


async def test_an_erratic_router_never_leaves_the_definition(texts: list[str]) -> None:
    """Whatever the router says to real queries, every run ends within its declaration and its limits."""
    model = erratic()
    tally, results = await run_all(texts, model)

    assert_safe(model, tally, results)
    assert set(tally.refusals) == {"unknown_handoff", "visits"}


async def test_the_tally_sees_what_is_wrong() -> None:
    """Records that were tampered with are counted as outside, and as limits passed."""
    model = ScriptedModel([{"handoff": "to_human"}])
    _, (result,) = await run_all(["hello"], model)
    tally = Tally(ShopFloor.definition, ShopFloor.limits)

    forged: list[Record] = []
    for record in result.records:
        stamp = structs.replace(record.stamp, hops=7, settled=5_999, reserved=2, at=60.5)
        forged.append(structs.replace(record, stamp=stamp))
        if isinstance(record, records.HandedOff):
            forged[-1] = structs.replace(record, stamp=stamp, target="pricing")
        if isinstance(record, records.VisitStarted):
            forged += [forged[-1]] * 9
    tally.add(replace(result, records=tuple(forged)))

    assert tally.outside >= 2
    assert min(count for limit, count in tally.passed.items() if limit != "calls") > 0


@pytest.mark.local
@pytest.mark.parametrize("grammar", [True, False])
async def test_the_local_model_never_leaves_the_definition(texts: list[str], *, grammar: bool) -> None:
    """A real model on real queries, constrained or not, moves only along what is declared and paid for."""
    try:
        model = LocalModel(grammar=grammar)
    except ModelUnavailable as error:
        pytest.skip(str(error))
    with closing(model):
        tally, results = await run_all(texts[:20], model)

    assert_safe(model, tally, results)
    assert tally.calls > 0
    assert not tally.failures
    if grammar:
        assert tally.illegal_replies == 0
