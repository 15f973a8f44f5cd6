"""`fsm-orch triage`: what goes wrong in many runs at once, from their logs or their store."""

from __future__ import annotations

import typer

from . import triage_context, triage_errors, triage_loops, triage_misroutes, triage_worst

app = typer.Typer(
    help="See what goes wrong in many runs at once, from their logs or their store: circles, dear runs, wrong "
    "handoffs, failures, and what one run passed on.",
    no_args_is_help=True,
)

app.command()(triage_loops.loops)
app.command()(triage_worst.worst)
app.command()(triage_misroutes.misroutes)
app.command()(triage_errors.errors)
app.command()(triage_context.context)
