"""`fsm-orch inspect`: a machine and its runs in a browser, live and in time, for whoever has the link."""

from __future__ import annotations

import secrets
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import discover
from ..observe.recorder import Recorder
from ..proof.bounds.words import most_in_words
from ..run.runner import Runner
from ..store.base import Store
from ..store.memory import MemoryStore
from ..store.named import store_at
from . import start
from .logs import json_logger, reported
from .serve.address import bound, url_of
from .serve.screen import tried
from .serve.service import service_of
from .serve.settings import ServiceTable
from .show import complaints, console, hanging
from .stored import CodecName, OptionalStoreUrl, codec_of

_HOST = "127.0.0.1"
_DRAIN_S = 2.0
_WIDTH = 8


def inspect(
    target: start.Target,
    *,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: any that is free.")] = 0,
    store: OptionalStoreUrl = None,
    codec: CodecName = None,
    deps: start.DepsName = None,
    model: start.ModelName = None,
    coverage: start.CoverageFile = None,
    evaluation: start.EvaluationFile = None,
) -> None:
    """Show a machine and its runs in a browser: live, in time, and what is proved of them.

    It shows the runs of everybody in a store, with all that is said in them. So it listens on this machine alone, and
    the link that it prints has a token of its own, new each time: whoever has the link sees, answers and cancels runs.

    It begins no run by itself. What is answered, forked or begun from here is driven here.

    Without --store it has a store in memory, which keeps prompts and replies too; the screen says how a run is begun.

    Ctrl-C ends it.

    Exit codes: 0 it was ended; 2 it could not start.
    """
    with complaints(), ExitStack() as stack:
        machine, log, token = discover.machine(target, Path.cwd()), json_logger(), secrets.token_urlsafe(24)
        memory, on_prompt = MemoryStore(), None
        kept: Store = memory
        if store is None:
            on_prompt = Recorder(memory)
        else:
            kept = stack.enter_context(closing(store_at(store, codec=codec_of(codec))))
        runner = Runner[Any, Any](machine, model=start.model_of(machine, model), store=kept, on_prompt=on_prompt)
        service = service_of(
            runner,
            ServiceTable(),
            admission=None,
            deps=start.factory([machine], deps, stack),
            token=token,
            chat=None,
            metrics=None,
            works=0,
            drain_s=_DRAIN_S,
            inspector="all",
            coverage=coverage,
            evaluation=evaluation,
        )
        reported(log, stack)
        bare = bound(_HOST, port)
        from .serve.server import run  # noqa: PLC0415 - an extra; it is known to be there

        run(
            runner,
            service.app,
            bare,
            drain_s=service.drain_s,
            log=log,
            started=lambda: _show(runner, url_of(bare), token, None if store is None else repr(kept)),
            logs_requests=False,  # the page asks again each second
        )


def _show(runner: Runner[Any, Any], url: str, token: str, store: str | None) -> None:
    out = console()
    lines = {
        "open": f"{url}/inspector/#token={token}",
        "proved": most_in_words(runner.definition),
        "store": store or "memory: its runs end with this process. --store sqlite:///runs.db shows those of a database",
        "try": tried(runner.definition.context, url, token),
    }
    out.print(f"{runner.definition.name} is shown to whoever has the link", style="bold", soft_wrap=True)
    for label, text in lines.items():
        out.print(hanging(out, f"  {label:<{_WIDTH}}", text), soft_wrap=True)
