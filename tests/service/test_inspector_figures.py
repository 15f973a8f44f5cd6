"""Figures of tests and evaluations on the edges of the inspector: from the files that this package writes."""

from __future__ import annotations

import asyncio
import codecs
import json
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect
from support.browsing import browser
from support.inspected import inspected, looked_at, opened
from support.serving import served
from typer.testing import CliRunner

from fsm_orch import MemoryStore, Runner, ScriptedModel, StartError
from fsm_orch.cli import app
from fsm_orch.service import router
from fsm_orch.service.inspector.figures import Figures, figures_json
from fsm_orch.testing.coverage import Coverage
from machines.helpdesk import ByKeyword, Question
from machines.travel import Travel

QUERIES = (
    ("my credit card was stolen", "credit_cards"),
    ("my credit card was declined", "credit_cards"),
    ("my credit card and its annual fee", "banking"),  # not what the words say
    ("tell me a joke", "none"),
    ("what is in my account", "human?"),
    ("sing", "travel"),
)


def helpdesk() -> Runner[Question, None]:
    """Return a runner whose specialists say that each question is theirs."""
    says = cycle([{"handoff": "done", "answer": "Yes."}])
    return Runner(ByKeyword, model=ScriptedModel(says), store=MemoryStore())


def covered(path: Path) -> Path:
    """Write what tests took: two runs to the credit cards, one to a human."""
    coverage = Coverage()

    async def run() -> None:
        runner = helpdesk()
        for text in ("my credit card was stolen", "my credit card was declined", "tell me a joke"):
            await runner.run(Question(text=text))

    with coverage.watching():
        asyncio.run(run())
    path.write_text(coverage.dump(), encoding="utf-8")
    return path


def evaluated(path: Path) -> Path:
    """Write how `fsm-orch eval` says the queries went."""
    data = path.with_suffix(".csv")
    data.write_text("\n".join(["text,specialist", *(",".join(row) for row in QUERIES)]), encoding="utf-8")
    done = CliRunner().invoke(app, ["eval", "machines.helpdesk:ByKeyword", "--data", str(data), "--json"])
    assert 0 == done.exit_code, done.output
    path.write_text(done.stdout, encoding="utf-8")
    return path


def edges(told: dict[str, Any], *names: str) -> dict[tuple[str, str], Any]:
    """Return some figures of edges that have any."""
    found = {(each["source"], each["handoff"]): tuple(each[name] for name in names) for each in told["edges"]}
    return {edge: values for edge, values in found.items() if any(values)}


def test_how_often_tests_took_each_edge(tmp_path: Path) -> None:
    """Each declared edge has its number, those that no test took have 0, and landings are no edges."""
    told = figures_json(ByKeyword.definition, Figures(coverage=covered(tmp_path / "taken.json")))
    found = told["coverage"]

    assert None is told["evaluation"]
    assert (True, 3, ByKeyword.definition.digest) == (found["is_this_version"], found["runs"], found["digest"])
    assert [(source, edge.name) for source, edge in ByKeyword.definition.edges] == [
        (each["source"], each["handoff"]) for each in found["edges"]
    ]
    assert {
        ("triage", "to_credit_cards"): (2,),
        ("triage", "to_human"): (1,),
        ("credit_cards", "done"): (2,),
    } == edges(found, "times")


def test_how_queries_went_over_each_edge(tmp_path: Path) -> None:
    """A query counts on each edge up to where it was routed: right if it came to its label, else wrong."""
    told = figures_json(ByKeyword.definition, Figures(evaluation=evaluated(tmp_path / "eval.json")))["evaluation"]
    rows = json.loads((tmp_path / "eval.json").read_text())["routes"]
    routed: dict[str, list[bool]] = {}
    for row in rows:
        is_right = row["expected"] == row["reached"] or (
            row["expected"] not in told["labels"] and row["reached"] not in told["labels"]
        )
        name = "to_human" if row["reached"] == "human" else f"to_{row['reached']}"
        routed.setdefault(name, []).append(is_right)

    assert len(QUERIES) == told["queries"]
    assert (2, 1) == edges(told, "right", "wrong")["triage", "to_credit_cards"]
    assert {("triage", name): (sum(each), len(each) - sum(each)) for name, each in routed.items()} == edges(
        told, "right", "wrong"
    )
    assert {*told["matrix"]} >= {"credit_cards", "banking", "travel"}
    assert len(QUERIES) == sum(count for row in told["matrix"].values() for count in row.values())
    assert {state for row in told["matrix"].values() for state in row} == {*told["reached"]}


def test_a_landing_goes_over_no_edge(tmp_path: Path) -> None:
    """Though there is one between the same states; and states of machines inside are between those of the machine."""
    path = evaluated(tmp_path / "eval.json")
    saved = json.loads(path.read_text())
    landed = {"expected": "travel", "reached": "human", "path": ["triage"], "landing": "hops"}
    within = {"expected": "travel", "reached": "travel", "path": ["triage", "inner", "travel"], "landing": None}
    path.write_text(json.dumps(saved | {"routes": [landed, within]}))

    told = figures_json(ByKeyword.definition, Figures(evaluation=path))["evaluation"]

    assert {("triage", "to_travel"): (1, 0)} == edges(told, "right", "wrong")


def test_a_query_counts_once_on_an_edge(tmp_path: Path) -> None:
    """However often its run went round."""
    path = evaluated(tmp_path / "eval.json")
    saved = json.loads(path.read_text())
    row = {"expected": "travel", "reached": "travel", "path": ["triage", "travel"] * 3, "landing": None}
    path.write_text(json.dumps(saved | {"routes": [row]}))

    told = figures_json(ByKeyword.definition, Figures(evaluation=path))["evaluation"]

    assert {("triage", "to_travel"): (1, 0)} == edges(told, "right", "wrong")


def test_figures_of_another_version_are_said_to_be(tmp_path: Path) -> None:
    """They are matched by name; what this version has not is left out."""
    taken, measured = covered(tmp_path / "taken.json"), evaluated(tmp_path / "eval.json")
    ((name, held),) = json.loads(taken.read_text()).items()
    taken.write_text(
        json.dumps({name: held | {"digest": "0" * 64, "edges": [["triage", "to_travel", 7], ["x", "y", 1]]}})
    )
    measured.write_text(json.dumps(json.loads(measured.read_text()) | {"digest": "0" * 64}))

    told = figures_json(ByKeyword.definition, Figures(taken, measured))

    assert [False, False] == [told[name]["is_this_version"] for name in ("coverage", "evaluation")]
    assert ["0" * 64] * 2 == [told[name]["digest"] for name in ("coverage", "evaluation")]
    assert {("triage", "to_travel"): (7,)} == edges(told["coverage"], "times")


def test_this_version_is_taken_where_there_are_others(tmp_path: Path) -> None:
    """A session may run several versions of a machine; machines of one digest are one."""
    taken = covered(tmp_path / "taken.json")
    ((name, held),) = json.loads(taken.read_text()).items()
    old = held | {"digest": "0" * 64, "runs": 50}
    taken.write_text(json.dumps({"ByKeyword (old.py:1)": old, name: held, "Same (other.py:1)": held}))

    assert 6 == figures_json(ByKeyword.definition, Figures(taken))["coverage"]["runs"]


def test_a_shell_may_write_another_encoding(tmp_path: Path) -> None:
    """As one of Windows does with `>`."""
    path = evaluated(tmp_path / "eval.json")
    path.write_bytes(codecs.BOM_UTF16_LE + path.read_text().encode("utf-16-le"))

    assert len(QUERIES) == figures_json(ByKeyword.definition, Figures(evaluation=path))["evaluation"]["queries"]


@pytest.mark.parametrize("held", [None, b"", b"\xff\x80", b"[]", b"[" * 100_000, b'{"a": {"digest": 1}}', b'"\\ud800"'])
@pytest.mark.parametrize("which", ["coverage", "evaluation"])
def test_what_is_no_file_of_figures_is_refused(which: str, held: bytes | None, tmp_path: Path) -> None:
    """When the routes are made, with the file and what would write one."""
    path = tmp_path / "figures.json"
    if held is not None:
        path.write_bytes(held)
    writer = "cannot be read: No such file" if held is None else "--json|--fsm-coverage-json"
    with pytest.raises(StartError, match=f"figures.json .*({writer})"):
        router(helpdesk(), inspector="own", **{which: path})  # type: ignore[arg-type]


def test_a_file_without_an_end_is_refused() -> None:
    """No more of it is read than any session writes."""
    with pytest.raises(StartError, match=r"/dev/zero is nothing .* has written: it has more than 64 MB"):
        figures_json(ByKeyword.definition, Figures(coverage=Path("/dev/zero")))


def test_of_many_machines_the_first_are_named(tmp_path: Path) -> None:
    """Whose figures they are; a session may have run any number."""
    taken = covered(tmp_path / "taken.json")
    ((_, held),) = json.loads(taken.read_text()).items()
    taken.write_text(json.dumps({f"M{number} (m.py:1)": held | {"digest": "0"} for number in range(2_000)}))

    with pytest.raises(StartError, match=r"but of: M0 \(m.py:1\), .*, M4 \(m.py:1\) and 1,995 more$"):
        figures_json(Travel.definition, Figures(coverage=taken))


def test_counts_below_zero_are_refused(tmp_path: Path) -> None:
    """Nobody has written them."""
    path = covered(tmp_path / "taken.json")
    path.write_text(path.read_text().replace('"runs": 3', '"runs": -3'))
    with pytest.raises(StartError, match=r"`int` >= 0 .*runs"):
        figures_json(ByKeyword.definition, Figures(path))


def test_figures_of_other_machines_are_refused(tmp_path: Path) -> None:
    """With the names of those that there are."""
    taken, measured = covered(tmp_path / "taken.json"), evaluated(tmp_path / "eval.json")
    with pytest.raises(StartError, match=r"nothing of 'Travel', but of: ByKeyword \("):
        figures_json(Travel.definition, Figures(coverage=taken))
    with pytest.raises(StartError, match="nothing of 'Travel', but of 'ByKeyword'"):
        figures_json(Travel.definition, Figures(evaluation=measured))


def test_figures_need_a_page(tmp_path: Path) -> None:
    """Else nobody would see them, and nobody would know why."""
    with pytest.raises(StartError, match="give inspector=, too"):
        router(helpdesk(), coverage=tmp_path)


def test_the_command_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    """Before it listens."""
    for option in ("--coverage", "--eval"):
        done = CliRunner().invoke(app, ["inspect", "machines.travel:Travel", option, str(tmp_path / "nothing.json")])
        assert 2 == done.exit_code
        assert "nothing.json cannot be read: No such file" in done.stderr.replace("\n", " ")


async def test_there_are_none_unless_files_are_given() -> None:
    """The page then has no choice of figures."""
    async with served(helpdesk(), inspector="own") as client:
        assert {"coverage": None, "evaluation": None} == (await client.get("/inspector/api/figures")).json()


@pytest.mark.slow
async def test_figures_on_the_edges_of_the_page(tmp_path: Path) -> None:
    """What was never taken is told by a word, on the diagram and in the list; queries stand in a table."""
    taken = await asyncio.to_thread(covered, tmp_path / "taken.json")
    measured = await asyncio.to_thread(evaluated, tmp_path / "eval.json")
    options = {"coverage": taken, "evaluation": measured}
    async with inspected(helpdesk(), **options) as url, browser() as chromium, opened(chromium, url) as page:
        await page.get_by_role("button", name="Proof").click()
        await page.get_by_role("button", name="taken by tests").click()
        await expect(page.locator(".edge.never")).to_have_count(len(ByKeyword.definition.edges) - 3)
        await expect(page.locator(".edge.never text", has_text="to_travel")).to_have_text("to_travel never")
        await expect(page.locator(".edge.gone text", has_text="to_credit_cards")).to_have_text("to_credit_cards ×2")
        await expect(page.locator("#ledger")).to_contain_text("3 of 16 edges were taken, in 3 runs of tests")
        rows = page.get_by_role("region", name="Figures of each edge").locator("tbody tr")
        await expect(rows).to_have_count(len(ByKeyword.definition.edges))
        await expect(rows.filter(has_text="triage · to_travel")).to_contain_text("never")
        await page.get_by_role("button", name="right routes").click()
        await expect(page.locator(".edge.astray text", has_text="to_credit_cards")).to_have_text("to_credit_cards 2:1")
        await expect(rows.filter(has_text="triage · to_credit_cards")).to_contain_text("67 %")
        confusion = page.get_by_role("region", name="Where queries went")
        await expect(confusion.locator("tbody tr").filter(has_text="banking").locator(".is-wrong")).to_have_text("1")
        await expect(confusion.locator(".is-right", has_text="2")).to_have_count(1)
        outside = confusion.locator("tbody tr").filter(has_text="none")
        await expect(outside.locator(".is-right")).to_have_text("1")
        await expect(outside.locator(".is-wrong")).to_have_count(0)
        await page.get_by_role("button", name="tokens").click()
        await expect(page.locator(".edge.never")).to_have_count(0)
        async for _ in looked_at(page):
            pass
