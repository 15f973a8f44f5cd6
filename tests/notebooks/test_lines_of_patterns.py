"""How long four programs are in three libraries: what the page on parts says is what is recorded, and what is so."""

import importlib.util
import json
import re
from types import ModuleType

import pytest
from support.shown import ROOT

PATTERNS = ROOT / "tests" / "benchmarks" / "patterns"


def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pattern_lines", PATTERNS / "lines.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LINES = _module()
RECORDED = json.loads(LINES.FILE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("pattern", LINES.PATTERNS)
def test_what_is_recorded_is_what_the_programs_have(pattern: str) -> None:
    """Nobody has changed a program without playing and counting it again."""
    counted = {
        library: LINES.counted((PATTERNS / f"{pattern}_{library}.py").read_text(encoding="utf-8"))
        for library in LINES.LIBRARIES
    }

    assert RECORDED["lines"][pattern] == counted


def test_the_page_says_what_is_recorded() -> None:
    """The table has each figure, in the order of the libraries, and the versions are named."""
    page = (ROOT / "notebooks" / "how-to" / "parts.md").read_text(encoding="utf-8")
    rows = [[int(cell) for cell in row] for row in re.findall(r"^\|[^|]+\| (\d+) \| (\d+) \| (\d+) \|$", page, re.M)]

    assert rows == [[RECORDED["lines"][one][of] for of in LINES.LIBRARIES] for one in LINES.PATTERNS]
    assert f"LangGraph {RECORDED['versions']['langgraph']}" in page
    assert f"openai-agents {RECORDED['versions']['openai_agents']}" in page


def test_only_code_is_counted() -> None:
    """No blank lines, comments, docstrings and imports; a text that is a value counts, over all of its lines."""
    head, body = '"""Say."""\n\nimport os\nfrom a import (\n    b,\n)\n\n\n', 'def f():\n    """Do."""\n    # why\n'
    source = head + body + '    return """x\n\ny"""\n'

    assert LINES.counted(source) == 4
