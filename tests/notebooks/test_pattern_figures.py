"""The figures of the patterns: what the notebook claims holds, and what is drawn of them is what is committed."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree as ET

import pytest

pytest.importorskip("openai", reason="the figures need the extra `notebooks`")

from figures.incident.wire import input_tokens
from figures.patterns import native, picture, played, shop, table

from fsm_orch.models import Request
from fsm_orch.models.openai import ResponsesModel

PATTERNS = pytest.mark.parametrize("pattern", table.PATTERNS, ids=lambda each: each.machine.__name__)


@pytest.fixture(scope="module")
def rows() -> dict[str, table.Row]:
    """Return what each pattern took, by the name of its machine. It is played then, not at collection."""
    return {machine.__name__: row for machine, row in table.by_machine().items()}


@PATTERNS
def test_the_bound_covers_what_a_pattern_takes(pattern: table.Pattern, rows: dict[str, table.Row]) -> None:
    """Calls, tokens and dollars are within what was proved, and as many calls are made as can be."""
    row = rows[pattern.machine.__name__]

    assert len(row.bill.calls) == row.proved.calls
    assert row.bill.tokens <= row.proved.tokens
    assert row.bill.usd <= row.proved.usd


@PATTERNS
def test_what_the_provider_counts_is_what_is_charged(pattern: table.Pattern) -> None:
    """The tokens of the bodies that were sent are those of the run's ledger, and the customer is answered."""
    made = played.play(pattern.machine, pattern.uses, pattern.answer)

    assert made.charged_tokens == sum(one.call.tokens for one in made.exchanges)
    assert made.answer == pattern.answer


@PATTERNS
def test_caps_are_as_low_as_they_can_be(pattern: table.Pattern, monkeypatch) -> None:
    """The longest request of a pattern takes no more than its cap, and more than a hundred below it."""
    counted: list[int] = []

    class Counting(ResponsesModel):
        async def count(self, request: Request) -> int:
            counted.append(await super().count(request))
            return counted[-1]

    monkeypatch.setattr(played, "ResponsesModel", Counting)
    played.play(pattern.machine, pattern.uses, pattern.answer)
    specs = [state.spec for state in pattern.machine.definition.states.values()]
    cap = max((spec.call_limits.max_input_tokens for spec in specs if spec and spec.kind == "llm"), default=300)

    assert cap - 100 < max(counted) <= cap


def test_time_is_that_of_the_calls_that_wait_for_each_other(rows: dict[str, table.Row]) -> None:
    """A pattern takes 0.44 s for each call, but for those at once, of which the slowest counts."""
    calls = {name: round(row.seconds / played.SECONDS_A_CALL, 6) for name, row in rows.items()}
    at_once = calls.pop("AllAtOnce")

    assert calls == {name: len(row.bill.calls) for name, row in rows.items() if name != "AllAtOnce"}
    assert at_once == 2
    assert rows["AllAtOnce"].bill.tokens == rows["Sequence"].bill.tokens


def test_tools_are_sent_as_a_form(rows: dict[str, table.Row]) -> None:
    """No request that was sent has `tools`: they stand in the prompt and in the schema of the reply."""
    bodies = [one.body for row in table.rows() for one in row.exchanges]

    assert not any("tools" in body for body in bodies)
    assert all(body["text"]["format"]["type"] == "json_schema" for body in bodies)
    assert list(played.tools_in(rows["OneByOne"].exchanges[0].body)) == ["description", "in_stock", "price_of"]
    assert not list(played.tools_in(rows["OneByOne"].exchanges[-1].body))


def test_a_native_talk_says_the_same(rows: dict[str, table.Row]) -> None:
    """Its requests have each tool, the uses and their results, in the order in which they were sent as text."""
    sent = rows["OneByOne"].exchanges
    names = ["description", "in_stock", "price_of"]
    bodies = [native.native_body(one.body, sent[-1].body, names) for one in sent]
    kinds = [item.get("type", item.get("role")) for item in bodies[-1]["input"]]

    assert kinds == ["system", "user", *["function_call", "function_call_output"] * 3]
    assert [item["name"] for item in bodies[-1]["input"] if item.get("type") == "function_call"] == names
    assert [item["output"] for item in bodies[-1]["input"] if "output" in item] == [
        *shop.CATALOGUE[shop.PRODUCT].values()
    ]
    assert all([tool["name"] for tool in body["tools"]] == names for body in bodies)
    assert "You may use tools" not in json.dumps(bodies)


def test_a_native_talk_grows_and_ours_drops_the_tools_at_the_end(rows: dict[str, table.Row]) -> None:
    """Natively each request is longer than the one before; ours is the shortest when no tool is left to offer."""
    row = rows["OneByOne"]
    assert row.native is not None
    sizes = [call.input_tokens for call in row.native.calls]

    assert sizes == sorted(sizes)
    assert min(one.call.input_tokens for one in row.exchanges) == input_tokens(row.exchanges[-1].body)


def test_what_the_notebook_says_of_the_claim(rows: dict[str, table.Row]) -> None:
    """Code is the cheapest answer; one tool is cheaper without a handoff than behind one; three tools cost more."""
    tokens = {name: row.bill.tokens for name, row in rows.items()}
    whole = {name: count for name, count in tokens.items() if not rows[name].is_half}
    natively = {name: row.native.tokens for name, row in rows.items() if row.native}

    assert min(whole, key=lambda name: whole[name]) == "Code"
    assert tokens["InAMachine"] < tokens["OneTool"] < tokens["HandoffTool"] < tokens["Sequence"] < tokens["AtOnce"]
    assert max(tokens, key=lambda name: tokens[name]) == "OneByOne"
    assert natively["OneTool"] > tokens["InAMachine"]
    assert tokens["AsTool"] > 2 * tokens["InAMachine"]
    assert natively["AsTool"] > tokens["AsTool"]
    assert tokens["OneByOne"] > natively["OneByOne"] > tokens["Sequence"]
    assert tokens["InAMachine"] - tokens["Code"] == tokens["HandoffTool"] - tokens["OneTool"]


@PATTERNS
def test_the_bound_is_about_twice_what_is_taken(pattern: table.Pattern, rows: dict[str, table.Row]) -> None:
    """So it is in each pattern: caps are rounded up, a form counts twice, and a reply may be as long as its cap."""
    row = rows[pattern.machine.__name__]

    assert 1.8 < row.proved.tokens / row.bill.tokens < 2.6


@pytest.fixture(scope="module")
def drawn() -> dict[str, str]:
    return {theme.name: picture.draw(table.rows(), theme) for theme in picture.THEMES}


@pytest.mark.parametrize("theme", picture.THEMES, ids=lambda theme: theme.name or "light")
def test_the_picture_of_patterns_is_the_committed_one(theme: picture.Theme, drawn: dict[str, str]) -> None:
    """Drawn again it has the same bytes: `python -m figures.patterns.picture` renews it."""
    assert drawn[theme.name].encode() == (picture.PICTURES / f"patterns{theme.name}.svg").read_bytes()


def test_the_picture_of_patterns_fits_any_page(drawn: dict[str, str]) -> None:
    """It has no background, no font, no script and no address but that of SVG; the themes differ in colours alone."""
    light, dark = (re.sub("#[0-9a-f]{6,8}", "#", drawn[theme.name]) for theme in picture.THEMES)

    assert light == dark
    assert re.findall(r"https?://[^\"]+", light) == ["http://www.w3.org/2000/svg"]
    assert not re.search("<(image|script|style|foreignObject)|@font-face|href", light)


def test_the_picture_of_patterns_says_what_the_table_says(drawn: dict[str, str]) -> None:
    """Every row's name, note, tokens and bound can be read in it, and each call's tokens stand on a bar."""
    texts = [text.text for text in ET.fromstring(drawn[""]).iter("{http://www.w3.org/2000/svg}text")]

    for row in table.rows():
        inputs = {f"{one.call.input_tokens:,}" for one in row.exchanges}
        assert {row.name, row.note, f"{row.bill.tokens:,}", f"{row.proved.tokens:,}", *inputs} <= {*texts}


def test_calls_at_once_lie_below_each_other(rows: dict[str, table.Row]) -> None:
    """Three at once have three lanes, and the fourth, which waits for them, has the first again."""
    at_once, in_sequence = (list(picture.lanes(rows[name].exchanges)) for name in ("AllAtOnce", "Sequence"))

    assert [lane for lane, _ in at_once] == [0, 1, 2, 0]
    assert {lane for lane, _ in in_sequence} == {0}


def test_drawing_patterns_writes_both_themes(tmp_path, monkeypatch) -> None:
    """What renews the pictures writes what the test above compares."""
    monkeypatch.setattr(picture, "PICTURES", tmp_path / "pictures")
    picture.main()

    assert ["patterns-dark.svg", "patterns.svg"] == sorted(path.name for path in (tmp_path / "pictures").iterdir())


def test_tables_of_patterns_fit_a_page() -> None:
    """No line of a table is wider than a notebook shows."""
    texts = [table.as_text(), table.native_as_text()]

    assert all(len(line) <= 80 for text in texts for line in text.splitlines())
