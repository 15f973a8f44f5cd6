"""Problems in the words of OpenAI, which its clients raise as their own exceptions, by the status."""

from __future__ import annotations

from typing import Any

from fastapi import HTTPException, Response
from pydantic_core import to_json

from .problems import Problem, words_of

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_CODES = {"overloaded": "rate_limit_exceeded"}
"""What clients of OpenAI know by another name."""


def openai_answer(error: HTTPException) -> Response:
    """Return the answer that says what is wrong."""
    # what does not fit is 400 there
    status = 400 if isinstance(error, Problem) and error.code == "invalid_request" else error.status_code
    return Response(to_json({"error": error_of(error)}), status, error.headers, "application/json")


def error_of(error: HTTPException) -> dict[str, Any]:
    """Return a problem as OpenAI says it."""
    kind = _TYPES.get(error.status_code, "server_error" if error.status_code >= 500 else "invalid_request_error")
    members: dict[str, Any] = {"message": words_of(error), "type": kind, "param": None, "code": None}
    if not isinstance(error, Problem):
        return members
    told: dict[str, Any] = dict(error.told)
    if misfits := told.pop("errors", None):
        where = ".".join(map(str, misfits[0]["loc"][1:]))
        members |= {"message": f"{where}: {misfits[0]['msg']}", "param": where}
    return members | {"code": _CODES.get(error.code, error.code)} | told
