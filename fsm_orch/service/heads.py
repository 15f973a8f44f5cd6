"""Limits of what comes of requests beside their bodies: of a head, of what may follow a body, of requests ahead.

uvicorn has them with h11, and none with httptools, which it takes where that is installed: of a head without an end it
keeps all, and a short line costs twenty times its bytes. Of requests that are sent before the answers it keeps all too,
at fifty times their bytes; and what follows a body it adds to the head, where it is taken for what a proxy has checked.
"""

from __future__ import annotations

from typing import Any

MOST = 64 * 1024
"""How many bytes may come of which none are of a body: as many as uvicorn takes with h11."""

MOST_AHEAD = 100
"""How many requests may come on a connection before the one that is at work there is answered."""


def limited_http() -> Any:
    """Return how uvicorn is to read requests, so that no head is endless: `uvicorn.run(app, http=limited_http())`.

    It is httptools, with a limit of 64 kB and what comes with one read (256 kB), and of 100 requests ahead of their
    answers; or h11 where that is not installed. Whoever sends more is answered 400, and the connection is closed.
    Headers that follow a body are left out (RFC 9110, 6.5.1).
    """
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol  # noqa: PLC0415 - not every uvicorn has it
    except ImportError:
        return "h11"

    class Limited(HttpToolsProtocol):
        _beside = 0
        """How many bytes have come since the last of a body, or since a request was whole."""
        _has_head = False
        """Whether the head of the request is whole: what comes of headers then follows its body."""

        def data_received(self, data: bytes) -> None:
            self._beside += len(data)
            super().data_received(data)
            if self._beside > MOST and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")

        def on_message_begin(self) -> None:
            if len(self.pipeline) >= MOST_AHEAD:
                raise ValueError("too many requests ahead of their answers")  # to the parser; uvicorn answers 400
            self._has_head = False
            super().on_message_begin()

        def on_header(self, name: bytes, value: bytes) -> None:
            if not self._has_head:
                super().on_header(name, value)

        def on_headers_complete(self) -> None:
            self._has_head = True
            super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            self._beside = 0
            super().on_body(body)

        def on_message_complete(self) -> None:
            self._beside = 0
            super().on_message_complete()

    return Limited
