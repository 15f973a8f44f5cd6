"""Record what a real model does with the incident: `notebooks/figures/incident_local.json`.

    fsm-orch model get
    python tests/benchmarks/incident_local.py        # about two minutes

SmolLM2-135M runs on this machine, at temperature 0. Its replies are held by a grammar to what it is offered, in the
plain loop as in the machine, so that what differs is what it may choose. The loop has no limit of its own, and is cut
off after `CUT_OFF` calls. Sampling repeats but for rounding, so another processor may give another path.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"
FILE = NOTEBOOKS / "figures" / "incident_local.json"
CUT_OFF = 18
QUESTIONS = {
    "recommend something": "vague",
    "I need a present": "vague",
    "how much is the black coat?": "clear",
    "is the grey tee in stock in M?": "clear",
}

sys.path[:0] = [str(ROOT), str(NOTEBOOKS)]

from figures.incident.desk import HANDOFFS, PROMPTS, TOPICS  # noqa: E402

from fsm_orch import Message, Runner  # noqa: E402
from fsm_orch.models import Request  # noqa: E402
from fsm_orch.models.local import LocalModel  # noqa: E402
from machines.incident import FrontDesk, Query  # noqa: E402


async def loop(model: LocalModel, question: str, *, refuses_itself: bool) -> dict[str, Any]:
    """Ask the agents of the story in a plain loop, each sent all that was said."""
    agent, path, tokens = "triage", ["triage"], 0
    said: list[Message] = [Message(role="user", content=question)]
    while len(path) <= CUT_OFF:
        offered = [name for name in HANDOFFS[agent] if not (refuses_itself and name == agent)]
        response = await model.complete(_request(agent, offered, said))
        assert response.usage is not None
        tokens += response.usage.total_tokens
        tool = json.loads(response.text)["tool"]
        if tool == "answer":
            return {"path": path, "calls": len(path), "tokens": tokens, "ended": "answered"}
        agent = tool.removeprefix("transfer_to_")
        path.append(agent)
        result = json.dumps({"assistant": agent})
        said += [Message(role="assistant", content=response.text), Message(role="user", content=result)]
    return {"path": path[:CUT_OFF], "calls": CUT_OFF, "tokens": tokens, "ended": "cut off"}


def _request(agent: str, offered: Sequence[str], said: Sequence[Message]) -> Request:
    about = {"triage": "to route the query", **TOPICS}
    tools = {f"transfer_to_{name}": f"hand off to the {name} agent, {about[name]}" for name in offered}
    if agent != "triage":
        tools["answer"] = "answer the customer"
    menu = "\n".join(f"- {name}: {what}" for name, what in tools.items())
    schema = {
        "type": "object",
        "properties": {"tool": {"type": "string", "enum": [*tools]}},
        "required": ["tool"],
        "additionalProperties": False,
    }
    instructions = Message(role="system", content=f"{PROMPTS[agent]}\nChoose one tool:\n{menu}")
    return Request(messages=(instructions, *said), schema=schema, max_output_tokens=24)


async def machine(model: LocalModel, question: str) -> dict[str, Any]:
    """Ask the machine. Time is not what is measured, so a busy computer may take more of it."""
    patient = FrontDesk.limits.model_copy(update={"deadline_s": 240.0, "visit_s": 120.0})
    result = await Runner(FrontDesk, model=model, limits=patient).run(Query(text=question))
    return {
        "path": [result.path[0].source, *(hop.target for hop in result.path)],
        "calls": result.usage.requests,
        "tokens": result.usage.total_tokens,
        "ended": result.state.name,
        "landed": result.landing.reason if result.landing else None,
        "answer": result.context.answer,
    }


async def record() -> list[dict[str, Any]]:
    """Ask every question in every way."""
    runs = []
    with closing(LocalModel()) as model:
        for question, kind in QUESTIONS.items():
            asked = {"question": question, "kind": kind}
            runs += [
                {**asked, "setup": "plain loop", **await loop(model, question, refuses_itself=False)},
                {**asked, "setup": "self-handoff refused", **await loop(model, question, refuses_itself=True)},
                {**asked, "setup": "machine", **await machine(model, question)},
            ]
    return runs


def main() -> None:
    """Write the recording anew."""
    recorded = {
        "model": "local:smollm2",
        "with": {"xllamacpp": importlib.metadata.version("xllamacpp")},
        "digest": FrontDesk.definition.digest,
        "on": datetime.now(UTC).date().isoformat(),
        "cut_off_after": CUT_OFF,
        "runs": asyncio.run(record()),
    }
    FILE.write_text(json.dumps(recorded, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
