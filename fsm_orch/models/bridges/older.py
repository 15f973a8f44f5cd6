"""A client of `httpx` for the SDKs that take no other: what it sends goes through a client of ours."""

from __future__ import annotations

import httpx

from ..http import Client


class _Through(httpx.AsyncBaseTransport):
    """Sends through a client of `httpx2`."""

    def __init__(self, http: Client) -> None:
        self._http = http

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        sent = self._http.build_request(
            request.method, str(request.url), headers=request.headers.multi_items(), content=body
        )
        answer = await self._http.send(sent)  # its body is read whole by now, and decoded
        headers = [(name, value) for name, value in answer.headers.multi_items() if name.lower() not in _AS_SENT]
        return httpx.Response(answer.status_code, headers=headers, content=answer.content)


_AS_SENT = ("content-encoding", "content-length", "transfer-encoding")


def older(http: Client) -> httpx.AsyncClient:
    """Return a client of `httpx` that sends through one of ours, and reads nothing from the environment."""
    # no timeout of it counts: what it sends through has its own
    return httpx.AsyncClient(transport=_Through(http), trust_env=False, follow_redirects=False)
