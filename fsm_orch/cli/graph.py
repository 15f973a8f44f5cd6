"""`fsm-orch graph`: a machine as a diagram, on stdout."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer

from ..definition import Definition
from ..proof.export.dot import dot
from ..proof.export.mermaid import mermaid
from . import load
from .show import complaints


class Format(StrEnum):
    """The languages a diagram can be written in."""

    MERMAID = "mermaid"
    DOT = "dot"


_EXPORTS: dict[Format, Callable[[Definition], str]] = {Format.MERMAID: mermaid, Format.DOT: dot}


def graph(
    target: load.Target,
    *,
    language: Annotated[
        Format, typer.Option("--format", help="mermaid: GitHub and notebooks draw it; dot: Graphviz does.")
    ] = Format.MERMAID,
) -> None:
    """Draw a machine: its limits, guards, failure edges (red), and the landing edge of every state (dotted)."""
    with complaints():
        machine = load.machine(target)
    typer.echo(_EXPORTS[language](machine.definition).encode(), nl=False)
