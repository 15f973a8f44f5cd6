"""Problems: what is said of a request that is refused, or cannot be served, as RFC 9457 has it.

A problem says what the caller can do about it, and nothing of this process: no line of code, no value, no prompt.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, NamedTuple

from fastapi import HTTPException, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.exceptions import HTTPException as Refusal

from ..define.wording import without_surrogates
from ..errors import AnswerError, AnswerLate, Drained, Overloaded, StepError, StoreError, Withheld
from ..reported import report
from ..run.failure import traced

MEDIA_TYPE = "application/problem+json"

_LINE = re.compile(r"[\t\x20-\x7e\x80-\xff]+")
"""What a header is made of: a line of Latin-1."""

MOST_MISFITS = 20
"""How many misfits are told at most: a body may have as many as it has bytes."""


class _Kind(NamedTuple):
    status: int
    title: str
    detail: str


KINDS = {
    "invalid_json": _Kind(400, "The body is no JSON", "It cannot be read, or is nested too deeply."),
    "unsupported_parameter": _Kind(400, "That cannot be asked for", "Leave it out."),
    "cross_site": _Kind(
        403,
        "Another site's page may not do that",
        "A browser has sent this for a page of another site, without asking first: send it as `application/json`, "
        "and let that site in by CORS.",
    ),
    "model_not_found": _Kind(404, "There is no such model", "See `/v1/models`."),
    "unknown_run": _Kind(404, "There is no such run", "It was never there, is forgotten, or is somebody else's."),
    "other_version": _Kind(
        409, "The run is of another version", "It was begun on another machine, or version of it, than is served here."
    ),
    "run_ended": _Kind(409, "The run has ended", "Nothing can happen to it any more."),
    "answer_late": _Kind(
        409, "The answer comes too late", "Another one came first, or the run does not ask that any more."
    ),
    "thread_busy": _Kind(
        409, "The conversation is busy", "A run of this thread is under way. Try again when it has ended."
    ),
    "thread_waits": _Kind(
        409, "The conversation waits for an answer", "Answer the run that waits, or cancel it, before the next begins."
    ),
    "withheld": _Kind(
        409,
        "The fork has stopped before an effect",
        "What comes next may have an effect in the world, and nothing is recorded of it.",
    ),
    "too_large": _Kind(413, "The body is too large", "Send less."),
    "invalid_request": _Kind(422, "The request does not fit", "See `errors` for what does not, and where."),
    "answer_unfit": _Kind(422, "The answer does not fit", "See the form of the question."),
    "key_reused": _Kind(
        422, "The key is of another request", "An Idempotency-Key names one request. Give each another key."
    ),
    "run_waits": _Kind(
        422, "The run waits for a human", "There is no answer yet, and a chat cannot wait for it: see the run itself."
    ),
    "overloaded": _Kind(429, "Too much is at work", "Nothing was begun. Try again after `retry_after_s` seconds."),
    "internal": _Kind(500, "It did not work", "What went wrong is in the log of the service."),
    "answer_withdrawn": _Kind(
        502, "The answer was cut off", "What was sent of it does not stand, and cannot be taken back here. Ask again."
    ),
    "store_away": _Kind(503, "The store cannot be reached", "Try again. A run that was under way goes on later."),
    "not_warm": _Kind(
        503, "This process is not ready yet", "It opens what it needs. Requests are answered, but slower."
    ),
    "draining": _Kind(503, "This process is to end", "Try again, and another one answers. No run is lost."),
}
"""What can be said, by its code, which does not change."""


class Problem(HTTPException):
    """A request that is refused, or cannot be served.

    Args:
        code: one of `KINDS`.
        detail: what is said beside the title; None: what is always said of this kind.
        headers: of the answer.
        told: further members of the answer, as JSON.
    """

    def __init__(
        self, code: str, detail: str | None = None, *, headers: dict[str, str] | None = None, **told: object
    ) -> None:
        kind = KINDS[code]
        super().__init__(kind.status, detail or kind.detail, headers)
        self.code, self.told = code, told


class ProblemView(BaseModel):
    """A request that was refused, or could not be served (RFC 9457)."""

    type: str = Field(examples=["urn:fsm-orch:problem:unknown_run"])
    title: str = Field(examples=["There is no such run"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["It was never there, is forgotten, or is somebody else's."])
    code: str = Field(examples=["unknown_run"], description=f"What it is: {', '.join(KINDS)}; or the name of a status.")
    errors: list[dict[str, Any]] | None = Field(None, description="What does not fit, and where.")
    retry_after_s: int | None = Field(None, description="After how many seconds to try again.")


def _members(code: str, title: str, status: int, detail: str) -> dict[str, Any]:
    return {"type": f"urn:fsm-orch:problem:{code}", "title": title, "status": status, "detail": detail, "code": code}


def problem_of(error: BaseException) -> HTTPException:
    """Return what is said of whatever was raised; what is nobody's fault but ours is logged, and not told."""
    match error:
        case RequestValidationError():
            return misfit(error.errors())
        case Problem():
            return error
        case Refusal():  # Starlette's, of which FastAPI's is one: an application's own
            return _sendable(error)
        case Overloaded():
            return overloaded(error, {})
        case AnswerLate():
            return Problem("answer_late")
        case AnswerError():
            return Problem("answer_unfit", str(error))
        case Drained():
            return Problem("draining", headers={"Retry-After": "1"})
        case StepError():
            return Problem("other_version")
        case Withheld():
            return Problem("withheld", str(error))
        case StoreError():
            report("a request failed: the store raised %s", type(error).__name__)
            return Problem("store_away", headers={"Retry-After": "1"})
        case _:
            report("a request failed:\n%s", traced(error), level=logging.ERROR)
            return Problem("internal")


def _sendable(refusal: Refusal) -> HTTPException:
    """Return a refusal of an application's as a server can send it: its headers may hold what a client has sent."""
    if not (300 <= refusal.status_code <= 599 and refusal.status_code != 304):  # those may have no body
        report("a request failed: it was refused with status %d, which is none of a refusal", refusal.status_code)
        return Problem("internal")
    headers = {name: value for name, value in (refusal.headers or {}).items() if _LINE.fullmatch(f"{name}{value}")}
    return HTTPException(refusal.status_code, refusal.detail, headers)


def overloaded(error: Overloaded, headers: Mapping[str, str]) -> Problem:
    """Return what is said of a run that was not admitted; of one that is stored, that it goes on.

    Args:
        headers: of the answer, such as where the run is seen.
    """
    after = error.retry_after_s
    return Problem(
        "overloaded",
        None if error.run_id is None else "What you sent is stored, and the run goes on once there is a place.",
        headers={**headers, "Retry-After": str(after)},
        reason=error.reason,
        retry_after_s=after,
        **({} if error.run_id is None else {"run_id": error.run_id}),
    )


@contextmanager
def seen_at(headers: Mapping[str, str]) -> Iterator[None]:
    """Raise as a problem that a run is left, or waits for a place: with where it is seen, if it is stored.

    Args:
        headers: of an answer that is about it.
    """
    try:
        yield
    except Drained:  # it goes on elsewhere
        raise Problem("draining", headers={**headers, "Retry-After": "1"}) from None
    except Overloaded as refused:
        raise overloaded(refused, {} if refused.run_id is None else headers) from None


def misfit(errors: Sequence[Mapping[str, Any]], *where: str) -> Problem:
    """Return what does not fit, and where, without the values, which may be private.

    Args:
        errors: as pydantic tells them; of many the first are told.
        where: what they are in.
    """
    if any(each["type"] == "json_invalid" for each in errors):
        return Problem("invalid_json")
    told = [{"loc": [*where, *each["loc"]], "msg": _said(each), "type": each["type"]} for each in errors[:MOST_MISFITS]]
    return Problem("invalid_request", errors=told)


def _said(misfit: Mapping[str, Any]) -> str:
    """Return what is said of one misfit: of what is no object in our words, since pydantic's speak of Python."""
    if misfit["type"] != "model_attributes_type":
        return str(misfit["msg"])
    # a body without this header is not read as JSON, so it is none either
    return "A JSON object is expected" + (", with Content-Type: application/json" if misfit["loc"] == ("body",) else "")


def words_of(error: HTTPException) -> str:
    """Return what is said of what is wrong: an application may give anything, of which a text alone is told."""
    told: Any = error.detail
    return without_surrogates(told) if isinstance(told, str) else _named(error.status_code)[1]


def _named(status: int) -> tuple[str, str]:
    """Return the code and the title of a status."""
    try:
        known = HTTPStatus(status)
    except ValueError:  # an application may make one up
        return f"status_{status}", f"Status {status}"
    return known.name.lower(), known.phrase


def members_of(error: HTTPException) -> dict[str, Any]:
    """Return what is wrong as JSON."""
    if isinstance(error, Problem):
        kind = KINDS[error.code]
        return _members(error.code, kind.title, error.status_code, error.detail) | error.told
    # an application's own, such as of its `auth=`
    code, title = _named(error.status_code)
    return _members(code, title, error.status_code, words_of(error))


def problem_json(error: HTTPException) -> bytes:
    """Return what is wrong as it is sent."""
    return to_json(members_of(error))


def answer_to(error: HTTPException) -> Response:
    """Return the answer that says what is wrong."""
    return Response(problem_json(error), error.status_code, error.headers, MEDIA_TYPE)
