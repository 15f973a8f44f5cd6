"""`fsm-orch serve`: a machine behind HTTP, until a signal drains it."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated, Any

import typer

from ... import discover
from ...observe.log import log_records
from ...run.runner import Runner
from ...store.base import LEASE_S, Store
from ...store.memory import MemoryStore
from ...store.named import store_at
from .. import start
from ..logs import json_logger, reported
from ..show import complaints, console
from ..stored import CodecName, OptionalStoreUrl, codec_of
from ..warm import warm
from .address import bound, check_place, listening, names_of, place_of, url_of
from .gates import admission_of, gates_in, quotas_in, shared_at
from .metrics import counted_together, has_metrics, metrics_or_none
from .screen import Told, show
from .service import Service, chat_of, service_of, token_in
from .settings import settings_in
from .workers import Workers, inherited_from


def serve(
    target: start.Target,
    *,
    host: Annotated[
        str | None, typer.Option(help="Where it listens. Default: 127.0.0.1, which this machine alone reaches.")
    ] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Default: 8000; 0: any that is free.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="How many processes, over one store. Default: 1.")
    ] = None,
    store: OptionalStoreUrl = None,
    codec: CodecName = None,
    deps: start.DepsName = None,
    model: start.ModelName = None,
    redis: Annotated[
        str | None,
        typer.Option(
            metavar="URL", envvar="FSM_ORCH_REDIS", help="Where processes share the gates.", show_default=False
        ),
    ] = None,
    admission: Annotated[
        int | None,
        typer.Option(min=0, help="How many runs are driven at once in each process. Default: 64; 0: all that come."),
    ] = None,
    token_env: Annotated[
        str | None,
        typer.Option(
            "--auth-token-env",
            metavar="NAME",
            help="The variable with the token that callers send.",
            show_default=False,
        ),
    ] = None,
    open_to_all: Annotated[
        bool, typer.Option("--open-to-all", help="Listen for other machines, and to any name, without a token.")
    ] = False,
    file: Annotated[
        Path | None,
        typer.Option(
            "--settings",
            metavar="FILE.toml",
            help="Gates, admission, quotas, limits of the service.",
            show_default=False,
        ),
    ] = None,
    works: Annotated[
        int | None,
        typer.Option(min=0, help="How many runs that nobody drives it works on at once. Default: 50; 0: none."),
    ] = None,
    drain_s: Annotated[
        float | None, typer.Option(min=0.0, help="Seconds that runs may take to end when drained. Default: 10.")
    ] = None,
    lease_s: Annotated[
        float, typer.Option(min=0.1, help="Seconds after which runs of a dead process are taken.")
    ] = LEASE_S,
    text: Annotated[
        str | None,
        typer.Option(metavar="FIELD", help="Takes what a user of a chat says. Default: the only required str field."),
    ] = None,
    answer: Annotated[
        str | None, typer.Option(metavar="FIELD", help="Holds the answer of a chat. Default: the field 'answer'.")
    ] = None,
    events: Annotated[
        bool, typer.Option("--events", help="Log each event of each run too, for `fsm-orch triage`.")
    ] = False,
    inspect: Annotated[
        bool,
        typer.Option("--inspect", help="Show its runs at /inspector/, with all that is said in them, to who may call."),
    ] = False,
    coverage: start.CoverageFile = None,
    evaluation: start.EvaluationFile = None,
    inherited: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Serve a machine over HTTP: its runs, OpenAI's chat completions, AG-UI, health, metrics, and a page of the API.

    A store keeps the runs: in memory, or with --store in a database, which several processes share. There it also
    drives the runs that nobody drives, as `fsm-orch worker` does: queued, drained, left by a dead process, answered, or
    expired. With --works 0 that is left to workers.

    What it reports, and each request without its query, is written to stderr, as lines of JSON. With --events that is a
    log which `fsm-orch triage` reads.

    With the extra `prometheus` it gives out metrics at /metrics, of all its processes together.

    SIGTERM or Ctrl-C drains it: nothing begins any more, runs may end for --drain-s, and the others are left to other
    processes of the store. The second signal ends the grace at once; the third ends the process, as a crash does.

    The command line wins over the file of --settings. Dependencies are as for `fsm-orch worker`.

    Exit codes: 0 it was drained; 2 it could not start.
    """
    with complaints(), ExitStack() as stack:
        settings, token, log = settings_in(file), token_in(token_env), json_logger()
        place = place_of(settings.service, host=host, port=port, workers=workers)
        check_place(place, has_store=store is not None, has_token=token is not None, is_open=open_to_all)
        machine = discover.machine(target, Path.cwd())
        definition, entrance = machine.definition, admission_of(settings.admission, admission)
        serves_here = place.workers == 1 or inherited is not None
        metrics = metrics_or_none() if serves_here else None
        kept: Store = MemoryStore()
        if store is not None:
            kept = stack.enter_context(closing(store_at(store, lease_s=lease_s, codec=codec_of(codec))))
        runner = Runner[Any, Any](
            machine,
            model=start.model_of(machine, model),
            store=kept,
            observers=[
                *([log_records(log)] if events else []),
                *([] if metrics is None else [metrics.of(machine)]),
            ],
            gates=gates_in(settings.gates, definition, shared_at(redis, definition, stack), file),
            admission=entrance,
            quotas=quotas_in(settings.quotas),
        )
        if metrics is not None:
            metrics.watch(runner)
        service = service_of(
            runner,
            settings.service,
            admission=entrance,
            deps=start.factory([machine], deps, stack),
            token=token,
            chat=chat_of(definition.context, text, answer),
            metrics=metrics,
            works=works,
            drain_s=drain_s,
            inspector="own" if inspect else None,
            coverage=coverage,
            evaluation=evaluation,
            hosts=names_of(place, has_token=token is not None, is_open=open_to_all),
        )
        reported(log, stack)
        bare = bound(place.host, place.port) if inherited is None else inherited_from(inherited)
        told = Told(
            url_of(bare), token_env=token_env, chat=service.chat, store=None if store is None else repr(kept),
            admission=entrance, works=service.works, gates=tuple(settings.gates), is_shared=redis is not None,
            workers=place.workers, has_metrics=has_metrics(), is_inspected=inspect,
        )  # fmt: skip
        if serves_here:
            is_alone = inherited is None
            _serve(runner, service, bare, log, lambda: show(console(), runner, told) if is_alone else None)
            return
        asyncio.run(_warmed(runner, log))  # what cannot be asked is said now, and not by each process
        show(console(), runner, told)
        stack.close()  # before others are begun: they have all of it themselves
        with counted_together():
            code = Workers(place.workers, sys.argv[1:], listening(bare), log).run()
        raise typer.Exit(code)


def _serve(
    runner: Runner[Any, Any], service: Service, bare: socket.socket, log: Any, began: Callable[[], None]
) -> None:
    """Serve in this process, until it is drained."""
    from .server import run  # noqa: PLC0415 - an extra; it is known to be there

    def started() -> None:
        began()
        log.msg("serve_started", url=url_of(bare), pid=os.getpid())

    run(runner, service.app, bare, drain_s=service.drain_s, log=log, started=started)
    log.msg("serve_drained")


async def _warmed(runner: Runner[Any, Any], log: Any) -> None:
    async with runner:
        await warm(runner, log, "serve_not_warm")
