"""ARCHITECTURE.md is what the modules say of themselves today, and the way of a query is told by files that exist."""

import re
from pathlib import Path

from architecture_page import page

import fsm_orch

ROOT = Path(__file__).parents[1]


def test_the_page_is_renewed() -> None:
    """ARCHITECTURE.md is what its generator writes."""
    kept = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")

    assert page() == kept, "renew it: python tests/architecture_page.py > ARCHITECTURE.md"


def test_a_query_travels_through_files_that_exist() -> None:
    """Every file that the page names is there."""
    named = re.findall(r"`([\w/]+\.py)`", page())

    assert named
    assert [] == [
        file for file in named if not any((root / file).is_file() for root in (Path(fsm_orch.__file__).parent, ROOT))
    ]


def test_every_file_has_its_row() -> None:
    """Each module of the package stands on the page, under its room, with a sentence."""
    rows = re.findall(r"^\| [\w/]+\.py \| \S.* \|$|^\*\*`\w+/`\*\* \S", page(), re.MULTILINE)

    assert len(list(Path(fsm_orch.__file__).parent.rglob("*.py"))) == len(rows)
