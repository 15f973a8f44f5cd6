"""Where an MCP server is: the command that starts it, or its URL; and how a session with it is opened."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from ..define.wording import to_install
from ..errors import StartError, first_of
from .keeper import Lost
from .pinned import Pinned

if TYPE_CHECKING:
    from .mcp import Session


class Where(NamedTuple):
    """Where a server is: the command that starts it, or its URL, and what it is told in secret."""

    command: tuple[str, ...] = ()
    url: str | None = None
    env: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return self.spelled  # without what is secret

    @property
    def spelled(self) -> str:
        """It as a user writes it on a command line."""
        return self.url or f"-- {shlex.join(self.command)}"

    def session(self) -> AbstractAsyncContextManager[Session]:
        """Return a context in which a session with the server is open.

        Raises StartError: if the package is missing that connects.
        """
        try:
            from . import mcp  # noqa: PLC0415 - an extra, and slow to import
        except ImportError as error:
            raise StartError(f"MCP servers need some packages: {to_install('mcp')}") from error
        return mcp.session(command=self.command, env=self.env, url=self.url, headers=self.headers)

    async def tools(self, *, within_s: float) -> Pinned:
        """Connect, and return the tools that the server describes now.

        Raises StartError: if it cannot be reached, or takes longer.
        """
        try:
            async with asyncio.timeout(within_s), self.session() as session:
                return await session.tools()
        except StartError:
            raise
        except Exception as error:  # of whatever is in the way
            why = kind_of_failure(error)
        raise StartError(f"the MCP server cannot be reached ({why}): {self.advice}")

    @property
    def advice(self) -> str:
        """What to do if it cannot be reached."""
        return f"is it there, and are its headers right? {self.url}" if self.url else f"try {shlex.join(self.command)}"


def where_of(
    command: Sequence[str], url: str | None, env: Mapping[str, str] | None, headers: Mapping[str, str] | None
) -> Where:
    """Return where a server is.

    Raises ValueError: if it is no place, or two; says nothing of a URL that is wrong, which may hold a secret.
    """
    if isinstance(command, str) or not all(type(word) is str and word for word in command):
        raise ValueError("command= is a tuple of words, such as ('python', '-m', 'shop_server')")
    if bool(command) == bool(url):
        raise ValueError("an MCP server has either a command=(...), which starts it, or a url='https://...'")
    if (env and url) or (headers and command):
        raise ValueError("env= goes with command=, and headers= with url=")
    if url and not _is_plain(url):
        raise ValueError("url= is like 'https://shop.example/mcp', without user and query: say secrets in headers=")
    return Where(tuple(command), url, dict(env or {}), dict(headers or {}))


def _is_plain(url: str) -> bool:
    """Return whether a URL has a scheme of HTTP and a host, and no user or query, which may be secret."""
    try:
        parts = urlsplit(url)
    except ValueError:  # whose text shows the user
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc) and "@" not in parts.netloc and not parts.query


def kind_of_failure(error: BaseException) -> str:
    """Return of what kind an error is, or the first of a group: no text, which may hold anything."""
    error = first_of(error)
    if isinstance(error, Lost):
        return str(error)
    name = type(error).__name__
    return f"{name}: {error.strerror}" if isinstance(error, OSError) and error.strerror else name
