"""The system of the story: a plain loop over agents, as openai-agents runs it, and the guards of its post-mortem.

Each call is sent the agent's prompt, a tool for each handoff, and the whole history; a handoff adds its tool call and
the result to that. A test holds this, call by call, against what openai-agents was recorded to send.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from .bill import WINDOW, Bill, Call
from .desk import ANSWER, HANDOFFS, PROMPTS, QUESTION, handoff_tool
from .models import Asked, Model
from .wire import function_call, input_tokens, item_tokens, message, output_tokens


@dataclass(frozen=True)
class Guards:
    """What may stop the loop; by default nothing does but the context window of the model."""

    refuses_itself: bool = False
    """Whether an agent is not offered a handoff to itself."""
    timeout_s: float | None = None
    """Looked at before each call."""
    budget: int | None = None
    """Tokens; looked at after each call, as the post-mortem has it. Exceeded, the customer gets a default answer."""
    max_turns: int | None = None
    """Calls; the limit that openai-agents has, 10 by default. It raises."""
    max_handoffs: int | None = None
    """Also told as a circuit breaker after so many handoffs. Exceeded, the customer gets a default answer."""


NONE = Guards()


def run(model: Model, guards: Guards = NONE, *, seconds_a_call: float = 0.0) -> Bill:
    """Run the question of the story through the loop.

    Args:
        seconds_a_call: for the timeout.
    """
    agent, history = "triage", item_tokens({"role": "user", "content": QUESTION})
    calls: list[Call] = []
    while True:
        offered = [name for name in HANDOFFS[agent] if not (guards.refuses_itself and name == agent)]
        sent = _prompt_tokens(agent, offered) + history
        if stop := _before(guards, calls, sent, seconds_a_call):
            return Bill(calls, "an error", stop)
        to = model(Asked(agent, offered, len(calls)))
        said = message(ANSWER) if to is None else function_call(f"transfer_to_{to}", f"call_{len(calls)}")
        calls.append(Call(agent, sent, output_tokens(said)))
        if to is None:
            return Bill(calls, "an answer")
        if to not in offered:  # openai-agents raises ModelBehaviorError
            return Bill(calls, "an error", f"no handoff to {to}")
        if stop := _after(guards, calls):
            return Bill(calls, "default answer", stop)
        result = {"type": "function_call_output", "call_id": said["call_id"], "output": json.dumps({"assistant": to})}
        history += item_tokens(said) + item_tokens(result)
        agent = to


def _prompt_tokens(agent: str, offered: Sequence[str]) -> int:
    return input_tokens({"instructions": PROMPTS[agent], "input": [], "tools": list(map(handoff_tool, offered))})


def _before(guards: Guards, calls: Sequence[Call], sent: int, seconds_a_call: float) -> str | None:
    """Return why the next call is not made, or None."""
    if guards.max_turns is not None and len(calls) >= guards.max_turns:
        return f"{guards.max_turns} turns"
    if guards.timeout_s is not None and (len(calls) + 1) * seconds_a_call > guards.timeout_s:
        return f"{guards.timeout_s:g} s"
    return "context window" if sent > WINDOW else None


def _after(guards: Guards, calls: Sequence[Call]) -> str | None:
    """Return why the handoff that a call asks for is not made, or None."""
    if guards.budget is not None and sum(call.tokens for call in calls) > guards.budget:
        return f"{guards.budget:,} tokens"
    if guards.max_handoffs is not None and len(calls) > guards.max_handoffs:
        return f"{guards.max_handoffs} handoffs"
    return None
