"""Modules as users write them, to be checked on the command line."""

from __future__ import annotations

from typing import Any

BAD = """
    from fsm_orch import *

    class Ticket(Context):
        query: str
        answer: str | None = None

    class Bad(Machine[Ticket]):
        ask = State(LLMAgent("Answer.", reads=(Ticket.answer,)), initial=True)
        answered, human = Final(), Final(fallback=True)
        done = ask.to(answered)
        lost = ask.to(human, "it cannot be answered")
"""
"""A machine with two errors."""

BROKEN = """
    from fsm_orch import *

    class Ticket(Context):
        query: str

    class Broken(Machine[Ticket]):
        '''Leak, now and then.'''

        ask = State(LLMAgent("Route.", max_input_tokens=900, max_output_tokens=100), initial=True)
        leak = State(print)
        answered, human = Final(), Final(fallback=True)
        to_leak = ask.to(leak, "leak")
        done = (ask | leak).to(answered, "done")
        policies = (never(to_leak), eventually(answered | human))
"""
"""A machine one of whose policies is violated."""


def words(result: Any) -> str:
    """Return what a command printed, with single spaces."""
    return " ".join(result.stdout.split())
