"""`fsm-orch graph`: write a machine as a diagram, or in the language of a model checker, to stdout or to a file."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .. import discover
from ..define.definition import Definition
from ..define.wording import to_install
from ..export.canonical import canonical
from ..export.dot import dot
from ..export.mermaid import mermaid
from ..export.promela import promela
from ..export.tla import tla
from . import files, start
from .show import CommandError, complaints


class Format(StrEnum):
    """A language that a machine can be written in."""

    MERMAID = "mermaid"
    DOT = "dot"
    SVG = "svg"
    PROMELA = "promela"
    TLA = "tla"
    JSON = "json"


def _svg(definition: Definition) -> str:
    try:
        from ..export.svg import svg  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise CommandError(f"a picture needs Graphviz: {to_install('svg')}") from error
    return svg(definition)


_EXPORTS: dict[Format, Callable[[Definition], str]] = {
    Format.MERMAID: mermaid,
    Format.DOT: dot,
    Format.SVG: _svg,
    Format.PROMELA: promela,
    Format.TLA: tla,
    Format.JSON: canonical,
}

_EXPLAINED = "Every run of this machine, whatever its agents reply"
_KINDS: dict[Format, files.Kind] = {
    Format.MERMAID: files.beginning("a diagram in mermaid", "flowchart TD", "subgraph machine["),
    Format.DOT: files.beginning("a diagram in dot", "digraph machine {"),
    Format.SVG: files.beginning("a picture of a machine", '<svg xmlns="http://www.w3.org/2000/svg" class="fsm-orch"'),
    Format.PROMELA: files.beginning("a machine in Promela", "/* ", _EXPLAINED),
    Format.TLA: files.beginning("a machine in TLA+", "---- MODULE Machine_", _EXPLAINED),
    Format.JSON: files.with_keys("a machine in JSON", "digest", "definition"),
}
"""What is known of a file that was drawn before, so that it may be drawn anew."""


def graph(
    target: start.Target,
    *,
    language: Annotated[
        Format,
        typer.Option(
            "--format",
            help="mermaid: drawn by GitHub and notebooks; svg: a picture; dot: for Graphviz; promela: for the model "
            "checker SPIN; tla: for the model checker TLC; json: everything the digest covers, and the digest.",
        ),
    ] = Format.MERMAID,
    output: Annotated[Path | None, typer.Option(help="Write to this file instead of stdout.", dir_okay=False)] = None,
    force: files.Force = False,
) -> None:
    """Draw a machine: its limits, guards, failure edges (red), and the landing edge of every state (dotted)."""
    with complaints():
        if output is not None:
            files.check_writable(output, _KINDS[language], force=force)
        text = _EXPORTS[language](discover.machine(target, Path.cwd()).definition).encode()
        if output is None:
            typer.echo(text, nl=False)
        else:
            files.write(output, text)
