"""Orders: a small database of four shops, in a file."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

TABLES = ("shops", "orders")
SCHEMA = """
CREATE TABLE shops (id INTEGER PRIMARY KEY, city TEXT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, shop_id INTEGER, day TEXT, cents INTEGER);
CREATE INDEX orders_by_shop ON orders (shop_id);
"""


def fill(path: Path, *, orders: int = 2_000) -> Path:
    """Make a database of four shops, and of their orders; return its path."""
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(SCHEMA)
        cities = enumerate(("Lisbon", "Oslo", "Rome", "Vienna"), start=1)
        database.executemany("INSERT INTO shops VALUES (?, ?)", cities)
        rows = ((n, n % 4 + 1, f"2026-{n % 12 + 1:02}-{n % 28 + 1:02}", n * 37 % 9_000) for n in range(1, orders + 1))
        database.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", rows)
    return path


@contextmanager
def filled() -> Iterator[Path]:
    """Yield the path of such a database, in a folder of its own, which is removed."""
    with tempfile.TemporaryDirectory() as folder:
        yield fill(Path(folder, "shops.db"))
