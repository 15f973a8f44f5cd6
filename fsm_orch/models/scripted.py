"""A model that follows a script: for tests, examples and replays; no key, no network, no cost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..amounts import FREE, Price, Usage
from ..define.wording import kind_of
from ..errors import CallFailed
from ..settings import ModelSettings
from .base import Request, Response

Line = str | Mapping[str, Any] | Response | Exception | Callable[[Request], Any]


class ScriptedModel:
    """A model that answers each request with the next line of a script.

    Args:
        script: each line is a text, a mapping (sent as JSON), a `Response`, an exception to raise, or a function
            of the request that returns one of these.
        name: `provider:model`.
        price: what tokens cost; None: unknown.
        delay_s: seconds that each request takes.

    A token is a UTF-8 byte here, so that bounds are exact and easy to compute by hand. A text or mapping reports its
    true usage. One that is longer than the cap is cut off there, as by a provider.

    Raises TypeError: if the script is one reply by itself.
    """

    def __init__(
        self,
        script: Iterable[Line],
        *,
        name: str = "scripted:script",
        price: Price | None = FREE,
        delay_s: float = 0.0,
    ) -> None:
        if isinstance(script, str | Mapping) or not isinstance(script, Iterable):
            raise TypeError(f"a script is a list of replies, not {kind_of(script)}: write ScriptedModel([...])")
        self._lines = iter(script)
        self._given = 0
        self._delay_s = delay_s
        self.name = name
        self.price = price
        self.requests: list[Request] = []
        """The requests so far, in order."""

    def objection(self, settings: ModelSettings) -> str | None:  # noqa: ARG002
        """Return None: a script says what it says, whatever is set, and keeps the settings in its `requests`."""
        return None

    async def count(self, request: Request) -> int:
        return sum(len(message.content.encode()) for message in request.messages)

    async def complete(self, request: Request) -> Response:
        """Return the next line, or raise it.

        Raises CallFailed: `script_ended`, if no line is left; nothing is charged then.
        """
        self.requests.append(request)
        if self._delay_s:
            await asyncio.sleep(self._delay_s)
        line = next(self._lines, None)
        if line is None:
            raise CallFailed("script_ended", self._ended(), unsent=True)
        self._given += 1
        if callable(line):
            line = line(request)
        if isinstance(line, Exception):
            raise line
        if isinstance(line, Response):
            return line  # as it is, even above the cap: so a test plays a provider that breaks its promise
        return await self._reply(request, line if isinstance(line, str) else json.dumps(line))

    async def _reply(self, request: Request, text: str) -> Response:
        cut = text.encode()[: request.max_output_tokens]
        return Response(
            text=cut.decode(errors="ignore"),
            usage=Usage(requests=1, input_tokens=await self.count(request), output_tokens=len(cut)),
            finish="stop" if len(cut) == len(text.encode()) else "length",
        )

    def _ended(self) -> str:
        has = f"{self._given} {'reply' if self._given == 1 else 'replies'}"
        return f"the script has {has}, and the model was asked {len(self.requests)} times"
