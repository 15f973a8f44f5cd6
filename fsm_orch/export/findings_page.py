"""The page of all findings, as Markdown: FINDINGS.md is written by it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..define.codes.code import FAMILIES, IMPORT_SETTING, SETTING, Code

_FOUND = {
    "build": "the class does not build",
    "check": "found by `fsm-orch check`",
    "import": "found by `fsm-orch import`",
}

_HEAD = """\
# Findings

What keeps a machine from being built, what `fsm-orch check` finds in one that builds, and what `fsm-orch import` finds
in a graph of another framework. A code is stable, and never used twice. An *error* is certain and breaks a promise. A
*warning* needs a decision. A *note* can be left.

You have a code? `fsm-orch explain FSM105` shows the same in a terminal.
"""

_EXAMPLES = """\
In each example the lines with `-` raise the finding and the lines with `+` mend it. Above it stand these:
"""


_IMPORTS = """\
Above those of imports stand these, and `triage` or `graph` is what is imported:
"""


def findings_page(codes: Iterable[Code]) -> str:
    """Write codes as a page: a table by family, then each code with its example."""
    shown = tuple(codes)
    contents = (part for digit in FAMILIES for part in _contents(digit, shown))
    setting = f"{_EXAMPLES}\n```python\n{SETTING}```\n\n{_IMPORTS}\n```python\n{IMPORT_SETTING}```\n"
    return "\n".join([_HEAD, *contents, setting, *map(_section, shown)])


def _contents(digit: str, codes: Iterable[Code]) -> Iterator[str]:
    """Yield the table of a family, if it has any of the codes."""
    rows = [f"| [{code.code}](#{code.code.lower()}) | {levels(code)} | {code.title} |" for code in _of(digit, codes)]
    if rows:
        yield "\n".join([f"**{digit}xx, {FAMILIES[digit]}**\n", "| code | level | title |", "|---|---|---|", *rows, ""])


def _of(digit: str, codes: Iterable[Code]) -> list[Code]:
    return [code for code in codes if code.code[3] == digit]


def _section(code: Code) -> str:
    asked = f"\nIt takes `fsm-orch check {' '.join(code.options)}`.\n" if code.options else ""
    return f"""\
## {code.code}

**{code.title}** ({levels(code)}; {_FOUND[code.found]})

{code.problem} {code.why}

- expected: {code.expected}
- fix: {code.fix}

```diff
{code.diff}
```
{asked}"""


def levels(code: Code) -> str:
    """Return the levels of a code in words, the usual one first."""
    return " or ".join(code.levels)
