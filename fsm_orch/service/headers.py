"""What clients say in headers: how they want to be answered, and which request it is.

They are read here, and not by FastAPI, whose way of reading two headers takes as long as a tenth of a small run.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Request
from pydantic import Field, TypeAdapter, ValidationError

from .problems import misfit

Manner = Literal["streamed", "accepted", "whole"]
"""How a run is answered: as it goes on; at once, that it does; or with what it comes to."""

_KEY = "Idempotency-Key"
_KEYS: TypeAdapter[str] = TypeAdapter(Annotated[str, Field(min_length=1, max_length=255)])


def manner_of(request: Request) -> Manner:
    """Return how a client wants to be answered (RFC 7240 has the second way)."""
    if "text/event-stream" in request.headers.get("accept", ""):
        return "streamed"
    prefer = request.headers.get("prefer", "").split(",")
    return "accepted" if any(each.partition(";")[0].strip().lower() == "respond-async" for each in prefer) else "whole"


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


_SHOWN_KEY = _shown(
    _KEY,
    _KEYS.json_schema(),
    "Names the request: said again under the same key it is the same run, or the same answer.",
)
_SHOWN_PREFER = _shown("Prefer", {"type": "string"}, "`respond-async` gives 202 at once, and the run goes on.")

SHOWN: dict[str, Any] = {"parameters": [_SHOWN_PREFER, _SHOWN_KEY]}
"""As the page of the API shows both."""
SHOWN_KEY: dict[str, Any] = {"parameters": [_SHOWN_KEY]}
"""As it shows the key alone."""
