"""What a driver gives: a connection with its transactions, and what its errors mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from ..nudges import Nudges
from .dialect import Statement

Values = Mapping[str, Any]

Meaning = Literal["away", "conflict", "refused"]
"""What an error means: nobody is there, or too many are, and a fresh connection may do; others were faster, and the
same transaction may do; or it would fail again."""


class Session(Protocol):
    """One connection, used by one thread. Nothing is autocommitted."""

    def begin(self) -> None:
        """Begin a transaction."""
        ...

    def rows(self, statement: Statement, values: Values) -> Sequence[tuple[Any, ...]]:
        """Execute a statement, and return its rows."""
        ...

    def each(self, statement: Statement, values: Sequence[Values]) -> None:
        """Execute a statement once for each of some values."""
        ...

    def commit(self) -> None:
        """End the transaction: what it did is kept."""
        ...

    def rollback(self) -> None:
        """End the transaction: it did nothing. Never raises."""
        ...

    def close(self) -> None:
        """Close the connection. Never raises."""
        ...


@dataclass(frozen=True)
class Opened:
    """A database that was found by its URL."""

    dialect: str
    """As SQLAlchemy names it."""
    shown: str
    """Names it in messages, without a password."""
    driver: Driver


class Driver(Protocol):
    """How to come to a connection; knows one foreign library."""

    def check_there(self) -> None:
        """Check that there is something to connect to, where that can be seen without connecting.

        Raises StartError: if there is not.
        """
        ...

    def connect(self) -> Any:
        """Open a connection of the library, set up."""
        ...

    def session(self, connection: Any) -> Session:
        """Return a connection as a session."""
        ...

    def nudge(self, session: Session, run_ids: Sequence[str]) -> None:
        """Send word to whoever listens, once the transaction is committed, that something was stored of some runs."""
        ...

    def nudges(self) -> Nudges | None:
        """Return what is told of runs; None: nothing ever is."""
        ...

    def ids(self, ids: Sequence[str]) -> Any:
        """Return names as the value that `among` of the statements takes."""
        ...

    def meaning(self, error: Exception) -> Meaning:
        """Return what an error means."""
        ...

    def advice(self, error: Exception) -> str:
        """Return what the user can do about an error, as the end of a message; empty if nobody knows."""
        ...
