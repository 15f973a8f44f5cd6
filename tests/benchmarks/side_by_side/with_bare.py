"""The task in a plain loop over httpx, to which the processor time of the libraries is held."""

from typing import Any

import httpx
from side_world import BILLING, KEY, MODEL, SHIPPING, TRIAGE, send_again

PROMPTS = {"triage": TRIAGE, "billing": BILLING, "shipping": SHIPPING}
MAY = {"triage": ("billing", "shipping"), "billing": ("triage",), "shipping": ("triage",)}


def tool(name: str, does: str, parameters: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": parameters, "required": [*parameters], "additionalProperties": False}
    return {"type": "function", "function": {"name": name, "description": does, "parameters": schema}}


TOOLS = {name: [tool(f"to_{other}", f"Hand over to {other}.", {}) for other in to] for name, to in MAY.items()}
TOOLS["shipping"].append(tool("send_again", "Send an order again.", {"order": {"type": "integer"}}))


def desk(url: str, **_: Any) -> Any:
    """Return what answers a question."""
    client = httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {KEY}"})

    async def ask(question: str, run_id: str, *, is_again: bool = False) -> str:
        agent, said = "triage", [{"role": "user", "content": question}]
        while True:
            messages = [{"role": "system", "content": PROMPTS[agent]}, *said]
            body = {"model": MODEL, "messages": messages, "tools": TOOLS[agent]}
            answered = await client.post("/chat/completions", json=body)
            reply = answered.raise_for_status().json()["choices"][0]["message"]
            if not reply.get("tool_calls"):
                return str(reply["content"])
            said.append(reply)
            for call in reply["tool_calls"]:
                name = call["function"]["name"]
                result = send_again(1041) if name == "send_again" else "Yours."
                agent = agent if name == "send_again" else name.removeprefix("to_")
                said.append({"role": "tool", "tool_call_id": call["id"], "content": result})

    return ask
