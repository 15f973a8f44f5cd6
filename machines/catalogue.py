"""The catalogue of the shop: products in an SQLite database, found by the words of a customer.

    with closing(open_catalogue()) as catalogue:
        Shop(catalogue).find("do you have a red dress?")  ->  [Product("Red wrap dress", ...), ...]

Put your own in its place: the agents of `machines/shop.py` need no more than `find`.
"""

from __future__ import annotations

import json
import re
import sqlite3
from dataclasses import dataclass
from itertools import groupby


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
