"""Statements as text, and what each dialect says in its own way.

Values are bound by name. The driver executes the text itself: at one run, SQLAlchemy's own execution costs half again
as much as all the rest of an append.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.sql import ClauseElement, ColumnElement

from .schema import runs, workers

_DIALECTS: dict[str, Any] = {
    "sqlite": sqlite.dialect(paramstyle="named"),
    "postgresql+psycopg": psycopg.dialect(),  # type: ignore[no-untyped-call]
}


@dataclass(frozen=True)
class Statement:
    """One statement: its text, and the values that are always the same."""

    text: str
    fixed: Mapping[str, Any]

    def with_fixed(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return all that is bound."""
        return {**self.fixed, **values} if self.fixed else values


def bound(name: str, kind: Any = None) -> Any:
    """Return a value that is bound by a name."""
    return sa.bindparam(name, type_=kind)


def text_of(dialect: str, clause: ClauseElement) -> Statement:
    """Return a statement in a dialect, as SQLAlchemy names it."""
    compiled = clause.compile(dialect=_DIALECTS[dialect])
    return Statement(
        str(compiled), {name: value for name, value in (compiled.params or {}).items() if value is not None}
    )


def among(dialect: str, column: ColumnElement[str], name: str) -> ColumnElement[bool]:
    """Return whether a column is one of many values, which are bound as one: the text is the same for any number."""
    if dialect == "sqlite":
        return column.in_(sa.select(sa.func.json_each(bound(name, sa.Text)).table_valued("value").c.value))
    return column == sa.any_(bound(name, postgresql.ARRAY(sa.Text)))


def now(dialect: str) -> ColumnElement[Any]:
    """Return the seconds of the epoch by the database's clock, which all of its workers share."""
    if dialect == "sqlite":
        return sa.literal_column("(julianday('now') - 2440587.5) * 86400.0", sa.Double)
    return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Double)


def is_alive(dialect: str) -> ColumnElement[bool]:
    """Return whether the owner of a run beats."""
    return sa.exists().where(workers.c.id == runs.c.owner, workers.c.expires_at > now(dialect))
