"""The routes of the inspector: its page, which holds nothing of anybody's, and what it asks for, which needs auth.

The page is given JSON and server-sent events alone; how they look is decided in the browser. See `page/`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Response
from fastapi.datastructures import Headers
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import RedirectResponse

from ..front import Front
from ..route import route_class
from ..seen import Seen, Sees
from ..streams import Streams
from .acts import add_acts
from .figures import Figures
from .looks import add_looks

_KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_NOTHING = re.compile(r"q\s*=\s*0(\.0*)?")
_HEADERS = {
    # What models, tools and users say is shown as text; whatever of it were taken for markup could still do nothing.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


class _Packed(Response):
    """A file of the page, compressed for who takes it so. Nothing else is: what a run says is nobody's to measure."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if _takes_gzip(Headers(scope=scope).get("accept-encoding", "")):
            await GZipMiddleware(super().__call__, minimum_size=0)(scope, receive, send)
        else:
            self.headers.add_vary_header("Accept-Encoding")
            await super().__call__(scope, receive, send)


def _takes_gzip(accepted: str) -> bool:
    """Return whether a caller takes what is compressed; the middleware takes `gzip;q=0`, which says no, for a yes."""
    for each in accepted.lower().split(","):
        name, _, weight = each.partition(";")
        if name.strip() == "gzip":
            return not _NOTHING.fullmatch(weight.strip())
    return False


def inspector_routes(
    front: Front, streams: Streams, auth: Callable[..., Any], *, sees: Sees, figures: Figures, max_body: int
) -> APIRouter:
    """Return the routes of the inspector, under `/inspector`.

    Args:
        auth: as for the router. The page itself is given to anybody; all that it shows is not.
        sees: whose runs it shows. `"all"` is for operators: whoever `auth` lets in sees the runs of all tenants.
        figures: what it shows on the edges of the machine.
        max_body: the most bytes of a body.

    Raises StartError: if a file of figures is none.
    """
    api = APIRouter(prefix="/inspector/api", route_class=route_class(max_body), include_in_schema=False)
    seen = Seen(front.driving, sees)
    add_looks(api, seen, streams, auth, figures)
    add_acts(api, seen, front.hub, front, auth)
    both = APIRouter()
    both.include_router(api)
    both.include_router(_pages())
    return both


def _pages() -> APIRouter:
    pages = APIRouter(prefix="/inspector", include_in_schema=False)

    @pages.get("")
    async def home() -> Response:
        return RedirectResponse("inspector/")

    @pages.get("/{name:path}")
    async def page(name: str) -> Response:
        name = name or "index.html"
        found = _files().get(name)
        if found is None:
            return Response(status_code=404)
        return _Packed(found, headers=_HEADERS, media_type=_KINDS[name.rpartition(".")[2]])

    return pages


@cache
def _files() -> dict[str, bytes]:
    """Return the files of the page by name."""
    folder = Path(__file__).parent / "page"
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.name.rpartition(".")[2] in _KINDS}
