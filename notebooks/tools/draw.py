"""Draw the machines of the gallery for its page: `python notebooks/tools/draw.py` writes notebooks/pictures/machines.

A module is drawn by the machine that its name on the page stands for: its only one, or the one that `SHOWN` names.
"""

from __future__ import annotations

from pathlib import Path

from fsm_orch import discover
from fsm_orch.cli.new import choices
from fsm_orch.export.svg import svg

ROOT = Path(__file__).resolve().parents[2]
DRAWN = ROOT / "notebooks" / "pictures" / "machines"
SHOWN = {"helpdesk": "ByExamples", "travel": "Travel"}
"""The machine that is drawn of a module of several."""


def drawing(module: str) -> str:
    """Return the drawing of a module of the gallery, as SVG."""
    machines = discover.machines(f"machines.{module}", ROOT)
    (name,) = [
        spelling for spelling in machines if spelling.endswith(f":{SHOWN.get(module, '')}") or len(machines) == 1
    ]
    return svg(machines[name].definition)


if __name__ == "__main__":
    DRAWN.mkdir(exist_ok=True)
    for module in choices():
        (DRAWN / f"{module}.svg").write_text(f"{drawing(module).strip()}\n", encoding="utf-8")
        print((DRAWN / f"{module}.svg").relative_to(ROOT))
