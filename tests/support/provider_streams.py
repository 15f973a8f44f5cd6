"""How three APIs stream a reply: the events into which each cuts what it would have said in one piece.

Written from the types of events of the installed SDKs. Beside them, what only a stream can do wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from support.pieces import Pieces
from support.provider_faults import Fault

Json = dict[str, Any]


def _sse(event: Json, name: str | None = None) -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(event, ensure_ascii=False)}\n\n".encode("utf-8", "surrogatepass")


def _responses(reply: Json, pieces: Pieces) -> Iterator[bytes]:
    begun = {**reply, "status": "in_progress", "output": [], "usage": None}
    yield _sse({"type": "response.created", "response": begun}, "response.created")
    yield _sse({"type": "response.in_progress", "response": begun}, "response.in_progress")
    for index, item in enumerate(reply["output"]):
        for content in item.get("content", ()):
            kind = "refusal" if content["type"] == "refusal" else "output_text"
            for piece in pieces(content.get("text", content.get("refusal"))):
                named = f"response.{kind}.delta"
                yield _sse({"type": named, "output_index": index, "content_index": 0, "delta": piece}, named)
        for piece in pieces(item.get("arguments", "")):
            named = "response.function_call_arguments.delta"
            yield _sse({"type": named, "output_index": index, "delta": piece}, named)
    known = {"incomplete": "response.incomplete", "failed": "response.failed"}
    named = known.get(str(reply.get("status")), "response.completed")
    yield _sse({"type": named, "response": reply}, named)


def _chat(reply: Json, pieces: Pieces) -> Iterator[bytes]:
    around = {key: reply[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}

    def chunk(index: int, delta: Json, **more: Any) -> bytes:
        return _sse({**around, "choices": [{"index": index, "delta": delta, **more}]})

    for choice in reply["choices"]:
        index, message = choice["index"], choice["message"]
        yield chunk(index, {"role": "assistant", "content": "", "refusal": None}, finish_reason=None)
        for key in ("content", "refusal"):
            for piece in _cut(message[key], pieces):
                yield chunk(index, {key: piece}, finish_reason=None)
        for number, call in enumerate(message.get("tool_calls", ())):
            begun = {**call, "index": number, "function": {**call["function"], "arguments": ""}}
            yield chunk(index, {"tool_calls": [begun]}, finish_reason=None)
            for piece in pieces(call["function"]["arguments"]):
                delta = {"index": number, "function": {"arguments": piece}}
                yield chunk(index, {"tool_calls": [delta]}, finish_reason=None)
        yield chunk(index, {}, **{key: choice[key] for key in ("finish_reason",) if key in choice})
    if "usage" in reply:
        yield _sse({**around, "choices": [], "usage": reply["usage"]})
    yield b"data: [DONE]\n\n"


def _cut(content: Any, pieces: Pieces) -> Iterator[Any]:
    """Cut a content, which may be a list of parts, each of which comes in pieces."""
    if isinstance(content, str):
        yield from pieces(content)
    for part in content if isinstance(content, list) else ():
        yield from ([{**part, "text": piece}] for piece in pieces(part.get("text", "")))


def _messages(reply: Json, pieces: Pieces) -> Iterator[bytes]:
    def event(kind: str, **members: Any) -> bytes:
        return _sse({"type": kind, **members}, kind)

    counts = reply.get("usage")
    begun = {**reply, "content": [], "stop_reason": None}
    yield event(
        "message_start", message=begun if counts is None else {**begun, "usage": {**counts, "output_tokens": 1}}
    )
    for index, block in enumerate(reply["content"]):
        is_text = block["type"] == "text"
        begins = {"type": "text", "text": ""} if is_text else {**block, "input": {}}
        yield event("content_block_start", index=index, content_block=begins)
        yield event("ping")
        kind, key = ("text_delta", "text") if is_text else ("input_json_delta", "partial_json")
        for piece in pieces(block["text"] if is_text else json.dumps(block["input"])):
            yield event("content_block_delta", index=index, delta={"type": kind, key: piece})
        yield event("content_block_stop", index=index)
    ended = {key: reply[key] for key in ("stop_reason", "stop_sequence") if key in reply}
    counted = {} if "usage" not in reply else {"usage": counts and {"output_tokens": counts["output_tokens"]}}
    yield event("message_delta", delta=ended, **counted)
    yield event("message_stop")


STREAMS: Mapping[str, Callable[[Json, Pieces], Iterator[bytes]]] = {
    "responses": _responses,
    "chat": _chat,
    "messages": _messages,
}
"""Dialect -> the events of a reply."""


def _half(events: list[bytes]) -> list[bytes]:
    return events[: len(events) // 2]


def _with(event: bytes) -> Callable[[list[bytes]], list[bytes]]:
    """Return what puts an event into the middle of the text."""
    return lambda events: [*_half(events), event, *events[len(events) // 2 :]]


_ERROR = b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}\n\n'
STREAM_FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault(name="closed in the middle", streams=_half),
        Fault(name="reset in the middle", wire="cut_within"),
        Fault(name="stalls", wire="stalls"),
        Fault(name="garbage event", streams=_with(b"data: {not json\n\n")),
        Fault(name="event that is no object", streams=_with(b"data: 7\n\n")),
        Fault(name="cut event", streams=_with(b'data: {"type": "cut\n\n')),
        Fault(name="error event", streams=lambda events: [*_half(events), _ERROR]),
        Fault(name="unknown events", streams=_with(b': hi\nid: 7\nretry: 9\nevent: new\ndata: {"type": "new"}\n\n')),
        Fault(name="windows", streams=lambda events: [event.replace(b"\n", b"\r\n") for event in events]),
        Fault(name="no last blank line", streams=lambda events: [*events[:-1], events[-1].rstrip()]),
        Fault(name="never closes", wire="lingers"),
        Fault(name="does not stream", streams=None),
    )
}
"""What only a stream can do wrong, and what it may do that is right."""
