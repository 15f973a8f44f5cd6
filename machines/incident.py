"""The $4,200 incident, as it cannot happen here: a triage agent that may not name itself, and a circle that is bounded.

In the story, triage hands a shop's query to search, inventory or pricing, and each of them may hand it back. Asked
something vague ("recommend something"), triage handed the query to itself, again and again; every turn was a paid call.

    triage                         a model; no handoff leads from here to here
    search, inventory, pricing     models; each answers about its own topic, asks the customer back, or hands back
    answered                       the question is answered
    ask_back                       the fallback: the customer is asked which product it is about

Whoever takes a query owns the answer. Each agent is sent the query and no history, so that a prompt does not grow with
every handoff. How the same four agents do without a machine, guard by guard, is told in `notebooks/2_incident.ipynb`.

    fsm-orch check machines.incident --model openai:gpt-4o-mini
    fsm-orch run machines.incident "recommend something"

A single agent is cheaper, where it can answer everything. No model here sees a catalogue: a price it names is made up.
A reply has 60 tokens at most, and the small local model may need more: its customer is then asked back. Raise
`max_output_tokens` for yours, and `fsm-orch check` says what that costs.
"""

from __future__ import annotations

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, State, at_most, never


class Query(Context):
    """What a customer asks, and what the shop answers."""

    text: str
    answer: str | None = None


def specialist(topic: str) -> LLMAgent:
    """Make the agent that answers about one topic, and says so if a question is not about it."""
    return LLMAgent(
        f"Answer a shop customer's question about {topic} in one short sentence.",
        does=f"answer questions about {topic}",
        must_not="answer any other question",
        reads=Query.text,
        writes=Query.answer,
        calls=1,
        max_input_tokens=600,
        max_output_tokens=60,
    )


class FrontDesk(Machine[Query]):
    """Answer a shop's customers, or ask them what they are looking for."""

    triage = State(
        LLMAgent(
            "Route the query to the most appropriate agent.",  # the prompt of the story, word for word
            reads=Query.text,
            calls=1,  # no second try: after a reply that is not legal, the customer is asked back
            max_input_tokens=600,
            max_output_tokens=40,
        ),
        initial=True,
        max_visits=2,  # the circle triage -> specialist -> triage is walked once
    )
    search = State(specialist("finding products"))
    inventory = State(specialist("sizes in stock"))
    pricing = State(specialist("prices and discounts"))
    answered = Final()
    ask_back = Final(fallback=True, sets={Query.answer: "Gladly! Which product are you looking for?"})

    to_search = triage.to(search, "the customer is looking for a product")
    to_inventory = triage.to(inventory, "which sizes of a product are in stock")
    to_pricing = triage.to(pricing, "the price of a product, or its discount")
    done = (search | inventory | pricing).to(answered, "the question is answered")
    back = (search | inventory | pricing).to(triage, "it is not about your topic")
    unclear = (triage | search | inventory | pricing).to(ask_back, "it names no product: ask the customer")

    # the budget and the timeout of the post-mortem; the proof says that a run needs a quarter of that budget
    limits = Limits(hops=4, tokens=10_000, cost_usd="0.001", deadline_s=10, visit_s=5)
    policies = (
        at_most(1, back),  # the loop of the story went round 18 times
        never(answered).before(search | inventory | pricing),  # triage itself tells a customer nothing
    )
