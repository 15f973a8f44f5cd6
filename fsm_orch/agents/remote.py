"""Remote tools: those that a server offers to whoever connects to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from .pinned import Described
from .schema_arguments import SchemaArguments


class Server(Protocol):
    """What a remote tool is used through."""

    @property
    def name(self) -> str: ...

    def opened(self, names: Collection[str]) -> AbstractAsyncContextManager[None]:
        """Return a context in which the server is connected.

        Args:
            names: the tools that are going to be used, as the server calls them.

        Raises StartError, where it is entered: if it cannot be reached, or one of these has changed.
        """
        ...

    async def use(self, name: str, arguments: Mapping[str, Any], key: str) -> Any:
        """Use a tool, and return its result as JSON.

        Raises ToolFailed: if it failed, or has changed; or the server lies, or is gone.
        """
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class RemoteTool:
    """A tool of a server, before options are given to it."""

    server: Server
    remote_name: str
    """What the server calls it."""
    name: str
    """What the model calls it."""
    described: Described
    arguments: SchemaArguments

    @property
    def canonical(self) -> Mapping[str, Any]:
        """All of it that a digest must cover: not where the server is, nor what it is told in secret."""
        gives = self.described.output_schema
        return {
            "server": self.server.name,
            "remote_name": self.remote_name,
            "takes": self.described.input_schema,
            **({} if gives is None else {"gives": gives}),
        }

    async def use(self, arguments: Mapping[str, Any], *, key: str, deps: Any) -> Any:  # noqa: ARG002 - as functions are
        """Use it, and return its result as JSON.

        Raises as `Server.use` does.
        """
        return await self.server.use(self.remote_name, arguments, key)
