"""`fsm-orch worker`: drive the runs of a store, many at once, until a signal drains it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import discover
from ..define.machine import AnyMachine
from ..observe.log import log_records
from ..run.runner import Runner
from ..store.base import LEASE_S
from ..store.named import store_at
from . import start
from .logs import json_logger, reported
from .show import complaints
from .stored import CodecName, StoreUrl, codec_of
from .warm import warm
from .worker_engines import EngineName, WorkOptions, Works, url_of, works

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def worker(
    target: start.Target,
    *,
    store: StoreUrl,
    codec: CodecName = None,
    also: Annotated[
        list[str] | None,
        typer.Option(metavar="MODULE[:Machine]", help="Drive these runs too, such as an older version's; repeatable."),
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="How many runs are driven at once.")] = 50,
    deps: start.DepsName = None,
    model: start.ModelName = None,
    poll_s: Annotated[float, typer.Option(min=0.01, help="Seconds between two looks at a store without work.")] = 1.0,
    lease_s: Annotated[
        float, typer.Option(min=0.1, help="Seconds after which runs of a dead worker are taken.")
    ] = LEASE_S,
    grace_s: Annotated[
        float, typer.Option(min=0.0, help="Seconds that what is under way may take when drained.")
    ] = 10.0,
    events: Annotated[
        bool, typer.Option("--events", help="Log each event of each run too, for `fsm-orch triage`.")
    ] = False,
    engine: Annotated[
        EngineName, typer.Option(help="Who says which run is driven: the store alone, or an engine over it.")
    ] = EngineName.STORE,
    engine_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="FSM_ORCH_ENGINE",
            help="Where the engine is: for Temporal HOST:PORT; for DBOS a database, by default the store's.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Drive the runs of a store that nobody drives: queued, drained, left by a dead process, answered, or expired.

    As many workers as wanted share a store. What they report is written to stderr, as lines of JSON.

    A machine with dependencies gets them from the function that --deps names. It is called for each run, with what a
    list shows of it, such as run.run_id and run.tenant, and returns the dependencies, or a context manager, async or
    not, that is left when the run ends or waits. Without --deps they are what the function deps() of the machine's
    module returns: once, for all runs.

    SIGTERM or Ctrl-C drains it: nothing begins any more, what is under way may end within the grace, and other workers
    go on with the runs. The second signal ends the grace at once; the third ends the process, as a crash does.

    Before it drives any it is made warm: a model that cannot be asked, such as for a wrong key, is said at once. One
    that is down for the moment is logged, and runs are driven: gates and failure edges are there for that.

    Exit codes: 0 it was drained; 2 it could not start.
    """
    with complaints(), ExitStack() as stack:
        machines = _different([discover.machine(each, Path.cwd()) for each in (target, *(also or ()))])
        factory = start.factory(machines, deps, stack)
        kept, log = stack.enter_context(closing(store_at(store, lease_s=lease_s, codec=codec_of(codec)))), json_logger()
        runners = [
            Runner[Any, Any](
                machine,
                model=start.model_of(machine, model),
                store=kept,
                observers=[log_records(log)] if events else [],
            )
            for machine in machines
        ]
        reported(log, stack)
        drives = {machine.definition.digest: f"{machine.__module__}:{machine.__name__}" for machine in machines}
        working = works(
            engine, WorkOptions(runners, factory, concurrency, poll_s), engine_url or url_of(engine, store), stack
        )
        asyncio.run(kept.beat())  # one that cannot be used is said now, and not by each run
        started = partial(
            log.msg,
            "worker_started",
            drives=drives,
            store=repr(kept),
            engine=engine.value,
            concurrency=concurrency,
            lease_s=lease_s,
        )
        asyncio.run(_warm_and_work(runners, log, lambda: _work(working, grace_s, started)))
        log.msg("worker_drained")


def _different(machines: Sequence[AnyMachine]) -> list[AnyMachine]:
    """Return each machine once: two of one digest are one."""
    found: dict[str, AnyMachine] = {}
    for machine in machines:
        found.setdefault(machine.definition.digest, machine)
    return list(found.values())


async def _warm_and_work(runners: Sequence[Runner[Any, Any]], log: Any, work: Callable[[], Awaitable[None]]) -> None:
    """Work once all runners are warm, which they stay meanwhile, or cannot be for now.

    Raises StartError: if one cannot be.
    """
    async with AsyncExitStack() as stack:
        for runner in runners:
            await stack.enter_async_context(runner)
        await asyncio.gather(*[warm(runner, log) for runner in runners])
        await work()


async def _work(works: Works, grace_s: float, started: Callable[[], object]) -> None:
    """Work until a signal has drained all.

    Args:
        started: is called as soon as signals drain it.
    """
    loop, graces, draining = asyncio.get_running_loop(), [0.0, grace_s], list[asyncio.Future[None]]()

    def drain() -> None:
        if len(graces) == 1:  # the next signal finds no handler
            for each in _SIGNALS:
                loop.remove_signal_handler(each)
        draining.append(asyncio.ensure_future(works.drain(graces.pop())))

    for each in _SIGNALS:
        loop.add_signal_handler(each, drain)
    try:
        started()
        await works.work()
    finally:
        for each in _SIGNALS:
            loop.remove_signal_handler(each)
    await asyncio.gather(*draining)
