"""URLs of databases: which driver they mean, and how they are shown without a password."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from ...define.wording import to_install
from ...errors import StartError
from .session import Opened
from .sqlite import Sqlite

_SYNCS = ("full", "normal")
_LIMITS = {"keepalives_idle": 5, "keepalives_interval": 5, "keepalives_count": 2, "tcp_user_timeout": 15_000}
"""As libpq calls them, in seconds, and the last in milliseconds: a host that acknowledges nothing is given up after as
long as a lease lasts. Else a statement waits for it for a quarter of an hour, and for an answer two hours."""
_FILE = "a store in SQLite is a file: 'sqlite:///runs.db', or 'sqlite:////var/lib/runs.db'"


def opened(url: str) -> Opened:
    """Return the database that a URL names; nothing is connected yet.

    Raises StartError: if it names none, or its driver is not installed. No message holds a password.
    """
    scheme = url.partition("://")[0]
    if scheme == "sqlite":
        return _sqlite(url)
    if scheme in ("postgresql", "postgres"):
        return _postgres(url)
    raise StartError("a store is named by 'sqlite:///FILE' or 'postgresql://USER:PASSWORD@HOST/DATABASE'")


def limited(url: str) -> str:
    """Return the URL of a server in PostgreSQL with how long its host may be silent, where it does not say that."""
    start, _, said = url.partition("?")
    added = urlencode({name: value for name, value in _LIMITS.items() if f"{name}=" not in said})
    return f"{start}?{'&'.join(filter(None, (said, added)))}"


def _sqlite(url: str) -> Opened:
    try:
        parts = urlsplit(url)
    except ValueError:  # which may quote it
        raise StartError(_FILE) from None
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    sync = options.pop("sync", "full")
    path = unquote(parts.path[1:])
    if parts.netloc or path in ("", ":memory:"):
        raise StartError(_FILE)
    if options or sync not in _SYNCS:
        raise StartError("a store in SQLite takes ?sync=full or ?sync=normal, and nothing else")
    return Opened("sqlite", f"sqlite:///{path}", Sqlite(path, sync))


def _postgres(url: str) -> Opened:
    try:
        from .postgres import Postgres  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise StartError(f"a store in PostgreSQL needs some packages: {to_install('postgres')}") from error
    driver = Postgres(limited(url))
    try:
        shown = f"postgresql://{driver.place}"
    except ValueError:
        raise StartError(
            "this is no URL of PostgreSQL: 'postgresql://USER:PASSWORD@HOST:PORT/DATABASE'. In a password write "
            "%25 for %, %40 for @, %2F for / and %3F for ?"
        ) from None
    return Opened("postgresql+psycopg", shown, driver)
