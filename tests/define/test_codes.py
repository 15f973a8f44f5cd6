"""The table of codes: the rules and it know the same codes, and its examples are what it says they are."""

from __future__ import annotations

import ast
import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import fsm_orch
from fsm_orch.cli import app
from fsm_orch.define import codes
from fsm_orch.define.codes import CODES
from fsm_orch.define.codes.code import FAMILIES, SETTING, Code

PACKAGE = Path(fsm_orch.__file__).parent
EVERY = pytest.mark.parametrize("code", CODES.values(), ids=CODES)
OF_MACHINES = pytest.mark.parametrize(
    "code", [code for code in CODES.values() if code.found != "import"], ids=lambda code: code.code
)
"""All whose examples are machines; `tests/adopt/test_import_codes.py` has the others."""


def calls(name: str) -> Iterator[tuple[str, ast.Call]]:
    """Yield the calls of a function or method by its name in the package, each with its place."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and name == getattr(node.func, "id", getattr(node.func, "attr", None)):
                yield f"{path.relative_to(PACKAGE).as_posix()}:{node.lineno}", node


def texts(node: ast.AST) -> set[str]:
    """Return the strings that are written in an expression."""
    return {inner.value for inner in ast.walk(node) if isinstance(inner, ast.Constant) and isinstance(inner.value, str)}


def named(call: ast.Call) -> set[str]:
    """Return the codes that a call of the factory may be for."""
    return {text for text in texts(call.args[0]) if re.fullmatch(r"FSM\d{3}", text)}


def test_rules_and_table_know_the_same_codes() -> None:
    """Every code that a rule finds is in the table, and every code in the table is found by some rule."""
    unclear = [place for place, call in calls("finding") if not named(call)]

    assert [] == unclear
    assert set(CODES) == {code for _, call in calls("finding") for code in named(call)}


def test_findings_are_made_by_the_factory_alone() -> None:
    """No rule makes a finding by hand, past the table."""
    assert ["define/codes/__init__.py"] == [place.partition(":")[0] for place, _ in calls("Finding")]


def test_no_rule_writes_again_what_the_table_says() -> None:
    """What is said of a code in general is written once, in the table; no rule repeats it."""
    repeated = [
        f"{place} {keyword.arg}"
        for place, call in calls("finding")
        for keyword in call.keywords
        for code in named(call)
        if texts(keyword.value) & {CODES[code].expected, CODES[code].fix}
    ]

    assert [] == repeated


def test_codes_stand_in_order_of_number() -> None:
    """A reader finds a code where its number says, once, under its own name and in a family that there is."""
    assert sorted(CODES) == list(CODES)
    assert list(CODES) == [code.code for code in CODES.values()]
    assert list(CODES) == sorted(code.code for table in codes._TABLES for code in table.CODES)
    assert {code[3] for code in CODES} == set(FAMILIES)


def test_titles_tell_codes_apart() -> None:
    """A title is short, has no full stop, and is no other code's."""
    titles = [code.title for code in CODES.values()]

    assert len(titles) == len(set(titles))
    assert [] == [title for title in titles if len(title) > 40 or title.endswith(".") or not title[0].isupper()]


@EVERY
def test_texts_fit_where_they_are_shown(code: Code) -> None:
    """Problem and reason are sentences; what is expected and the fix go on after a colon."""
    for sentence in code.problem, code.why:
        assert re.fullmatch(r"[A-Z].*\.", sentence)
    for phrase in code.expected, code.fix:
        assert re.fullmatch(r"[^A-Z].*[^.]|Machine\[.*[^.]", phrase)


@EVERY
def test_an_example_is_mended_line_by_line(code: Code) -> None:
    """Every line of the example is marked as taken out, put in or kept; both forms are Python, and they differ."""
    assert [] == [line for line in code.diff.splitlines() if line[:2].rstrip() not in {"-", "+", ""}]
    assert ast.dump(ast.parse(code.example)) != ast.dump(ast.parse(code.mended))


Check = Callable[[str, tuple[str, ...]], dict[str, Any]]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Check]:
    """Check lines of a user as `fsm-orch check` does, below the setting of all examples."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    def run(lines: str, options: tuple[str, ...]) -> dict[str, Any]:
        (tmp_path / "desk.py").write_text(f"{SETTING}\n\n{lines}\n", encoding="utf-8")
        importlib.invalidate_caches()
        result = CliRunner().invoke(app, ["check", "desk", "--json", *options])
        assert result.exit_code in (0, 1), result.output
        return {"machines": json.loads(result.stdout)["machines"], "exit_code": result.exit_code}

    yield run
    sys.modules.pop("desk", None)


@OF_MACHINES
def test_an_example_raises_its_code_alone(code: Code, check: Check, tmp_path: Path) -> None:
    """The example raises its code and no other, at the usual level, where the table says, at lines of its own."""
    machines = check(code.example, code.options)["machines"]
    found = [finding for machine in machines for finding in machine["findings"]]

    assert {(code.code, code.levels[0])} == {(finding["code"], finding["level"]) for finding in found}
    assert {str(tmp_path / "desk.py")} == {finding["where"].rpartition(":")[0] for finding in found}
    assert code.found == ("check" if all("digest" in machine for machine in machines) else "build")


@OF_MACHINES
def test_a_mended_example_leaves_nothing_to_find(code: Code, check: Check) -> None:
    """The same lines, mended, raise it no more, nor anything else."""
    checked = check(code.mended, code.options)

    assert [] == [finding for machine in checked["machines"] for finding in machine["findings"]]
    assert 0 == checked["exit_code"]


TEXT = st.text(min_size=1)


@given(st.data(), st.sampled_from(list(CODES.values())), TEXT, TEXT, st.none() | TEXT, st.none() | TEXT)
def test_a_rule_says_more_or_the_table_speaks(
    data: st.DataObject, code: Code, where: str, problem: str, expected: str | None, fix: str | None
) -> None:
    """A finding has what its rule says, and the table's words where the rule says nothing."""
    level = data.draw(st.sampled_from([None, *code.levels]))
    made = codes.finding(code.code, where=where, problem=problem, expected=expected, fix=fix, level=level)

    assert (code.code, where, problem) == (made.code, made.where, made.problem)
    assert (expected or code.expected, fix or code.fix) == (made.expected, made.fix)
    assert (level or code.levels[0]) == made.level


def test_a_code_that_is_not_there_is_our_mistake() -> None:
    """A rule that misspells its code, or weighs it as the table does not, fails loudly."""
    with pytest.raises(KeyError, match="FSM999"):
        codes.finding("FSM999", where="x.py:1", problem="no such code")
    with pytest.raises(AssertionError, match="FSM101"):
        codes.finding("FSM101", where="x.py:1", problem="no initial state", level="note")
