"""Models on this machine: llama.cpp in process (`xllamacpp`), with no key and no network.

The weights are loaded once a process, by `load` or at the first request; all models of one name share them. One thread
infers, so requests wait for each other, and each can be stopped between two tokens. A grammar holds a reply to its
schema, in compact JSON. It makes a decision legal, not right.

The native server also listens on a loopback port, behind a random key. There its own template and tokenizer count the
tokens of a request, so the bound is exact.

What is loaded is the catalogue's file, byte for byte, and is loaded again once that file was touched. A forked process
loads its own, since it has none of the threads of its parent.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import secrets
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

from ..amounts import FREE, Price, Usage, trusted_usage
from ..define.wording import to_install
from ..errors import CallFailed, ModelUnavailable
from ..messages import Message
from ..settings import ModelSettings
from . import forked
from .base import OnPiece, Request, Response
from .refused import BY_LOCAL, not_taken
from .weights import locate, stamp, unchanged
from .wire import check_cap, json_text

CONTEXT_TOKENS = 4_096
"""Tokens of input and output together; a request with a longer input fails as `context_overflow`."""

_BATCH_TOKENS = 64
"""Input tokens between two moments at which a request can be stopped; larger batches are no faster on one thread."""

_COUNT_TIMEOUT_S = 30.0
_SAMPLING = {"temperature": 0, "seed": 0}
"""What holds where settings do not say otherwise."""

_COMPACT = {"x-guidance": {"whitespace_flexible": False}}
"""Asks for a grammar of JSON without white space, which takes half the output tokens."""

_STREAM = {"stream": True, "stream_options": {"include_usage": True}, "return_progress": True}
"""Asks for chunks, one after each batch of input too, since a request can be stopped only at a chunk."""

_FIRST = Request(
    messages=(Message(role="user", content="Is it so?"),),
    schema={
        "type": "object",
        "properties": {"handoff": {"type": "string", "enum": ["yes", "no"]}},
        "required": ["handoff"],
        "additionalProperties": False,
    },
    max_output_tokens=1,
)
"""Asks for next to nothing, in the form of a decision."""

_KEYWORDS = frozenset(
    {"type", "properties", "required", "additionalProperties", "items", "enum", "anyOf", "$ref", "$defs", "description"}
)
"""The words of a schema that `agents.decision` writes and the grammar obeys; keep in sync with `agents.decision`."""


class LocalModel:
    """A model of the catalogue of weights.

    Replies repeat, but for rounding errors of floating point: the temperature is 0 and the seed fixed, where an agent's
    settings do not say otherwise.

    Args:
        model: its name in the catalogue.
        grammar: False leaves replies unconstrained, to measure how often they are illegal then.

    Raises ModelUnavailable: if the name is unknown or no language model's, its weights are not in the cache, or
        `xllamacpp` is missing.
    """

    price: Price | None = FREE

    def __init__(self, model: str = "smollm2", *, grammar: bool = True) -> None:
        self.name = f"local:{model}"
        self._weights = _Weights(model, locate(model))
        self._is_constrained = grammar
        _native()

    async def count(self, request: Request) -> int:
        """Return the exact number of input tokens, by the model's own template and tokenizer.

        Raises CallFailed: `bad_input`, if the request cannot be sent; `local_error`, if it cannot be counted, or the
            weights cannot be loaded.
        """
        return await asyncio.to_thread(self._count, _body(request))

    def _count(self, body: dict[str, Any]) -> int:
        return _shared(self._weights).count(body)

    def objection(self, settings: ModelSettings) -> str | None:
        """Return what of some settings the model cannot keep to."""
        return not_taken(settings, BY_LOCAL)

    async def complete(self, request: Request, on_text: OnPiece | None = None) -> Response:
        """Infer the reply. A cancellation stops it after the current token, or batch of input.

        Raises CallFailed: if the request cannot be sent or does not fit the context, or the native library fails.
        """
        body = _body(request) | _constraint(request.schema if self._is_constrained else None)
        server = await asyncio.to_thread(_shared, self._weights)
        try:
            async with asyncio.timeout(request.settings.timeout_s):
                return await server.complete(body, on_text)
        except TimeoutError:
            why = f"no reply within {request.settings.timeout_s:g} s"
        raise CallFailed("timeout", why, transient=True)

    async def warm(self) -> None:
        """Load the weights now instead of at the first request, and infer a token, held by a grammar.

        That token is nobody's: without it the first request waits until all of the weights have been read.

        Raises CallFailed: if they cannot be read, or are not the catalogue's.
        """
        await self.complete(_FIRST)

    def close(self) -> None:
        """Stop all requests and free the weights; the next request to any model of this name loads them again."""
        _close(self._weights)


@cache
def load(name: str) -> LocalModel:
    """Return the one model of a name in this process, its weights loaded, which takes a second or two.

    They are loaded here, when a runner is made, so that no visit spends its time limit on it.

    Raises ModelUnavailable: as `LocalModel`, or if the weights cannot be read.
    """
    model = LocalModel(name)
    try:
        _shared(model._weights)
    except CallFailed as error:
        raise ModelUnavailable(str(error)) from error
    return model


def _body(request: Request) -> dict[str, Any]:
    """Return the body of a request, without tool calls, for which the template has no place.

    Raises CallFailed: `bad_input`, if it is not valid Unicode, its schema is not JSON, or it allows no output.
    """
    check_cap(request)
    body = {
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        "max_tokens": request.max_output_tokens,
        **_SAMPLING,
        **{name: value for name, value in request.settings.chosen.items() if name != "timeout_s"},
    }
    json_text([body, request.schema])  # refused here, where the reason is known
    return body


def _constraint(schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what holds the reply to a schema.

    A compact grammar is twice as fast as a `response_format`. But the native library drops a grammar that it cannot
    build in silence, and the reply would be unconstrained. So a schema beyond the known dialect goes as
    `response_format`, with which the request fails instead.
    """
    if schema is None:
        return {}
    if not _is_plain(schema, frozenset(f"#/$defs/{name}" for name in schema.get("$defs", {}))):
        return {"response_format": {"type": "json_schema", "json_schema": {"name": "decision", "schema": dict(schema)}}}
    return {"grammar": _native().json_schema_to_grammar(json.dumps({**_COMPACT, **schema}, ensure_ascii=False))}


def _is_plain(schema: Any, references: frozenset[str]) -> bool:
    """Return whether a schema keeps to the known dialect, without a dangling reference or an empty choice."""
    if not isinstance(schema, Mapping) or not schema.keys() <= _KEYWORDS:
        return False
    if ("$ref" in schema and schema["$ref"] not in references) or [] in (schema.get("enum"), schema.get("anyOf")):
        return False
    parts = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values(), *schema.get("anyOf", ())]
    parts += [schema["items"]] if "items" in schema else []
    return all(_is_plain(part, references) for part in parts)


@dataclass(slots=True)
class _Reply:
    """A reply that is being streamed."""

    stops: tuple[threading.Event, ...]
    on_text: OnPiece
    error: Mapping[str, Any] | None = None
    texts: list[str] = field(default_factory=list)
    finish: str | None = None
    usage: Usage | None = None

    def take(self, chunk: Mapping[str, Any]) -> bool:
        """Take a chunk, and return whether to stop the stream."""
        self.error = chunk.get("error", self.error)
        for choice in chunk.get("choices", ()):
            if text := choice["delta"].get("content"):
                self.texts.append(text)
                self.on_text(text)
            self.finish = choice["finish_reason"] or self.finish
        if usage := chunk.get("usage"):  # in the last chunk: until then nothing is known of what the call cost
            self.usage = trusted_usage(usage.get("prompt_tokens"), usage.get("completion_tokens"))
        return any(stop.is_set() for stop in self.stops)

    def response(self) -> Response:
        """Return the whole reply.

        Raises CallFailed: if it failed, or was stopped.
        """
        if self.error is not None:
            raise _failure(self.error)
        if self.finish is None:
            raise CallFailed("stopped", "the reply was stopped before its end")
        return Response(
            text="".join(self.texts), usage=self.usage, finish="length" if self.finish == "length" else "stop"
        )


def _failure(error: Mapping[str, Any]) -> CallFailed:
    kind, code = str(error.get("type", "local_error")), error.get("code")
    if kind == "exceed_context_size_error":
        return CallFailed("context_overflow", str(error.get("message", "")), unsent=True)
    is_refused = isinstance(code, int) and 400 <= code < 500
    return CallFailed(kind.removesuffix("_error"), str(error.get("message", "")), unsent=is_refused)


class _Weights(NamedTuple):
    """The name of weights, and the file that they are in."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class _Job:
    """A request that waits for the one thread that infers, or is in it."""

    body: Mapping[str, Any]
    on_text: OnPiece
    result: Future[Response] = field(default_factory=Future)
    stop: threading.Event = field(default_factory=threading.Event)


class _Server:
    """Loaded weights: the native server, a client of its loopback port, and the one thread that infers.

    The thread is our own and no executor's: at exit Python waits for those before anything could stop them.
    """

    def __init__(self, weights: _Weights) -> None:
        import httpx2  # noqa: PLC0415 - an extra, and slow to import

        key = secrets.token_hex(32)  # every process of this machine, whoever's it is, can reach a loopback port
        try:
            with unchanged(*weights) as self._stamp:
                self._native = _start(weights.path, key)
        except ModelUnavailable as error:
            raise CallFailed("local_error", str(error), unsent=True) from error
        self._path = weights.path
        self._client = httpx2.Client(
            base_url=self._native.listening_address,
            headers={"Authorization": f"Bearer {key}"},
            # Fewer connections than the server has threads; and dropped before the server drops them, after 5 s, or a
            # request may be sent on a dead one.
            limits=httpx2.Limits(max_connections=2, keepalive_expiry=2.0),
            timeout=_COUNT_TIMEOUT_S,
            trust_env=False,  # or a proxy of the environment may stand between
        )
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._closing = threading.Event()
        self._lock = threading.Lock()  # so that no job is put in after the one that ends the thread
        self._thread = threading.Thread(target=self._work, name="fsm_orch-local", daemon=True)
        self._thread.start()

    @property
    def is_stale(self) -> bool:
        """Whether its file was touched since: what is loaded is mapped from it, and may have changed with it."""
        # a file that was deleted cannot be written to any more, and what is loaded of it stays as it is
        return stamp(self._path) not in (self._stamp, None)

    def count(self, body: Mapping[str, Any]) -> int:
        """Return the number of input tokens."""
        try:
            reply = self._client.post("/chat/completions/input_tokens", json=body).raise_for_status()
            return int(reply.json()["input_tokens"])
        except Exception as error:
            raise CallFailed("local_error", f"cannot count: {type(error).__name__}", unsent=True) from error

    async def complete(self, body: Mapping[str, Any], on_text: OnPiece | None) -> Response:
        """Infer a reply in the thread. A cancellation is passed on to it."""
        job = _Job(body, _untold if on_text is None else _in_loop(on_text))
        with self._lock:
            if self._closing.is_set():
                raise _closed()
            self._jobs.put(job)
        try:
            return await asyncio.wrap_future(job.result)
        finally:
            job.stop.set()  # a cancelled caller must not keep the only thread busy

    def _work(self) -> None:
        for job in iter(self._jobs.get, None):
            if job.result.set_running_or_notify_cancel():
                try:
                    job.result.set_result(self._infer(job))
                except Exception as error:  # of any kind: it goes to the one who waits, and the thread lives on
                    job.result.set_exception(error)

    def _infer(self, job: _Job) -> Response:
        if self._closing.is_set():
            raise _closed()
        reply = _Reply((job.stop, self._closing), job.on_text)
        try:
            self._native.handle_chat_completions({**job.body, **_STREAM}, reply.take)
        except Exception as error:
            raise CallFailed("local_error", f"{type(error).__name__}: {error}") from error
        return reply.response()

    def close(self) -> None:
        """Stop the thread and free the memory."""
        with self._lock:
            self._closing.set()
            self._jobs.put(None)
        self._thread.join()
        self._client.close()
        if forked.is_forked():
            self.keep()
        del self._native  # frees the weights

    def keep(self) -> None:
        """Keep the native server until the process ends: in a forked one, to free it would wait for lost threads."""
        forked.keep(self._native)


def _untold(text: str) -> None:
    """Do nothing: nobody listens."""


def _in_loop(on_text: OnPiece) -> OnPiece:
    """Return what tells a text in this event loop, from the thread that infers it."""
    loop = asyncio.get_running_loop()

    def told(text: str) -> None:
        with suppress(RuntimeError):  # the loop was closed, and nobody waits for the reply
            loop.call_soon_threadsafe(on_text, text)

    return told


def _closed() -> CallFailed:
    return CallFailed("stopped", "the model was closed", unsent=True)


_servers: dict[_Weights, _Server] = {}
_servers_lock = threading.Lock()


def _shared(weights: _Weights) -> _Server:
    """Return the server of some weights; the first request loads them, and the first after their file was touched."""
    with _servers_lock:  # while they load too, or two threads load them twice
        server = _servers.get(weights)
        if server is not None and server.is_stale:
            _servers.pop(weights).close()
            server = None
        if server is None:
            server = _servers[weights] = _Server(weights)
        return server


def _close(weights: _Weights) -> None:
    with _servers_lock:
        server = _servers.pop(weights, None)
    if server is not None:
        server.close()


@atexit.register
def _close_all() -> None:
    """End the native threads while the interpreter still can."""
    for weights in tuple(_servers):
        _close(weights)


def _forget() -> None:
    """Leave what the parent of a forked process had loaded, and load anew when asked."""
    global _servers_lock  # noqa: PLW0603 - another thread of the parent may have held the old one
    _servers_lock = threading.Lock()
    load.cache_clear()
    for server in _servers.values():
        server.keep()
        forked.keep(server)
    _servers.clear()


def _native() -> Any:
    """Import the native library.

    Raises ModelUnavailable: if it, or the client of its port, is not installed.
    """
    try:
        import httpx2  # noqa: F401, PLC0415 - an extra
        import xllamacpp  # noqa: PLC0415 - an extra, and native
    except ImportError as error:
        raise ModelUnavailable(f"Local models need two packages: {to_install('local')}") from error
    return xllamacpp


def _start(path: Path, key: str) -> Any:
    """Start the native server of some weights.

    Raises CallFailed: if the native library cannot read them.
    """
    xllamacpp = _native()
    options = xllamacpp.CommonParams()
    options.model.path = str(path)
    options.api_keys = [key]
    options.n_ctx = CONTEXT_TOKENS
    options.n_batch = options.n_ubatch = _BATCH_TOKENS
    options.n_parallel = 1  # one thread infers, so one slot is enough
    options.cpuparams.n_threads = options.cpuparams_batch.n_threads = 1  # two are slower on a busy machine
    options.cache_ram_mib = 0  # the default keeps up to 8 GiB of old prompts
    options.prefill_assistant = False  # by default a reply goes on with the last message, if an agent said it
    options.warmup = False
    options.ui = False
    options.verbosity = 0
    forked.in_child(_forget)
    try:
        return xllamacpp.Server(options)
    except Exception as error:
        detail = f"{path} cannot be loaded ({error}); run: fsm-orch model get"
        raise CallFailed("local_error", detail, unsent=True) from error
