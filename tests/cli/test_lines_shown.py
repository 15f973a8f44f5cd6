"""Which line of a user's code a finding is shown with."""

from pathlib import Path

import pytest

from fsm_orch.cli.show import show_finding
from fsm_orch.define.codes import finding

LONG = """@tool(
    timeout_s=3,
    repeatable=True,
)
@other
async def look(): ...
"""

ALONE = """@
    timeout_s=3,
"""


@pytest.mark.parametrize(
    ("source", "line", "shown"),
    [
        (LONG, 1, "6 | async def look(): ..."),
        (LONG, 5, "6 | async def look(): ..."),
        (LONG, 2, "2 | timeout_s=3,"),
        (ALONE, 1, "1 | @"),
        ("@final\nclass Desk: ...", 1, "2 | class Desk: ..."),
    ],
)
def test_a_finding_is_shown_with_what_is_meant(source: str, line: int, shown: str, tmp_path: Path) -> None:
    """Below a decorator, of one line or of several, that is the function or the class; else it is the line itself."""
    file = tmp_path / f"lines_{line}_{len(source)}.py"
    file.write_text(source, encoding="utf-8")
    said = show_finding(finding("FSM117", where=f"{file}:{line}", problem="It is so"))

    assert shown in [text.strip() for text in said.plain.splitlines()]
    assert f"{file.name}:{shown.partition(' ')[0]}" in said.plain
