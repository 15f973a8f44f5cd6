"""The table of adapters: how each is put on stage, and which faults it can be given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import pytest
from conformance.models.bridged import CORE, HUSHED, IS_INSTALLED, ROWS, building
from conformance.models.expectations import EXPECTED, NO_TEXT, UNREADABLE, Expected
from support.provider import KEY, Provider, by_quarters
from support.provider_dialects import filled
from support.provider_faults import FAULTS, Fault, Finish, Said

from fsm_orch.amounts import Price, trusted_usage
from fsm_orch.errors import ModelUnavailable
from fsm_orch.models.base import FinishReason, Model, Request, Response, streaming
from fsm_orch.models.scripted import ScriptedModel

QUERY = "Where is my invoice 4711?"
TIMEOUT_S = 0.3
"""Seconds after which an adapter gives a request up, where it is asked alone; a run has its own."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A model, in front of a fault."""

    model: Model
    requests: Callable[[], int]
    """How many requests arrived."""
    reported: Callable[[], list[int | None]]
    """The tokens that were reported for each; None: none, or none that can be believed."""
    query: str = QUERY
    max_input_tokens: int = 2_000
    max_output_tokens: int = 100
    is_slow: bool = False
    """Whether it takes real time without any fault."""


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """One row of the table."""

    name: str
    stage: Callable[[Fault, float | None], AbstractContextManager[Stage]]
    """Puts it before a fault; the seconds are its own time limit, None: the adapter's default."""
    expected: Mapping[str, Expected]
    """The faults that it can be given, and what they lead to."""
    build: Callable[..., Model] | None = None
    """Makes it against the URL of a provider; None: it has none."""
    marks: tuple[str, ...] = ()
    everyday: frozenset[str] | None = None
    """The faults that are tried every day; None: all."""
    is_everyday: bool = True
    """Whether what is no fault is tried every day."""
    hushed: tuple[str, ...] = ()
    """Warnings of a library that are no error."""
    skip: str | None = None

    def marks_for(self, fault: str | None) -> list[pytest.MarkDecorator]:
        """Return the marks of a test with it, and a fault; None: with none."""
        is_rare = fault is not None and self.everyday is not None and fault not in self.everyday
        is_long = is_rare or (fault is None and not self.is_everyday)
        names = (*self.marks, *(("slow", "long") if is_long else ()))
        skip = pytest.mark.skipif(self.skip is not None, reason=str(self.skip))
        hushed = [pytest.mark.filterwarnings(f"ignore:{warning}") for warning in self.hushed]
        return [*(getattr(pytest.mark, name) for name in names), *hushed, skip]


@dataclass(frozen=True)
class _Wrapped:
    """A model with another inside, which says all of it but its replies."""

    model: Model

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def price(self) -> Price | None:
        return self.model.price

    async def count(self, request: Request) -> int:
        return await self.model.count(request)


# --- over HTTP ------------------------------------------------------------------------------------------------


def _over_http(
    name: str,
    build: Callable[..., Model],
    *left_out: str,
    honours: tuple[str, ...],
    instead: Mapping[str, Expected] = MappingProxyType({}),
) -> Adapter:
    """Describe an adapter, the names of the cap that its provider honours, and what else it makes of some faults."""

    @contextmanager
    def stage(fault: Fault, timeout_s: float | None) -> Iterator[Stage]:
        with Provider(fault, honours=honours) as provider:
            options = {} if timeout_s is None else {"timeout_s": timeout_s}
            yield Stage(
                model=build(provider.url, **options),
                requests=lambda: len(provider.completions),
                reported=lambda: [received.reported for received in provider.completions],
            )

    expected = {name: expected for name, expected in EXPECTED.items() if name not in left_out}
    expected |= instead
    return Adapter(name=name, stage=stage, expected=expected, build=build)


def _responses(url: str, **options: Any) -> Model:
    from fsm_orch.models.openai import ResponsesModel

    return ResponsesModel("gpt-5-mini", api_key=KEY, base_url=f"{url}/v1", **options)


def _chat(url: str, **options: Any) -> Model:
    from fsm_orch.models.openai import OPENAI, ChatModel

    return ChatModel("gpt-5-mini", api_key=KEY, base_url=f"{url}/v1", profile=OPENAI, **options)


def _compatible(url: str, **options: Any) -> Model:
    from fsm_orch.models.openai import OLLAMA, ChatModel

    return ChatModel("llama4", api_key=KEY, base_url=f"{url}/v1", profile=OLLAMA, **options)


def _messages(url: str, **options: Any) -> Model:
    from fsm_orch.models.anthropic import MessagesModel

    return MessagesModel("claude-haiku-4-5", api_key=KEY, base_url=url, **options)


@dataclass(frozen=True)
class Streamed(_Wrapped):
    """A model whose every reply is streamed, to one who keeps what is told."""

    told: list[str] = field(default_factory=list)

    async def complete(self, request: Request) -> Response:
        streams = streaming(self.model)
        assert streams is not None
        return await streams.complete(request, self.told.append)


def _streamed(build: Callable[..., Model]) -> Callable[..., Model]:
    return lambda url, **options: Streamed(build(url, **options))


@contextmanager
def counted(counting: Fault) -> Iterator[Stage]:
    """Put the one adapter that can ask a counting endpoint before one that misbehaves; questions count as requests."""
    with Provider(counting=counting) as provider:
        yield Stage(
            model=_messages(provider.url, exact_count=True),
            requests=lambda: len(provider.requests),
            reported=lambda: [received.reported for received in provider.completions],
        )


# --- in process -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Watched(_Wrapped):
    """A model whose requests are counted on the way; it adds nothing else."""

    reported: list[int | None] = field(default_factory=list)

    async def complete(self, request: Request) -> Response:
        self.reported.append(None)
        response = await self.model.complete(request)
        self.reported[-1] = response.usage.total_tokens if response.usage else None
        return response


def _watched(model: Model, **options: Any) -> Stage:
    watched = _Watched(model)
    return Stage(
        model=watched, requests=lambda: len(watched.reported), reported=lambda: list(watched.reported), **options
    )


_FINISHES: Mapping[Finish, FinishReason] = {"length": "length", "refusal": "refusal"}


@contextmanager
def _scripted(fault: Fault, timeout_s: float | None) -> Iterator[Stage]:
    def line(request: Request) -> Response:
        text, given = str(filled(request.schema)).replace("'", '"'), sum(map(_tokens, request.messages))
        honest = Said(texts=(text,), input_tokens=given, output_tokens=by_quarters(text))
        said = fault.departs(honest, request.max_output_tokens)
        usage = trusted_usage(said.input_tokens, said.output_tokens) if said.usage == "full" else None
        return Response(text="".join(said.texts), usage=usage, finish=_FINISHES.get(said.finish, "stop"))

    delay_s = 1_000.0 if fault.wire == "silent" else 0.0
    yield _watched(ScriptedModel([line] * 9, delay_s=delay_s))


def _tokens(message: Any) -> int:
    return by_quarters(message.content)


_SCRIPTED = (
    *("honest", "silence", "refusal", "truncated", "truncated as stop", "unknown handoff", "surrogate"),
    *("two decisions", "usage missing", "usage negative", "usage astronomical", "usage above the cap"),
    *("reply above the cap", "huge reply"),
)


@contextmanager
def _local(fault: Fault, timeout_s: float | None) -> Iterator[Stage]:
    """Bring about with a real model what a provider would only pretend."""
    from fsm_orch.models.local import CONTEXT_TOKENS, LocalModel, load

    model = load("smollm2")
    match fault.name:
        case "truncated":
            yield _watched(model, max_output_tokens=3, is_slow=True)
        case "context overflow":
            yield _watched(model, query="word " * CONTEXT_TOKENS, max_input_tokens=9_000, is_slow=True)
        case "unknown handoff":
            yield _watched(LocalModel(grammar=False), is_slow=True)
        case "silence":
            yield _watched(model, query="word and " * 1_500, max_input_tokens=4_000)
        case _:
            yield _watched(model, is_slow=True)


_LOCAL = {
    "honest": EXPECTED["honest"],
    "truncated": EXPECTED["truncated"],
    "context overflow": replace(EXPECTED["context overflow"], transient=False),
    "unknown handoff": replace(EXPECTED["unknown handoff"], refusals=frozenset()),
    "silence": replace(EXPECTED["silence"], reasons=frozenset()),
}


def _why_not_local() -> str | None:
    try:
        from fsm_orch.models.local import LocalModel

        LocalModel()
    except (ImportError, ModelUnavailable) as error:
        return str(error)
    return None


_WINDOW, _NO_CREDIT, _FAILED = "context window in a 200", "402 no credit", "failed in a 200"
"""Faults that only some APIs know."""
_NOT_MESSAGES = (_FAILED, "content filter", "429 insufficient quota")

ADAPTERS = (
    Adapter(name="scripted", stage=_scripted, expected={name: EXPECTED[name] for name in _SCRIPTED}),
    Adapter(name="local", stage=_local, expected=_LOCAL, marks=("local",), skip=_why_not_local()),
    _over_http("responses", _responses, _WINDOW, _NO_CREDIT, honours=("max_output_tokens",)),
    _over_http("chat", _chat, _WINDOW, _NO_CREDIT, _FAILED, honours=("max_completion_tokens",)),
    _over_http("compatible", _compatible, _WINDOW, _NO_CREDIT, _FAILED, honours=("max_tokens",)),
    _over_http("messages", _messages, *_NOT_MESSAGES, honours=("max_tokens",)),
    _over_http("responses streamed", _streamed(_responses), _WINDOW, _NO_CREDIT, honours=("max_output_tokens",)),
    _over_http("chat streamed", _streamed(_chat), _WINDOW, _NO_CREDIT, _FAILED, honours=("max_completion_tokens",)),
    _over_http("messages streamed", _streamed(_messages), *_NOT_MESSAGES, honours=("max_tokens",)),
)
BRIDGED = tuple(
    replace(
        _over_http(
            row.name,
            building(row.model),
            *row.left_out,
            honours=(row.cap,),
            instead=dict.fromkeys(row.lost, UNREADABLE) | dict.fromkeys(row.unread, NO_TEXT),
        ),
        everyday=CORE,
        is_everyday=row.is_everyday,
        hushed=HUSHED,
    )
    for row in ROWS
)
ADAPTERS += BRIDGED if IS_INSTALLED else ()
OVER_HTTP = tuple(adapter for adapter in ADAPTERS if adapter.build is not None)
STREAMING = tuple(
    adapter for adapter in OVER_HTTP if not adapter.name.endswith("streamed") and adapter.everyday is None
)
"""Those that stream if somebody listens."""

assert EXPECTED.keys() == FAULTS.keys(), "every fault is expected to lead to something"
