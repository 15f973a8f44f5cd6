"""A shop's assistant: the system of the $4,200 incident, made safe.

In the story, a router and its specialists handed one question round and round, each sure that another would know, and
every turn was a paid call. That circle is here too, on purpose: `router -> inventory -> router`. But it is declared,
and `max_visits` bounds it: no run makes more than 4 calls or takes more than 6 hops.

    triage                         routes by words; what they do not decide goes to the router
    router                         a model; if it fails, or its replies are illegal, `search` takes over
    search, inventory, pricing     answer from rows of the catalogue, or not at all
    answered, human                final states; whatever goes wrong lands with a human

    fsm-orch run machines.shop "do you have a red dress?"
    fsm-orch run machines.shop "what would a grey wool sweater set me back?"
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import groupby

from fsm_orch import Context, Final, KeywordAgent, Limits, LLMAgent, Machine, State, Visit, guard
from fsm_orch.agents import Changes


class Query(Context):
    """What a customer asks, and what the shop answers."""

    text: str
    answer: str | None = None


@guard
def is_answered(query: Query) -> bool:
    return query.answer is not None


@dataclass(frozen=True)
class Product:
    """A product of the catalogue, with its sizes."""

    name: str
    cents: int
    percent_off: int
    stock: tuple[tuple[str, int], ...]
    """Each size, and how many pieces are left of it."""

    @property
    def price(self) -> str:
        """What it costs today, in dollars, rounded down to a cent."""
        return _dollars(self.cents * (100 - self.percent_off) // 100)

    @property
    def discount(self) -> str:
        """The discount and the full price; empty without a discount."""
        return f" ({self.percent_off}% off {_dollars(self.cents)})" if self.percent_off else ""

    @property
    def sizes(self) -> str:
        """The sizes that are left."""
        return ", ".join(size for size, units in self.stock if units) or "sold out"

    @property
    def units(self) -> str:
        """How many pieces are left in each size."""
        return ", ".join(f"{units} in {size}" for size, units in self.stock if units) or "none"


class Shop:
    """The catalogue, as agents see it: every run shares it, and none writes to it."""

    def __init__(self, catalogue: sqlite3.Connection) -> None:
        self._catalogue = catalogue

    def find(self, text: str) -> list[Product]:
        """Return the products whose kind a text names ("dress"); of these, those that match the most of its words."""
        rows = self._catalogue.execute(_FIND, [json.dumps(sorted(words(text)))])
        return [
            Product(name, cents, percent_off, tuple(row[3:] for row in sizes))
            for (name, cents, percent_off), sizes in groupby(rows, key=lambda row: row[:3])
        ]


def words(text: str) -> set[str]:
    """Return the words of a text, in lower case and without the `s` of a plural."""
    return {re.sub(r"(?<=ss|sh|ch)es$|(?<!s)s$", "", word) for word in re.findall(r"[a-z]+", text.casefold())}


def _dollars(cents: int) -> str:
    return f"${cents // 100}.{cents % 100:02}"


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


@contextmanager
def deps() -> Iterator[Shop]:
    """Yield the shop, and close its catalogue afterwards; `fsm-orch` calls this for every machine of the module."""
    with closing(open_catalogue()) as catalogue:
        yield Shop(catalogue)


def open_catalogue() -> sqlite3.Connection:
    """Return a new catalogue, in memory."""
    catalogue = sqlite3.connect(":memory:")
    catalogue.executescript(_TABLES)
    for line in _PRODUCTS.strip().splitlines():
        name, cents, percent_off, stock = (column.strip() for column in line.split("|"))
        kind = words(name.split()[-1])  # a name ends with its kind: "Red wrap dress"
        sizes = [(name, *pair.split(":")) for pair in stock.split()]
        catalogue.execute("INSERT INTO product VALUES (?, ?, ?)", (name, cents, percent_off))
        catalogue.executemany("INSERT INTO stock VALUES (?, ?, ?)", sizes)
        catalogue.executemany("INSERT INTO word VALUES (?, ?, ?)", [(name, w, w in kind) for w in words(name)])
    return catalogue


_TABLES = """
CREATE TABLE product (name TEXT PRIMARY KEY, cents INTEGER NOT NULL, percent_off INTEGER NOT NULL);
CREATE TABLE stock (name TEXT NOT NULL REFERENCES product, size TEXT NOT NULL, units INTEGER NOT NULL);
CREATE TABLE word (name TEXT NOT NULL REFERENCES product, word TEXT NOT NULL, is_kind INTEGER NOT NULL);
"""

# Of the products whose kind is among the words, those that match the most words.
_FIND = """
WITH fit AS (
    SELECT name, count(*) AS words FROM word
    WHERE word IN (SELECT value FROM json_each(?)) GROUP BY name HAVING max(is_kind)
)
SELECT name, cents, percent_off, size, units FROM fit JOIN product USING (name) JOIN stock USING (name)
WHERE words = (SELECT max(words) FROM fit) ORDER BY product.rowid, stock.rowid
"""

# Name, price in cents, percent off, pieces left of each size.
_PRODUCTS = """
Red wrap dress          |  4900 | 20 | S:3 M:1 L:0
Red evening dress       | 12900 |  0 | S:0 M:2 L:2
Black evening dress     | 12900 |  0 | S:1 M:4 L:3
Blue summer dress       |  3950 | 30 | S:5 M:6 L:2
Green summer dress      |  3950 | 30 | S:0 M:0 L:0
Yellow summer dress     |  3950 | 30 | S:2 M:0 L:1
White linen shirt       |  3500 |  0 | S:4 M:7 L:5 XL:2
Red flannel shirt       |  4250 |  0 | M:5 L:4 XL:4
White cotton tee        |  1500 |  0 | S:9 M:12 L:8 XL:6
Black cotton tee        |  1500 |  0 | S:7 M:11 L:10 XL:5
Grey striped tee        |  1800 | 10 | S:3 M:0 L:2
Grey wool sweater       |  6900 |  0 | S:2 M:3 L:3
Blue cashmere sweater   | 14900 |  0 | M:1 L:1
Blue denim jacket       |  8900 |  0 | S:2 M:4 L:2
Black leather jacket    | 24900 | 10 | M:1 L:2
Green rain jacket       |  7500 |  0 | S:3 M:3 L:3 XL:1
Black wool coat         | 18900 | 40 | M:2 L:0
Brown wool coat         | 18900 |  0 | S:1 M:1 L:1
Blue slim jeans         |  5900 |  0 | 30:4 32:6 34:3
Black slim jeans        |  5900 |  0 | 30:2 32:0 34:5
Beige chino trousers    |  5500 |  0 | 30:3 32:4 34:4
Black pleated skirt     |  4500 |  0 | S:2 M:5 L:1
Red mini skirt          |  2900 | 50 | S:1 M:0
White running shoes     |  8900 |  0 | 38:2 40:3 42:5 44:1
Black running shoes     |  8900 | 20 | 38:0 40:1 42:4 44:2
Brown leather boots     | 15900 |  0 | 40:2 42:3 44:2
Black leather boots     | 15900 | 25 | 38:1 40:0 42:2
Brown leather belt      |  3200 |  0 | 85:6 95:4
Black leather belt      |  3200 |  0 | 85:3 95:0
Red wool scarf          |  2500 |  0 | one-size:8
Grey wool hat           |  2200 |  0 | one-size:5
"""
