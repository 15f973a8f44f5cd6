"""Limits of requests: whose pages may send them, how long a body may be, and how deeply nested.

And that whatever is raised becomes a problem, and that ids with a slash are found.

FastAPI has a limit of its own, and says a body that is declared too long in plain text; ours is said as all else is.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import Message, Receive, Scope

from ..define.options import whole
from .cross_site import check_site
from .disconnect import Gone
from .paths import routed, shown
from .problems import Problem, answer_to, problem_of


class JsonRequest(Request):
    """A request whose body is JSON."""

    async def json(self) -> Any:
        """Return the body. What is nested deeper than 254 times is refused, as is what is no Unicode."""
        read = orjson.loads(await self.body())
        try:
            orjson.dumps(read)  # it reads more deeply than it writes, and than what comes later in the way of a body
        except TypeError:
            raise Problem("invalid_json") from None
        return read


def _limited(request: Request, most: int) -> Receive:
    """Return what gives the body of a request, and no more of it than so many bytes."""
    # no method of a request that has it: the two would hold each other, and wait for the garbage collector
    got = 0

    async def receive() -> Message:
        nonlocal got
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > most:
            raise _too_large(most)
        message = await request.receive()
        got += len(message.get("body", b""))
        if got > most:
            raise _too_large(most)
        return message

    return receive


def _too_large(most: int) -> Problem:
    # what is still to come is not read: the connection is closed instead
    return Problem("too_large", f"At most {most} bytes are taken.", headers={"Connection": "close"})


def route_class(most: int, answer: Callable[[HTTPException], Response] = answer_to) -> type[APIRoute]:
    """Return the class of routes that take no changes from other sites' pages, and whose bodies have a limit.

    Whatever is raised they answer with a problem. A part of their path may hold a slash, sent as %2F.

    Args:
        most: how many bytes a body may have.
        answer: says a problem.
    """

    whole("max_body= of a router", most)

    class Route(APIRoute):
        def matches(self, scope: Scope) -> tuple[Match, Scope]:
            match, found = super().matches(routed(scope))
            if "path_params" in found:
                found["path_params"] = shown(found["path_params"])
            return match, found

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def answered(request: Request) -> Response:
                try:
                    check_site(request)
                    return await handle(JsonRequest(request.scope, _limited(request, most)))
                except (Exception, SystemExit) as error:  # an exit would end every other run with it
                    if isinstance(error, Gone) or isinstance(error.__cause__, ClientDisconnect):
                        return Response(status_code=499)  # which nobody reads
                    return answer(problem_of(error))

            return answered

    return Route
