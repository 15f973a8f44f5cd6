"""The same talk, written with the provider's own `tools`: not what fsm_orch sends, but what many other libraries do.

fsm_orch says tools in the prompt and in the form of the reply. Here each request of a talk with tools is written anew:
its prompt is the one without tools, its form that of the decision, each tool is a function under `tools`, and what was
used stands in the input as `function_call` and `function_call_output`. Nobody sends this. It is counted by the same
rule.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from fsm_orch.agents.tool import Tool

from ..incident.bill import Bill, Call
from ..incident.wire import Body, input_tokens, message, output_tokens
from .played import Exchange, tools_in
from .shop import WORK


def as_native(exchanges: Sequence[Exchange]) -> Bill:
    """Return what the calls of a talk would have used."""
    offered = max((list(tools_in(one.body)) for one in exchanges), key=len)
    return Bill([_call(one, exchanges[-1].body, offered) for one in exchanges], "an answer")


def _call(exchange: Exchange, last: Body, offered: Sequence[str]) -> Call:
    if not is_of_tools(exchange):
        return exchange.call
    written = native_body(exchange.body, last, offered)
    said = list(_calls(exchange.reply)) or [message(exchange.reply)]
    return Call("", input_tokens(written), sum(map(output_tokens, said)))


def is_of_tools(exchange: Exchange) -> bool:
    """Return whether a request offers tools, or holds what came of one."""
    return any(tools_in(exchange.body)) or any(item["role"] == "assistant" for item in exchange.body["input"])


def native_body(body: Body, last: Body, offered: Sequence[str]) -> dict[str, Any]:
    """Return a request as it would be with tools of the provider's own.

    Args:
        last: the request of the same agent that offers no tools, which has the prompt and the form of the decision.
        offered: the tools, by name; a native request has them all each time.
    """
    items = [last["input"][0], *(item for one in body["input"][1:] for item in _items(one))]
    return {"input": items, "text": last["text"], "tools": [function(name) for name in offered]}


def function(name: str) -> dict[str, Any]:
    """Return a tool as the provider's API takes it."""
    tool = Tool(WORK[name])
    told = {"name": name, "description": tool.description, "parameters": tool.arguments.schema}
    return {"type": "function", **told, "strict": True}


def _items(item: Body) -> Iterator[Body]:
    calls = list(_calls(item["content"])) if item["role"] == "assistant" else []
    if calls:
        yield from calls
    elif item["role"] == "user" and item["content"].startswith('{"result"'):
        result = json.loads(item["content"])["result"]
        yield {"type": "function_call_output", "output": result if isinstance(result, str) else json.dumps(result)}
    else:
        yield item


def _calls(reply: str) -> Iterator[dict[str, Any]]:
    """Yield the uses of tools in a reply as calls of functions."""
    said = json.loads(reply).get("reply", {})
    for use in said.get("use_all", [said["use"]] if "use" in said else []):
        yield {"type": "function_call", "name": use["tool"], "arguments": json.dumps(use["arguments"])}
