"""Sessions with MCP servers, over stdio or streamable HTTP; needs the extra `mcp`."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, TextIO, cast

import httpx2
import mcp_types as types
from mcp import Client, MCPError
from mcp.client import Transport
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from pydantic import ValidationError

from ..errors import ToolFailed, first_of
from .keeper import Lost
from .pinned import Described, Pinned

_ENDED = "it ended the connection"
_MOST_PAGES = 100
_CONNECT_S = 10.0
_READ_S = 300.0
"""Seconds between two bytes of an open stream; how long a use may take is for the visit to say."""


class Session:
    """An open session with a server."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def tools(self) -> Pinned:
        """Return the tools that the server describes now.

        Raises Lost: if it does not.
        """
        found, cursor = dict[str, Described](), None
        for _ in range(_MOST_PAGES):
            page = await self._page(cursor)
            if page is None:
                raise Lost("it does not list its tools")
            found |= {tool.name: _described(tool) for tool in page.tools}
            cursor = page.next_cursor
            if cursor is None:
                break
        return found

    async def _page(self, cursor: str | None) -> types.ListToolsResult | None:
        with suppress(Exception):  # of any kind: none of them leaves anything to be used
            return await self._client.list_tools(cursor=cursor)
        return None

    async def call(self, name: str, arguments: Mapping[str, Any], key: str) -> Any:
        """Use a tool, and return its result as JSON.

        Args:
            key: the idempotency key; servers that know what to do with it find it in `_meta`.

        Raises ToolFailed: if it failed, or returned something else than it says.
        Raises Lost: if the connection ended before a result came.
        """
        failed: Exception
        try:
            return _told(await self._client.call_tool(name, dict(arguments), meta=_meta(key)))
        except ToolFailed:
            raise
        except MCPError as error:
            failed = ToolFailed(f"its server answered with error {error.code}", told=error.message)
            if error.code == types.CONNECTION_CLOSED:
                failed = Lost(_ENDED)
        except (RuntimeError, ValidationError):  # what the SDK finds: its text shows the value
            failed = ToolFailed("it returned something else than its server says that it returns")
        except Exception:  # of a transport
            failed = Lost(_ENDED)
        # out here, or the exception of a transport, which holds what is secret, is chained to it
        raise failed


@asynccontextmanager
async def session(
    *, command: tuple[str, ...], env: Mapping[str, str], url: str | None, headers: Mapping[str, str]
) -> AsyncIterator[Session]:
    """Yield an open session with a server: that of a command, which is started for it, or that at a URL.

    Raises Lost: if the server ends the connection, or refuses it.
    Raises Exception: of any kind, and groups of them: if nobody is there, or the connection breaks.
    """
    async with AsyncExitStack() as stack:
        if url is None:
            program = StdioServerParameters(command=command[0], args=[*command[1:]], env=dict(env))
            # what a server writes for its operator may hold anything, and would run through what is shown on a terminal
            transport = stdio_client(program, errlog=stack.enter_context(_nowhere()))
        else:
            timeout = httpx2.Timeout(_CONNECT_S, read=_READ_S)
            http = httpx2.AsyncClient(headers=dict(headers), timeout=timeout, trust_env=False)
            transport = streamable_http_client(url, http_client=await stack.enter_async_context(http))
        yield Session(await _connected(stack, transport))


async def _connected(stack: AsyncExitStack, transport: Transport) -> Client:
    try:
        # without a cache: a list is asked for to see whether it has changed
        return await stack.enter_async_context(Client(transport, cache=None))
    except Exception as error:  # in a group, where it has passed the tasks of a transport
        first = first_of(error)
        if not isinstance(first, MCPError):
            raise
        code = first.code
    raise Lost(_ENDED if code == types.CONNECTION_CLOSED else f"it answered with error {code}")


def _meta(key: str) -> types.RequestParamsMeta:
    return cast("types.RequestParamsMeta", {"idempotency_key": key})  # an open map, which mypy does not know yet


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")


def _described(tool: types.Tool) -> Described:
    return Described(
        input_schema=tool.input_schema, description=tool.description or "", output_schema=tool.output_schema
    )


def _told(result: types.CallToolResult) -> Any:
    """Return the JSON of a result, or else its texts.

    Raises ToolFailed: if the tool says that it failed.
    """
    parts = (part.text if isinstance(part, types.TextContent) else f"[{part.type}]" for part in result.content)
    text = "\n".join(parts)
    if result.is_error:
        raise ToolFailed("it says that it failed", told=text)
    return text if result.structured_content is None else result.structured_content
