"""Codes about the tools of agents that are models (1xx)."""

from __future__ import annotations

from .code import Code

CODES = (
    Code(
        code="FSM141",
        title="Tools that no call is left for",
        problem="A model has tools, and makes one request a visit.",
        why="The last request of a visit is offered no tools, since no other would read the results. So they are never "
        "used; and an agent that must use one first could never decide.",
        expected="two requests or more: one that asks for tools, and one that decides",
        fix="raise calls=, or leave it out: with tools it is 4",
        mending="""
              def price(item: str) -> int:
                  '''Return what an item costs.'''
                  return len(item)

              class Desk(Machine[Ticket]):
                  sell = State(
            -         LLMAgent("Sell.", does="sell", reads=Ticket.query, writes=Ticket.answer, tools=price, calls=1),
            +         LLMAgent("Sell.", does="sell", reads=Ticket.query, writes=Ticket.answer, tools=price, calls=2),
                      initial=True,
                  )
                  answered, human = Final(), Final(fallback=True)
                  done = sell.to(answered)
        """,
    ),
    Code(
        code="FSM142",
        title="Results that do not fit",
        problem="What tools may return in one visit is longer than one request to the model may be.",
        why="The model would read a part of what it asked for: results are cut until the request fits, and if it is "
        "too long without them it is denied.",
        expected="results whose characters, each of which may be a token, fit into max_input_tokens",
        fix="lower most_chars= of the tools, or asks= of the agent; or raise its max_input_tokens=",
        mending="""
              def price(item: str) -> int:
                  '''Return what an item costs.'''
                  return len(item)

              class Desk(Machine[Ticket]):
                  sell = State(
            -         LLMAgent("Sell.", does="sell", writes=Ticket.answer, tools=Tool(price, most_chars=2_000)),
            +         LLMAgent("Sell.", does="sell", writes=Ticket.answer, tools=Tool(price, most_chars=200)),
                      initial=True,
                  )
                  answered, human = Final(), Final(fallback=True)
                  done = sell.to(answered)
        """,
    ),
)
