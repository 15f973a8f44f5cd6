"""Three more APIs, which no adapter of ours speaks itself: Gemini's, Mistral's and Groq's.

Written from the types of `google-genai` 2.34, `mistralai` 3.7 and `groq` 1.7, and as strict as those of
`support.provider_dialects`. None of the three SDKs is needed here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from support.provider_dialects import (
    DIALECTS,
    Dialect,
    Json,
    Rejected,
    bearer,
    check_output,
    check_schema,
    content,
    require,
    texts_in,
    total,
    whole,
    with_usage,
    worded,
)
from support.provider_faults import CALL, Finish, Said

# --- Gemini ---------------------------------------------------------------------------------------------------

GEMINI_PATH = "/gemini/v1beta/models/gemini-2.5-flash:generateContent"
_BODY = {
    *("contents", "systemInstruction", "generationConfig", "safetySettings", "tools", "toolConfig"),
    *("cachedContent", "labels", "serviceTier"),
}
_CONFIG = {
    *("maxOutputTokens", "responseMimeType", "responseJsonSchema", "responseModalities", "responseSchema", "seed"),
    *("temperature", "topP", "topK", "candidateCount", "stopSequences", "presencePenalty", "frequencyPenalty"),
    *("responseLogprobs", "logprobs", "thinkingConfig", "mediaResolution", "speechConfig"),
}
_GEMINI_ERRORS = {
    "429": (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
    "500": (500, "INTERNAL", "An internal error has occurred."),
    "503": (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    "529": (529, "UNAVAILABLE", "The model is overloaded."),
    "400": (400, "INVALID_ARGUMENT", "Request contains an invalid argument."),
    "401": (401, "UNAUTHENTICATED", "Request had invalid authentication credentials."),
    "403": (403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers."),
    "404": (404, "NOT_FOUND", "models/gemini-none is not found for API version v1beta."),
    "413": (413, "INVALID_ARGUMENT", "Request payload size exceeds the limit."),
    "context": (
        400,
        "INVALID_ARGUMENT",
        "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576).",
    ),
    "quota": (
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
}
"""As https://ai.google.dev/gemini-api/docs/troubleshooting and reports of users show them."""

_GEMINI_ENDS: dict[Finish, str] = {"length": "MAX_TOKENS", "refusal": "SAFETY"}


def _gemini_error(word: str, quoted: str) -> Json:
    code, status, message = _GEMINI_ERRORS.get(word, (400, "INVALID_ARGUMENT", word))
    return {"error": {"code": code, "message": message + quoted, "status": status}}


def _known(body: Json, names: set[str]) -> None:
    unknown = sorted(body.keys() - names)
    require(not unknown, f"Invalid JSON payload received. Unknown name: {', '.join(map(repr, unknown))}")


def _gemini_texts(body: Json) -> list[str]:
    _known(body, _BODY)
    require(not body.get("tools"), "this provider runs no tools")
    config = body.get("generationConfig", {})
    _known(config, _CONFIG)
    if "maxOutputTokens" in config:
        whole(config["maxOutputTokens"], 1, "maxOutputTokens")
    require(config.get("candidateCount", 1) == 1, "this provider gives one candidate")
    require(config.get("responseModalities", ["TEXT"]) == ["TEXT"], "this model writes text")
    if "responseJsonSchema" in config:
        require(config.get("responseMimeType") == "application/json", "a schema needs responseMimeType")
        check_schema(config["responseJsonSchema"])
    said = body.get("contents")
    require(isinstance(said, list) and bool(said), "contents is not specified")
    texts = list(_parts(body["systemInstruction"])) if "systemInstruction" in body else []
    for turn in body["contents"]:
        require(turn.get("role") in ("user", "model"), "Please use a valid role: user, model.")
        texts += _parts(turn)
    require(body["contents"][-1]["role"] == "user", "the conversation must end with the user")
    return texts


def _parts(turn: Any) -> list[str]:
    require(isinstance(turn, dict) and turn.keys() <= {"role", "parts"}, "a content has a role and parts")
    require(bool(turn.get("parts")), "contents.parts must not be empty")
    for part in turn["parts"]:
        require(part.keys() == {"text"} and isinstance(part["text"], str), "parts: texts only")
    return [part["text"] for part in turn["parts"]]


def _gemini_reply(body: Json, said: Said) -> Json:
    if said.finish == "content_filter":  # a prompt that is refused has no candidate, and zeros are not written
        counts = {"promptTokenCount": said.input_tokens, "totalTokenCount": said.input_tokens}
        return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": counts}
    called = {"functionCall": {"name": CALL["name"], "args": json.loads(CALL["arguments"])}}
    thought = [{"text": "Hm.", "thought": True}] if said.in_parts else []
    candidates = [
        {
            "content": {
                "parts": [
                    *thought,
                    *([{"text": text}] if text or said.finish != "call" else []),
                    *([called] if said.finish == "call" else []),
                ],
                "role": "model",
            },
            "finishReason": _GEMINI_ENDS.get(said.finish, "STOP"),
            "index": index,
        }
        for index, text in enumerate(said.texts)
    ]
    reply = {
        "candidates": [worded(candidate, "finishReason", said) for candidate in candidates],
        "modelVersion": "gemini-2.5-flash",
        "responseId": "resp-1",
    }
    if said.usage == "missing":
        return reply
    thoughts = 2 if type(said.output_tokens) is int and said.output_tokens > 3 else 0
    usage = {
        "promptTokenCount": said.input_tokens,
        "candidatesTokenCount": said.output_tokens - thoughts if thoughts else said.output_tokens,
        **({"thoughtsTokenCount": thoughts} if thoughts else {}),
        "totalTokenCount": total(said),
    }
    return {**reply, "usageMetadata": None if said.usage == "null" else usage}


# --- Mistral --------------------------------------------------------------------------------------------------

MISTRAL_PATH = "/mistral/v1/chat/completions"
_MISTRAL = {
    *("model", "messages", "temperature", "top_p", "max_tokens", "stream", "stop", "random_seed", "metadata"),
    *("response_format", "tools", "tool_choice", "presence_penalty", "frequency_penalty", "n", "prediction"),
    *("parallel_tool_calls", "reasoning_effort", "prompt_mode", "guardrails", "prompt_cache_key", "safe_prompt"),
}
_MISTRAL_ERRORS: dict[str, tuple[str, str, str]] = {
    "429": ("Rate limit exceeded", "rate_limited", "1300"),
    "500": ("Internal server error", "internal_server_error", "3000"),
    "503": ("Service unavailable.", "unreachable_backend", "1100"),
    "529": ("Service unavailable.", "unreachable_backend", "1100"),
    "400": ("Invalid request.", "invalid_request_error", "3050"),
    "403": ("This model is not available in your subscription tier", "tier_not_allowed", "1910"),
    "404": ("Invalid model: mistral-none", "invalid_model", "1500"),
    "413": ("Request too large.", "invalid_request_error", "3052"),
    "context": ("Prompt 264620 > 262144 maximum context length", "invalid_request_prompt_too_long", "3059"),
}
"""As reports of users show them; it has no word for a quota that is spent, and is silent about a wrong key."""


def _mistral_error(word: str, quoted: str) -> Json:
    if word == "401":
        return {"detail": "Unauthorized" + quoted}
    message, kind, code = _MISTRAL_ERRORS.get(word, (word, "invalid_request_error", "3050"))
    status = int(word) if word.isdecimal() else 400
    error = {"object": "error", "message": message + quoted, "type": kind, "param": None, "code": code}
    return {**error, "raw_status_code": status}


def _mistral_texts(body: Json) -> list[str]:
    unknown = sorted(body.keys() - _MISTRAL)
    require(not unknown, f"Extra inputs are not permitted: {', '.join(map(repr, unknown))}")
    require(not body.get("tools"), "this provider runs no tools")
    require(not body.get("stream"), "this provider streams nothing")
    require(isinstance(body.get("model"), str), "model: Field required")
    if body.get("max_tokens") is not None:
        whole(body["max_tokens"], 1, "max_tokens")
    require(body.get("n") in (None, 1), "this provider gives one choice")
    output = body.get("response_format") or {"type": "text"}
    check_output(output, output.get("json_schema", {}))
    messages = body.get("messages")
    require(isinstance(messages, list) and bool(messages), "messages: Field required")
    for message in body["messages"]:
        require(message.get("role") in ("system", "user", "assistant"), "Unexpected role")
    require(body["messages"][-1]["role"] == "user", "Expected last role User or Tool, but got another")
    return [text for message in body["messages"] for text in texts_in(message.get("content"), frozenset({"text"}))]


def _told_schema(body: Json) -> Json | None:
    """Return the schema that a request tells in words, as the bridge does for providers that it sends none."""
    found = _IN_WORDS.search("".join(m["content"] for m in body["messages"] if m["role"] == "system"))
    return json.loads(found[1]) if found else None


_IN_WORDS = re.compile(r"JSON of this schema.*?(\{.*\})")


def _mistral_reply(body: Json, said: Said) -> Json:
    ends: dict[Finish, str] = {"length": "length", "call": "tool_calls"}
    call = {"tool_calls": [{"id": "call_1", "type": "function", "function": CALL}]} if said.finish == "call" else {}
    choices = [
        {
            "index": index,
            "message": {"role": "assistant", "content": _mistral_content(text, said), "tool_calls": None, **call},
            "finish_reason": ends.get(said.finish, "stop"),
        }
        for index, text in enumerate(said.texts)
    ]
    reply = {
        "id": "cmpl-1",
        "object": "chat.completion",
        "created": 1_763_000_000,
        "model": body["model"],
        "choices": [worded(choice, "finish_reason", said) for choice in choices],
    }
    usage = {"prompt_tokens": said.input_tokens, "completion_tokens": said.output_tokens, "total_tokens": total(said)}
    return with_usage(reply, said, usage)


def _mistral_content(text: str, said: Said) -> Any:
    if said.in_parts:
        thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
        return [thought, {"type": "text", "text": text}]
    return content(text, said)


def _google_key(headers: Mapping[str, str]) -> str | None:
    return headers.get("x-goog-api-key")


_CHAT = next(dialect for dialect in DIALECTS if dialect.name == "chat")


def _groq_texts(body: Json) -> list[str]:
    """Check a request as OpenAI's would be; its reasoning models do take `max_tokens` here."""
    if "max_tokens" in body and "max_completion_tokens" in body:
        raise Rejected("max_tokens and max_completion_tokens cannot both be set")
    cap = {"max_completion_tokens": body["max_tokens"]} if "max_tokens" in body else {}
    return _CHAT.texts({name: value for name, value in {**body, **cap}.items() if name != "max_tokens"})


OTHERS = (
    Dialect(
        "gemini",
        GEMINI_PATH,
        _gemini_texts,
        lambda body: body.get("generationConfig", {}).get("responseJsonSchema"),
        ("maxOutputTokens",),
        _gemini_reply,
        _gemini_error,
        _google_key,
    ),
    Dialect(
        "mistral",
        MISTRAL_PATH,
        _mistral_texts,
        _told_schema,
        ("max_tokens",),
        _mistral_reply,
        _mistral_error,
        bearer,
    ),
    replace(_CHAT, name="groq", path="/groq/openai/v1/chat/completions", texts=_groq_texts),
)
