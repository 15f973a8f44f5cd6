"""The page about gates: its table of the field's snippet beside a gate is what the benchmark comes to."""

from __future__ import annotations

from pathlib import Path

from benchmarks.scaling_snippet import WAYS, Seen, came_of, table
from support.shown import ROOT, blocks
from typer.testing import CliRunner

from fsm_orch.cli import app

FILE = ROOT / "notebooks" / "how-to" / "gates.md"
PAGE = FILE.read_text(encoding="utf-8")


def test_the_table_of_the_snippet_is_what_comes_of_it() -> None:
    """On virtual time it is the same each time, and the page shows it."""
    assert table() in PAGE


def test_a_gate_denies_at_once_and_charges_nothing() -> None:
    """With a line that is as long as what can be done in time nobody waits in vain, and nobody is late."""
    seen: Seen = came_of(WAYS["`Gate`, `queue=10`"])

    assert {0.0} == set(seen.denied.values())
    assert seen.asked.keys() == seen.answered.keys()
    assert (0, 0.0) == (seen.charged, seen.held_s)
    assert max(seen.answered.values()) <= 10.0


def test_what_a_check_says_of_agents_that_are_away_is_what_the_page_shows(tmp_path: Path) -> None:
    """It is said of the machine of the page."""
    shop = tmp_path / "shop_of_the_page.py"
    shop.write_text(blocks(FILE)[0].text.partition("\nrunner = ")[0], encoding="utf-8")
    said = CliRunner().invoke(app, ["check", str(shop)]).output
    (shown,) = (block.text for block in blocks(FILE) if "if away" in block.text)

    assert shown in said
