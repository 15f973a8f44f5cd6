"""Draw the machines of the gallery: `python notebooks/tools/draw.py` writes notebooks/pictures/machines."""

from __future__ import annotations

from pathlib import Path

from fsm_orch import discover
from fsm_orch.cli.new import choices
from fsm_orch.export.svg import svg

ROOT = Path(__file__).resolve().parents[2]
DRAWN = ROOT / "notebooks" / "pictures" / "machines"
SHOWN = {"helpdesk": ":ByExamples", "travel": ":Travel"}
"""The machine that is drawn, of a module of several."""


def drawing(module: str) -> str:
    """Return the drawing of a module of the gallery, as SVG."""
    return svg(discover.machine(f"machines.{module}{SHOWN.get(module, '')}", ROOT).definition)


if __name__ == "__main__":
    DRAWN.mkdir(exist_ok=True)
    for module in choices():
        (DRAWN / f"{module}.svg").write_text(drawing(module), encoding="utf-8")
        print((DRAWN / f"{module}.svg").relative_to(ROOT))
