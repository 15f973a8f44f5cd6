"""A transport for the real SDKs that answers from memory: one answer to all requests, or none ever."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

httpx2 = pytest.importorskip("httpx2", reason="models over HTTP need the extras `openai` or `anthropic`")


class Wired:
    """A transport that gives one answer to all requests, and keeps them."""

    def __init__(self, answer: Any = None, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Take what is answered: bytes as they are, an exception raised, anything else as JSON."""
        self.answer = answer
        self.status = status
        self.headers = headers
        self.requests: list[Any] = []
        self.transport: Any = httpx2.MockTransport(self._reply)

    async def _reply(self, request: Any) -> Any:
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        # written here: `json=` would refuse `inf`, as if the connection broke
        written = self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()
        return httpx2.Response(self.status, content=written, headers=self.headers)

    @property
    def body(self) -> Any:
        """What the one request said."""
        (request,) = self.requests
        return json.loads(request.content)


class Silent(httpx2.AsyncBaseTransport):  # type: ignore[misc]
    """Never answer, and tell whether the request was given up."""

    is_given_up = False

    async def handle_async_request(self, request: Any) -> Any:
        try:
            await asyncio.sleep(1_000)
        except asyncio.CancelledError:
            self.is_given_up = True
            raise
