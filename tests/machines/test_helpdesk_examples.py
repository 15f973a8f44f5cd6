"""The help desk that routes by examples: what is stored of them, and what they do with real queries."""

from __future__ import annotations

import csv
import math

import pytest
from benchmarks.shop_queries import FILE
from figures import routing
from support.data import data

from fsm_orch import ExamplesAgent, Runner, ScriptedModel
from fsm_orch.agents.centroids import cosine, dump_centroids
from fsm_orch.evaluate.routes import Routing, route
from fsm_orch.evaluate.thresholds import curve, scored
from fsm_orch.proof import prove
from machines.domains import CENTROIDS, DOMAINS, THRESHOLD
from machines.helpdesk import ByExamples, ByKeyword, Question

SPECIALISTS = tuple(domain.label for domain in DOMAINS)
DONE = {"handoff": "done", "answer": "Here you are."}
AGENT = ByExamples.triage.agent


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with data(FILE).open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_what_is_stored_is_a_centroid_of_each_intent() -> None:
    """Five specialists have fifteen intents each, under the names of their states, in a file without any query."""
    text = routing.CENTROIDS.read_text(encoding="utf-8")

    assert {*SPECIALISTS} == {*CENTROIDS} == {*ByExamples.definition.states} - {"triage"}
    assert [(15, {384})] * 5 == [(len(each.groups), {*map(len, each.groups.values())}) for each in CENTROIDS.values()]
    assert text == dump_centroids(CENTROIDS)
    assert len(text) < 45_000


def test_routing_by_examples_is_free() -> None:
    """It is proved without weights, and the worst run costs what that by words does: a specialist's calls."""
    by_examples, by_words = prove(ByExamples), prove(ByKeyword)

    assert by_examples.is_sound()
    assert by_examples.bounds.tokens == by_words.bounds.tokens
    assert [] == [finding for finding in by_examples.findings if finding.level != "note"]


@pytest.mark.local("minilm")
@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("how much do i have in checking?", "banking"),
        ("my mastercard was turned down when i paid", "credit_cards"),
        ("do i need any jabs for kenya", "travel"),
        ("can i have monday off", "work"),
        ("it is time for new tyres, what do i do", "auto"),
        ("who wrote war and peace", "human"),
        ("", "human"),
    ],
)
async def test_questions_in_other_words_find_their_specialist(text: str, state: str) -> None:
    """A question goes by what it means, and one about something else, or nothing, to a human."""
    model = ScriptedModel([DONE])
    result = await Runner(ByExamples, model=model).run(Question(text=text))

    assert state == result.path[0].target
    assert (result.landing, len(model.requests)) == (None, 0 if state == "human" else 1)


@pytest.mark.local("minilm")
async def test_real_queries_go_where_a_curve_says(rows: list[dict[str, str]]) -> None:
    """Runs of real queries end where the curve of the agent counts them, and are mostly right."""
    assert isinstance(AGENT, ExamplesAgent)
    some = [row for row in rows if row["split"] == "test"][::8]
    runner = Runner(ByExamples, model=ScriptedModel([DONE] * len(some)))
    results = [await runner.run(Question(text=row["text"])) for row in some]
    routes = tuple(route(row["specialist"], r.records, SPECIALISTS) for row, r in zip(some, results, strict=True))
    (point,) = curve(scored(AGENT, [(r["text"], r["specialist"]) for r in some]), SPECIALISTS, [THRESHOLD]).points
    rates = Routing(SPECIALISTS, routes).rates

    assert point.rates == rates
    assert 0.88 < (rates.accuracy.rate or 0)
    assert not any(one.landing or one.refusals or one.path[0] != "triage" for one in routes)


@pytest.mark.local("minilm")
def test_the_stored_centroids_are_those_of_the_train_split(rows: list[dict[str, str]]) -> None:
    """What the script makes of the queries of two intents lies in the direction that is stored."""
    chosen = ("balance", "tire_change")
    examples = [row for row in rows if row["split"] == "train" and row["intent"] in chosen]
    made = routing.learned(examples)
    pairs = [(each.groups[name], CENTROIDS[label].groups[name]) for label, each in made.items() for name in each.groups]

    assert 2 == len(pairs)
    assert all(math.isclose(1, cosine(one, stored), abs_tol=2e-3) for one, stored in pairs)


@pytest.mark.local("minilm")
def test_the_threshold_is_the_best_on_held_out_queries(rows: list[dict[str, str]]) -> None:
    """On the validation split no threshold makes fewer errors by more than a few; processors differ in last digits."""
    assert rows
    best = routing.threshold(data(FILE))

    assert math.isclose(THRESHOLD, best.threshold, abs_tol=0.02)
    assert (best.rates.accuracy.rate or 0) > 0.97
