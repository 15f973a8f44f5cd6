"""A shop's assistant: the system of the $4,200 incident, made safe.

In the story, a router and its specialists handed one question round and round, each sure that another would know, and
every turn was a paid call. That circle is here too, on purpose: `router -> inventory -> router`. But it is declared,
and `max_visits` bounds it: no run makes more than 4 calls or takes more than 6 hops.

    triage                         routes by words; what they do not decide goes to the router
    router                         a model; if it fails, or its replies are illegal, `search` takes over
    search, inventory, pricing     answer from rows of the catalogue (`machines/catalogue.py`), or not at all
    answered, human                final states; whatever goes wrong lands with a human

The pattern is words first, then a model. Do not use it where customers' words are not known beforehand: examples route
better (`machines/helpdesk.py`). The local model sends what words leave to it to `pricing`, so "got them boots in a 42"
is told their price; and what is in no product's name, such as "anything warm", ends with a human.

Proved of every run: the router is asked about a query at most twice, and nothing is called answered without an answer.

    fsm-orch check machines.shop
    fsm-orch run machines.shop "what would a grey wool sweater set me back?"
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager

from fsm_orch import Context, Final, KeywordAgent, Limits, LLMAgent, Machine, State, Visit, at_most, guard, never
from fsm_orch.agents import Changes
from machines.catalogue import Product, Shop, open_catalogue


class Query(Context):
    """What a customer asks, and what the shop answers."""

    text: str
    answer: str | None = None


@guard
def is_answered(query: Query) -> bool:
    return query.answer is not None


# Plain functions are agents too. Each returns what it writes; its state declares what it may read and write.
def find_products(visit: Visit[Query, Shop]) -> Changes:
    found = visit.deps.find(visit.context.text)
    return {Query.answer: _listed("We sell", found, lambda p: f"{p.name} ({p.sizes}) at {p.price}")}


def check_stock(visit: Visit[Query, Shop]) -> Changes:
    found = visit.deps.find(visit.context.text)
    return {Query.answer: _listed("Left in stock", found, lambda p: f"{p.name} ({p.units})")}


def quote_price(visit: Visit[Query, Shop]) -> Changes:
    found = visit.deps.find(visit.context.text)
    return {Query.answer: _listed("Today's price", found, lambda p: f"{p.name} at {p.price}{p.discount}")}


def _listed(intro: str, products: Sequence[Product], describe: Callable[[Product], str]) -> str | None:
    """Return a sentence that names three products and counts the others; None if there are no products."""
    if not products:
        return None
    more = [f"and {len(products) - 3} more"] if len(products) > 3 else []
    return f"{intro}: {'; '.join([*map(describe, products[:3]), *more])}."


class ShopFloor(Machine[Query, Shop]):
    """Answer a shop's customers from its catalogue, or hand them to a human."""

    search = State(find_products, reads=Query.text, writes=Query.answer, repeatable=True)
    inventory = State(check_stock, reads=Query.text, writes=Query.answer, repeatable=True)
    pricing = State(quote_price, reads=Query.text, writes=Query.answer, repeatable=True)
    router = State(
        LLMAgent("Route a shop customer's query.", reads=Query.text, max_input_tokens=1_000, max_output_tokens=32),
        max_visits=2,  # bounds the circle: a class with an unbounded cycle does not build
    )
    triage = State(
        KeywordAgent(
            Query.text,
            {
                search: ("do you have", "do you sell", "looking for", "show me"),
                inventory: ("in stock", "sold out", "available", "any left", "size", "sizes"),
                pricing: ("price", "prices", "cost", "costs", "how much", "discount", "discounts", "on sale"),
            },
            otherwise=router,
        ),
        initial=True,
    )
    answered = Final()
    human = Final(fallback=True, sets={Query.answer: "I do not know, so a colleague will get back to you."})

    to_search = (triage | router).to(search, "the customer is looking for a product")
    to_inventory = (triage | router).to(inventory, "which sizes of a product are in stock")
    to_pricing = (triage | router).to(pricing, "the price of a product, or its discount")
    unclear = triage.to(router, "the words do not decide")
    # A function that names no handoff leaves by the first one whose guard holds, so `done` is declared before `back`.
    done = (search | inventory | pricing).to(answered, "the catalogue answers", guard=is_answered)
    back = (inventory | pricing).to(router, "no such product: the circle of the story")
    to_human = (router | search).to(human, "anything else")
    by_words = router.on_failure(search)  # without it, a run whose model is down would land with a human

    limits = Limits(hops=6, tokens=6_000, deadline_s=60)  # `fsm-orch check` proves what the worst run takes of them
    policies = (at_most(2, router), never(answered).when(~is_answered))


@contextmanager
def deps() -> Iterator[Shop]:
    """Yield the shop, and close its catalogue afterwards; `fsm-orch` calls this for every machine of the module."""
    with closing(open_catalogue()) as catalogue:
        yield Shop(catalogue)
