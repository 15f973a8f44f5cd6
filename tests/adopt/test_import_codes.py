"""The codes of what is imported: their examples raise them, and mended they do not."""

import json
from typing import Any

import pytest
from adopt.record import CODES_RECORDED
from support.foreign_objects import made_again

from fsm_orch.adopt import detect
from fsm_orch.adopt.examine import examine
from fsm_orch.define.codes import CODES

OF_IMPORTS = [code for code in CODES.values() if code.found == "import"]
RECORDED: dict[str, Any] = json.loads(CODES_RECORDED.read_text(encoding="utf-8"))
"""What was read of the examples where openai-agents and LangGraph are installed; `record.py` writes it."""


def found(data: Any) -> set[tuple[str, str]]:
    """Return the codes and levels that are found in what was recorded."""
    graph = detect.read(made_again(data), "example")
    return {(each.code, each.level) for each in examine(graph, "app.py:1")}


@pytest.mark.parametrize("code", OF_IMPORTS, ids=lambda code: code.code)
def test_an_example_of_an_import_raises_its_code(code: Any) -> None:
    """The example raises its code at its usual level."""
    assert (code.code, code.levels[0]) in found(RECORDED[code.code]["example"])


@pytest.mark.parametrize("code", OF_IMPORTS, ids=lambda code: code.code)
def test_a_mended_example_of_an_import_raises_it_no_more(code: Any) -> None:
    """Mended, it is not found, nor is anything that was not there before; the mended form of one is a machine."""
    recorded = RECORDED[code.code]
    after = found(recorded["mended"]) if "mended" in recorded else set()

    assert code.code not in {number for number, _ in after}
    assert after <= found(recorded["example"]) | {("FSM613", "warning"), ("FSM617", "warning"), ("FSM618", "warning")}
