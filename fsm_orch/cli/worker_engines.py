"""What a worker is told by who drives which run: its store, or an engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import ExitStack, closing
from enum import StrEnum
from typing import Any, NamedTuple

from ..run.deps import Factory
from ..run.runner import Runner
from .show import CommandError


class EngineName(StrEnum):
    """Who says which run is driven."""

    STORE = "store"
    DBOS = "dbos"
    TEMPORAL = "temporal"


class Works(NamedTuple):
    """How to work, and how to end that."""

    work: Callable[[], Awaitable[None]]
    drain: Callable[[float], Coroutine[Any, Any, None]]
    """Takes the seconds of grace."""


class WorkOptions(NamedTuple):
    """What a worker is told, whoever says which run is driven."""

    runners: Sequence[Runner[Any, Any]]
    deps: Factory[Any] | None
    concurrency: int
    poll_s: float


def url_of(name: EngineName, store: str) -> str | None:
    """Return where an engine is if nobody says; None: that must be said, or it is nowhere else than the store.

    Args:
        store: the URL of the store.
    """
    return store if name is EngineName.DBOS and store.startswith("postgres") else None


def works(name: EngineName, options: WorkOptions, url: str | None, stack: ExitStack) -> Works:
    """Return how to work.

    Args:
        url: of the database or server of the engine.
        stack: closes what is opened.

    Raises CommandError: if the engine needs a URL.
    Raises StartError: if a package is missing, or the URL is of nothing that the engine knows.
    """
    named = {EngineName.STORE: _store, EngineName.DBOS: _dbos, EngineName.TEMPORAL: _temporal}
    return named[name](options, url, stack)


def _store(options: WorkOptions, url: str | None, _: ExitStack) -> Works:
    (first, *rest), deps = options.runners, options.deps
    if url is not None:
        raise CommandError(
            "the store is the engine, and has its own URL: leave --engine-url out, or give --engine dbos or temporal "
            "(the variable FSM_ORCH_ENGINE is --engine-url too)"
        )
    needed: dict[str, Any] = {} if deps is None else {"deps": deps}

    async def drain(grace_s: float) -> None:
        await asyncio.gather(*(runner.drain(grace_s=grace_s) for runner in options.runners))

    return Works(lambda: first.work(concurrency=options.concurrency, poll_s=options.poll_s, also=rest, **needed), drain)


def _dbos(options: WorkOptions, url: str | None, stack: ExitStack) -> Works:
    from ..durable.dbos import DBOSEngine  # noqa: PLC0415 - an extra, and slow to import

    (first, *rest), deps = options.runners, options.deps
    if url is None:
        raise CommandError("DBOS has its queues in PostgreSQL, and the store is not there: give --engine-url")
    engine = DBOSEngine(first, url=url, also=rest, deps=deps, concurrency=options.concurrency)
    stack.enter_context(closing(engine))
    return Works(lambda: engine.work(poll_s=options.poll_s), lambda grace_s: engine.drain(grace_s=grace_s))


def _temporal(options: WorkOptions, url: str | None, _: ExitStack) -> Works:
    from ..durable.temporal import TemporalEngine  # noqa: PLC0415 - an extra, and slow to import

    (first, *rest), deps = options.runners, options.deps
    if url is None:
        raise CommandError("Temporal is a server: say where, by --engine-url HOST:PORT")
    engine = TemporalEngine(first, url=url, also=rest, deps=deps, concurrency=options.concurrency)
    return Works(lambda: engine.work(poll_s=options.poll_s), lambda grace_s: engine.drain(grace_s=grace_s))
