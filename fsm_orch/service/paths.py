"""Paths as they were sent: an id of a run may hold a slash, which a client writes as %2F.

Servers decode a path before it is routed, so a slash in an id would be taken for one between two parts of the path.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any
from urllib.parse import quote, unquote

_SLASH = "\udc2f"
"""Stands for a slash inside a part while a path is routed: no text that is sent holds it."""


def routed(scope: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Return what a route is matched with: each slash inside a part of the path, which was sent as %2F, is hidden."""
    raw: bytes = scope.get("raw_path") or b""
    if b"%2f" not in raw.lower():
        return scope
    sent = raw.partition(b"?")[0].decode("ascii", "replace")
    if unquote(sent) != scope["path"]:
        return scope  # somebody before us has changed it
    return {**scope, "path": "/".join(unquote(part).replace("/", _SLASH) for part in sent.split("/"))}


def shown(params: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of a path with the slashes that were hidden."""
    return {name: value.replace(_SLASH, "/") if isinstance(value, str) else value for name, value in params.items()}


def path_of(scope: MutableMapping[str, Any]) -> str:
    """Return the path of a request as it is written in a header, below that of an application that it is mounted in."""
    # `request.url` would put a whole URL together, and take it apart
    return quote(routed(scope)["path"], errors="surrogatepass").replace(quote(_SLASH, errors="surrogatepass"), "%2F")
