"""Models on this machine: llama.cpp in process (`xllamacpp`), with no key and no network.

The weights are loaded once a process, by `load` or else at the first request; all models of one name share them.
One thread infers, so requests wait for one another; each can be stopped between two tokens. A reply to a schema is
held to it by a grammar in compact JSON: legal by construction, if not by judgement.

The native server also listens on a loopback port, behind a random key. Its own template and tokenizer are asked there
how many tokens a request is, so the bound is exact.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import secrets
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from ..amounts import FREE, Price, Usage, trusted_usage
from ..errors import CallFailed, ModelUnavailable
from .base import Request, Response
from .weights import locate

CONTEXT_TOKENS = 4_096
"""Input and output of one request together; a longer input fails as `context_overflow`."""

_BATCH_TOKENS = 64
"""Input tokens between two chances to stop; larger batches are no faster on one thread."""

_COUNT_TIMEOUT_S = 30.0
_SEED = 0
_COMPACT = {"x-guidance": {"whitespace_flexible": False}}
"""Asks the grammar for JSON without white space: half the output tokens."""

_STREAM = {"stream": True, "stream_options": {"include_usage": True}, "return_progress": True}
"""Asks for chunks, after each batch of input too: at each one a reply can be stopped."""

_KEYWORDS = frozenset(
    {"type", "properties", "required", "additionalProperties", "items", "enum", "anyOf", "$ref", "$defs", "description"}
)
"""What `agents.decision` writes, and the grammar is known to obey; keep in sync with `agents.decision`."""


class LocalModel:
    """A model of the catalogue of weights.

    Replies are repeatable but for the last digits of floating point: temperature 0 and a fixed seed.

    Args:
        model: its name in the catalogue.
        grammar: False leaves replies unconstrained, to measure how often they would be illegal.

    Raises ModelUnavailable: if the name is unknown, its weights are not in the cache, or `xllamacpp` is missing.
    """

    price: Price | None = FREE

    def __init__(self, model: str = "smollm2", *, grammar: bool = True) -> None:
        self.name = f"local:{model}"
        self._path = locate(model)
        self._is_constrained = grammar
        _native()

    async def count(self, request: Request) -> int:
        """Give the exact number of input tokens, by the model's own template and tokenizer.

        Raises CallFailed: if a message is not valid Unicode.
        """
        return await asyncio.to_thread(self._count, _body(request))

    def _count(self, body: dict[str, Any]) -> int:
        return _shared(self._path).count(body)

    async def complete(self, request: Request) -> Response:
        """Infer the reply; a cancellation stops it after the token, or the batch of input, that it is at.

        Raises CallFailed: if the request does not fit the context, or the native library fails.
        """
        body = _body(request) | _constraint(request.schema if self._is_constrained else None)
        server = await asyncio.to_thread(_shared, self._path)
        return await server.complete(body)

    def warm(self) -> None:
        """Load the weights now instead of at the first request; this blocks.

        Raises CallFailed: if they cannot be read.
        """
        _shared(self._path)

    def close(self) -> None:
        """Stop what is inferred and free the weights; the next request of any model of this name loads them again."""
        _close(self._path)


@cache
def load(name: str) -> LocalModel:
    """Give the one model of a name in this process, and load its weights, which takes a second or two.

    It is done here so that a runner that was made is ready, and no visit spends its time on it.

    Raises ModelUnavailable: as `LocalModel`, or if the weights cannot be read.
    """
    model = LocalModel(name)
    try:
        model.warm()
    except CallFailed as error:
        raise ModelUnavailable(str(error)) from error
    return model


def _body(request: Request) -> dict[str, Any]:
    """Write a request on the wire; tool calls are left out, for the template has no place for them.

    Raises CallFailed: if it is not valid Unicode or not JSON, or asks for no output.
    """
    body = {
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        "max_tokens": request.max_output_tokens,
        "temperature": 0,
        "seed": _SEED,
    }
    try:
        json.dumps([body, request.schema], ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        raise CallFailed("bad_input", "it holds a lone surrogate, which is not Unicode text", unsent=True) from error
    except (TypeError, ValueError, RecursionError) as error:
        raise CallFailed("bad_input", "its schema is not JSON", unsent=True) from error
    if request.max_output_tokens < 1:
        raise CallFailed("bad_input", "max_output_tokens must be at least 1: one token is always made", unsent=True)
    return body


def _constraint(schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """Hold the reply to a schema.

    A compact grammar is twice as fast as a `response_format`, but one that cannot be built is silently dropped by the
    native library. So a schema beyond the known dialect goes as `response_format`, which is refused aloud.
    """
    if schema is None:
        return {}
    if not _is_plain(schema, frozenset(f"#/$defs/{name}" for name in schema.get("$defs", {}))):
        return {"response_format": {"type": "json_schema", "json_schema": {"name": "decision", "schema": dict(schema)}}}
    return {"grammar": _native().json_schema_to_grammar(json.dumps({**_COMPACT, **schema}, ensure_ascii=False))}


def _is_plain(schema: Any, references: frozenset[str]) -> bool:
    """Tell whether a schema keeps to the known dialect, with no reference into the void and no empty choice."""
    if not isinstance(schema, Mapping) or not schema.keys() <= _KEYWORDS:
        return False
    if ("$ref" in schema and schema["$ref"] not in references) or [] in (schema.get("enum"), schema.get("anyOf")):
        return False
    parts = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values(), *schema.get("anyOf", ())]
    parts += [schema["items"]] if "items" in schema else []
    return all(_is_plain(part, references) for part in parts)


@dataclass(slots=True)
class _Reply:
    """A reply as it is streamed."""

    stops: tuple[threading.Event, ...]
    error: Mapping[str, Any] | None = None
    texts: list[str] = field(default_factory=list)
    finish: str | None = None
    usage: Usage | None = None

    def take(self, chunk: Mapping[str, Any]) -> bool:
        """Take a chunk; returns whether to stop."""
        self.error = chunk.get("error", self.error)
        for choice in chunk.get("choices", ()):
            self.texts.append(choice["delta"].get("content") or "")
            self.finish = choice["finish_reason"] or self.finish
        if usage := chunk.get("usage"):
            self.usage = trusted_usage(usage.get("prompt_tokens"), usage.get("completion_tokens"))
        return any(stop.is_set() for stop in self.stops)

    def response(self) -> Response:
        """Give the whole reply.

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


@dataclass(frozen=True, slots=True)
class _Job:
    """A request on its way through the one thread that infers."""

    body: Mapping[str, Any]
    result: Future[Response] = field(default_factory=Future)
    stop: threading.Event = field(default_factory=threading.Event)


class _Server:
    """Loaded weights: the native server, a client of its loopback port, and the one thread that infers.

    The thread is our own, because an executor's is waited for at exit before anything can stop it.
    """

    def __init__(self, path: Path) -> None:
        import httpx2  # noqa: PLC0415 - an extra, and slow to import

        key = secrets.token_hex(32)
        self._native = _start(path, key)
        self._client = httpx2.Client(
            base_url=self._native.listening_address,
            headers={"Authorization": f"Bearer {key}"},
            # Fewer connections than the server has threads, and dropped before the server drops them after 5 s.
            limits=httpx2.Limits(max_connections=2, keepalive_expiry=2.0),
            timeout=_COUNT_TIMEOUT_S,
            trust_env=False,  # no proxy comes between
        )
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._closing = threading.Event()
        self._door = threading.Lock()
        """Held to put a job in or to close, so that no job is left behind the end."""
        self._thread = threading.Thread(target=self._work, name="fsm_orch-local", daemon=True)
        self._thread.start()

    def count(self, body: Mapping[str, Any]) -> int:
        """Ask for the number of input tokens."""
        try:
            reply = self._client.post("/chat/completions/input_tokens", json=body).raise_for_status()
            return int(reply.json()["input_tokens"])
        except Exception as error:
            raise CallFailed("local_error", f"cannot count: {type(error).__name__}", unsent=True) from error

    async def complete(self, body: Mapping[str, Any]) -> Response:
        """Infer in the thread; whoever waits may be cancelled."""
        job = _Job(body)
        with self._door:
            if self._closing.is_set():
                raise _closed()
            self._jobs.put(job)
        try:
            return await asyncio.wrap_future(job.result)
        finally:
            job.stop.set()

    def _work(self) -> None:
        for job in iter(self._jobs.get, None):
            if job.result.set_running_or_notify_cancel():
                try:
                    job.result.set_result(self._infer(job))
                except Exception as error:  # whatever it is, whoever waits gets it and the thread goes on
                    job.result.set_exception(error)

    def _infer(self, job: _Job) -> Response:
        if self._closing.is_set():
            raise _closed()
        reply = _Reply((job.stop, self._closing))
        try:
            self._native.handle_chat_completions({**job.body, **_STREAM}, reply.take)
        except Exception as error:
            raise CallFailed("local_error", f"{type(error).__name__}: {error}") from error
        return reply.response()

    def close(self) -> None:
        """Stop, and give the memory back."""
        with self._door:
            self._closing.set()
            self._jobs.put(None)
        self._thread.join()
        self._client.close()
        del self._native


def _closed() -> CallFailed:
    return CallFailed("stopped", "the model was closed", unsent=True)


_servers: dict[Path, _Server] = {}
_lock = threading.Lock()


def _shared(path: Path) -> _Server:
    """Give the server of some weights, and load them if this is the first request."""
    with _lock:
        if path not in _servers:
            _servers[path] = _Server(path)
        return _servers[path]


def _close(path: Path) -> None:
    with _lock:
        server = _servers.pop(path, None)
    if server is not None:
        server.close()


@atexit.register
def _close_all() -> None:
    """End the native threads while the interpreter still can."""
    for path in tuple(_servers):
        _close(path)


def _native() -> Any:
    """Import the native library.

    Raises ModelUnavailable: if it, or the client of its port, is not installed.
    """
    try:
        import httpx2  # noqa: F401, PLC0415 - an extra
        import xllamacpp  # noqa: PLC0415 - an extra, and native
    except ImportError as error:
        raise ModelUnavailable("Local models need two packages; run: pip install 'fsm_orch[local]'") from error
    return xllamacpp


def _start(path: Path, key: str) -> Any:
    """Load weights.

    Raises CallFailed: if the native library cannot read them.
    """
    xllamacpp = _native()
    options = xllamacpp.CommonParams()
    options.model.path = str(path)
    options.api_keys = [key]
    options.n_ctx = CONTEXT_TOKENS
    options.n_batch = options.n_ubatch = _BATCH_TOKENS
    options.n_parallel = 1
    options.cpuparams.n_threads = options.cpuparams_batch.n_threads = 1  # two are slower on a busy machine
    options.cache_ram_mib = 0  # or it keeps up to 8 GiB of old prompts
    options.prefill_assistant = False  # or a reply continues the last agent's message
    options.warmup = False
    options.ui = False
    options.verbosity = 0
    try:
        return xllamacpp.Server(options)
    except Exception as error:
        detail = f"{path} cannot be loaded ({error}); run: fsm-orch model get"
        raise CallFailed("local_error", detail, unsent=True) from error
