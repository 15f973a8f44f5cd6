"""What commands that run machines give: JSON alone, the result of a run as JSON, or an exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import Annotated, Any, TextIO

import typer
from pydantic_core import to_jsonable_python

from ..define.changes import shown
from ..run.result import RunResult

WAITS = 3
"""The exit code of a run that waits for a human."""

WITHHELD = 4
"""The exit code of a fork that came to what it must not begin."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


@contextmanager
def json_alone(as_json: bool) -> Iterator[TextIO]:
    """Yield stdout. With --json it is for JSON alone: what the user's module prints meanwhile goes to stderr."""
    stdout = sys.stdout
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        yield stdout


def as_json(result: RunResult[Any]) -> dict[str, Any]:
    """Return a result as JSON."""
    return {
        "run_id": result.run_id,
        "status": result.status,
        "state": result.state.name,
        "landing": result.landing._asdict() if result.landing else None,
        "used_before": result.used_before,
        "waiting": [to_jsonable_python(vars(question)) for question in result.waiting],
        "context": shown(result.context),
        "path": [hop._asdict() for hop in result.path],
        "usage": {
            "requests": result.usage.requests,
            "input_tokens": result.usage.input_tokens,
            "output_tokens": result.usage.output_tokens,
        },
        "charged_tokens": result.charged_tokens,
        "cost_usd": None if result.cost_usd is None else float(result.cost_usd),
        "seconds": result.seconds,
    }
