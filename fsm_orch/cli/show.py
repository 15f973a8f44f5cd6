"""Output of commands: consoles, safe text, findings, and one-line complaints instead of tracebacks.

Control characters in texts of models and users are written out, so that they cannot steer a terminal.
"""

from __future__ import annotations

import io
import linecache
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..errors import DefinitionError, Finding, FsmError, Level, how_to_learn_more

_UNBOUND = 100_000
"""The width of a pipe, in columns: lines that another program reads are not wrapped."""

_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but tab and newline, marks of the direction of text or the end of a line, lone surrogates."""

_DEFINITION = re.compile(r"\s*(async\s+def|def|class)\s")

LEVEL_COLOURS: Mapping[Level, str] = {"error": "red", "warning": "yellow", "note": "cyan"}


class CommandError(Exception):
    """A command cannot do its work. The message is one line: the problem, what is expected, the fix."""


class _Console(Console):
    """A console that hides nothing: what writes to a pipe that nobody reads has not succeeded."""

    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704 - rich calls it where it has caught the error, and would end the program without a word


def console(*, stderr: bool = False) -> Console:
    """Return a console on stdout or stderr: coloured and wrapped on a terminal, plain and unwrapped in a pipe."""
    stream = sys.stderr if stderr else sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        # A character that the terminal's encoding lacks must not end a run that has been paid for.
        stream.reconfigure(errors="backslashreplace")
    opened = _Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not opened.is_terminal:
        opened.width = _UNBOUND
    return opened


def safe(text: str) -> str:
    """Return a text with everything written out that could steer a terminal."""
    return _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def safe_json(text: str) -> str:
    """Return JSON with everything escaped that could steer a terminal; it means the same."""
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def name_of(text: str) -> str:
    """Return a name as it is shown: in one line, or it could look like several."""
    return safe(text).replace("\t", "\\t").replace("\n", "\\n")


def columns() -> Table:
    """Return an empty table, without lines, its headings dim."""
    return Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))


def hanging(out: Console, label: str, text: str, style: str = "") -> Text:
    """Return a label with a text beside it; wrapped lines of the text are indented to its beginning."""
    lines = [
        wrapped.plain
        for line in safe(text).splitlines() or [""]
        for wrapped in Text(line).wrap(out, max(20, out.width - len(label)))
    ]
    return Text(label, style="dim").append(("\n" + " " * len(label)).join(lines), style=f"not dim {style}")


@contextmanager
def complaints() -> Iterator[None]:
    """Write to stderr why a command cannot do its work, and exit with 2. Only our own mistakes show a traceback."""
    try:
        yield
    except DefinitionError as error:
        show_findings(console(stderr=True), error)
    except (CommandError, FsmError) as error:
        complain(str(error))
    else:
        return
    raise typer.Exit(2)


INTERRUPTED = 130
"""The exit code of a command that Ctrl-C has ended."""


@contextmanager
def interrupted(what: str | Callable[[], str]) -> Iterator[None]:
    """Turn Ctrl-C into one line and an exit. By then asyncio has cancelled the runs under way, which landed them.

    Args:
        what: says what became of them, or looks and returns it.
    """
    try:
        yield
    except KeyboardInterrupt:
        complain(f"Interrupted: {what if isinstance(what, str) else what()}")
        raise typer.Exit(INTERRUPTED) from None


def complain(message: str) -> None:
    """Write one line to stderr."""
    line = Text("fsm-orch: ", style="bold red").append(safe(" ".join(message.split())), style="default not bold")
    console(stderr=True).print(line, soft_wrap=True)


def show_findings(out: Console, error: DefinitionError) -> None:
    """Write every finding that keeps a machine from being built, each with the line of code that it is about."""
    count = "1 finding" if len(error.findings) == 1 else f"{len(error.findings)} findings"
    out.print(Text(f"{error.subject} does not build: {count}", style="bold"))
    show_each(out, error.findings)


def show_each(out: Console, findings: Sequence[Finding]) -> None:
    """Show findings, and once below them how to learn more."""
    for finding in findings:
        out.print(show_finding(finding), soft_wrap=True)
    more = how_to_learn_more(findings)
    if more:
        out.print(Text(f"\n{more}", style="dim"), soft_wrap=True)


def show_finding(finding: Finding) -> Text:
    """Return a finding as a compiler shows one: problem, place, what is expected, and fix. A note is shorter."""
    file, _, line = finding.where.rpartition(":")
    line, source = _meant(linecache.getlines(file), int(line)) if line.isdecimal() else (line, "")
    margin = " " * len(line) if source else ""
    level = "" if finding.level == "error" else f" {finding.level}"
    shown = Text("\n").append(f"{finding.code}{level}", style=f"bold {LEVEL_COLOURS[finding.level]}")
    shown.append(f": {safe(finding.problem)}\n", style="bold")
    if finding.level == "note":
        return shown.append("  = ", style="blue").append("fix: ", style="bold").append(safe(finding.fix))
    shown.append(f"{margin}--> ", style="blue").append(f"{place(f'{file}:{line}' if source else finding.where)}\n")
    if source:
        shown.append(f"{margin} |\n{line} | ", style="blue").append(f"{safe(source.strip())}\n")
        shown.append(f"{margin} |\n", style="blue")
    shown.append(f"{margin} = ", style="blue").append("expected: ", style="bold").append(f"{safe(finding.expected)}\n")
    return shown.append(f"{margin} = ", style="blue").append("fix: ", style="bold").append(safe(finding.fix))


def _meant(lines: Sequence[str], line: int) -> tuple[str, str]:
    """Return the line that a finding is about, with its number: below a decorator, that of the function or class."""
    numbered = [*enumerate(lines, 1)][line - 1 :] if line else []
    if not numbered:
        return str(line), ""
    number, source = numbered[0]
    if source.lstrip().startswith("@"):  # which says little
        number, source = next((each for each in numbered if _DEFINITION.match(each[1])), numbered[0])
    return str(number), source.rstrip()


def place(where: str) -> str:
    """Return `file:line`, relative to the current directory if the file is below it."""
    file, colon, line = where.rpartition(":")
    path = Path(file)
    return f"{path.relative_to(Path.cwd())}{colon}{line}" if path.is_relative_to(Path.cwd()) else where
