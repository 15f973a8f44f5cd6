"""The servers that the tools of a cast are used through: connected while something lasts, such as a run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Set
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext

from ..agents.remote import Server
from .cast import Cast

Needs = Mapping[Server, Set[str]]
"""Servers, and the names of the tools that are used through each."""


def needs_of(cast: Cast) -> Needs:
    """Return the servers that agents need, in the whole tree of machines."""
    found = dict[Server, set[str]]()
    for tool in cast.remote_tools():
        found.setdefault(tool.server, set()).add(tool.remote_name)
    return found


def connected(needs: Needs) -> AbstractAsyncContextManager[None]:
    """Return a context in which servers are connected; those that are already stay so after it.

    Raises StartError, where it is entered: if one cannot be reached, or its tools have changed.
    """
    return _connected(needs) if needs else nullcontext()


@asynccontextmanager
async def _connected(needs: Needs) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for server, names in needs.items():
            await stack.enter_async_context(server.opened(names))
        yield
