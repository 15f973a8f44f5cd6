"""What commands that run machines give: the result of a run as JSON, or an exit code."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from pydantic_core import to_jsonable_python

from ..define.changes import shown
from ..run.result import RunResult

WAITS = 3
"""The exit code of a run that waits for a human."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


def as_json(result: RunResult[Any]) -> dict[str, Any]:
    """Return a result as JSON."""
    return {
        "run_id": result.run_id,
        "status": result.status,
        "state": result.state.name,
        "landing": result.landing._asdict() if result.landing else None,
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
