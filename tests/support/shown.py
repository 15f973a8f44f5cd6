"""What a page shows: its fenced blocks, the Python in them executed, and the commands in them read."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import re
import shlex
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import typer
import typer.core

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(?P<language>\w+)[^\n]*\n(?P<text>.*?)^```\s*$", re.MULTILINE | re.DOTALL)
SHELLS = {"bash", "console", "sh", "shell"}
PIPES = {"&&", "||", "|", ";", ">", ">>", "2>"}


class Block(NamedTuple):
    """A fenced block of a page."""

    page: Path
    language: str
    line: int
    """Of its first line in the page."""
    text: str


def blocks(page: Path) -> list[Block]:
    """Read the fenced blocks that name a language."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, found["language"], text.count("\n", 0, found.start("text")) + 1, found["text"])
        for found in FENCE.finditer(text)
    ]


def commands(page: Path, program: str) -> list[tuple[str, ...]]:
    """Return the words after a program's name, up to a pipe or its kin, for each call of it in a shell block."""
    lines = [
        line.removeprefix("$ ")
        for block in blocks(page)
        if block.language in SHELLS
        for line in block.text.replace("\\\n", " ").splitlines()
    ]
    words = [word for line in lines for word in (*shlex.split(line, comments=True), ";")]
    calls = [words[place + 1 :] for place, word in enumerate(words) if Path(word).name == program]
    return [tuple(takewhile(lambda word: word not in PIPES, call)) for call in calls]


def execute(block: Block, names: dict[str, Any] | None = None) -> str:
    """Execute a block, with its tests, and return what it printed; it may `await` at the top, as in a notebook.

    Args:
        names: those that it finds and leaves; None: it is a program of its own.
    """
    program = "\n" * (block.line - 1) + block.text  # so that a traceback shows the page's lines
    code = compile(program, str(block.page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    names = {"__name__": "__main__"} if names is None else names
    before = dict(names)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        waiting = eval(code, names)
        if inspect.iscoroutine(waiting):
            asyncio.run(waiting)
        for name, test in list(names.items()):
            if name.startswith("test_") and callable(test) and before.get(name) is not test:
                test()
    return printed.getvalue()


def parse(command: Any, words: tuple[str, ...]) -> None:
    """Read a command line without doing what it says.

    Raises typer's UsageError: if it names what does not exist.
    """
    if words and not words[0].startswith("-") and isinstance(command, typer.core.TyperGroup):
        assert words[0] in command.commands, f"no command {words[0]!r}; there are: {', '.join(command.commands)}"
        parse(command.commands[words[0]], words[1:])
    else:
        try:
            command.make_context("fsm-orch", list(words))
        except typer.Exit:  # from --help and its kin
            return
