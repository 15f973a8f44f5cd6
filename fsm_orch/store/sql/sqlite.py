"""SQLite: a file that the processes of one machine share; one of them writes at a time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import StartError
from .dialect import Statement
from .session import Meaning, Session, Values

_BUSY_S = 1.0
"""How long SQLite waits for another writer before it says so; the store then tries again, for as long as it waits."""

_CODES = {
    sqlite3.SQLITE_READONLY: "the file, or its folder, is not writable for this process",
    sqlite3.SQLITE_FULL: "the disk is full: make room",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened: is its folder there, and writable?",
    sqlite3.SQLITE_NOTADB: "the file is no database of SQLite",
    sqlite3.SQLITE_CORRUPT: "the file is damaged",
    sqlite3.SQLITE_IOERR: "the disk cannot be read or written",
    sqlite3.SQLITE_BUSY: "another program holds the lock of the file, and does not let it go",
}


@dataclass(frozen=True)
class Sqlite:
    """The driver of a file.

    Args:
        path: of the file; it is made if it is not there, and its folder is not.
        sync: `full` survives the loss of power; `normal` may lose the last commits then, and keeps all that was
            committed if only the process ends.
    """

    path: str
    sync: str = "full"

    def check_there(self) -> None:
        """Check that the file is there.

        Raises StartError: if it is not.
        """
        if not Path(self.path).exists():
            raise StartError(f"there is no file {self.path!r}: name the store that the runs were given")

    def connect(self) -> sqlite3.Connection:
        """Open the file."""
        connection = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            for pragma in ("journal_mode=WAL", f"synchronous={self.sync}"):
                connection.execute(f"PRAGMA {pragma}")
        except BaseException:
            connection.close()
            raise
        return connection

    def nudge(self, session: Session, run_ids: Sequence[str]) -> None:
        """Pass: a file tells nobody."""

    def nudges(self) -> None:
        """Return None: nothing is told of runs."""

    def session(self, connection: sqlite3.Connection) -> _Session:
        """Return a connection as a session."""
        return _Session(connection)

    def ids(self, ids: Sequence[str]) -> str:
        """Return names as one value."""
        return json.dumps(ids)

    def meaning(self, error: Exception) -> Meaning:
        """Return what an error means."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return "away"
        return "conflict" if code == sqlite3.SQLITE_CONSTRAINT else "refused"

    def advice(self, error: Exception) -> str:
        """Return what the user can do about an error."""
        return _CODES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "")


class _Session:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def begin(self) -> None:
        # immediate: a transaction that reads first and writes then would be refused if another wrote between
        self._connection.execute("BEGIN IMMEDIATE")

    def rows(self, statement: Statement, values: Values) -> Sequence[tuple[Any, ...]]:
        return self._connection.execute(statement.text, statement.with_fixed(values)).fetchall()

    def each(self, statement: Statement, values: Sequence[Values]) -> None:
        self._connection.executemany(statement.text, map(statement.with_fixed, values))

    def commit(self) -> None:
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        with suppress(sqlite3.Error):
            self._connection.rollback()

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self._connection.close()
