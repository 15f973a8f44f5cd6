"""`fsm-orch eval` of two models, two versions, or today and before: compared query by query, and as HTML."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from cli.conftest import assert_refused
from rich.console import Console
from support.measured import figures, words

from fsm_orch import ScriptedModel
from fsm_orch.cli import app
from fsm_orch.cli.eval import report
from fsm_orch.cli.eval.against import Comparison, Side, compared, in_words, side_in
from fsm_orch.cli.eval.against import show as show_compared
from fsm_orch.cli.show import CommandError
from fsm_orch.evaluate.paired import Outcome
from fsm_orch.models import registry

ROUTED = """
    from fsm_orch import *

    class Ticket(Context):
        query: str
        answer: str | None = None

    def answer(visit: Visit[Ticket]):
        return {Ticket.answer: "ok"}

    class Front(Machine[Ticket]):
        '''A model routes.'''

        triage = State(LLMAgent("Who owns it?", reads=Ticket.query), initial=True)
        billing = State(answer, reads=Ticket.query, writes=Ticket.answer)
        search = State(answer, reads=Ticket.query, writes=Ticket.answer)
        done, human = Final(), Final(fallback=True)
        to_billing = triage.to(billing, "bills")
        to_search = triage.to(search, "products")
        to_human = triage.to(human, "else")
        end = (billing | search).to(done)
"""
HOSTILE = "<script>alert('1')</script>\x1b[2J & co"


@pytest.fixture
def front(write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A machine and its queries; the model `x:good` is always right, and `x:bad` is for search alone."""

    def resolve(name: str) -> ScriptedModel:
        right = ["to_billing"] * 6 + ["to_search"] * 2
        said = right if name.endswith("good") else ["to_search"] * 8
        return ScriptedModel([{"handoff": handoff} for handoff in said], name=name)

    monkeypatch.setattr(registry, "resolve", resolve)
    rows = [*(f"billing,bill {n}" for n in range(5)), f'billing,"{HOSTILE}"', "search,find 1", "search,find 2"]
    (tmp_path / "queries.csv").write_text("\n".join(["specialist,text", *rows]), encoding="utf-8")
    return [write(ROUTED), "--data", "queries.csv"]


def test_two_models_are_compared_query_by_query(cli, front) -> None:
    """How many are right now and were not, the interval, and whether it may be chance."""
    found = figures(cli, *front, "--model", "x:good", "--versus", "x:bad")
    (compared,) = found["compared"]
    shown = words(cli.invoke(app, ["eval", *front, "--model", "x:good", "--versus", "x:bad"]).stdout)

    assert ("Front on x:bad", "Front on x:good") == (compared["before"], compared["now"])
    assert (8, 6, 0, 0) == tuple(compared[key] for key in ("queries", "gained", "lost", "unpaired"))
    assert compared["p_value"] == pytest.approx(2 / 2**6)
    assert 0 < compared["difference"]["low"] < compared["difference"]["rate"] == 0.75
    assert 6 == len(compared["disagreements"])
    assert "it is better now" in shown
    assert "\\x1b[2J" in shown
    assert "\x1b" not in shown


def test_an_older_result_is_the_other_side(cli, front, tmp_path: Path) -> None:
    """What --json printed is compared with, though it has other queries too; the same twice is no difference."""
    before = tmp_path / "before.json"
    before.write_text(json.dumps(figures(cli, *front, "--model", "x:bad")), encoding="utf-8")
    (compared,) = figures(cli, *front, "--model", "x:good", "--against", "before.json")["compared"]
    (same,) = figures(cli, *front, "--model", "x:bad", "--against", "before.json")["compared"]
    data = tmp_path / "queries.csv"
    data.write_text("\n".join(data.read_text(encoding="utf-8").splitlines()[:7]), encoding="utf-8")
    (fewer,) = figures(cli, *front, "--model", "x:good", "--against", "before.json")["compared"]

    assert (6, "Front on x:bad in before.json") == (compared["gained"], compared["before"])
    assert (0, 0, 1.0, []) == tuple(same[key] for key in ("gained", "lost", "p_value", "disagreements"))
    assert (6, 2) == (fewer["queries"], fewer["unpaired"])


@pytest.mark.parametrize("held", ["", "[]", '{"machine": 1}', "[" * 100_000, '{"machine": "a", "digest": "b"}'])
def test_what_is_no_result_is_refused(cli, front, tmp_path: Path, held: str) -> None:
    """Before anything is measured, in a line."""
    (tmp_path / "before.json").write_text(held, encoding="utf-8")

    assert_refused(cli.invoke(app, ["eval", *front, "--against", "before.json"]), "no result to compare with")
    assert_refused(cli.invoke(app, ["eval", *front, "--against", "nowhere.json"]), "cannot be read")


@pytest.mark.parametrize("tokens", ["-1", "1" + "0" * 5_000, "1.5", "true", '"3"', "null"], ids=range(6))
def test_an_amount_that_is_none_is_refused(cli, front, tmp_path: Path, tokens: str) -> None:
    """Of a file that somebody has changed nothing is compared."""
    row = {"text": "find 1", "expected": "search", "reached": "search", "tokens": "TOKENS", "cost": 0}
    held = json.dumps({"machine": "Front", "digest": "d", "labels": ["search"], "routes": [row]})
    (tmp_path / "before.json").write_text(held.replace('"TOKENS"', tokens), encoding="utf-8")

    assert_refused(cli.invoke(app, ["eval", *front, "--against", "before.json"]), "no result to compare with")


class Tags(HTMLParser):
    """Notes the tags and the texts of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not any(name.startswith("on") or name in ("src", "href") for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_report_escapes_everything(cli, front, tmp_path: Path) -> None:
    """The matrix, the rates, what was compared and each disagreement; no script, and nothing from elsewhere."""
    result = cli.invoke(app, ["eval", *front, "--model", "x:good", "--versus", "x:bad", "--html", "report.html"])
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    seen = Tags()
    seen.feed(page)

    assert 0 == result.exit_code, result.output
    assert not {"script", "img", "link", "iframe", "a"} & set(seen.tags)
    assert not re.search("[\x00-\x08\x0b-\x1f]", page)
    assert "<script>alert('1')</script>\\x1b[2J & co" in seen.texts
    assert "default-src 'none'" in page
    assert page.count("rgba(46, 160, 67, 0.75)") == 3
    assert page.count("<tr><th>leak</th><td>-</td></tr>") == 2  # no query was to reach nobody
    assert "Front on x:bad → Front on x:good" in seen.texts
    assert 2 == sum("expected \\ reached" in text for text in seen.texts)


def test_a_report_does_not_write_over_another_file(cli, front, tmp_path: Path) -> None:
    """A page of its own may be written again."""
    words_of = ["eval", *front, "--model", "x:good", "--html", "report.html"]
    (tmp_path / "report.html").write_text("<!doctype html><title>mine</title>", encoding="utf-8")

    assert_refused(cli.invoke(app, words_of), "is not a report of how machines route")
    assert 0 == cli.invoke(app, [*words_of, "--force"]).exit_code
    assert 0 == cli.invoke(app, words_of).exit_code


def side(*reached: str, is_priced: bool = True) -> Side:
    """Return a measurement of queries that are all to reach `a`."""
    outcomes = [
        Outcome(text=f"q{number}", expected="a", reached=each, is_right=each == "a", tokens=10, cost=2_000)
        for number, each in enumerate(reached)
    ]
    return Side("Front", outcomes, is_priced, frozenset("a"))


def saved(folder: Path, **more: Any) -> Path:
    """Write a result as --json prints it, of which one query was to reach nobody and did."""
    row = {"text": "q", "expected": "none", "reached": "human", "tokens": 1, "cost": 1}
    file = folder / "before.json"
    file.write_text(json.dumps({"machine": "A", "digest": "d", "labels": ["billing"], "routes": [row], **more}))
    return file


def test_what_a_file_holds_is_judged_as_what_is_measured_now(tmp_path: Path) -> None:
    """A query that was to reach nobody and did is right, and a price that was not known is not known."""
    unpriced, priced = side_in(saved(tmp_path)), side_in(saved(tmp_path, cost_usd=0.5, model="x"))

    assert [True] == [each.is_right for each in priced.outcomes]
    assert (False, True, "A on x in before.json") == (unpriced.is_priced, priced.is_priced, priced.name)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("now", [True, False])
def test_costs_are_compared_where_both_are_known(before: bool, now: bool) -> None:
    """Otherwise nothing is said of them."""
    said = dict(in_words(compared(side("a", is_priced=before), side("a", is_priced=now))))

    assert said.get("cost") == ("$0.002000 before, $0.002000 now" if before and now else None)
    assert "10 a query before, 10 now" == said["tokens"]


@pytest.mark.parametrize(
    ("differ", "said"),
    [(5, "nobody can tell which is better"), (6, "it is better now"), (-6, "it was better before")],
)
def test_what_may_be_chance_is_no_better(differ: int, said: str) -> None:
    """Five that differ are within the usual five percent of chance, and six are not."""
    right, wrong = side(*"a" * abs(differ)), side(*"b" * abs(differ))
    comparison = compared(wrong, right) if differ > 0 else compared(right, wrong)

    assert dict(in_words(comparison))["chance"].endswith(f": {said}")


def test_what_has_no_query_in_common_is_refused(cli, front, tmp_path: Path) -> None:
    """In a line that names both."""
    saved(tmp_path)

    refused = cli.invoke(app, ["eval", *front, "--model", "x:good", "--against", "before.json"])
    assert_refused(refused, "A in before.json and Front on x:good have measured no query in common")


def differing(count: int) -> Comparison:
    """Compare two that disagree on so many queries."""
    return compared(side(*"b" * count), side(*"a" * count))


def test_of_many_disagreements_the_first_are_shown() -> None:
    """With how many more there are, on the page of HTML too."""
    out = Console(file=io.StringIO(), width=120)
    show_compared(out, differing(12))
    shown = out.file.getvalue()  # type: ignore[attr-defined]
    page = report.report([], [differing(1_003)])

    assert [f"q{number}" for number in range(10)] == re.findall(r"q\d+", shown)
    assert "2 more: --html or --json" in shown
    assert [f"q{number}" for number in range(1_000)] == re.findall(r"q\d+", page)
    assert "3 more are not listed" in page


def measured(folder: Path, name: str, labels: list[str], row: dict[str, Any]) -> Side:
    """Return a measurement of one query, as a file holds it."""
    file = folder / name
    told = {"text": "q", "tokens": 1, "cost": 1, **row}
    file.write_text(json.dumps({"machine": "A", "digest": "d", "labels": labels, "routes": [told]}), encoding="utf-8")
    return side_in(file)


def test_both_sides_are_judged_by_the_labels_of_both(tmp_path: Path) -> None:
    """What one side did not count as a label is one for both: the same path is the same verdict, whichever is older."""
    one = {"expected": "nobody", "reached": "done", "path": ["triage", "search", "done"]}
    few = measured(tmp_path, "few.json", ["billing"], one)
    many = measured(tmp_path, "many.json", ["billing", "search"], {**one, "reached": "search", "path": one["path"][:2]})

    for before, now in ((few, many), (many, few)):
        (pair,) = compared(before, now).result.pairs
        assert ["search", "search"] == [pair.before.reached, pair.now.reached]
        assert [False, False] == [pair.before.is_right, pair.now.is_right]


def test_what_does_not_say_where_it_went_is_not_judged_anew(tmp_path: Path) -> None:
    """A file of an older version is refused where its labels are fewer, and only there."""
    old = measured(tmp_path, "old.json", ["billing"], {"expected": "billing", "reached": "billing"})
    new = measured(tmp_path, "new.json", ["billing", "search"], {"expected": "billing", "reached": "billing"})

    assert 1 == len(compared(old, old).result.pairs)
    with pytest.raises(CommandError, match=r"old\.json was judged without search, .*: measure it again"):
        compared(old, new)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_files_of_windows_are_read(cli, front, tmp_path: Path, encoding: str) -> None:
    """Queries and older results that begin with a mark of their encoding, as its shell writes them."""
    older, data = tmp_path / "before.json", tmp_path / "queries.csv"
    older.write_text(json.dumps(figures(cli, *front, "--model", "x:bad")), encoding=encoding)
    data.write_text(data.read_text(encoding="utf-8"), encoding=encoding)
    (compared,) = figures(cli, *front, "--model", "x:good", "--against", "before.json")["compared"]

    assert (8, 6) == (compared["queries"], compared["gained"])


def test_what_is_no_text_is_refused(cli, front, tmp_path: Path) -> None:
    """UTF-16 without its mark, and bytes that are no UTF-8: in a line that says how to save it."""
    data = tmp_path / "queries.csv"
    held = data.read_text(encoding="utf-8")
    data.write_text(held, encoding="utf-16-le")
    assert_refused(cli.invoke(app, ["eval", *front]), "is no text: save it as CSV in UTF-8")
    data.write_bytes(held.encode() + b"\xff")
    assert_refused(cli.invoke(app, ["eval", *front]), "is not UTF-8. Save it as CSV in UTF-8")
