"""`fsm-orch mcp`: pin the tools of an MCP server in a file, which machines are built of."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from ..agents.pinned import Pinned, changes, from_text, to_text
from ..agents.schema_arguments import SchemaArguments
from ..agents.where import where_of
from ..define.strict import Unsayable
from ..define.wording import number_of
from . import files
from .show import CommandError, complaints, console, safe

app = typer.Typer(help="Pin the tools of MCP servers.", no_args_is_help=True)

_WITHIN_S = 30.0

_PINNED = files.with_keys("a file of pinned tools", "tools")


@app.callback()
def main() -> None:
    """Pin the tools of MCP servers, for MCP(..., pinned=FILE)."""


@app.command()
def pin(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.", show_default=False)],
    server: Annotated[
        list[str],
        typer.Argument(
            metavar="SERVER", help="A URL, or after -- the words of the command that starts it.", show_default=False
        ),
    ],
    *,
    env: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A variable that the command gets too; may be repeated.")
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(metavar="HEADER=NAME", help="A header, and the variable that holds its value; may be repeated."),
    ] = None,
    force: files.Force = False,
) -> None:
    """Connect to an MCP server, and write what it says of its tools into a file.

    fsm-orch mcp pin shop.tools.json -- python -m shop_server

    The file is the same whenever the server says the same. Look at it, and at what has changed: models are told the
    descriptions. Tools that a model cannot be asked for are named with the reason.
    """
    with complaints():
        files.check_writable(file, _PINNED, force=force)
        url, command = (server[0], []) if server[0].startswith(("http://", "https://")) else (None, server)
        headers = dict(map(_header, header or ()))
        try:
            where = where_of(command, url, {name: _variable(name) for name in env or ()}, headers)
        except ValueError as error:
            raise CommandError(str(error)) from None
        before, after = _before(file), asyncio.run(where.tools(within_s=_WITHIN_S))
        try:
            text = to_text(after)
        except ValueError:
            raise CommandError("the server describes its tools by a number that is no JSON: have it mended") from None
        files.write(file, text.encode())
        _show(file, before, after)


def _header(said: str) -> tuple[str, str]:
    name, _, variable = said.partition("=")
    return name, _variable(variable)


def _variable(name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise CommandError(f"there is no variable {name!r} in the environment: secrets are said by the names of such")
    return value


def _before(file: Path) -> Pinned | None:
    try:
        return from_text(file.read_bytes())
    except (OSError, ValueError):
        return None


def _show(file: Path, before: Pinned | None, after: Pinned) -> None:
    out = console()
    out.print(safe(f"pinned: {file}, {number_of(len(after), 'tool')}"), soft_wrap=True)
    if before is not None:
        for change in changes(before, after, before.keys() | after.keys()) or ["nothing has changed"]:
            out.print(safe(f"  {change}"), soft_wrap=True)
    for name, why in _unfit(after).items():
        out.print(safe(f"  {name} cannot be used: {why}"), soft_wrap=True)


def _unfit(tools: Pinned) -> Mapping[str, str]:
    """Return by name why tools cannot be used, if they cannot."""
    found = dict[str, str]()
    for name, tool in tools.items():
        try:
            SchemaArguments(tool.input_schema)
        except Unsayable as error:
            found[name] = f"a model cannot be asked for {error}"
        if not tool.description.strip():
            found[name] = "it has no description"
    return found
