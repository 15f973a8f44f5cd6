"""A connection that is ready: its tables are there, of the version of this package."""

from __future__ import annotations

from ...errors import StoreError
from .schema import VERSION
from .session import Opened, Session
from .statements import statements


def ready(database: Opened) -> Session:
    """Return a session with the tables that the statements want, which are made or brought up to date.

    Raises StoreError: if a newer package made them.
    """
    session = _session(database)
    if (found := _version(database, session)) == VERSION:
        return session
    session.close()
    if found is not None and found > VERSION:
        raise StoreError(f"the tables of {database.shown} were made by a newer fsm_orch: upgrade this one")
    from .migrate import migrate  # noqa: PLC0415 - slow to import, and wanted once

    migrate(database.dialect, database.driver.connect)
    return _session(database)


def _session(database: Opened) -> Session:
    return database.driver.session(database.driver.connect())


def _version(database: Opened, session: Session) -> str | None:
    """Return the version of the tables; None if there are none."""
    try:
        session.begin()
        rows = session.rows(statements(database.dialect).version, {})
        version = str(rows[0][0]) if rows else None
    except Exception as error:
        if database.driver.meaning(error) == "away":
            session.close()
            raise
        version = None
    session.rollback()
    return version
