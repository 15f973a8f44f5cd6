"""What the page of the API shows beside the models: the events of a stream, and the answers to what is refused."""

from __future__ import annotations

from typing import Any

from .problems import KINDS, MEDIA_TYPE, ProblemView

_STREAM = """\
retry: 1000

id: 1
event: run_started
data: {"kind":"run_started","stamp":{"run_id":"5f0c...","at":0.0,"state":"triage", ...}, ...}

event: text
data: {"path":[],"hops":1,"attempt":1,"field":"answer","text":"We open "}

: beat

id: 9
event: run_finished
data: {"kind":"run_finished", ...}

event: result
data: {"run_id":"5f0c...","status":"finished", ...}
"""

EVENTS: dict[str, Any] = {
    "schema": {
        "type": "string",
        "description": "Records by their `kind`, with their number in the run as `id`; `text`, a piece of the answer "
        "while it is written, and `withdrawn`, if it was in vain; `result`, where the run stands when it waits or has "
        "ended; `error`, a problem. Comments are heartbeats.",
    },
    "example": _STREAM,
}
"""A stream of server-sent events."""


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return how requests are refused, by their status, for the page."""
    return {
        status: {
            "description": "; ".join(kind.title for kind in KINDS.values() if kind.status == status),
            "content": {MEDIA_TYPE: {"schema": ProblemView.model_json_schema(), "examples": _examples(status)}},
        }
        for status in statuses
    }


def _examples(status: int) -> dict[str, Any]:
    return {
        code: {"value": {"type": f"urn:fsm-orch:problem:{code}", "code": code} | kind._asdict()}
        for code, kind in KINDS.items()
        if kind.status == status
    }
