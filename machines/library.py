"""A library: a database that queries of strangers may read, and nothing more, with limits.

**Kept**: what judges a query is SQLite itself, and no list of words.

- the file is opened to be read (`mode=ro`, `query_only`), and no other can be attached;
- an authorizer names what is allowed: to select, the columns of some tables, some functions. What it does not name is
  refused when the query is compiled, before anything is run: recursion, pragmas, extensions, the schema;
- one statement, of so many bytes; values and patterns of so many bytes; so many rows;
- a process of its own for each query, with so many seconds of CPU and on the clock, and so much memory: to compile a
  query of 270 characters can take SQLite gigabytes, and it asks nobody meanwhile whether it may go on.

**Not kept**: all rows of these tables may be read. A query may use a core, and disk to sort, until its time is over. A
hole in SQLite is a hole here. The limits of a process are those of Linux.
"""

from __future__ import annotations

import json
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FUNCTIONS = {"abs", "avg", "coalesce", "count", "date", "length", "like", "lower", "max", "min", "round", "strftime"}
FUNCTIONS |= {"substr", "sum", "total", "upper"}
"""What a query may call; none of them makes much of little, as `randomblob` and `printf` do."""


@dataclass(frozen=True, kw_only=True)
class Library:
    """A database that is read."""

    path: Path
    tables: tuple[str, ...]
    """Those that may be read."""
    seconds: float = 1.0
    """On the clock, for one query."""
    memory_mb: int = 256
    most_rows: int = 20
    dear_rows: int = 1_000
    """A query is dear if its plan goes through more rows than these."""

    def plan(self, query: str) -> bool:
        """Return whether a query is dear; nothing is run.

        Raises ValueError: if it is no single query that only reads, or takes too long or too much to compile.
        """
        return bool(self._asked("_planned", query))

    def rows(self, query: str) -> str:
        """Return the first rows of a query, one a line.

        Raises ValueError: if it is no single query that only reads, or takes too long or too much.
        """
        return str(self._asked("_read", query))

    def _asked(self, what: str, query: str) -> Any:
        """Have a process of its own answer."""
        given = json.dumps([asdict(self) | {"path": str(self.path)}, what, query]).encode()
        program = [sys.executable, "-I", "-S", __file__]
        try:  # a second more, in which the process starts
            ran = subprocess.run(program, input=given, capture_output=True, timeout=self.seconds + 1, check=False)  # noqa: S603
            answer, wrong = json.loads(ran.stdout)
        except (subprocess.TimeoutExpired, ValueError):  # nothing came: it was ended
            raise ValueError(f"it takes more than {self.seconds:g} s, or {self.memory_mb} MB") from None
        if wrong is not None:
            raise ValueError(wrong)
        return answer

    def _planned(self, query: str) -> bool:
        seen: set[tuple[int, str | None]] = set()
        with self._opened(seen) as database:
            plan = [row[3] for row in _rows(database, f"EXPLAIN QUERY PLAN {query}", 1_000)]
        if (sqlite3.SQLITE_SELECT, None) not in seen:  # as of VACUUM INTO, which is refused only when it runs
            raise ValueError("it selects nothing")
        # a step is a search for equal values, or else it may go through all of a table; a name in a plan is an alias
        steps = [step for step in plan if step.startswith(("SCAN", "SEARCH"))]
        through = sum("=?)" not in step and step != "SCAN CONSTANT ROW" for step in steps)
        with closing(self._connected()) as database:
            most = max([_size(database, name) for action, name in seen if action == sqlite3.SQLITE_READ], default=1)
        return bool(through > 0 and most**through > self.dear_rows)

    def _read(self, query: str) -> str:
        with self._opened(set()) as database:
            found = _rows(database, query, self.most_rows)
        return "\n".join(", ".join(str(value)[:40] for value in row) for row in found) or "no rows"

    @contextmanager
    def _opened(self, seen: set[tuple[int, str | None]]) -> Iterator[sqlite3.Connection]:
        """Yield a connection that does nothing but read, and add to a set what it was asked to do."""

        def allows(action: int, one: str | None, two: str | None, *_: str | None) -> int:
            seen.add((action, one))
            is_known = (
                action == sqlite3.SQLITE_SELECT
                or (action == sqlite3.SQLITE_READ and one in self.tables)
                or (action == sqlite3.SQLITE_FUNCTION and two in FUNCTIONS)
            )
            return sqlite3.SQLITE_OK if is_known else sqlite3.SQLITE_DENY

        ends = time.monotonic() + self.seconds
        try:
            with closing(self._connected()) as database:
                database.execute("PRAGMA query_only = ON")
                for limit, most in (
                    (sqlite3.SQLITE_LIMIT_LENGTH, 100_000),
                    (sqlite3.SQLITE_LIMIT_SQL_LENGTH, 2_000),
                    (sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 100),
                    (sqlite3.SQLITE_LIMIT_ATTACHED, 0),
                ):
                    database.setlimit(limit, most)
                database.set_authorizer(allows)
                database.set_progress_handler(lambda: time.monotonic() > ends, 1_000)
                yield database
        except (sqlite3.Error, sqlite3.Warning, UnicodeError) as error:
            raise ValueError(f"{error}"[:200]) from error

    def _connected(self) -> sqlite3.Connection:
        return sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True)


def _rows(database: sqlite3.Connection, query: str, most: int) -> list[tuple[Any, ...]]:
    """Return the first rows of a query."""
    return database.execute(query).fetchmany(most)


def _size(database: sqlite3.Connection, table: str | None) -> int:
    """Return how many rows a table has."""
    return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - a name that is ours


def _inside() -> None:
    """Answer what this process is given, under its limits, and end."""
    given, what, query = json.load(sys.stdin)
    library = Library(**given | {"path": Path(given["path"]), "tables": tuple(given["tables"])})
    cpu_s, memory = int(library.seconds) + 1, library.memory_mb << 20
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    try:
        told = [getattr(library, what)(query), None]
    except ValueError as error:
        told = [None, str(error)]
    print(json.dumps(told))


if __name__ == "__main__":
    _inside()
