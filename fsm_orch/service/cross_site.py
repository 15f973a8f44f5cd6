"""Requests that a browser sends for a page of another site: none of them changes anything here.

A browser sends a form of any page to any service, with the cookies that the service has set, and to services that only
this machine or this network reaches. It says so in `Sec-Fetch-Site`, or else in `Origin`; other clients say neither.
What a form cannot send, such as JSON, it sends to another site only once that has agreed (CORS): an application that
has agreed has meant it.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request

from .problems import Problem

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""What changes nothing."""
_OUR_OWN = frozenset({"same-origin", "none"})
"""A page of this service; the user, by the address bar or a bookmark."""


def check_site(request: Request) -> None:
    """Check that no page of another site has a browser send this request unasked.

    Raises Problem: if one does, and the request would change something.
    """
    if request.method in _READING or _is_agreed(request) or not _is_foreign(request):
        return
    raise Problem("cross_site")


def _is_foreign(request: Request) -> bool:
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site not in _OUR_OWN
    # older browsers, and those that call by HTTP alone; `null` is an origin that has no name
    return origin is not None and _host_of(origin) != request.headers.get("host", "").lower()


def _host_of(origin: str) -> str | None:
    """Return the host and port of an origin; None: it is none, as no browser sends it."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _is_agreed(request: Request) -> bool:
    """Return whether no form can send this, so that a browser asks first whether it may be sent from elsewhere."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    scheme = request.headers.get("authorization", "").partition(" ")[0].lower()
    return kind == "application/json" or scheme == "bearer"
