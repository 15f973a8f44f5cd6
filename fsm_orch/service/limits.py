"""Limits of requests: how long a body may be, and how deeply nested; and that whatever is raised becomes a problem.

FastAPI has a limit of its own, and says a body that is declared too long in plain text; ours is said as all else is.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from ..define.options import whole
from .disconnect import Gone
from .problems import Problem, answer_to, problem_of


class LimitedRequest(Request):
    """A request whose body is read no further than to a limit.

    Args:
        request: it, as it came.
        most: how many bytes its body may have.
    """

    def __init__(self, request: Request, most: int) -> None:
        self._most, self._got, self._whole = most, 0, request.receive
        super().__init__(request.scope, self._limited)

    async def _limited(self) -> Any:
        declared = self.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > self._most:
            raise _too_large(self._most)
        message = await self._whole()
        self._got += len(message.get("body", b""))
        if self._got > self._most:
            raise _too_large(self._most)
        return message

    async def json(self) -> Any:
        """Return the body. What is nested deeper than 254 times is refused, as is what is no Unicode."""
        read = orjson.loads(await self.body())
        try:
            orjson.dumps(read)  # it reads more deeply than it writes, and than what comes later in the way of a body
        except TypeError:
            raise Problem("invalid_json") from None
        return read


def _too_large(most: int) -> Problem:
    # what is still to come is not read: the connection is closed instead
    return Problem("too_large", f"At most {most} bytes are taken.", headers={"Connection": "close"})


def route_class(most: int, answer: Callable[[HTTPException], Response] = answer_to) -> type[APIRoute]:
    """Return the class of routes whose bodies have a limit, and which answer whatever is raised with a problem.

    Args:
        most: how many bytes a body may have.
        answer: says a problem.
    """

    whole("max_body= of a router", most)

    class Route(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def answered(request: Request) -> Response:
                try:
                    return await handle(LimitedRequest(request, most))
                except (Exception, SystemExit) as error:  # an exit would end every other run with it
                    if isinstance(error, Gone) or isinstance(error.__cause__, ClientDisconnect):
                        return Response(status_code=499)  # which nobody reads
                    return answer(problem_of(error))

            return answered

    return Route
