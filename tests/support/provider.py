"""A provider on a real loopback socket that misbehaves on demand: a thread with its own event loop, speaking HTTP/1.1.

    with Provider(FAULTS["500"]) as provider:
        model = ResponsesModel("gpt-5-mini", api_key=KEY, base_url=provider.url + "/v1")

Written on raw streams, because half of the faults lie below HTTP. It keeps connections alive, as real providers do, and
records every request. How it counts tokens is a parameter.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

from support.patience import PATIENCE_S
from support.pieces import Pieces, by_fives
from support.provider_dialects import DIALECTS, Dialect, Json, Rejected, filled
from support.provider_faults import HONEST, Fault, Said
from support.provider_others import OTHERS
from support.provider_streams import STREAMS

KEY = "sk-test-secret-key"
HOST = "127.0.0.1"
SLOW_S = 0.03
"""Seconds between two bytes of a slow answer, which then takes half a minute."""

CAPS = ("max_output_tokens", "max_completion_tokens", "max_tokens", "maxOutputTokens")
"""What the APIs call the cap on output tokens."""

_POLL_S = 0.005
_BY_PATH = {dialect.path: dialect for dialect in (*DIALECTS, *OTHERS)}


@dataclass(kw_only=True)
class Received:
    """One request that came in, and what became of it."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case; the key is among them."""
    body: Any
    reported: int | None = None
    """Input and output tokens of the usage that was sent; None: it cannot be believed, or none was sent."""
    rejection: str | None = None
    """What was wrong with the request; None: nothing."""
    answered: threading.Event = field(default_factory=threading.Event)
    """Set once its answer was sent whole."""
    hung_up: threading.Event = field(default_factory=threading.Event)
    """Set if the client left before it had its answer."""


@dataclass(frozen=True, kw_only=True)
class _Answer:
    status: int
    body: bytes
    headers: Mapping[str, str]

    def head(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} {_phrase(self.status)}"]
        lines += [] if "Transfer-Encoding" in self.headers else [f"Content-Length: {len(self.body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Overloaded"


def by_quarters(text: str) -> int:
    """Count a token for each four bytes, rounded up: about what tokenizers make of English."""
    return -(-len(text.encode()) // 4)


def by_bytes(text: str) -> int:
    """Count each byte as a token: the most that a byte-level tokenizer makes of a text."""
    return len(text.encode())


class Provider:
    """A server that answers requests for as long as its block lasts.

    Args:
        fault: what is wrong with each completion, unless a `plan` says otherwise.
        counting: what is wrong with each answer of the counting endpoint.
        honours: the names of caps that it keeps to. It ignores others, as some compatible servers do.
        tokens: counts the tokens of a text.
        template: the tokens that its chat template adds to each message.
        pieces: cuts a text into what one event of a stream adds.
        part: bytes of a stream that travel together.
        takes_s: seconds before it answers, but where a model is looked up.
        models: the names that can be looked up.
    """

    def __init__(
        self,
        fault: Fault = HONEST,
        *,
        counting: Fault = HONEST,
        honours: tuple[str, ...] = CAPS,
        tokens: Callable[[str], int] = by_quarters,
        template: int = 4,
        pieces: Pieces = by_fives,
        part: int = 2**14,
        takes_s: float = 0.0,
        models: tuple[str, ...] = ("gpt-5-mini", "claude-haiku-4-5", "llama4"),
    ) -> None:
        self.requests: list[Received] = []
        self.connections = 0
        """How many were opened so far."""
        self.arrived = threading.Event()
        """Set when the first request has come in, but for those that look a model up."""
        self._fault = fault
        self._counting = counting
        self._plan: list[Fault] = []
        self._honours = honours
        self._tokens = tokens
        self._template = template
        self._pieces = pieces
        self._part = part
        self._takes_s = takes_s
        self._models = models
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="provider", daemon=True)
        self._ready = threading.Event()
        self._mistake: Exception | None = None
        """An error of our own; raised at the end of the block, since in the thread no test would see it."""
        self._conversations: set[asyncio.Task[Any]] = set()

    def __enter__(self) -> Self:
        self._closed = socket.socket()
        self._closed.bind((HOST, 0))  # bound but never listening, so that every connection is refused
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE_S)
        self._closed.close()
        if self._mistake is not None and error is None:
            raise self._mistake
        assert error is not None or not self._thread.is_alive(), "it has not ended"

    @property
    def url(self) -> str:
        """Where it listens; if the fault is a closed port, where nobody does."""
        port = self._closed.getsockname()[1] if self._fault.wire == "closed" else self._port
        return f"http://{HOST}:{port}"

    @property
    def completions(self) -> list[Received]:
        """The requests for completions: neither those to the counting endpoint, nor those that look a model up."""
        asked = [received for received in self.requests if received.method == "POST"]
        return [received for received in asked if not received.path.endswith("/count_tokens")]

    @property
    def open(self) -> list[Received]:
        """The completions that are under way: neither answered, nor given up by who asked."""
        return [each for each in self.completions if not (each.answered.is_set() or each.hung_up.is_set())]

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Begin no answer for as long as the block lasts, so that what is open stays open."""
        self._loop.call_soon_threadsafe(self._answers.clear)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._answers.set)

    def plan(self, *faults: Fault) -> None:
        """Set the fault of each of the next completions."""
        self._plan += faults

    # --- the thread ---

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._answers = asyncio.Event()
        self._answers.set()
        server = await asyncio.start_server(self._converse, HOST, 0, limit=2**24)
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._conversations:
            task.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._conversations.add(task)
        self.connections += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await self._exchange(reader, writer):
                    pass
        except Exception as error:
            self._mistake = error
        finally:
            self._conversations.discard(task)
            writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request, and return whether the connection stays open."""
        received = await _read(reader)
        self.requests.append(received)
        if received.method == "GET":  # looks a model up, for which nothing has to be inferred
            return await _send(writer, self._looked_up(received), HONEST)
        self.arrived.set()
        fault, answer = self._answer(received)
        exchange = asyncio.ensure_future(self._reply(writer, answer, fault))
        exchange.add_done_callback(_look)
        while not exchange.done():
            if reader.at_eof() or reader.exception() is not None:
                exchange.cancel()
            await asyncio.wait({exchange}, timeout=_POLL_S)
        if exchange.cancelled() or exchange.exception() is not None:
            received.hung_up.set()
        else:
            received.answered.set()
        return not exchange.cancelled() and exchange.result()

    async def _reply(self, writer: asyncio.StreamWriter, answer: _Answer, fault: Fault) -> bool:
        """Send an answer once it is due, and return whether the connection stays open."""
        await asyncio.sleep(self._takes_s)
        await self._answers.wait()
        return await _send(writer, answer, fault)

    def _answer(self, received: Received) -> tuple[Fault, _Answer]:
        dialect = _BY_PATH.get(received.path)
        if dialect is None or received.method != "POST":
            return HONEST, _json_answer(404, {"error": {"message": "Not found."}})
        try:
            texts = _checked(dialect, received)
        except Rejected as rejected:
            received.rejection = str(rejected)
            return HONEST, _json_answer(rejected.status, dialect.error(str(rejected), ""))
        fault = self._counting if dialect.name == "count" else self._plan.pop(0) if self._plan else self._fault
        if fault.error is not None:
            return fault, _error_answer(dialect, received, fault, texts)
        said = self._say(dialect, received.body, texts, fault)
        counts = (said.input_tokens, said.output_tokens)
        if said.usage == "full" and all(type(count) is int and count >= 0 for count in counts) and fault.raw is None:
            received.reported = sum(counts)
        headers, reply = _headers(received, fault), dialect.reply(received.body, said)
        if fault.raw is None and received.body.get("stream") and fault.streams is not None:
            stream = b"".join(fault.streams(list(STREAMS[dialect.name](reply, self._pieces))))
            headers |= {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"}
            return fault, _Answer(status=fault.status, body=_chunked(stream, self._part), headers=headers)
        body = json.dumps(reply).encode() if fault.raw is None else fault.raw
        return fault, _Answer(status=fault.status, body=body, headers=headers)

    def _looked_up(self, received: Received) -> _Answer:
        if "/models/" not in received.path:
            return _json_answer(404, {"error": {"message": "Not found."}})
        key = received.headers.get("x-api-key") or received.headers.get("authorization", "").removeprefix("Bearer ")
        name = received.path.rpartition("/")[2]
        if key != KEY:
            return _json_answer(401, {"error": {"message": f"No such key: {key}"}})
        if name not in self._models:
            return _json_answer(404, {"error": {"message": "No such model.", "code": "model_not_found"}})
        return _json_answer(200, {"id": name, "object": "model"})

    def _say(self, dialect: Dialect, body: Json, texts: list[str], fault: Fault) -> Said:
        """Return what an honest model would reply, changed as the fault says."""
        schema = dialect.schema(body)
        text = "Hello." if schema is None else json.dumps(filled(schema))
        caps = {**body, **body.get("generationConfig", {})}  # Gemini has its own inside
        cap = next((caps[name] for name in dialect.cap_names if name in caps and name in self._honours), 1_000_000)
        cut = text
        while self._tokens(cut) > cap:
            cut = cut[:-1]
        given = sum(self._tokens(part) + self._template for part in texts)
        honest = Said(
            texts=(cut,),
            input_tokens=given + self._template + (self._tokens(json.dumps(schema)) if schema else 0),
            output_tokens=self._tokens(cut),
            finish="stop" if cut == text else "length",
        )
        return fault.departs(honest, cap)


def _look(exchange: asyncio.Future[Any]) -> None:
    """Retrieve an outcome that may no longer matter, or asyncio warns that its exception was never retrieved."""
    if not exchange.cancelled():
        exchange.exception()


async def _read(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    return Received(method=method, path=path, headers=headers, body=body)


def _checked(dialect: Dialect, received: Received) -> list[str]:
    """Check a request, and return the texts in it that become input.

    Raises Rejected: if a real provider would refuse it.
    """
    if dialect.key(received.headers) != KEY:
        raise Rejected("no such key", status=401)
    if not isinstance(received.body, dict):
        raise Rejected("We could not parse the JSON body of your request.")
    return dialect.texts(received.body)


def _json_answer(status: int, body: Json, headers: Mapping[str, str] | None = None) -> _Answer:
    plain = {"Content-Type": "application/json"}
    return _Answer(status=status, body=json.dumps(body).encode(), headers=headers or plain)


def _error_answer(dialect: Dialect, received: Received, fault: Fault, texts: list[str]) -> _Answer:
    assert fault.error is not None
    quoted = {"key": f" You sent {KEY!r}.", "prompt": f" You wrote {texts!r}.", None: ""}[fault.echo]
    answer = _json_answer(fault.status, dialect.error(fault.error, quoted), _headers(received, fault))
    return answer if fault.raw is None else _Answer(status=fault.status, body=fault.raw, headers=answer.headers)


def _headers(received: Received, fault: Fault) -> dict[str, str]:
    headers = {"Content-Type": fault.content_type, "x-request-id": "req_1", "request-id": "req_1"}
    if fault.retry_after is not None:
        _, is_date, seconds = fault.retry_after.partition("date:")
        then = datetime.now(UTC) + timedelta(seconds=float(seconds)) if is_date else None
        headers["Retry-After"] = format_datetime(then, usegmt=True) if then else fault.retry_after
    if fault.retry_after_ms is not None:
        headers["retry-after-ms"] = fault.retry_after_ms
    if fault.encoding is not None:
        headers["Content-Encoding"] = fault.encoding
    if fault.location is not None:
        headers["Location"] = received.path if fault.location == "itself" else fault.location
    return headers


def _chunked(body: bytes, size: int) -> bytes:
    """Return a body as it travels in parts."""
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (*parts, b""))


async def _send(writer: asyncio.StreamWriter, answer: _Answer, fault: Fault) -> bool:
    """Send an answer as the fault says, and return whether the connection stays open."""
    whole = answer.head() + answer.body
    match fault.wire:
        case "silent":
            await asyncio.Event().wait()
        case "slow":
            for byte in whole:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(SLOW_S)
        case "cut_within":
            writer.write(answer.head() + answer.body[: len(answer.body) // 2])
            await writer.drain()
        case "stalls":
            writer.write(answer.head() + answer.body[: len(answer.body) // 2])
            await asyncio.Event().wait()
        case "lingers":
            writer.write(answer.head() + answer.body.removesuffix(b"0\r\n\r\n"))
            await asyncio.Event().wait()
        case "endless":
            chunked = {**answer.headers, "Transfer-Encoding": "chunked"}
            writer.write(_Answer(status=answer.status, body=b"", headers=chunked).head())
            while True:
                writer.write(b"4000\r\n" + b" " * 0x4000 + b"\r\n")
                await writer.drain()
                await asyncio.sleep(_POLL_S)
        case "garbage":
            writer.write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
            await writer.drain()
        case "whole":
            writer.write(whole)
            await writer.drain()
    if fault.wire in ("cut_within", "garbage"):
        await asyncio.sleep(_POLL_S)  # so that the client reads it before the connection is reset
    return fault.wire in ("whole", "slow")
