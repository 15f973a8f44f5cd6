"""What clients say in headers: how they want to be answered, and which request it is.

They are read here, and not by FastAPI, whose way of reading two headers takes as long as a tenth of a small run.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Request
from pydantic import Field, TypeAdapter, ValidationError

from .problems import misfit

_KEY = "Idempotency-Key"
_KEYS: TypeAdapter[str] = TypeAdapter(Annotated[str, Field(min_length=1, max_length=255)])


def is_stream(request: Request) -> bool:
    """Return whether a client takes a stream."""
    return "text/event-stream" in request.headers.get("accept", "")


def is_async(request: Request) -> bool:
    """Return whether a client prefers to be answered at once (RFC 7240); one that takes a stream has that."""
    prefer = "" if is_stream(request) else request.headers.get("prefer", "")
    return any(each.partition(";")[0].strip().lower() == "respond-async" for each in prefer.split(","))


def key_of(request: Request) -> str | None:
    """Return the key that names a request; None if it has none.

    Raises Problem: if it is empty, or too long.
    """
    key = request.headers.get(_KEY)
    try:
        return None if key is None else _KEYS.validate_python(key)
    except ValidationError as error:
        raise misfit(error.errors(), "header", _KEY) from None


def _shown(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "schema": schema, "description": description}


SHOWN: dict[str, Any] = {
    "parameters": [
        _shown("Prefer", {"type": "string"}, "`respond-async` gives 202 at once, and the run goes on."),
        _shown(
            _KEY,
            _KEYS.json_schema(),
            "Names the request: said again under the same key it is the same run, or the same answer.",
        ),
    ]
}
"""As the page of the API shows them."""
