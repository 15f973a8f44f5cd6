"""Stores as commands are given them, by URL, and the runs in them."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote

import typer

from .. import discover
from ..kernel.inputs import Input
from ..observe.secrets import without_secrets
from ..store.base import Store
from ..store.coded import Codec
from ..store.named import store_at
from ..store.values import Listed
from .show import CommandError, name_of

if TYPE_CHECKING:
    from ..store.sql import SqlStore

_PATIENCE_S = 5.0
"""For how long somebody at a terminal waits for a database that is away."""

_BEGINNING = 6
"""From how many characters on an id that is not known is looked at as the beginning of one."""
_LAST = 1_000
"""Among how many runs, the last that began: a store may hold millions, and cannot look for beginnings."""
_NAMED = 3

_STORE = typer.Option(
    "--store",
    metavar="URL",
    envvar="FSM_ORCH_STORE",
    help="The database with the runs: sqlite:///FILE or postgresql://USER@HOST/DATABASE. A password is safer in the "
    "environment, where no list of processes shows it.",
    show_default=False,
)
StoreUrl = Annotated[str, _STORE]
OptionalStoreUrl = Annotated[str | None, _STORE]
CodecName = Annotated[
    str | None,
    typer.Option(
        metavar="MODULE:FUNCTION",
        envvar="FSM_ORCH_CODEC",
        help="Makes the codec that the texts of this store pass through, such as encryption; called once.",
        show_default=False,
    ),
]
_OPEN = re.compile(r"sqlite:///[^?#@;=]*(\?sync=[a-z]+)?|[a-z]+://([\w.-]+@)?[\w.-]*(:\d+)?(/[\w.-]*)?")
"""A URL that holds no password, nor a file whose name may be more than a name, such as `runs.db;key=…`.

Not what holds none by `urlsplit`, which reads `u:1/2@host` as a host and a port.
"""

RunId = Annotated[str, typer.Argument(metavar="RUN", help="The id of the run.", show_default=False)]


@contextmanager
def opened(url: str, codec: str | None = None, *, is_there: bool = True) -> Iterator[SqlStore]:
    """Yield the store at a URL, and close it afterwards.

    Args:
        codec: names the function that makes its codec; None: it has none.
        is_there: whether a file must be there already; else it is made.

    Raises StartError: if it names no database.
    Raises as `codec_of` does.
    """
    store = store_at(url, is_there=is_there, patience_s=_PATIENCE_S, codec=codec_of(codec))
    try:
        yield store
    finally:
        store.close()


def codec_of(named: str | None) -> Codec | None:
    """Return the codec that a function makes. No message holds what the function raised: that may hold a key.

    Args:
        named: `MODULE:FUNCTION`; None: there is no codec.

    Raises DiscoveryError: if there is no such function.
    Raises CommandError: if it raises, or returns no codec.
    """
    if named is None:
        return None
    make = discover.function(named, Path.cwd())
    try:
        codec: Any = make()
    except Exception as error:
        raise CommandError(f"--codec {named} raised {type(error).__name__}: call it in Python to see why") from None
    if not all(callable(getattr(codec, name, None)) for name in ("encode", "decode")) or isinstance(codec, type):
        raise CommandError(
            f"--codec {named} returned a {type(codec).__name__}, which is no codec: return an object with "
            "encode(place, text) and decode(place, stored)"
        )
    made: Codec = codec
    return made


def option_of(url: str, codec: str | None = None) -> str:
    """Return the options that name a store, as a hint shows them: `--store ...` if its URL may hold a secret.

    Args:
        codec: names the function that makes its codec; None: it has none.
    """
    is_open = all(_OPEN.fullmatch(each) and without_secrets()(each) == each for each in (url, unquote(url)))
    shown = name_of(shlex.quote(url)) if is_open else "..."
    return f"--store {shown}" if codec is None else f"--store {shown} --codec {name_of(shlex.quote(codec))}"


def found(store: Store, run_id: str) -> Listed:
    """Return a run as a list shows it.

    Raises CommandError: if the store does not know it. It names the last ids that begin so: what is meant is not
        guessed, as a run that is landed or answered by mistake stays so.
    """
    rows = asyncio.run(store.list(run_id=run_id))
    if rows:
        return rows[0]
    last = asyncio.run(store.list(limit=_LAST)) if len(run_id) >= _BEGINNING else ()
    alike = [name_of(shlex.quote(row.run_id)) for row in last if row.run_id.startswith(run_id)]
    more = f", and {len(alike) - _NAMED} more" if len(alike) > _NAMED else ""
    whole = f"give a whole id, such as {', '.join(alike[:_NAMED])}{more}" if alike else ""
    raise CommandError(
        f"this store knows of no run {run_id!r}: {whole or 'fsm-orch runs list shows those that it knows'}"
    )


def journal_of(store: Store, run: Listed) -> tuple[Input, ...]:
    """Return the inputs that the head of a run is of; what came since is left out."""
    return asyncio.run(store.load(run.run_id))[: run.inputs]
