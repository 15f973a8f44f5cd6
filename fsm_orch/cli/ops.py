"""`fsm-orch ops`: what operators of a service start from: alerts with their tests, a dashboard, a configuration."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from operator import eq
from pathlib import Path
from typing import Annotated

import typer

from .. import discover
from ..define.definition import Definition
from ..errors import DefinitionError
from . import files, start
from .show import CommandError, complaints

app = typer.Typer(help="Write what operators of a service start from.", no_args_is_help=True)

_FILES = Path(__file__).parent.parent / "observe" / "ops"

Folder = Annotated[
    Path,
    typer.Argument(metavar="DIR", help="The folder to write to; it is made if it is not there.", file_okay=False),
]
Machines = Annotated[
    str | None,
    typer.Argument(
        metavar=start.NAME,
        help="Machines, as for the other commands: says which of the alerts cannot fire for them.",
        show_default=False,
    ),
]


@app.command()
def export(directory: Folder, target: Machines = None, *, force: files.Force = False) -> None:
    """Write Prometheus' alerts and the tests of them, a dashboard for Grafana, and an example of a configuration.

    A file that is there, and was changed, is kept, unless you say --force. Each file is written whole, or not at all.

    Exit codes: 0 written; 2 a file was changed, or cannot be written.
    """
    with complaints():
        definitions = [] if target is None else list(_definitions(target))
        texts = {directory / file.name: file.read_bytes() for file in sorted(_FILES.iterdir())}
        _make(directory)
        for path, text in texts.items():
            files.check_writable(path, files.Kind("as this command writes it", partial(eq, text)), force=force)
        for path, text in texts.items():
            files.write(path, text)
            typer.echo(path)
        for definition in definitions:
            for alert, why in _silent(definition):
                typer.echo(f"{definition.name}: {alert} cannot fire, {why}")


def _make(directory: Path) -> None:
    if directory.is_symlink() and not directory.exists():
        raise CommandError(
            f"cannot make {str(directory)!r}: it is a link to what is not there. Name a folder that can be made"
        )
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(
            f"cannot make {str(directory)!r}: {error.strerror}. Name a folder that can be made"
        ) from error


def _definitions(target: str) -> Iterator[Definition]:
    for machine in discover.machines(target, Path.cwd()).values():
        if isinstance(machine, DefinitionError):
            raise machine
        yield machine.definition


def _silent(definition: Definition) -> Iterator[tuple[str, str]]:
    """Yield the alerts that cannot fire for a machine, and why; the kernel holds its runs to what they rest on."""
    limits, states = definition.limits, definition.places.values()
    if limits.tokens <= 10_000:
        yield "RequestTokens", f"its limit is {limits.tokens:,} tokens"
    if limits.hops <= 3:
        yield "RequestHandoffs", f"its limit is {limits.hops} hops"
    if not any(handoff.target is state for state in states for handoff in state.handoffs):
        yield "SelfHandoff", "no handoff leads where it comes from"
    if not any(state.spec.asks_human or any(tool.approval for tool in state.spec.tools) for state in states):
        yield "HumansAway", "it asks no human"
