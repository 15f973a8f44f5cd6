"""`fsm-orch explain`, and the page that it writes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from fsm_orch.cli import app
from fsm_orch.define.codes import CODES
from fsm_orch.define.codes.code import FAMILIES, SETTING

ROOT = Path(__file__).parents[2]
EVERY = st.sampled_from(sorted(CODES))


def explain(*words: str) -> str:
    """Return what is printed, of a command that succeeds."""
    result = CliRunner().invoke(app, ["explain", *words])
    assert (result.exit_code, result.stderr) == (0, ""), result.stderr
    return result.stdout


@given(EVERY)
def test_a_code_is_explained_in_full(code: str) -> None:
    """All that the table says of a code is printed, and every line of its example in both forms."""
    known, printed = CODES[code], explain(code)

    assert printed.startswith(f"{code} {' or '.join(known.levels)}: {known.title}\n")
    for text in (known.problem, known.why, known.expected, known.fix, *known.options):
        assert text in printed
    assert [f"  {line}".rstrip() for line in known.diff.splitlines()] == printed.split("\n\n", 2)[2].splitlines()


@pytest.mark.slow
@given(EVERY, st.sampled_from([str.upper, str.lower, lambda code: code[3:], lambda code: f" {code} "]))
def test_a_code_is_found_however_it_is_written(code: str, written) -> None:
    """Lower case and the bare number name the same code."""
    assert explain(code) == explain(written(code))


def test_several_codes_are_explained_in_turn() -> None:
    """Each code that is named is explained once, in the order in which they were named."""
    assert explain("FSM501", "101", "fsm501") == f"{explain('FSM501')}\n{explain('FSM101')}"


def test_without_a_code_all_are_listed() -> None:
    """Every code stands in the table once with its title, below its family."""
    printed = explain()

    assert list(CODES) == re.findall(r"^  (FSM\d+) ", printed, flags=re.MULTILINE)
    assert [f"{digit}xx {name}" for digit, name in FAMILIES.items()] == re.findall(r"^\dxx \w+", printed, flags=re.M)
    assert all(code.title in printed for code in CODES.values())


@given(st.lists(EVERY, unique=True))
def test_json_has_all_that_is_known(codes: list[str]) -> None:
    """With --json the codes are data, examples in both forms and the lines above them included; without a code, all."""
    shown = json.loads(explain("--json", *codes))

    assert SETTING == shown["setting"]
    assert (codes or list(CODES)) == [one["code"] for one in shown["codes"]]
    for one in shown["codes"]:
        known = CODES[one["code"]]
        assert one == {name: json.loads(json.dumps(getattr(known, name))) for name in one}
        assert {"family", "title", "problem", "why", "expected", "fix", "levels", "example", "mended"} <= set(one)


@given(st.integers(0, 10**12).map(str) | st.text(max_size=5))
def test_an_unknown_code_is_one_line(given_code: str) -> None:
    """Nothing is printed but a line on stderr that says what there is instead; the exit code is 2."""
    if f"FSM{given_code.strip().upper().removeprefix('FSM')}" in CODES:
        return
    result = CliRunner().invoke(app, ["explain", "--", given_code])

    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith("fsm-orch: No code ")
    assert result.stderr.endswith(". List them all: fsm-orch explain\n")


@pytest.mark.parametrize(("wrong", "near"), [("FSM108", "FSM107, FSM109"), ("fsm51", "FSM501"), ("4111", "FSM411")])
def test_the_nearest_codes_are_named(wrong: str, near: str) -> None:
    """A number that is no code's is answered with codes that are written like it, the nearest first."""
    result = CliRunner().invoke(app, ["explain", wrong])

    assert f"No code {wrong!r}. Nearest: {near}" in result.stderr


def test_two_formats_are_refused() -> None:
    """JSON and Markdown cannot share one stdout."""
    result = CliRunner().invoke(app, ["explain", "--json", "--markdown"])

    assert (result.exit_code, result.stdout) == (2, "")
    assert "two formats" in result.stderr


def test_the_page_is_what_is_written() -> None:
    """FINDINGS.md is what the table says today."""
    page = (ROOT / "FINDINGS.md").read_text(encoding="utf-8")

    assert page == explain("--markdown"), "renew it: fsm-orch explain --markdown > FINDINGS.md"


@given(st.lists(EVERY, min_size=1, unique=True))
def test_a_page_links_to_each_of_its_codes(codes: list[str]) -> None:
    """A page of some codes has a row and a section for each of them, and for no other; a row leads to its section."""
    page = explain("--markdown", *codes)

    assert codes == re.findall(r"^## (FSM\d+)$", page, flags=re.MULTILINE)
    assert sorted((code, code.lower()) for code in codes) == sorted(re.findall(r"\[(FSM\d+)\]\(#(\w+)\)", page))
    for code in codes:
        assert f"```diff\n{CODES[code].diff}\n```" in page
