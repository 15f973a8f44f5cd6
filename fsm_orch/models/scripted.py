"""A model that says what it was told to: for tests, examples and replays; no key, no network, no cost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..amounts import FREE, Price, Usage
from ..errors import CallFailed
from .base import Request, Response

Line = str | Mapping[str, Any] | Response | Exception | Callable[[Request], Any]


class ScriptedModel:
    """Answer each request with the next line of a script.

    Args:
        script: each line is a text, a mapping (sent as JSON), a `Response`, an exception to raise, or a function
            of the request that gives one of these.
        name: `provider:model`.
        price: what tokens cost; None: unknown.
        delay_s: seconds that each request takes.

    A token is a UTF-8 byte here, so that bounds are exact and easy to compute by hand. Texts and mappings report
    their true usage, never above the cap: what is longer is cut off, as a provider would.
    """

    def __init__(
        self,
        script: Iterable[Line],
        *,
        name: str = "scripted:script",
        price: Price | None = FREE,
        delay_s: float = 0.0,
    ) -> None:
        self._lines = iter(script)
        self._delay_s = delay_s
        self.name = name
        self.price = price
        self.requests: list[Request] = []
        """What it was asked, in order."""

    async def count(self, request: Request) -> int:
        return sum(len(message.content.encode()) for message in request.messages)

    async def complete(self, request: Request) -> Response:
        """Say the next line.

        Raises CallFailed: if the script has ended; nothing is charged then.
        """
        self.requests.append(request)
        if self._delay_s:
            await asyncio.sleep(self._delay_s)
        line = next(self._lines, None)
        if line is None:
            raise CallFailed("script_ended", f"the script had {len(self.requests) - 1} lines", unsent=True)
        if callable(line):
            line = line(request)
        if isinstance(line, Exception):
            raise line
        if isinstance(line, Response):
            return line
        return await self._say(request, line if isinstance(line, str) else json.dumps(line))

    async def _say(self, request: Request, text: str) -> Response:
        cut = text.encode()[: request.max_output_tokens]
        return Response(
            text=cut.decode(errors="ignore"),
            usage=Usage(requests=1, input_tokens=await self.count(request), output_tokens=len(cut)),
            finish="stop" if len(cut) == len(text.encode()) else "length",
        )
