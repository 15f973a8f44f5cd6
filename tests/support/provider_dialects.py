"""Three APIs as their providers speak them: what each accepts, and in what shape it answers.

Written from the types of the installed SDKs, and from the errors that their providers are
known to send. Requests are checked as strictly as by the real providers. Where those differ the strictest counts: a
schema must keep to the dialect that all of them accept. There are no tools and no hosted state.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_type_hints

from anthropic.types.message_count_tokens_params import MessageCountTokensParams
from anthropic.types.message_create_params import MessageCreateParamsBase
from openai.types.chat.completion_create_params import CompletionCreateParamsBase
from openai.types.responses.response_create_params import ResponseCreateParamsBase
from support.provider_faults import CALL, MISSING, USUAL, Finish, Said

Json = dict[str, Any]

_SCHEMA_WORDS = frozenset(
    {"type", "properties", "required", "additionalProperties", "items", "enum", "anyOf", "$ref", "$defs"}
    | {"description", "title"}
)
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_REASONING = re.compile(r"(gpt-5|o\d)")
"""OpenAI's reasoning models, which refuse `temperature`, `top_p` and `max_tokens`."""


class Rejected(Exception):
    """A provider refuses a request; the message says why."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        self.status = status
        super().__init__(message)


def require(holds: bool, message: str) -> None:
    """Check what must hold of a request.

    Raises Rejected: with this message, if it does not hold.
    """
    if not holds:
        raise Rejected(message)


def check_schema(schema: object, where: str = "schema") -> None:
    """Check that a schema keeps to the dialect that all providers accept.

    Raises Rejected: if the root is not an object, a property is optional, or a word is unknown.
    """
    require(isinstance(schema, dict) and schema.get("type") == "object", f"{where}: the root must be an object")
    _check_part(schema, where)


def _check_part(schema: Any, where: str) -> None:
    require(isinstance(schema, dict), f"{where}: not a schema")
    require(schema.keys() <= _SCHEMA_WORDS, f"{where}: not permitted: {sorted(schema.keys() - _SCHEMA_WORDS)}")
    require("$ref" not in schema or len(schema) == 1, f"{where}: a $ref stands alone")
    require(bool({"type", "anyOf", "$ref"} & schema.keys()), f"{where}: a part needs a type")
    require(schema.get("type") != "array" or "items" in schema, f"{where}: an array needs items")
    if schema.get("type") == "object":
        properties = schema.get("properties", {})
        require(schema.get("additionalProperties") is False, f"{where}: 'additionalProperties' must be false")
        require(sorted(schema.get("required", [])) == sorted(properties), f"{where}: 'required' must name every key")
    if "enum" in schema:
        require(bool(schema["enum"]), f"{where}: an enum needs a value")
    for key in ("properties", "$defs"):
        for name, part in schema.get(key, {}).items():
            _check_part(part, f"{where}.{name}")
    for part in schema.get("anyOf", ()):
        _check_part(part, f"{where}.anyOf")
    if "items" in schema:
        _check_part(schema["items"], f"{where}.items")


def filled(schema: Any, root: Mapping[str, Any] | None = None) -> Any:
    """Return a value that fits a schema: the first option of every choice."""
    root = root or schema
    if "$ref" in schema:
        return filled(root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root)
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return filled(schema["anyOf"][0], root)
    if schema.get("type") == "object":
        return {name: filled(part, root) for name, part in schema.get("properties", {}).items()}
    return {"array": [], "string": "text", "integer": 1, "number": 1.5, "boolean": True}.get(schema.get("type"))


def texts_in(content: object, kinds: frozenset[str]) -> Iterator[str]:
    """Yield the texts of a message's content: a string, or a list of blocks.

    Raises Rejected: if it is anything else.
    """
    if isinstance(content, str):
        yield content
        return
    require(isinstance(content, list) and bool(content), "content must be a string or a list of blocks")
    assert isinstance(content, list)
    for block in content:
        require(isinstance(block, dict) and block.get("type") in kinds, f"content blocks must be {sorted(kinds)}")
        require(isinstance(block.get("text"), str), "a text block needs a text")
        yield block["text"]


def _known(body: Json, params: type) -> None:
    # the types of the SDK leave it out of what can be streamed, and of what cannot
    streams = set() if "Count" in params.__name__ else {"stream"}
    unknown = sorted(body.keys() - get_type_hints(params).keys() - streams)
    require(not unknown, f"Unknown parameter: {', '.join(map(repr, unknown))}.")
    require(body.get("stream") in (None, False, True), "'stream' is true or false")
    require("stream_options" not in body or bool(body.get("stream")), "stream_options: only with 'stream'")
    require(not body.get("tools"), "this provider runs no tools")


def whole(value: object, least: int, name: str) -> None:
    require(type(value) is int and value >= least, f"Invalid {name!r}: an integer >= {least} was expected")


@dataclass(frozen=True)
class Dialect:
    """One API."""

    name: str
    path: str
    texts: Callable[[Json], list[str]]
    """Checks a request, and returns every text in it that becomes input.

    Raises Rejected: if a real provider would refuse it.
    """
    schema: Callable[[Json], Json | None]
    cap_names: tuple[str, ...]
    reply: Callable[[Json, Said], Json]
    error: Callable[[str, str], Json]
    """Makes the body of an error from its word and from what its message quotes."""
    key: Callable[[Mapping[str, str]], str | None]
    """Finds the API key among the headers."""


# --- OpenAI ---------------------------------------------------------------------------------------------------

_OPENAI_ERRORS: dict[str, tuple[str, str, str | None]] = {
    "429": ("Rate limit reached for requests. Please try again later.", "requests", "rate_limit_exceeded"),
    "quota": ("You exceeded your current quota, please check your plan.", "insufficient_quota", "insufficient_quota"),
    "500": ("The server had an error while processing your request.", "server_error", None),
    "503": ("The engine is currently overloaded, please try again later.", "server_error", None),
    "529": ("Overloaded.", "server_error", None),
    "400": ("Invalid value.", "invalid_request_error", "invalid_value"),
    "401": ("Incorrect API key provided: sk-test*******-key.", "invalid_request_error", "invalid_api_key"),
    "403": ("You are not allowed to sample from this model.", "invalid_request_error", "model_not_found"),
    "404": ("The model does not exist or you do not have access to it.", "invalid_request_error", "model_not_found"),
    "413": ("Request too large.", "invalid_request_error", None),
}
_OVERFLOW = {
    "responses": "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "chat": "This model's maximum context length is 128000 tokens. However, your messages resulted in 150010 tokens.",
}


def _openai_error(api: str) -> Callable[[str, str], Json]:
    def error(word: str, quoted: str) -> Json:
        if word == "context":
            message, kind, code = _OVERFLOW[api], "invalid_request_error", "context_length_exceeded"
        else:
            message, kind, code = _OPENAI_ERRORS.get(word, (word, "invalid_request_error", None))
        return {"error": {"message": message + quoted, "type": kind, "param": None, "code": code}}

    return error


def bearer(headers: Mapping[str, str]) -> str | None:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key if scheme == "Bearer" else None


def _no_steering(body: Json) -> None:
    if _REASONING.match(body["model"]):
        for name in ("temperature", "top_p", "max_tokens"):
            require(name not in body, f"Unsupported parameter: {name!r} is not supported with this model.")


def _responses_texts(body: Json) -> list[str]:
    _known(body, ResponseCreateParamsBase)
    require(isinstance(body.get("model"), str), "Missing required parameter: 'model'.")
    require(bool(body.get("input")), "Missing required parameter: 'input'.")
    _no_steering(body)
    if "max_output_tokens" in body:
        whole(body["max_output_tokens"], 16, "max_output_tokens")
    require(not body.get("background"), "this provider does nothing in the background")
    output = body.get("text", {}).get("format", {"type": "text"})
    check_output(output, output)
    texts = [body["instructions"]] if body.get("instructions") else []
    asked = body["input"]
    items = [{"role": "user", "content": asked}] if isinstance(asked, str) else asked
    require(isinstance(items, list), "Invalid type for 'input'.")
    for item in items:
        require(isinstance(item, dict) and item.get("type", "message") == "message", "input: messages only")
        role = item.get("role")
        require(role in ("user", "assistant", "system", "developer"), f"Invalid value: {role!r}.")
        texts += texts_in(item.get("content"), frozenset({"output_text" if role == "assistant" else "input_text"}))
    return texts


def check_output(output: Json, named: Json) -> None:
    """Check a structured output; in the two APIs its name and schema are in different places."""
    require(output.get("type") in ("text", "json_schema", "json_object"), "Invalid output format.")
    if output["type"] == "json_schema":
        require(bool(_NAME.fullmatch(str(named.get("name", "")))), "the schema needs a name of [a-zA-Z0-9_-]{1,64}")
        require(named.get("strict") is True, "the schema must be strict")
        require(named.keys() <= {"type", "name", "strict", "schema", "description"}, "unknown key in the format")
        check_schema(named.get("schema"))


def _chat_texts(body: Json) -> list[str]:
    _known(body, CompletionCreateParamsBase)
    require(isinstance(body.get("model"), str), "you must provide a model parameter")
    require(isinstance(body.get("messages"), list) and bool(body["messages"]), "Missing required: 'messages'.")
    _no_steering(body)
    caps = [name for name in ("max_completion_tokens", "max_tokens") if name in body]
    require(len(caps) < 2, "max_tokens and max_completion_tokens cannot both be set")
    for name in caps:
        whole(body[name], 1, name)
    require(body.get("n", 1) == 1, "this provider gives one choice")
    output = body.get("response_format", {"type": "text"})
    check_output(output, output.get("json_schema", {}))
    texts = []
    for message in body["messages"]:
        role = message.get("role")
        require(role in ("system", "developer", "user", "assistant", "tool"), f"Invalid value: {role!r}.")
        require(role != "tool" or "tool_call_id" in message, "a tool message needs its 'tool_call_id'")
        texts += texts_in(message.get("content"), frozenset({"text"}))
    return texts


def _responses_schema(body: Json) -> Json | None:
    return body.get("text", {}).get("format", {}).get("schema")


def _chat_schema(body: Json) -> Json | None:
    return body.get("response_format", {}).get("json_schema", {}).get("schema")


def total(said: Said) -> Any:
    counts = (said.input_tokens, said.output_tokens)
    return sum(counts) if all(isinstance(count, int | float) for count in counts) else said.output_tokens


def with_usage(body: Json, said: Said, usage: Json) -> Json:
    if said.usage == "missing":
        return body
    return {**body, "usage": None if said.usage == "null" else usage}


def worded(body: Json, key: str, said: Said) -> Json:
    """Put the word for the end of a reply where it belongs, if it is not the usual one."""
    if said.word is USUAL:
        return body
    return {name: value for name, value in {**body, key: said.word}.items() if (name, said.word) != (key, MISSING)}


def content(text: str, said: Said) -> Any:
    return [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": text}] if said.in_parts else text


def _spoken(said: Said) -> list[str]:
    """Return the texts of a reply; one that calls a tool and says nothing has none."""
    return [text for text in said.texts if text or said.finish != "call"]


def _responses_reply(body: Json, said: Said) -> Json:
    kind, key = ("refusal", "refusal") if said.finish == "refusal" else ("output_text", "text")
    extra: Json = {} if kind == "refusal" else {"annotations": [], "logprobs": []}
    reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
    status = "incomplete" if said.finish in reasons else "failed" if said.finish == "failed" else "completed"
    reply = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_763_000_000,
        "model": body["model"],
        "status": status,
        "error": {"code": "server_error", "message": "The model failed."} if status == "failed" else None,
        "incomplete_details": {"reason": reasons[said.finish]} if said.finish in reasons else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "output": [
            {"id": "rs_1", "type": "reasoning", "summary": []},
            *(
                {
                    "id": f"msg_{number}",
                    "type": "message",
                    "role": "assistant",
                    "status": "completed" if status == "completed" else "incomplete",
                    "content": [{"type": kind, key: text, **extra}],
                }
                for number, text in enumerate(_spoken(said))
            ),
            *([{"id": "fc_1", "type": "function_call", "call_id": "call_1", **CALL}] if said.finish == "call" else []),
        ],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "temperature": 1.0,
        "top_p": 1.0,
        "truncation": body.get("truncation", "disabled"),
        "store": body.get("store", True),
        "metadata": {},
    }
    usage = {
        "input_tokens": said.input_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": said.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": total(said),
    }
    return with_usage(worded(reply, "status", said), said, usage)


def _chat_reply(body: Json, said: Said) -> Json:
    is_refusal = said.finish == "refusal"
    reasons: dict[Finish, str] = {"length": "length", "content_filter": "content_filter", "call": "tool_calls"}
    calls = {"tool_calls": [{"id": "call_1", "type": "function", "function": CALL}]} if said.finish == "call" else {}
    choices = [
        {
            "index": index,
            "message": {
                "role": "assistant",
                "content": None if is_refusal or (calls and not text) else content(text, said),
                "refusal": text if is_refusal else None,
                "annotations": [],
                **calls,
            },
            "logprobs": None,
            "finish_reason": reasons.get(said.finish, "stop"),
        }
        for index, text in enumerate(said.texts)
    ]
    reply = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_763_000_000,
        "model": body["model"],
        "choices": [worded(choice, "finish_reason", said) for choice in choices],
        "service_tier": "default",
        "system_fingerprint": None,
    }
    usage = {
        "prompt_tokens": said.input_tokens,
        "completion_tokens": said.output_tokens,
        "total_tokens": total(said),
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }
    return with_usage(reply, said, usage)


# --- Anthropic ------------------------------------------------------------------------------------------------

_ANTHROPIC_ERRORS = {
    "429": ("rate_limit_error", "This request would exceed your organization's rate limit."),
    "quota": ("billing_error", "Your credit balance is too low to access the Anthropic API."),
    "500": ("api_error", "Internal server error"),
    "503": ("api_error", "Service unavailable"),
    "529": ("overloaded_error", "Overloaded"),
    "400": ("invalid_request_error", "messages: invalid value"),
    "401": ("authentication_error", "invalid x-api-key"),
    "403": ("permission_error", "Your API key does not have permission to use the specified resource."),
    "404": ("not_found_error", "model: claude-none"),
    "413": ("request_too_large", "Request exceeds the maximum allowed number of bytes."),
    "context": ("invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum"),
}
_STOP_REASONS: dict[Finish, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "refusal": "refusal",
    "content_filter": "refusal",
    "context": "model_context_window_exceeded",
    "failed": "end_turn",
    "call": "tool_use",
}


def _anthropic_error(word: str, quoted: str) -> Json:
    kind, message = _ANTHROPIC_ERRORS.get(word, ("invalid_request_error", word))
    return {"type": "error", "error": {"type": kind, "message": message + quoted}, "request_id": "req_1"}


def _anthropic_key(headers: Mapping[str, str]) -> str | None:
    """Return the key from either place: the SDK sends it as a bearer since 2.x; before, as `x-api-key`."""
    return headers.get("x-api-key", bearer(headers)) if "anthropic-version" in headers else None


def _messages_texts(body: Json) -> list[str]:
    _known(body, MessageCreateParamsBase)
    require("max_tokens" in body, "max_tokens: Field required")
    whole(body["max_tokens"], 1, "max_tokens")
    return _conversation(body)


def _count_texts(body: Json) -> list[str]:
    _known(body, MessageCountTokensParams)
    return _conversation(body)


def _conversation(body: Json) -> list[str]:
    require(isinstance(body.get("model"), str), "model: Field required")
    messages = body.get("messages")
    require(isinstance(messages, list) and bool(messages), "messages: at least one message is required")
    assert isinstance(messages, list)
    for message in messages:
        require(message.get("role") in ("user", "assistant"), "messages: roles are user and assistant")
        require(message.keys() == {"role", "content"}, "messages: Extra inputs are not permitted")
    require(messages[0]["role"] == "user", "messages: the first message must be the user's")
    require(messages[-1]["role"] == "user", "the conversation must end with a user message")
    block = frozenset({"text"})
    texts = list(texts_in(body["system"], block)) if "system" in body else []
    for message in messages:
        texts += texts_in(message["content"], block)
    require(all(text.strip() for text in texts), "messages: text content blocks must be non-empty")
    output = body.get("output_config", {}).get("format")
    if output is not None:
        require(output.get("type") == "json_schema", "output_config.format.type: json_schema")
        require(output.keys() == {"type", "schema"}, "output_config.format: Extra inputs are not permitted")
        check_schema(output["schema"])
    return texts


def _messages_schema(body: Json) -> Json | None:
    return (body.get("output_config", {}).get("format") or {}).get("schema")


def _messages_reply(body: Json, said: Said) -> Json:
    called = {"type": "tool_use", "id": "toolu_1", "name": CALL["name"], "input": json.loads(CALL["arguments"])}
    calls = [called] if said.finish == "call" else []
    reply = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [*({"type": "text", "text": text, "citations": None} for text in _spoken(said)), *calls],
        "stop_reason": _STOP_REASONS[said.finish],
        "stop_sequence": None,
    }
    usage = {**_cached(said.input_tokens), "output_tokens": said.output_tokens, "service_tier": "standard"}
    return with_usage(worded(reply, "stop_reason", said), said, usage)


def _cached(input_tokens: Any) -> Json:
    """Return usage of which a part was read from the cache and a part written to it; the input is the sum of all."""
    read, written = (2, 1) if type(input_tokens) is int and input_tokens > 3 else (0, 0)
    fresh = input_tokens - read - written if read else input_tokens
    return {"input_tokens": fresh, "cache_read_input_tokens": read, "cache_creation_input_tokens": written}


DIALECTS: Sequence[Dialect] = (
    Dialect(
        "responses",
        "/v1/responses",
        _responses_texts,
        _responses_schema,
        ("max_output_tokens",),
        _responses_reply,
        _openai_error("responses"),
        bearer,
    ),
    Dialect(
        "chat",
        "/v1/chat/completions",
        _chat_texts,
        _chat_schema,
        ("max_completion_tokens", "max_tokens"),
        _chat_reply,
        _openai_error("chat"),
        bearer,
    ),
    Dialect(
        "messages",
        "/v1/messages",
        _messages_texts,
        _messages_schema,
        ("max_tokens",),
        _messages_reply,
        _anthropic_error,
        _anthropic_key,
    ),
    Dialect(
        "count",
        "/v1/messages/count_tokens",
        _count_texts,
        _messages_schema,
        (),
        lambda body, said: {"input_tokens": said.input_tokens},
        _anthropic_error,
        _anthropic_key,
    ),
)
