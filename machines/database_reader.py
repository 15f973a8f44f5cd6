"""The process in which a database answers one query (`machines/database.py`), under its limits.

What is asked comes in as JSON; what goes out is `[answer, null]`, or `[null, "what is wrong"]`.
"""

from __future__ import annotations

import json
import resource
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

FUNCTIONS = {"abs", "avg", "coalesce", "count", "date", "length", "like", "lower", "max", "min", "round", "strftime"}
FUNCTIONS |= {"substr", "sum", "total", "upper"}
"""What a query may call; none of them makes much of little, as `randomblob` and `printf` do."""

LIMITS = (
    (sqlite3.SQLITE_LIMIT_LENGTH, 100_000),
    (sqlite3.SQLITE_LIMIT_SQL_LENGTH, 2_000),
    (sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 100),
    (sqlite3.SQLITE_LIMIT_ATTACHED, 0),
)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A query, and what is said of its database."""

    what: str
    query: str
    path: str
    """As a URI."""
    tables: list[str]
    seconds: float
    memory_mb: int
    most_rows: int
    dear_rows: int


def plan(asked: Asked) -> bool:
    """Return whether a query is dear; nothing is run."""
    seen: set[tuple[int, str | None]] = set()
    with _opened(asked, seen) as database:
        told = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {asked.query}").fetchmany(1_000)]
    if (sqlite3.SQLITE_SELECT, None) not in seen:  # as of VACUUM INTO, which is refused only when it runs
        raise ValueError("it selects nothing")
    # a step is a search for equal values, or else it may go through all of a table; a name in a plan is an alias
    steps = [step for step in told if step.startswith(("SCAN", "SEARCH"))]
    through = sum("=?)" not in step and step != "SCAN CONSTANT ROW" for step in steps)
    with closing(_connected(asked)) as database:
        most = max([_size(database, name) for action, name in seen if action == sqlite3.SQLITE_READ], default=1)
    return bool(through > 0 and most**through > asked.dear_rows)


def rows(asked: Asked) -> str:
    """Return the first rows of a query, one a line."""
    with _opened(asked, set()) as database:
        found = database.execute(asked.query).fetchmany(asked.most_rows)
    return "\n".join(", ".join(str(value)[:40] for value in row) for row in found) or "no rows"


@contextmanager
def _opened(asked: Asked, seen: set[tuple[int, str | None]]) -> Iterator[sqlite3.Connection]:
    """Yield a connection that does nothing but read, and add to a set what it was asked to do."""

    def allows(action: int, one: str | None, two: str | None, *_: str | None) -> int:
        seen.add((action, one))
        is_known = (
            action == sqlite3.SQLITE_SELECT
            or (action == sqlite3.SQLITE_READ and one in asked.tables)
            or (action == sqlite3.SQLITE_FUNCTION and two in FUNCTIONS)
        )
        return sqlite3.SQLITE_OK if is_known else sqlite3.SQLITE_DENY

    ends = time.monotonic() + asked.seconds
    try:
        with closing(_connected(asked)) as database:
            database.execute("PRAGMA query_only = ON")
            for limit, most in LIMITS:
                database.setlimit(limit, most)
            database.set_authorizer(allows)
            database.set_progress_handler(lambda: time.monotonic() > ends, 1_000)
            yield database
    except (sqlite3.Error, sqlite3.Warning, UnicodeError) as error:
        raise ValueError(f"{error}"[:200]) from error


def _connected(asked: Asked) -> sqlite3.Connection:
    return sqlite3.connect(f"{asked.path}?mode=ro", uri=True)


def _size(database: sqlite3.Connection, table: str | None) -> int:
    """Return how many rows a table has."""
    return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - a name that is ours


def main() -> None:
    """Answer what is asked, under the limits of this process, and end."""
    asked = Asked(**json.load(sys.stdin))
    cpu_s, memory = int(asked.seconds) + 1, asked.memory_mb << 20
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    try:
        told = [plan(asked) if asked.what == "plan" else rows(asked), None]
    except ValueError as error:
        told = [None, str(error)]
    print(json.dumps(told))


if __name__ == "__main__":
    main()
