"""The page of the gallery: each module of machines has a row, whose figures are those that are proved."""

from __future__ import annotations

import importlib
import re

import pytest
from support.shown import ROOT

from fsm_orch import discover
from fsm_orch.cli.new import choices
from fsm_orch.proof import prove

PAGE = ROOT / "notebooks" / "how-to" / "gallery.md"
ROW = re.compile(r"^\| `machines\.(?P<module>\w+)` .*\| (?P<calls>[\d,]+) \| (?P<tokens>[\d,]+) \|", re.MULTILINE)


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
