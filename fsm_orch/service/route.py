"""The class of all routes: what each of them does before and after its own work, so that none forgets it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import Scope

from ..define.options import whole
from .cross_site import check_site
from .disconnect import Gone
from .limits import JsonRequest, limited
from .paths import routed, shown
from .problems import answer_to, problem_of


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
                    return await handle(JsonRequest(request.scope, limited(request, most)))
                except (Exception, SystemExit) as error:  # an exit would end every other run with it
                    if isinstance(error, Gone) or isinstance(error.__cause__, ClientDisconnect):
                        return Response(status_code=499)  # which nobody reads
                    return answer(problem_of(error))

            return answered

    return Route
