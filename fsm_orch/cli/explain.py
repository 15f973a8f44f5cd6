"""`fsm-orch explain`: what a code means, why it is found, and an example with its mended form."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.text import Text

from ..define.codes import CODES
from ..define.codes.code import FAMILIES, IMPORT_SETTING, SETTING, Code
from ..export.findings_page import findings_page, levels
from .show import LEVEL_COLOURS, CommandError, columns, complaints, console, hanging, safe

_LABEL = 12
_DIGITS = re.compile("[0-9]{1,9}")
_EXAMPLE = (
    "lines with - raise it, with + mend it; Ticket is a context, is_paid and is_urgent are guards, work is an agent"
)
_IMPORT_EXAMPLE = (
    "lines with - raise it, with + mend it, in openai-agents or LangGraph; triage or graph is what is imported"
)
_DIFF_COLOURS = {"-": "red", "+": "green"}


def explain(
    codes: Annotated[
        list[str] | None,
        typer.Argument(metavar="CODE", help="Such as FSM105, fsm105 or 105. [default: a table of all]"),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a page of Markdown, as in FINDINGS.md.")] = False,
) -> None:
    """Explain codes of findings: what is wrong, why it matters, what is expected, the fix, and an example.

    In the example the lines with `-` raise the finding, and the lines with `+` mend it.
    """
    with complaints():
        asked = list(dict.fromkeys(map(_named, codes or ())))
        if as_json and markdown:
            raise CommandError("--json and --markdown are two formats: ask for one of them")
    if as_json:
        settings = {"setting": SETTING, "import_setting": IMPORT_SETTING}
        typer.echo(orjson.dumps({**settings, "codes": [_as_json(code) for code in asked or CODES.values()]}))
    elif markdown:
        typer.echo(findings_page(asked or CODES.values()), nl=False)
    elif asked:
        _show_codes(console(), asked)
    else:
        _show_table(console())


def _named(given: str) -> Code:
    """Find a code by what a user wrote.

    Raises CommandError: if there is none of that name; names the nearest.
    """
    number = re.sub("^FSM", "", given.strip().upper())
    code = f"FSM{number}"
    if code not in CODES:
        near = f"Nearest: {', '.join(_nearest(number))}" if _DIGITS.fullmatch(number) else "Codes look like FSM105"
        raise CommandError(f"No code {given!r}. {near}. List them all: fsm-orch explain")
    return CODES[code]


def _nearest(number: str) -> list[str]:
    """Return the three codes that are written most like a number, then those that are near it."""

    def distance(code: str) -> tuple[float, int]:
        likeness = difflib.SequenceMatcher(None, number, code[3:]).ratio()
        return -likeness, abs(int(code[3:]) - int(number))

    return sorted(CODES, key=distance)[:3]


def _as_json(code: Code) -> dict[str, Any]:
    shown = {key: value for key, value in asdict(code).items() if key != "mending"}
    return {**shown, "family": code.family, "example": code.example, "mended": code.mended}


def _show_codes(out: Console, codes: Sequence[Code]) -> None:
    for number, code in enumerate(codes):
        if number:
            out.print()
        _show_code(out, code)


def _show_code(out: Console, code: Code) -> None:
    """Print all that the table says of a code, its example last."""
    title = Text(f"{code.code} {levels(code)}", style=f"bold {LEVEL_COLOURS[code.levels[0]]}")
    out.print(title.append(f": {code.title}", style="bold default"))
    out.print()
    for label, text in _lines(code).items():
        out.print(hanging(out, f"  {label:<{_LABEL}}", text))
    out.print()
    for line in code.diff.splitlines():
        out.print(Text(f"  {safe(line)}".rstrip(), style=_DIFF_COLOURS.get(line[:1], "")), soft_wrap=True)


def _lines(code: Code) -> dict[str, str]:
    found = "building the class" if code.found == "build" else " ".join([f"fsm-orch {code.found}", *code.options])
    texts = {"problem": code.problem, "why": code.why, "expected": code.expected, "fix": code.fix}
    return {**texts, "found by": found, "example": _IMPORT_EXAMPLE if code.found == "import" else _EXAMPLE}


def _show_table(out: Console) -> None:
    """Print the codes by family."""
    for digit, family in FAMILIES.items():
        out.print(Text(f"{digit}xx {family}", style="bold"))
        table = columns()
        table.show_header = False
        for code in CODES.values():
            if code.code[3] == digit:
                table.add_row(f"  {code.code}", Text(levels(code), style=LEVEL_COLOURS[code.levels[0]]), code.title)
        out.print(table)
        out.print()
    out.print(Text("One of them: fsm-orch explain FSM105", style="dim"))
