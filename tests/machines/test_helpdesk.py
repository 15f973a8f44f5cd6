"""The help desk: three triages before the same five specialists, who say so when a question is not theirs."""

from __future__ import annotations

import csv
import json
from collections import Counter
from contextlib import closing
from itertools import combinations

import pytest
from benchmarks.shop_queries import FILE
from figures.desks import Hybrid
from support.data import data
from support.walked import path
from typer.testing import CliRunner

from fsm_orch import Machine, Runner, RunResult, ScriptedModel
from fsm_orch.cli import app
from fsm_orch.evaluate.routes import Routing, route
from fsm_orch.models import registry
from fsm_orch.models.local import LocalModel
from machines.domains import DOMAINS
from machines.helpdesk import ByKeyword, ByModel, Question

MACHINES = [ByKeyword, ByModel, Hybrid]
SPECIALISTS = ("banking", "credit_cards", "travel", "work", "auto")
(DEFAULT_ANSWER,) = ByKeyword.human.sets.values()
DONE = {"handoff": "done", "answer": "Here you are."}
NOT_MINE = {"handoff": "not_mine", "answer": "Ask another."}


async def ask(machine: type[Machine[Question]], text: str, *script: object) -> tuple[RunResult[Question], int]:
    """Run one question with scripted models; gives the requests they had too."""
    model = ScriptedModel([{"handoff": line} if isinstance(line, str) else line for line in script])  # type: ignore[misc]
    return await Runner(machine, model=model).run(Question(text=text)), len(model.requests)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with data(FILE).open(newline="", encoding="utf-8") as lines:
        return [row for row in csv.DictReader(lines) if row["split"] == "test"]


@pytest.mark.parametrize(
    ("text", "specialist"),
    [
        ("What is my routing number?", "banking"),
        ("how do i redeem my rewards", "credit_cards"),
        ("Did they lose my LUGGAGE", "travel"),
        ("how many days off do i have", "work"),
        ("is there traffic on the way", "auto"),
    ],
)
@pytest.mark.parametrize("machine", [ByKeyword, Hybrid])
async def test_words_route_without_a_model(machine: type[Machine[Question]], text: str, specialist: str) -> None:
    """Where the words of one domain occur, its specialist is the only model that is asked."""
    result, requests = await ask(machine, text, DONE)

    assert path(result) == ["triage", specialist, "answered"]
    assert (result.context.answer, requests) == ("Here you are.", 1)


@pytest.mark.parametrize("text", ["what is the capital of france", "pay my credit card bill", ""])
async def test_what_words_do_not_decide(text: str) -> None:
    """Words of no domain, or of two, send a question to a human, or to a router that decides."""
    by_keyword, requests = await ask(ByKeyword, text)
    hybrid, _ = await ask(Hybrid, text, "to_banking", DONE)
    nobody, _ = await ask(Hybrid, text, "to_human")

    assert (path(by_keyword), requests) == (["triage", "human"], 0)
    assert path(hybrid) == ["triage", "router", "banking", "answered"]
    assert path(nobody) == ["triage", "router", "human"]
    assert by_keyword.landing is hybrid.landing is nobody.landing is None


@pytest.mark.parametrize("specialist", SPECIALISTS)
async def test_a_model_routes_to_every_specialist(specialist: str) -> None:
    """The triage that is a model has a handoff to each specialist."""
    result, _ = await ask(ByModel, "hello", f"to_{specialist}", DONE)

    assert path(result) == ["triage", specialist, "answered"]


@pytest.mark.parametrize("machine", MACHINES)
async def test_a_specialist_says_that_a_question_is_not_its_own(machine: type[Machine[Question]]) -> None:
    """A question that was routed wrongly goes on to a human, who brings the default answer."""
    script = ["to_auto", NOT_MINE] if machine is ByModel else [NOT_MINE]
    result, _ = await ask(machine, "how much fuel does a rocket burn", *script)

    assert path(result) == ["triage", "auto", "human"]
    assert (result.context.answer, result.landing) == (DEFAULT_ANSWER, None)


@pytest.mark.parametrize("machine", MACHINES)
async def test_every_call_that_is_allowed_is_paid_for(machine: type[Machine[Question]]) -> None:
    """A router and a specialist that need repairing still end with an answer."""
    routing = {ByKeyword: [], Hybrid: ["to_pizza", "to_work"], ByModel: ["to_pizza", "to_work"]}[machine]
    text = "my salary" if machine is ByKeyword else "hello"
    result, requests = await ask(machine, text, *routing, {"handoff": "to_pizza", "answer": ""}, DONE)

    assert (result.state.name, requests) == ("answered", len(routing) + 2)


def test_no_word_means_two_domains() -> None:
    """A word that two domains claim would decide nothing."""
    words = [set(domain.words.split(", ")) for domain in DOMAINS]

    assert all(all(group) for group in words)
    assert set() == set().union(*(one & other for one, other in combinations(words, 2)))


async def test_real_queries_are_answered_by_specialists_alone(rows: list[dict[str, str]]) -> None:
    """Whatever real users ask, nothing is answered that no specialist had, and what one had was answered."""
    model = ScriptedModel([DONE] * len(rows))
    runner = Runner(ByKeyword, model=model)
    results = [await runner.run(Question(text=row["text"])) for row in rows]
    routes = [route(row["specialist"], r.records, SPECIALISTS) for row, r in zip(rows, results, strict=True)]
    routing = Routing(SPECIALISTS, tuple(routes))

    assert {(one.reached in SPECIALISTS, one.ended) for one in routes} == {(True, "answered"), (False, "human")}
    assert len(model.requests) == sum(one.reached in SPECIALISTS for one in routes)
    assert routing.matrix.total() == len(rows)
    assert Counter(row["specialist"] for row in rows) == Counter(one.expected for one in routes)
    assert not any(one.landing or one.refusals for one in routes)


@pytest.mark.local
@pytest.mark.usefixtures("rows")
def test_the_local_model_routes_within_the_definition(monkeypatch) -> None:
    """A real model sends real queries to specialists or to a human, rightly or not, and within its budget."""
    with closing(LocalModel()) as model:
        monkeypatch.setattr(registry, "resolve", lambda name: model)
        arguments = ["--data", str(data(FILE)), "--split", "test", "--limit", "10", "--json"]
        shown = CliRunner().invoke(app, ["eval", "machines.helpdesk:ByModel", *arguments])

    figures = json.loads(shown.stdout)
    reached = {name for row in figures["matrix"].values() for name in row}
    assert sum(sum(row.values()) for row in figures["matrix"].values()) == figures["queries"] == 10
    assert reached <= {*SPECIALISTS, "human"}
    assert figures["tokens"]["calls"] >= 10
    assert 0 < figures["tokens"]["used"] <= figures["tokens"]["reserved"]
