"""PostgreSQL: a server that several machines share."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from ..nudges import Nudges
from .dialect import Statement
from .postgres_nudges import NUDGE, nudges
from .session import Meaning, Session, Values

_CONNECT_S = 5
_STOPPED_S = 10
"""After how long the server ends the transaction of a process that was stopped in it: others wait for its locks."""
_SET = f"SET idle_in_transaction_session_timeout = '{_STOPPED_S}s'"
_AWAY = ("08", "57P", "53300", "25P03")
"""Error codes of a server that stops, starts, has no place left, or has ended a transaction; those begin so."""
_CONFLICT = ("23505", "40001", "40P01")
"""Error codes of others that were faster, or waited for each other."""
_FINAL = ("authentication failed", "does not exist", "no pg_hba.conf entry", "not permitted to log in")
"""What a server says to somebody who may not come in. It gives no code then, and waiting does not help."""


@dataclass(frozen=True)
class Postgres:
    """The driver of a server.

    Args:
        url: as libpq takes it.
    """

    url: str = field(repr=False)  # it holds a password

    @property
    def place(self) -> str:
        """The host, port and database that it names, as libpq reads it.

        Raises ValueError: if it is no URL, or something of a password may be among them; says nothing of it.
        """
        try:
            read = conninfo_to_dict(self.url)
        except psycopg.ProgrammingError:  # which would quote it
            raise ValueError from None
        host, port, database = [str(read.get(name, "")) for name in ("host", "port", "dbname")]
        # in a password, `@` and `/` end it, unless they are escaped
        if "@" in host + database or not f"0{port}".replace(",", "").isdecimal():
            raise ValueError
        return f"{host}{port and f':{port}'}/{database}"

    def check_there(self) -> None:
        """Do nothing: a server is found by connecting to it."""

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Open a connection."""
        connection = psycopg.connect(self.url, autocommit=True, **self._options)
        connection.execute(_SET.encode())
        connection.autocommit = False
        return connection

    @property
    def _options(self) -> dict[str, Any]:
        options = {"connect_timeout": _CONNECT_S, "application_name": "fsm_orch"}
        return {name: value for name, value in options.items() if name not in self.url}

    def nudge(self, session: Session, run_ids: Sequence[str]) -> None:
        """Send word to whoever listens, once the transaction is committed, that something was stored of some runs."""
        session.rows(NUDGE, {"ids": list(run_ids)})

    def nudges(self) -> Nudges:
        """Return what is told of runs."""
        return nudges(self.url, self._options, f"postgresql://{self.place}")

    def session(self, connection: psycopg.Connection[tuple[Any, ...]]) -> _Session:
        """Return a connection as a session."""
        return _Session(connection)

    def ids(self, ids: Sequence[str]) -> Sequence[str]:
        """Return names as one value."""
        return list(ids)

    def meaning(self, error: Exception) -> Meaning:
        """Return what an error means."""
        code = getattr(error, "sqlstate", None)
        if code is not None:
            return "away" if code.startswith(_AWAY) else "conflict" if code in _CONFLICT else "refused"
        is_out = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return "away" if is_out and not any(told in str(error) for told in _FINAL) else "refused"

    def advice(self, error: Exception) -> str:
        """Return what the user can do about an error."""
        lines = str(error).strip().splitlines()  # of values nothing: those are in DETAIL, on lines of their own
        return lines[0] if lines else ""


def _query(statement: Statement) -> bytes:
    return statement.text.encode()  # what is no text of a program is taken as bytes alone


class _Session:
    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._connection = connection
        self._cursor = connection.cursor()

    def begin(self) -> None:
        """Do nothing: the first statement begins a transaction."""

    def rows(self, statement: Statement, values: Values) -> Sequence[tuple[Any, ...]]:
        self._cursor.execute(_query(statement), statement.with_fixed(values))
        return self._cursor.fetchall() if self._cursor.description else ()

    def each(self, statement: Statement, values: Sequence[Values]) -> None:
        if len(values) == 1:
            self._cursor.execute(_query(statement), statement.with_fixed(values[0]))
        elif values:
            self._cursor.executemany(_query(statement), [statement.with_fixed(each) for each in values])

    def commit(self) -> None:
        self._connection.commit()

    def rollback(self) -> None:
        with suppress(psycopg.Error):
            self._connection.rollback()

    def close(self) -> None:
        with suppress(psycopg.Error):
            self._connection.close()
