"""Small machines as a user writes them, in which a comment names the findings that must point at its line."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from textwrap import dedent, indent
from types import ModuleType
from typing import Any

import pytest

from fsm_orch import DefinitionError

HEADER = """
from functools import partial
from typing import Annotated, Any
from pydantic import ConfigDict, Field, WithJsonSchema, field_validator
from fsm_orch import *

class Ticket(Context):
    query: str
    answer: str | None = None
    level: Annotated[int, Field(ge=0)] = 0
    locale: Given[str] = "en"

class Vip(Ticket):
    manager: str = "none"

class Other(Context):
    query: str
    thing: str = ""

@guard
def is_high(t: Ticket) -> bool:
    return t.level > 3

@guard
def is_other(o: Other) -> bool:
    return True

@guard
def is_vip(v: Vip) -> bool:
    return True

def work(visit):
    return None

def model():
    return LLMAgent("Do it.", reads=(Ticket.query,))
"""


def machine(
    body: str = "",
    *,
    a: str | None = "State(work, initial=True)",
    context: str = "Ticket",
    before: str = "",
    found: str = "",
) -> str:
    """Write the machine M: its final states `done` and `human`, an initial state `a` that leads to `done`, and more.

    Args:
        body: what else the class declares.
        a: what the initial state is; None if the body declares it, and where it leads.
        context: the class of its context.
        before: what the module declares before the class.
        found: the findings that must point at the class itself.
    """
    parts = ["done = Final()", "human = Final(fallback=True)"]
    if a is not None:
        parts += [f"a = {a}", "end = a.to(done, 'when it is done')"]
    lines = "\n".join([*parts, dedent(body)])
    return f"{dedent(before)}\nclass M(Machine[{context}]):  # {found}\n{indent(lines, '    ')}"


def case(sentence: str, problem: str, body: str = "", **options: Any) -> Any:
    """Make a row of a table: what holds, what a finding says, and a machine, as `machine` writes it."""
    return pytest.param(problem, machine(body, **options), id=sentence)


def module(sentence: str, problem: str, source: str) -> Any:
    """Make a row whose source is a whole module."""
    return pytest.param(problem, dedent(source), id=sentence)


def load(path: Path, source: str) -> ModuleType:
    """Write a module below the header, and import it."""
    path.write_text(HEADER + source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def refused(path: Path, source: str) -> DefinitionError:
    """Return how a module is refused: with exactly the findings that it marks, each at its line, and told in full."""
    with pytest.raises(DefinitionError) as caught:
        load(path, source)
    findings = caught.value.findings
    assert marked(path) == sorted((finding.code, finding.where) for finding in findings)
    for finding in findings:
        assert finding.expected
        assert finding.fix
        assert str(finding) in str(caught.value)
    return caught.value


def shows(path: Path, source: str, problem: str) -> None:
    """Check that a module is refused as it marks, and that a finding says what the problem is."""
    problems = [finding.problem for finding in refused(path, source).findings]
    assert any(problem in other for other in problems), problems


def marked(path: Path) -> list[tuple[str, str]]:
    """Read the findings that comments name: `# FSM105`, or `# FSM107-2` for two lines up."""
    return sorted(
        (code, f"{path}:{number - int(up or 0)}")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for code, up in re.findall(r"(FSM\d+)(?:-(\d))?", line.partition("#")[2])
    )
