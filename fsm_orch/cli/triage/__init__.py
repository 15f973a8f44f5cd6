"""`fsm-orch triage`: what goes wrong in many runs at once, from their logs or their store."""

from __future__ import annotations

import typer

from . import context, errors, loops, misroutes, worst

app = typer.Typer(
    help="See what goes wrong in many runs at once, from their logs or their store: circles, dear runs, wrong "
    "handoffs, failures, and what one run passed on.",
    no_args_is_help=True,
)

app.command()(loops.loops)
app.command()(worst.worst)
app.command()(misroutes.misroutes)
app.command()(errors.errors)
app.command()(context.context)
