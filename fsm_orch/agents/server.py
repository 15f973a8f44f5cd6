"""MCP servers as sources of tools: which tools a server has is read from a pinned file, and held against it."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..define.source import where_called
from ..define.strict import Unsayable
from ..define.wording import did_you_mean
from ..errors import StartError, ToolFailed
from .keeper import Keeper, Lost
from .pinned import Pinned, changes, from_text
from .remote import RemoteTool
from .schema_arguments import SchemaArguments
from .tool import Tool
from .where import kind_of_failure, where_of

if TYPE_CHECKING:
    from .mcp import Session

_MOST_TOLD = 5
"""Changes that a message names."""


class MCP:
    """An MCP server, over stdio or streamable HTTP, as a source of tools.

        shop = MCP("shop", command=("python", "-m", "shop_server"), pinned="shop.tools.json")

        LLMAgent("Help.", tools=(*shop.tools("order_status"), shop.tool("refund", approval=True)))

    Its tools are read from a pinned file, which `fsm-orch mcp pin shop.tools.json -- python -m shop_server` writes. So
    a machine is built and proved without the server, and a digest covers what its tools are said to take and give.
    Whether the server still says so is asked before a run starts, and before each use.

    A run connects to the servers that it needs, and closes the connections when it ends; `async with runner:` keeps
    them open from run to run.

    Args:
        name: for messages and digests.
        command: the words that start it, for stdio. Errors show them, so secrets do not belong in them. What it writes
            to stderr is shown nowhere.
        url: of a server that speaks streamable HTTP. Errors show it too.
        env: variables of the command, besides PATH, HOME and the like; shown nowhere.
        headers: of each request to the URL; shown nowhere.
        pinned: path of the pinned file; a relative one starts at the folder of the file in which this is written.
        start_s: seconds in which the server must be connected, and describe its tools.

    Raises ValueError: if there is no such file, it is no pinned one, or an argument makes no sense.
    """

    def __init__(
        self,
        name: str,
        *,
        command: Sequence[str] = (),
        url: str | None = None,
        env: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        pinned: str | os.PathLike[str],
        start_s: float = 30.0,
    ) -> None:
        if not name.strip() or not start_s > 0:
            raise ValueError("an MCP server has a name, such as MCP('shop', ...), and start_s= above 0")
        self.name = name
        self._where = where_of(command, url, env, headers)
        path = Path(where_called().rpartition(":")[0]).parent / pinned
        self._pin = f"fsm-orch mcp pin {shlex.quote(str(path))} {self._where.spelled}"
        self._pinned = _read(path, self._pin)
        self._start_s = start_s
        # one for each loop: a connection belongs to the loop that opened it
        self._keepers: dict[asyncio.AbstractEventLoop, Keeper[Session]] = {}

    def __repr__(self) -> str:
        return f"MCP({self.name!r})"

    def tools(self, *names: str) -> tuple[Tool, ...]:
        """Return tools of the server; only those that are named can be used.

        Raises as `tool` does.
        """
        if not names:
            raise ValueError(f"name the tools that are allowed: {self!r} has {', '.join(self._pinned)}")
        return tuple(self.tool(name) for name in names)

    def tool(
        self,
        name: str,
        *,
        called: str | None = None,
        approval: bool = False,
        timeout_s: float | None = None,
        most_chars: int = 500,
        choices: Mapping[str, Any] | None = None,
        repeatable: bool = False,
    ) -> Tool:
        """Return a tool of the server, with options.

        Args:
            called: what the model calls it; None: what the server does.
            approval, timeout_s, most_chars, choices, repeatable: see `Tool`.

        Raises ValueError: if the pinned file has no such tool.
        Raises TypeError: if a model cannot be asked for its arguments; says for which.
        """
        described = self._pinned.get(name)
        if described is None:
            raise ValueError(
                f"the pinned file of {self!r} has no tool {name!r}{did_you_mean(name, self._pinned)}. "
                f"It has {', '.join(self._pinned)}; to pin anew: {self._pin}"
            )
        if not described.description.strip():
            raise TypeError(f"{name} of {self!r} has no description, by which a model knows when to use it")
        try:
            arguments = SchemaArguments(described.input_schema)
        except Unsayable as error:
            raise TypeError(f"{name} of {self!r} cannot be a tool: a model cannot be asked for {error}") from None
        remote = RemoteTool(
            server=self, remote_name=name, name=called or name, described=described, arguments=arguments
        )
        return Tool(
            remote,
            approval=approval,
            timeout_s=timeout_s,
            most_chars=most_chars,
            choices=choices,
            repeatable=repeatable,
        )

    @asynccontextmanager
    async def opened(self, names: Collection[str]) -> AsyncIterator[None]:
        """Connect while the context lasts; several share one connection, which the last of them closes.

        Args:
            names: the tools that are going to be used, as the server calls them.

        Raises StartError: if the server cannot be reached, or one of these is not as it was pinned.
        """
        loop = asyncio.get_running_loop()
        keeper = self._keepers.setdefault(loop, Keeper(self._where.session))
        keeper.users += 1
        try:
            try:
                async with asyncio.timeout(self._start_s):
                    await self._checked(keeper, names)
            except TimeoutError:
                why = f"did not answer within {self._start_s:g} s"
                raise StartError(f"MCP server {self.name!r} {why}: {self._where.advice}") from None
            except _Unfit as unfit:
                raise StartError(f"MCP server {self.name!r} {unfit.why}: {unfit.fix}") from None
            yield
        finally:
            keeper.users -= 1
            if not keeper.users:
                del self._keepers[loop]
                await keeper.close()

    async def use(self, name: str, arguments: Mapping[str, Any], key: str) -> Any:
        """Use a tool, and return its result as JSON; a connection that was lost is opened again.

        Args:
            name: what the server calls it.
            key: the idempotency key.

        Raises ToolFailed: if it failed, or is not as it was pinned; or the server lies, or is gone.
        """
        keeper = self._keepers.get(asyncio.get_running_loop())
        if keeper is None:
            raise ToolFailed(
                f"MCP server {self.name!r} is not connected: a run does that, and so does async with runner"
            )
        try:
            session = await self._checked(keeper, [name])
        except _Unfit as unfit:
            why = unfit.why
        else:
            try:
                return await session.call(name, arguments, key)
            except Lost:
                keeper.lose(session)
            why = "ended the connection while it was used; what it had begun has an unknown outcome"
        raise ToolFailed(f"its server {self.name!r} {why}")

    async def _checked(self, keeper: Keeper[Session], names: Collection[str]) -> Session:
        """Return a session with the server, which describes some tools as they were pinned.

        Raises _Unfit: if there is none, or it does not.
        """
        why = ""
        for _ in range(2):  # what was open may have been lost since: then there is another
            try:
                session = await keeper.session()
            except StartError:
                raise
            except Exception as error:  # of whatever is in the way
                why = f"cannot be reached ({kind_of_failure(error)})"
                break
            try:
                found = changes(self._pinned, await session.tools(), names)
            except Lost:
                keeper.lose(session)
                why = "ends each connection"
                continue
            if not found:
                return session
            raise _Unfit(f"has changed since its tools were pinned ({_some(found)})", f"to pin anew: {self._pin}")
        raise _Unfit(why, self._where.advice)


class _Unfit(Exception):
    """A server cannot be used now."""

    def __init__(self, why: str, fix: str) -> None:
        super().__init__(why)
        self.why, self.fix = why, fix


def _some(found: Sequence[str]) -> str:
    more = f" and {len(found) - _MOST_TOLD} more" if len(found) > _MOST_TOLD else ""
    return ", ".join(found[:_MOST_TOLD]) + more


def _read(path: Path, pin: str) -> Pinned:
    try:
        return from_text(path.read_bytes())
    except OSError as error:
        why = f"cannot be read ({error.strerror})"
    except ValueError:
        why = "is no file of pinned tools"
    raise ValueError(f"{str(path)!r} {why}: write it, and look at it: {pin}")
