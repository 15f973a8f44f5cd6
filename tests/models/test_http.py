"""What adapters over HTTP share: the tables of failures, the wait that a provider asks for, one client a loop."""

import asyncio
import gc
import inspect
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pinned import pinned

from fsm_orch.errors import CallFailed

httpx2 = pytest.importorskip("httpx2", reason="providers over HTTP need an extra")

from fsm_orch.models import http  # noqa: E402 - after the extra it needs
from fsm_orch.models.http import PerLoop, client, retry_after_s, status_failure, transport_failure, within  # noqa: E402

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)

# --- failures -------------------------------------------------------------------------------------------------


@given(status=st.integers(0, 999))
def test_only_4xx_is_unsent(status: int) -> None:
    """Whatever the status code, a reservation is released for a 4xx and for nothing else."""

    assert (status // 100 == 4) == status_failure(status).unsent


@pytest.mark.parametrize(
    ("status", "reason", "is_transient"),
    [
        (200, "unreadable", False),
        (307, "redirect", False),
        (400, "bad_request", False),
        (401, "authentication", False),
        (408, "timeout", True),
        (418, "bad_request", False),
        (429, "rate_limited", True),
        (500, "server_error", True),
        (503, "overloaded", True),
        (529, "overloaded", True),
        (599, "server_error", True),
    ],
)
def test_status(status: int, reason: str, is_transient: bool) -> None:
    """A status code says what failed, and whether it may pass."""
    failure = status_failure(status)

    assert (reason, is_transient) == (failure.reason, failure.transient)


EXCEPTIONS = {
    "CloseError": "disconnected",
    "ConnectError": "connection, unsent",
    "ConnectTimeout": "connection, unsent",
    "CookieConflict": "unreadable",
    "DecodingError": "unreadable",
    "HTTPError": "disconnected",
    "HTTPStatusError": "disconnected",
    "InvalidURL": "bad_request, unsent",
    "LocalProtocolError": "disconnected",
    "NetworkError": "disconnected",
    "PoolTimeout": "connection, unsent",
    "ProtocolError": "disconnected",
    "ProxyError": "connection, unsent",
    "ReadError": "disconnected",
    "ReadTimeout": "timeout",
    "RemoteProtocolError": "disconnected",
    "RequestError": "disconnected",
    "RequestNotRead": "disconnected",
    "ResponseNotRead": "disconnected",
    "SSEError": "disconnected",
    "StreamClosed": "disconnected",
    "StreamConsumed": "disconnected",
    "StreamError": "disconnected",
    "TimeoutException": "timeout",
    "TooManyRedirects": "redirect",
    "TransportError": "disconnected",
    "UnsupportedProtocol": "bad_request, unsent",
    "WriteError": "disconnected",
    "WriteTimeout": "timeout",
}
"""Every exception of the client, and what it means; one that is not here fails the next test."""


@pinned("httpx2")
def test_every_exception_is_known() -> None:
    """The client has no exception whose meaning nobody thought about."""
    shown = {
        name: f"{failure.reason}{', unsent' if failure.unsent else ''}"
        for name, kind in vars(httpx2).items()
        if inspect.isclass(kind) and issubclass(kind, Exception)
        if not issubclass(kind, Warning)
        for failure in [transport_failure(kind.__new__(kind))]
    }

    assert EXCEPTIONS == shown


@pytest.mark.parametrize("error", [None, ValueError(), OSError(), KeyboardInterrupt()])
def test_unknown_exception(error: BaseException | None) -> None:
    """Of what is not the client's it is only known that the request may have been sent."""

    assert not transport_failure(error).unsent


# --- retry-after ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "40"}, 0.04),
        ({"retry-after-ms": "40", "retry-after": "7"}, 0.04),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after": "9" * 400}, http.RETRY_AFTER_MAX_S),
        ({"retry-after": format_datetime(NOW + timedelta(seconds=30), usegmt=True)}, 30.0),
        ({"retry-after": format_datetime(NOW - timedelta(days=1), usegmt=True)}, 0.0),
        ({"retry-after": format_datetime(NOW + timedelta(days=900), usegmt=True)}, http.RETRY_AFTER_MAX_S),
        ({"retry-after": "Fri, 20 Nov 2026 12:00:05"}, 5.0),
        *(({"retry-after": text}, None) for text in ("", "-5", "nan", "inf", "1e9", "1_0", "٣", "0x10", "tomorrow")),
    ],
)
def test_retry_after(headers: dict[str, str], wait_s: float | None) -> None:
    """Seconds, milliseconds and dates are read; what is negative, endless or not a number is not."""
    given = retry_after_s(headers, now=NOW)

    assert (given is None) == (wait_s is None)
    assert pytest.approx(wait_s or 0.0) == (given or 0.0)


@given(
    name=st.sampled_from(["retry-after", "retry-after-ms"]),
    value=st.text(max_size=30) | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ \S*"),
)
def test_retry_after_is_sane(name: str, value: str) -> None:
    """Whatever is said, the wait is unknown or between nothing and a day."""
    wait_s = retry_after_s({name: value}, now=NOW)

    assert wait_s is None or 0.0 <= wait_s <= http.RETRY_AFTER_MAX_S


# --- the total time -------------------------------------------------------------------------------------------


@pytest.mark.looptime
async def test_within() -> None:
    """A call that takes too long fails, and nothing of what happened inside is chained to the failure."""
    with pytest.raises(CallFailed, match="timeout: no reply within 3 s") as caught:
        await within(3.0, asyncio.sleep(10))

    assert (False, True) == (caught.value.unsent, caught.value.transient)
    assert caught.value.__context__ is None
    assert 3.0 == asyncio.get_running_loop().time()


@pytest.mark.looptime
async def test_within_leaves_others_alone() -> None:
    """A cancellation, and a timeout from within, pass as they are."""

    async def fail() -> None:
        raise TimeoutError("from within")

    with pytest.raises(TimeoutError, match="from within"):
        await within(3.0, fail())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(within(3.0, asyncio.sleep(10)), 1.0)


# --- clients --------------------------------------------------------------------------------------------------


async def test_redirect_is_not_followed() -> None:
    """A redirect is a reply."""
    asked = []

    def reply(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(307, headers={"location": str(request.url)})

    async with client(httpx2.MockTransport(reply)) as http_client:
        assert 307 == (await http_client.post("http://test/")).status_code
    assert 1 == len(asked)


async def test_environment_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no certificate of the environment comes between."""
    http._tls.cache_clear()
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    async with client() as http_client:
        assert not http_client.trust_env
        with pinned("httpx2"):
            assert {} == http_client._mounts


@pytest.mark.parametrize("url", ["", "api.openai.com", "ftp://x/v1", "http://", "http://me:secret@x", "http://x?a=1"])
def test_url(url: str) -> None:
    """A URL that cannot be called is refused, and a password in it is not repeated."""
    with pytest.raises(ValueError, match="base_url must be like") as caught:
        http.checked_url(url)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("key", ["", "sk secret", "sk-secret\n", "sk-secret-é"])
def test_key(key: str) -> None:
    """A key that cannot be sent is refused, and not shown."""
    with pytest.raises(ValueError, match="api_key must be printable") as caught:
        http.checked_key(key)

    assert "secret" not in str(caught.value)


def test_one_client_a_loop() -> None:
    """In a loop there is one client, in another loop another; a loop that ends closes its own."""
    clients: PerLoop[http.Client] = PerLoop(lambda given: given)

    async def twice() -> http.Client:
        first, second = await asyncio.gather(clients.get(), clients.get())
        assert first is second
        assert not first.is_closed
        return first

    first, second = asyncio.run(twice()), asyncio.run(twice())

    assert first is not second
    assert first.is_closed
    assert second.is_closed


def test_loops_side_by_side() -> None:
    """Threads with a loop each have a client each."""
    clients: PerLoop[http.Client] = PerLoop(lambda given: given)
    found: list[http.Client] = []

    def ask() -> None:
        found.append(asyncio.run(clients.get()))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 8 == len(set(map(id, found)))
    assert all(client.is_closed for client in found)


def test_nothing_is_left() -> None:
    """What belonged to loops that ended is forgotten."""
    clients: PerLoop[http.Client] = PerLoop(lambda given: given)
    for _ in range(3):
        asyncio.run(clients.get())
    gc.collect()

    assert 0 == len(clients._held)


class Echo(BaseHTTPRequestHandler):
    """Answer with an empty object, and keep the connection."""

    protocol_version = "HTTP/1.1"
    peers: set[object]

    def do_POST(self) -> None:
        self.peers.add(self.client_address)
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A server that many may knock at in the same moment."""

    request_queue_size = 128


@pytest.fixture
def server() -> Iterator[str]:
    Echo.peers = set()
    with Server(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_connections_end_with_their_loop(server: str) -> None:
    """Requests of a loop share a connection; none outlives its loop, which would be a warning, and so an error."""
    clients: PerLoop[http.Client] = PerLoop(lambda given: given)

    async def ask() -> None:
        for _ in range(3):
            assert {} == (await (await clients.get()).post(server, json={})).json()

    asyncio.run(ask())
    asyncio.run(ask())
    gc.collect()

    assert 2 == len(Echo.peers)


def test_many_at_once(server: str) -> None:
    """Requests at once have a connection each, spread over pools, and all are closed with their loop."""
    clients: PerLoop[http.Client] = PerLoop(lambda given: given)

    async def ask() -> list[int]:
        posts = [(await clients.get()).post(server, json={}) for _ in range(100)]
        return [reply.status_code for reply in await asyncio.gather(*posts)]

    assert 100 * [200] == asyncio.run(ask())
    gc.collect()


def test_nothing_is_left_of_a_loop_cut_off() -> None:
    """A loop that was closed out of order is forgotten when the next one asks."""
    clients: PerLoop[http.Client] = PerLoop(lambda given: given)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(clients.get())
    loop.close()
    asyncio.run(clients.get())

    assert 0 == len(clients._held)
