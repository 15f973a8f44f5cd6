"""Problems in the words of OpenAI, which its clients raise as their own exceptions, by the status."""

from __future__ import annotations

from typing import Any

from fastapi import HTTPException, Response
from pydantic_core import to_json

from .problems import Problem

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_CODES = {"overloaded": "rate_limit_exceeded"}
"""What clients of OpenAI know by another name."""


def error_of(error: HTTPException) -> dict[str, Any]:
    """Return a problem as OpenAI says it."""
    code, told = (error.code, error.told) if isinstance(error, Problem) else (None, {})
    misfit = next(iter(told.get("errors", ())), None)
    where = None if misfit is None else ".".join(map(str, misfit["loc"][1:]))
    message = error.detail if misfit is None else f"{where}: {misfit['msg']}"
    kind = _TYPES.get(error.status_code, "server_error" if error.status_code >= 500 else "invalid_request_error")
    more = {name: value for name, value in told.items() if name != "errors"}
    return {"message": message, "type": kind, "param": where, "code": _CODES.get(code or "", code)} | more
