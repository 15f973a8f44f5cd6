"""A database that queries of strangers may read, and nothing more, with limits.

**Kept**: what judges a query is SQLite itself, and no list of words.

- the file is opened to be read (`mode=ro`, `query_only`), and no other can be attached;
- an authorizer names what is allowed: to select, the columns of some tables, some functions. What it does not name is
  refused when the query is compiled, before anything is run: recursion, pragmas, extensions, the schema;
- one statement, of so many bytes; values and patterns of so many bytes; so many rows;
- a process of its own for each query (`machines/database_reader.py`), with so many seconds of CPU and on the clock, and
  so much memory: to compile a query of 270 characters can take SQLite gigabytes, and it asks nobody meanwhile whether
  it may go on.

**Not kept**: all rows of these tables may be read. A query may use a core, and disk to sort, until its time is over. A
hole in SQLite is a hole here. The limits of a process are those of Linux.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

READER = Path(__file__).with_name("database_reader.py")


@dataclass(frozen=True, kw_only=True)
class Database:
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
        return bool(self._asked("plan", query))

    def rows(self, query: str) -> str:
        """Return the first rows of a query, one a line.

        Raises ValueError: if it is no single query that only reads, or takes too long or too much.
        """
        return str(self._asked("rows", query))

    def _asked(self, what: Literal["plan", "rows"], query: str) -> object:
        """Have a process of its own answer."""
        given = json.dumps(asdict(self) | {"path": self.path.as_uri(), "what": what, "query": query}).encode()
        program = [sys.executable, "-I", "-S", str(READER)]
        try:  # a second more, in which the process starts
            ran = subprocess.run(program, input=given, capture_output=True, timeout=self.seconds + 1, check=False)  # noqa: S603
            answer, wrong = json.loads(ran.stdout)
        except (subprocess.TimeoutExpired, ValueError):  # nothing came: it was ended
            raise ValueError(f"it takes more than {self.seconds:g} s, or {self.memory_mb} MB") from None
        if wrong is not None:
            raise ValueError(wrong)
        return answer
