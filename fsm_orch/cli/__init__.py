"""The command line, `fsm-orch`: run, check, measure and draw machines, work on stored runs, and see what goes wrong.

Exit codes: 0 done, also if a run landed; 1 a machine does not build, or a check found an error; 2 nothing could be
done, or its output could not be written, and one line on stderr says why; 130 interrupted.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from . import (
    chat,
    check,
    explain,
    graph,
    import_,
    inspect_,
    mcp,
    migrate,
    model,
    new,
    ops,
    run,
    runs,
    serve,
    triage,
    worker,
)
from .eval import evaluate
from .group import Commands

app = typer.Typer(
    name="fsm-orch",
    cls=Commands,
    help="LLM agents as an explicit finite state machine: a model proposes, the machine disposes.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    add_completion=False,
)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"fsm-orch {version('fsm_orch')}")
        raise typer.Exit


@app.callback()
def main(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Run, check, measure and draw machines of LLM agents: a model proposes, the machine disposes."""


app.command(name="new")(new.new)
app.command(name="run")(run.run)
app.command(name="chat")(chat.chat)
app.command(name="check")(check.check)
app.command(name="import")(import_.import_)
app.command(name="explain")(explain.explain)
app.command(name="graph")(graph.graph)
app.command(name="eval")(evaluate)
app.command(name="inspect")(inspect_.inspect)
app.add_typer(runs.app, name="runs")
app.command(name="serve")(serve.serve)
app.add_typer(triage.app, name="triage")
app.command(name="worker")(worker.worker)
app.command(name="migrate")(migrate.migrate)
app.add_typer(mcp.app, name="mcp")
app.add_typer(model.app, name="model")
app.add_typer(ops.app, name="ops")
