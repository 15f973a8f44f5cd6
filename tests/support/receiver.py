"""A receiver of webhooks over a real socket: it answers as it is told to, and keeps what it was sent."""

from __future__ import annotations

import base64
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook
from support.patience import PATIENCE_S

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()


@dataclass(frozen=True)
class Sent:
    """What was sent."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The id of the event."""
        return self.headers["webhook-id"]

    def said(self, secret: str = SECRET) -> Any:
        """Return the JSON of the body, once its signature was verified.

        Raises WebhookVerificationError: if it is not signed so.
        """
        return Webhook(secret).verify(self.body, dict(self.headers))


@dataclass
class Receiver:
    """A receiver.

    Args:
        answers: a status, or one with headers, for one request after the other; the last one for all others too.
    """

    answers: Sequence[int | tuple[int, Mapping[str, str]]] = (204,)
    url: str = ""
    sent: list[Sent] = field(default_factory=list)
    may_answer: threading.Event = field(default_factory=threading.Event)
    """An answer waits for it."""

    def __post_init__(self) -> None:
        self.may_answer.set()

    @property
    def ids(self) -> list[str]:
        """The ids of what was sent."""
        return [each.id for each in self.sent]

    def said(self) -> list[Any]:
        """Return all that was sent, verified."""
        return [each.said() for each in self.sent]

    def take(self, headers: Mapping[str, str], body: bytes) -> tuple[int, Mapping[str, str]]:
        """Keep what is sent. Return the answer."""
        answer = self.answers[min(len(self.sent), len(self.answers) - 1)]
        self.sent.append(Sent({name.lower(): value for name, value in headers.items()}, body))
        self.may_answer.wait(30)
        return (answer, {}) if isinstance(answer, int) else answer


@contextmanager
def receiving(receiver: Receiver, *, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """Have a receiver listen on this machine, and say where it is.

    Args:
        tls: with its certificate; None: it speaks plain HTTP.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, headers = receiver.take(dict(self.headers.items()), body)
            self.send_response(status)
            for name, value in {"content-length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        # who connects and says nothing keeps the thread of its own connection, not that of all
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    receiver.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}/hook"
    try:
        yield receiver
    finally:
        receiver.may_answer.set()
        server.shutdown()
        server.server_close()
        thread.join(PATIENCE_S)
