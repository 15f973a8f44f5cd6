"""A limit of what comes of a request beside its body: its head, and what may follow the body.

uvicorn has one with h11, and none with httptools, which it takes where that is installed: of a head without an end it
keeps all, and a short line costs twenty times its bytes.
"""

from __future__ import annotations

from typing import Any

MOST = 64 * 1024
"""How many bytes may come of which none are of a body: as many as uvicorn takes with h11."""


def limited_http() -> Any:
    """Return how uvicorn is to read requests, so that no head is endless: `uvicorn.run(app, http=limited_http())`.

    It is httptools, with a limit of 64 kB and what comes with one read (256 kB), or h11 where that is not installed.
    Whoever sends more is answered 400, and the connection is closed.
    """
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol  # noqa: PLC0415 - not every uvicorn has it
    except ImportError:
        return "h11"

    class Limited(HttpToolsProtocol):
        _beside = 0
        """How many bytes have come since the last of a body, or since a request was whole."""

        def data_received(self, data: bytes) -> None:
            self._beside += len(data)
            super().data_received(data)
            if self._beside > MOST and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")

        def on_body(self, body: bytes) -> None:
            self._beside = 0
            super().on_body(body)

        def on_message_complete(self) -> None:
            self._beside = 0
            super().on_message_complete()

    return Limited
