"""Lent tools: those of another library, with the schema that it has made for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json, to_json

from ..define.strict import Json, Unsayable
from ..define.wording import kind_of
from ..errors import ToolFailed
from .pinned import Described
from .schema_arguments import SchemaArguments

Use = Callable[[Mapping[str, Any], str, Any], Awaitable[Any]]
"""Calls it: with arguments as JSON, the idempotency key, and the dependencies of the run."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LentTool:
    """A tool of another library, before options are given to it."""

    name: str
    """What the model calls it."""
    origin: str
    """The name of the library."""
    described: Described
    arguments: SchemaArguments
    call: Use
    timeout_s: float | None = None
    """Seconds of one use; None: it does not say."""

    @property
    def canonical(self) -> Mapping[str, Any]:
        """All of it that a digest must cover."""
        return {"lent_by": self.origin, "takes": self.described.input_schema}

    async def use(self, arguments: Mapping[str, Any], *, key: str, deps: Any) -> Any:
        """Call it, and return its result as JSON.

        Raises ToolFailed: if JSON cannot hold what it returned.
        Raises what it raised.
        """
        returned = await self.call(arguments, key, deps)
        try:
            return from_json(to_json(returned))
        except Exception:  # of any kind, and without its text, which may hold anything
            failed = ToolFailed(f"it returned {kind_of(returned)}, which JSON cannot hold")
        raise failed


def lent(
    name: str,
    description: str | None,
    schema: Mapping[str, Any],
    *,
    origin: str,
    call: Use,
    timeout_s: float | None = None,
) -> LentTool:
    """Return a tool of another library.

    Args:
        schema: of its arguments.
        origin: the name of the library.
        timeout_s: seconds of one use; None: it does not say.

    Raises TypeError: if a model cannot be asked for its arguments.
    """
    plain: Json = dict(schema)
    try:
        arguments = SchemaArguments(plain)
    except Unsayable as error:
        raise TypeError(f"{name} cannot be a tool: a model cannot be asked for {error}") from None
    described = Described(input_schema=plain, description=(description or "").strip())
    return LentTool(name=name, origin=origin, described=described, arguments=arguments, call=call, timeout_s=timeout_s)
