"""A door: an ASGI middleware that refuses what will not be admitted, before it is routed and its body is read.

Refusing is work too, and takes the core from those that were admitted. Here it costs less than half of what it does in
a route (38 us of CPU against 88 with uvicorn; see the how-to on load).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from ..define.wording import kind_of
from ..errors import Overloaded
from .admission import Admission

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]
"""An ASGI application."""

_SMALL = 65_536
"""Bytes of a body that servers read before anybody asks for them."""


class Door:
    """An ASGI middleware that refuses with 429 and Retry-After, before routing and before the body is read.

    It looks, and takes no place: `admission.place()` in the route decides, or its runner, and what that raises is 429
    here too. `app.add_middleware(Door, admission=...)`.

    Where a body is still to come that nobody wants, the connection is closed: a server would read it to its end.

    Args:
        app: what it stands before.
        admission: who is admitted.
        paths: of the requests that begin a run, as the application has them, such as `["/runs"]`. None: all.
        methods: of these requests.

    Raises TypeError: if it is given no Admission, or a text for a list of them.
    Raises ValueError: if a path does not begin with a slash.
    """

    def __init__(
        self,
        app: App,
        *,
        admission: Admission,
        paths: Collection[str] | None = None,
        methods: Collection[str] = ("POST",),
    ) -> None:
        if not isinstance(admission, Admission):
            raise TypeError(f"admission= of a Door takes an Admission, not {kind_of(admission)}: Admission(64)")
        if isinstance(paths, str) or isinstance(methods, str):
            raise TypeError(f"a Door takes lists, paths=['/runs'], methods=['POST'], not paths={paths!r}, {methods=}")
        if wrong := [path for path in paths or () if not path.startswith("/")]:
            raise ValueError(f"paths= of a Door has {wrong!r}: a path begins with a slash, as in '/runs'")
        self._app, self._admission = app, admission
        self._paths = None if paths is None else frozenset(paths)
        self._methods = frozenset(method.upper() for method in methods)

    async def __call__(
        self, scope: Scope, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        if not self._begins(scope):
            await self._app(scope, receive, send)
            return
        if refused := self._admission.refusal():
            await _say(refused, scope, send)
            return
        has_begun = False

        async def watched(message: Any) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Overloaded as error:
            if has_begun:
                raise
            await _say(error, scope, send)

    def _begins(self, scope: Scope) -> bool:
        """Return whether a request begins a run."""
        is_ours = scope["type"] == "http" and scope["method"] in self._methods
        return is_ours and (self._paths is None or _path(scope) in self._paths)


def _path(scope: Scope) -> str:
    """Return the path of a request as its application has it, without where a server has put that."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if path.startswith(f"{root}/") else path


async def _say(refused: Overloaded, scope: Scope, send: Callable[[Any], Awaitable[None]]) -> None:
    body = json.dumps({"detail": str(refused), "reason": refused.reason}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"retry-after", b"%d" % refused.retry_after_s),
    ]
    if _is_much_to_come(scope):
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _is_much_to_come(scope: Scope) -> bool:
    """Return whether a body is still to come on this connection: not in HTTP/2, where it has a stream of its own."""
    headers = dict(scope["headers"])
    is_long = int(headers.get(b"content-length", 0)) > _SMALL or b"transfer-encoding" in headers or b"expect" in headers
    return is_long and scope["http_version"].startswith("1")
