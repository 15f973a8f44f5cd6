"""Models of pydantic-ai by its names, such as `pydantic-ai:google:gemini-2.5-flash`; needs the extra `pydantic-ai`.

pydantic-ai translates a request and the text of a reply. One request a call, what a refusal means and what a reply used
are read from the wire. Its providers take their keys and addresses from the environment, if none are given.
"""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Mapping
from typing import Any, cast

from pydantic import SecretStr
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters, infer_model
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.providers import Provider, infer_provider_class
from pydantic_ai.settings import ModelSettings as TheirSettings

from ...amounts import Price
from ...errors import ModelUnavailable
from ...settings import ModelSettings
from ..base import FinishReason, Request, Response
from ..http import Client, PerLoop, Transport, checked_key, checked_url, client, once
from ..prices import bridged_price
from ..refused import by_bridge, not_taken
from ..replied import response
from ..turns import said, turns
from ..wire import byte_bound, check_cap, check_unicode, finish_of, json_of, json_text, member
from .answers import refused, told, usage_of
from .older import older

TIMEOUT_S = 60.0
"""Seconds that a call may take in all, by default."""

_AROUND = (16, 576)
"""Tokens of a template, around each turn and around all, with what explains a schema; as for any unknown tokenizer."""

_SCHEMA_TIMES = 2
"""How often the bytes of a schema count, since nothing says how a provider shows it to its model."""

_UNPROMISED: Mapping[str, str] = {
    "bedrock": "its SDK, boto3, takes no HTTP client, so nobody could hold back its retries or read its usage. Amazon "
    "has an endpoint for Chat Completions: set FSM_ORCH_COMPATIBLE_URL to it, and name 'compatible:...'",
    **dict.fromkeys(
        ("github-copilot", "openai-chatgpt", "openai-codex"),
        "it logs in by requests of its own, and a call is one request",
    ),
}
"""Provider -> why its models are refused."""

_OLD_CAP = {"ollama", "vllm"}
"""Providers whose servers may know only the older name of the cap, `max_tokens`, and ignore the one that is sent."""


class PydanticAIModel:
    """A model of pydantic-ai.

    Args:
        model: pydantic-ai's name of it, `provider:model`, such as `google:gemini-2.5-flash`.
        api_key: its key; None: the one that its provider finds in the environment.
        base_url: its address; None: its provider's, or the one that it finds in the environment.
        price: what tokens cost; None: the installed price table's, and unknown with a `base_url`.
        timeout_s: seconds that a call may take in all.
        transport: what to send through instead of the network.

    Raises ModelUnavailable: if pydantic-ai does not know it, a package or a key is missing, or the promise of one
        request a call cannot be kept.
    Raises ValueError: if the key cannot be sent in a header, or the URL cannot be called.
    """

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        price: Price | None = None,
        timeout_s: float = TIMEOUT_S,
        transport: Transport | None = None,
    ) -> None:
        self.name = f"pydantic-ai:{model}"
        self.price = bridged_price(model) if price is None and base_url is None else price
        self._model = model
        self._provider = model.partition(":")[0]
        self._is_older = _wants_older(self._provider, self.name)
        self._given = {
            "api_key": None if api_key is None else SecretStr(checked_key(api_key)),
            "base_url": None if base_url is None else checked_url(base_url),
        }
        self._timeout_s = timeout_s
        self._models = PerLoop(self._build, transport=transport)
        self._try_to_build()

    def __repr__(self) -> str:
        return f"PydanticAIModel({self._model!r})"

    async def count(self, request: Request) -> int:
        """Return an upper bound of the input, by its bytes.

        Raises CallFailed: `bad_input`, if the request cannot be sent.
        """
        check_cap(request)
        texts = [*said("system", request.messages), *(turn["content"] for turn in turns(request.messages))]
        for text in texts:
            check_unicode(text)
        schema = "" if request.schema is None else json_text(request.schema)
        around_each, around_all = _AROUND
        longest = max(byte_bound(schema), len(json.dumps(schema)))  # some of it may be sent with \\u0000 for characters
        return sum(map(byte_bound, texts)) + around_each * len(texts) + _SCHEMA_TIMES * longest + around_all

    def objection(self, settings: ModelSettings) -> str | None:
        """Return what of some settings the model cannot keep to."""
        return not_taken(settings, by_bridge(self._model, settings))

    async def warm(self) -> None:
        """Build the client of this event loop, for which some SDKs need a while. Nothing is sent."""
        await self._models.get()

    async def complete(self, request: Request) -> Response:
        """Send the request once; a cancellation closes its connection.

        Raises CallFailed: if it failed, or its reply cannot be read.
        """
        await self.count(request)  # only to check it: in the library it would fail with what holds the prompt
        model = await self._models.get()
        is_native = bool(model.profile.get("supports_json_schema_output"))
        replies = list[ModelResponse]()

        async def call() -> None:
            replies.append(
                await model.request(_messages(request, is_native), self._settings(request), _form(request, is_native))
            )

        content = await once(request.settings.timeout_s or self._timeout_s, call, refused)
        return _response(json_of(content), next(iter(replies), None))

    @staticmethod
    def _settings(request: Request) -> TheirSettings:
        chosen = {name: value for name, value in request.settings.chosen.items() if name != "timeout_s"}
        return cast("TheirSettings", {**chosen, "max_tokens": request.max_output_tokens})

    def _try_to_build(self) -> None:
        """Build it once for nobody, so that what is missing is told at the start.

        Raises ModelUnavailable: if it cannot be built.
        """
        reason = ""
        try:
            self._build(client())
        except (UserError, ImportError, TypeError, ValueError) as error:
            reason = str(error)
        except Exception as error:  # such as an address in the environment that is none; its text is not known
            reason = type(error).__name__
        if reason:
            raise ModelUnavailable(f"{self.name} cannot be had: {reason}")

    def _build(self, http: Client) -> Model:
        def provider(name: str) -> Provider[Any]:
            given = {name: _shown(value) for name, value in self._given.items() if value is not None}
            kind = cast("Callable[..., Provider[Any]]", infer_provider_class(name))
            made = kind(http_client=older(http) if self._is_older else http, **given)
            profile = made.model_profile
            vars(made)["model_profile"] = lambda model: self._profile(profile(model))
            return made

        model = infer_model(self._model, provider_factory=provider)
        _forget_environment(getattr(model, "client", None))
        return model

    def _profile(self, theirs: ModelProfile | None) -> ModelProfile:
        """Return how a server wants a request: as pydantic-ai knows it, but for the schema, and the cap of some."""
        ours: dict[str, Any] = {"json_schema_transformer": None}  # the schema is in the dialect that all take
        if self._provider in _OLD_CAP:
            ours["openai_chat_supports_max_completion_tokens"] = False
        return cast("ModelProfile", {**(theirs or {}), **ours})


def open_pydantic_ai(model: str) -> PydanticAIModel:
    """Return a model of pydantic-ai, whose provider finds its key and address in the environment.

    Raises ModelUnavailable: as `PydanticAIModel` does.
    """
    return PydanticAIModel(model)


def _wants_older(provider: str, name: str) -> bool:
    """Return whether the SDK of a provider takes a client of `httpx` alone.

    Raises ModelUnavailable: if it takes none at all, is not known, or lacks a package.
    """
    why = _UNPROMISED.get(provider, "")
    if not why:
        try:
            parameters = inspect.signature(infer_provider_class(provider).__init__).parameters
        except (ValueError, ImportError) as error:
            why = str(error)
        else:
            if "http_client" in parameters:
                return "httpx.AsyncClient" in str(parameters["http_client"].annotation)
            why = "its provider takes no HTTP client, so its retries could not be held back"
    raise ModelUnavailable(f"{name} cannot be had: {why}")


def _shown(value: SecretStr | str) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _forget_environment(sdk: Any) -> None:
    """Take out of an SDK what it has read of the environment beside a key and an address, as our own adapters do."""
    headers = getattr(sdk, "_custom_headers", None)
    if not isinstance(headers, Mapping):
        return
    lines = [line for name, text in os.environ.items() if name.endswith("_CUSTOM_HEADERS") for line in text.split("\n")]
    smuggled = {line.partition(":")[0].strip().lower() for line in lines}
    sdk._custom_headers = {name: value for name, value in headers.items() if name.lower() not in smuggled}
    for name in ("organization", "project"):
        if hasattr(sdk, name) and not callable(getattr(sdk, name)):
            setattr(sdk, name, None)


def _messages(request: Request, is_native: bool) -> list[ModelMessage]:
    """Return a conversation in pydantic-ai's form; a schema that the provider does not take is told in words."""
    system = said("system", request.messages)
    if request.schema is not None and not is_native:
        system.append(f"Reply with JSON of this schema, and nothing else: {json_text(request.schema)}")
    told_first = [SystemPromptPart("\n\n".join(system))] if system else []
    first, *others = [
        ModelResponse(parts=[TextPart(turn["content"])])
        if turn["role"] == "assistant"
        else ModelRequest(parts=[UserPromptPart(turn["content"])])
        for turn in turns(request.messages)
    ]
    assert isinstance(first, ModelRequest), "the user is first"
    return [ModelRequest(parts=[*told_first, *first.parts]), *others]


def _form(request: Request, is_native: bool) -> ModelRequestParameters:
    if request.schema is None or not is_native:
        return ModelRequestParameters()
    form = OutputObjectDefinition(json_schema=dict(request.schema), name="decision", strict=True)
    return ModelRequestParameters(output_mode="native", output_object=form)


def _response(body: Any, reply: ModelResponse | None) -> Response:
    """Read a reply: its text as pydantic-ai has it, if it could make something of it; the rest from the wire.

    Raises CallFailed: as `response` does.
    """
    # only one was asked for, so of several none is taken; pydantic-ai would take the first
    said_once = [several for key in ("choices", "candidates") if isinstance(several := member(body, key), list)]
    is_one = all(len(several) == 1 for several in said_once)
    texts = [part.content for part in reply.parts if isinstance(part, TextPart)] if reply and is_one else []
    return response("".join(texts) if texts else None, usage_of(body), *_finish(reply), failed=told(body))


_FINISHES: Mapping[str | None, FinishReason] = {"stop": "stop", "length": "length", "content_filter": "refusal"}


def _finish(reply: ModelResponse | None) -> tuple[FinishReason, str]:
    """Return how a reply ended, and its provider's word for it where nobody here knows it."""
    if reply is None:
        return "other", ""
    if reply.finish_reason in _FINISHES:
        return _FINISHES[reply.finish_reason], ""
    return finish_of((reply.provider_details or {}).get("finish_reason"))
