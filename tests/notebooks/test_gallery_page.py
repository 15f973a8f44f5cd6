"""The page of the gallery: each module of machines has a row, whose figures are those that are proved."""

from __future__ import annotations

import importlib
import re
from xml.etree import ElementTree

import pytest
from support.shown import ROOT
from tools.draw import drawing

from fsm_orch import discover
from fsm_orch.cli.new import choices
from fsm_orch.proof import prove

PAGE = ROOT / "notebooks" / "how-to" / "gallery.md"
ROW = re.compile(
    r"^\| \[(?P<module>\w+)\]\(#(?P=module)\) .*\| (?P<calls>[\d,]+) \| (?P<tokens>[\d,]+) \|", re.MULTILINE
)


MODULES = choices()


@pytest.mark.parametrize("module", MODULES)
def test_a_row_says_what_is_proved(module: str) -> None:
    """The calls and tokens of the worst run of the dearest machine of a module; all its policies hold."""
    (row,) = [found for found in ROW.finditer(PAGE.read_text(encoding="utf-8")) if found["module"] == module]
    proofs = [prove(each) for each in discover.machines(f"machines.{module}", ROOT).values()]

    assert all(proof.is_sound() for proof in proofs)
    assert (max(proof.bounds.calls or 0 for proof in proofs), max(proof.bounds.tokens for proof in proofs)) == (
        int(row["calls"].replace(",", "")),
        int(row["tokens"].replace(",", "")),
    )


@pytest.mark.parametrize("module", MODULES)
def test_a_module_reads_like_documentation(module: str) -> None:
    """It says when not to use it, or where something else is cheaper, and how it is checked and run."""
    text = importlib.import_module(f"machines.{module}").__doc__ or ""

    assert f"fsm-orch check machines.{module}" in text
    assert re.search(rf"fsm-orch (run|chat) machines\.{module}\b", text)
    assert re.search(r"[Dd]o not use|is cheaper", text)


def shown(svg: str) -> list[tuple[str, ...]]:
    """Return what a drawing shows: its shapes, with their kinds and colours, and its words; not where they are.

    Where things are is Graphviz's to say, and may differ from one version to the next.
    """
    told = ("class", "fill", "stroke", "stroke-dasharray", "font-weight")
    parts = ElementTree.fromstring(svg).iter()
    return [(part.tag, *(part.get(name, "") for name in told), (part.text or "").strip()) for part in parts]


@pytest.mark.parametrize("module", MODULES)
def test_a_drawing_is_what_the_machine_gives_today(module: str) -> None:
    """It shows the states, handoffs, guards and limits of now; `python notebooks/tools/draw.py` draws it again."""
    drawn = PAGE.parents[1] / "pictures" / "machines" / f"{module}.svg"

    assert shown(drawing(module)) == shown(drawn.read_text(encoding="utf-8"))


def test_the_page_shows_a_drawing_of_each_module() -> None:
    """Each has a heading, what the module says of itself first, and its drawing; and there is no other drawing."""
    parts = dict(re.findall(r"^### (\w+)\n\n(.*?)(?=\n###|\Z)", PAGE.read_text(encoding="utf-8"), re.M | re.S))

    assert parts.keys() == {*MODULES}
    assert {path.stem for path in (PAGE.parents[1] / "pictures" / "machines").iterdir()} == {*MODULES}
    for module, part in parts.items():
        first = (importlib.import_module(f"machines.{module}").__doc__ or "").partition("\n\n")[0]
        assert " ".join(first.split()) in " ".join(part.split())
        assert re.search(rf"!\[.+\]\(\.\./pictures/machines/{module}\.svg\)", part, re.M)
