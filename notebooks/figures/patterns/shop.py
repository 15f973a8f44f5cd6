"""The shop and its question, and a machine for each pattern that answers it.

Each cap on input is the next hundred above what the longest request may take here. A request with tools holds their
form, which counts twice in that bound, and what came of them, so that its cap is higher. Every agent without tools has
one call; one with tools has a call for each reply that asks for some, and one to answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, Nested, Parallel, State, Tool, Visit

QUESTION = "Is the grey wool sweater in stock in M, and what does it cost?"
ANSWER = "Yes, the grey wool sweater is in stock in M, and it costs $69.00 today."
HALF = "Yes, the grey wool sweater is in stock in M."
"""What a specialist says who knows nothing of prices."""

PRODUCT = "grey wool sweater"
CATALOGUE: Mapping[str, Mapping[str, str]] = {
    PRODUCT: {
        "product": "Grey wool sweater: lambswool, crew neck, made in Portugal.",
        "stock": "Grey wool sweater in stock: S 2, M 3, L 3.",
        "price": "Grey wool sweater: $69.00, no discount today.",
    }
}
"""What the shop knows of a product, by topic."""


class Query(Context):
    """What a customer asks, what was found, and the answer."""

    text: str
    record: str | None = None
    product: str | None = None
    stock: str | None = None
    price: str | None = None
    answer: str | None = None


def look_up(product: str) -> str:
    """Return all that the shop knows of a product: what it is like, sizes in stock, and price."""
    return " ".join(CATALOGUE[product].values())


def description(product: str) -> str:
    """Return what a product is like."""
    return CATALOGUE[product]["product"]


def in_stock(product: str) -> str:
    """Return the sizes of a product that are in stock."""
    return CATALOGUE[product]["stock"]


def price_of(product: str) -> str:
    """Return the price of a product."""
    return CATALOGUE[product]["price"]


TOOLS: tuple[Callable[[str], str], ...] = (description, in_stock, price_of)
"""The three small tools, in the order in which they are used."""


Work = Callable[[str], str] | type[Machine[Query]]
"""What a tool is made of."""


def find_record(_: Visit[Query]) -> Mapping[Any, str]:
    """Look up the whole record, by code."""
    return {Query.record: look_up(PRODUCT)}


def find_stock(_: Visit[Query]) -> Mapping[Any, str]:
    """Look up the sizes in stock, by code."""
    return {Query.stock: in_stock(PRODUCT)}


def human() -> Final:
    """Return the fallback that each machine has."""
    return Final(fallback=True, sets={Query.answer: "A colleague will answer you."})


def writer(*reads: Any) -> LLMAgent:
    """Return the agent that answers from what was found."""
    return LLMAgent(
        "Answer the customer in one short sentence.",
        does="answer questions about products",
        reads=(Query.text, *reads),
        writes=Query.answer,
        calls=1,
        max_input_tokens=300,
        max_output_tokens=60,
    )


def reader(topic: str, writes: Any) -> LLMAgent:
    """Return the agent that picks out of the record what belongs to a topic."""
    return LLMAgent(
        f"Say what the record tells of the {topic} that the customer asks about.",
        does=f"look after the {topic}",
        reads=(Query.text, Query.record),
        writes=writes,
        calls=1,
        max_input_tokens=300,
        max_output_tokens=60,
    )


def triage() -> LLMAgent:
    """Return the agent that chooses a specialist."""
    return LLMAgent(
        "Route the question to the right specialist.",
        reads=Query.text,
        calls=1,
        max_input_tokens=300,
        max_output_tokens=60,
    )


def with_tools(*tools: Work, calls: int, max_input_tokens: int) -> LLMAgent:
    """Return the agent that finds out by tools, and answers."""
    return LLMAgent(
        "Answer the customer in one short sentence.",
        does="answer questions about products",
        reads=Query.text,
        writes=Query.answer,
        tools=[Tool(work, most_chars=200) for work in tools],
        tool_first=True,
        asks=len(tools),
        calls=calls,
        max_input_tokens=max_input_tokens,
        max_output_tokens=100,
    )


class Code(Machine[Query]):
    """Code looks up, one agent answers."""

    find = State(find_record, writes=Query.record, initial=True)
    write = State(writer(Query.record))
    answered, human = Final(), human()
    flow = find >> write >> answered
    limits = Limits(tokens=20_000)


class OneTool(Machine[Query]):
    """One agent finds all by one tool, and answers."""

    desk = State(with_tools(look_up, calls=2, max_input_tokens=500), initial=True)
    answered, human = Final(), human()
    flow = desk >> answered
    limits = Limits(tokens=20_000)


class OneByOne(Machine[Query]):
    """One agent uses three tools, one after the other, and answers."""

    desk = State(with_tools(*TOOLS, calls=4, max_input_tokens=1_100), initial=True)
    answered, human = Final(), human()
    flow = desk >> answered
    limits = Limits(tokens=20_000)


class AtOnce(Machine[Query]):
    """One agent uses three tools in one reply, and answers."""

    desk = State(with_tools(*TOOLS, calls=2, max_input_tokens=1_000), initial=True)
    answered, human = Final(), human()
    flow = desk >> answered
    limits = Limits(tokens=20_000)


class Handoff(Machine[Query]):
    """Triage hands off to a specialist, for whom code looks up; a specialist knows one topic."""

    triage = State(triage(), initial=True)
    find = State(find_stock, writes=Query.stock)
    stock = State(writer(Query.stock))
    answered, human = Final(), human()
    to_stock = triage.to(find, "sizes in stock")
    unclear = triage.to(human, "anything else")
    flow = find >> stock >> answered
    limits = Limits(tokens=20_000)


class HandoffTool(Machine[Query]):
    """Triage hands off to a specialist, who finds all by one tool."""

    triage = State(triage(), initial=True)
    desk = State(with_tools(look_up, calls=2, max_input_tokens=500))
    answered, human = Final(), human()
    to_desk = triage.to(desk, "questions about a product")
    unclear = triage.to(human, "anything else")
    flow = desk >> answered
    limits = Limits(tokens=20_000)


class Sequence(Machine[Query]):
    """Three agents read the record, one after the other, and a fourth answers."""

    find = State(find_record, writes=Query.record, initial=True)
    product = State(reader("product", Query.product))
    stock = State(reader("stock", Query.stock))
    price = State(reader("price", Query.price))
    write = State(writer(Query.product, Query.stock, Query.price))
    answered, human = Final(), human()
    flow = find >> product >> stock >> price >> write >> answered
    limits = Limits(tokens=20_000)


class AllAtOnce(Machine[Query]):
    """Three agents read the record at once, and a fourth answers."""

    find = State(find_record, writes=Query.record, initial=True)
    read = State(
        Parallel(reader("product", Query.product), reader("stock", Query.stock), reader("price", Query.price)),
    )
    write = State(writer(Query.product, Query.stock, Query.price))
    answered, human = Final(), human()
    flow = find >> read >> write >> answered
    limits = Limits(tokens=20_000)


class InAMachine(Machine[Query]):
    """Triage hands off to a machine of its own, in which code looks up and one agent answers."""

    triage = State(triage(), initial=True)
    desk = State(Nested(Code, writes=Query.answer))
    answered, human = Final(), human()
    to_desk = triage.to(desk, "questions about a product")
    unclear = triage.to(human, "anything else")
    flow = desk >> answered
    limits = Limits(tokens=20_000)


class Colleague(Machine[Query]):
    """Answer a question about a product."""

    desk = State(Nested(Code, writes=Query.answer), initial=True)
    answered, human = Final(), human()
    flow = desk >> answered
    limits = Limits(tokens=20_000)


class AsTool(Machine[Query]):
    """One agent uses another as a tool, in which code looks up, and answers."""

    desk = State(with_tools(Colleague, calls=2, max_input_tokens=500), initial=True)
    answered, human = Final(), human()
    flow = desk >> answered
    limits = Limits(tokens=20_000)


WORK: Mapping[str, Work] = {**{tool.__name__: tool for tool in (look_up, *TOOLS)}, "Colleague": Colleague}
"""What there are tools of, by name."""
