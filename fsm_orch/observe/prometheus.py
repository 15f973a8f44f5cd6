"""Prometheus: counts what runs do, and what is waited for, and gives it to whoever scrapes. Extra: `[prometheus]`.

    metrics = Metrics()
    runner = Runner(Shop, observers=[metrics.of(Shop)], admission=Admission(64))
    metrics.watch(runner)
    app.routes.append(Route("/metrics", metrics))  # from starlette.routing

The metrics are those of `metric_names`. This is the only file that knows the library.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Timer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from ..define.definition import Definition
from ..define.machine import AnyMachine, definition_of
from ..define.wording import kind_of
from ..kernel.records import Record, RunFinished, VisitStarted
from ..reported import report
from . import metric_names as names
from .base import Observer
from .counting import Counting
from .load import Load, Loaded
from .metric_names import METRICS, MetricName
from .telling import named
from .waiting import Wait, Waits

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Where several processes keep what they have counted, as the library reads it when it is imported."""

_SOON_S = 0.2
"""After how many seconds at most other processes see how much this one has to do."""


class Metrics:
    """What the runs of this process have done, and what they wait for; an ASGI application that gives it out.

    In several processes, such as the workers of a web server, each has one. Whichever is asked gives the sums of all,
    if the environment variable `PROMETHEUS_MULTIPROC_DIR` names an empty folder when they start. What a process has to
    do that is idle is told as it was when its last run ended.

    Who may ask is for the application to say. The answer has names of machines, states, handoffs and models, and
    figures; it has no text, id or tenant. When a series was made, `_created`, is left out, of these metrics alone.

    Args:
        registry: where the metrics are registered. None: one of their own, so that nothing of the application changes.
            With `prometheus_client.REGISTRY` they are among its own, and given out as it does that.

    Raises ValueError: if the registry has metrics of these names already.
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._registry = CollectorRegistry() if registry is None else registry
        self._metrics = {metric: _made(metric, self._registry) for metric in METRICS}
        self._observers: dict[str, Observer] = {}
        """By the digest of the machine."""
        self._models = set[str]()
        """The names of models that are labels, of all machines."""
        self._watched: list[Loaded] = []
        self._waits = Waits(self._show_wait)
        self._is_one_of_several = _FOLDER in os.environ
        self._looks_again = 0.0

    def of(self, machine: AnyMachine | Definition) -> Observer:
        """Return the observer of a machine's runs, which is one, however often it is asked for: `observers=[...]`.

        `everywhere(metrics.of)` observes the runs of all machines, whoever makes their runners. All series that can be
        known from the definition are there from now on, at 0.

        Raises TypeError: if it is no machine.
        """
        definition = machine if isinstance(machine, Definition) else definition_of(machine, "Metrics.of")
        if definition.digest not in self._observers:
            counting = Counting(definition, self._series)
            self._observers[definition.digest] = (
                partial(self._counted, counting) if self._is_one_of_several else counting
            )
        return self._observers[definition.digest]

    def watch(self, runner: Loaded) -> None:
        """Show how much a runner has to do, too: how many runs it drives, which wait, and how its gates stand.

        How many of its runs wait for humans, whoever drove them, is what its store counts, each 15 s at most and only
        if somebody asks. Runs of other versions of its machine are not among them.

        To watch one twice is to watch it once.

        Raises TypeError: if it is no runner.
        """
        if not isinstance(getattr(runner, "load", None), Load):
            raise TypeError(f"Metrics.watch takes a runner, not {kind_of(runner)}: metrics.watch(Runner(Shop))")
        if not any(runner is watched for watched in self._watched):
            self._watched.append(runner)
        self._look()

    async def exposed(self) -> bytes:
        """Return all metrics in the text format of Prometheus, whose type is `content_type`; written off the loop."""
        self._look()
        await self._waits.look(self._watched)
        return await asyncio.to_thread(self._text)

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Any]],  # noqa: ARG002 - a body is not read
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        """Answer a request: `GET` and `HEAD` alone."""
        if scope["type"] != "http":
            raise RuntimeError(f"metrics are given out over HTTP, not {scope['type']}: Route('/metrics', metrics)")
        is_read = scope["method"] in ("GET", "HEAD")
        body = await self.exposed() if is_read else b""
        headers = [(b"content-type", CONTENT_TYPE_LATEST.encode()), (b"content-length", b"%d" % len(body))]
        headers += [] if is_read else [(b"allow", b"GET, HEAD")]
        await send({"type": "http.response.start", "status": 200 if is_read else 405, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _series(self, metric: MetricName, /, *labels: str) -> Any:
        if metric is names.CALL_SECONDS:
            labels = (*labels[:-1], self._model(labels[-1]))
        return self._metrics[metric].labels(*labels)

    def _model(self, name: str) -> str:
        """Return the label of a model: its name, or a fixed word if there are many already."""
        if len(self._models) < names.MOST_MODELS:
            self._models.add(name)
        return name if name in self._models else names.OTHER

    def _counted(self, counting: Counting, record: Record) -> None:
        """Count a record, and let other processes see soon how much there is to do here."""
        counting(record)
        if isinstance(record, VisitStarted | RunFinished) and self._watched:
            self._look_soon()

    def _look_soon(self) -> None:
        """Look in a moment, and again while there is anything to do; by a thread, as the loop may end with its run."""
        now = time.monotonic()
        if not 0 <= self._looks_again - now <= _SOON_S:  # else a look is to come already
            self._looks_again = now + _SOON_S
            soon = Timer(_SOON_S, self._look_again)
            soon.daemon = True
            soon.start()

    def _look_again(self) -> None:
        self._looks_again = 0.0
        if any(load.running for _, load in self._look()):
            self._look_soon()

    def _look(self) -> list[tuple[str, Load]]:
        """Look at how much there is to do, and return it, each load with the name of its machine."""
        loads = [loaded for runner in self._watched if (loaded := _load_or_none(runner)) is not None]
        values: dict[tuple[MetricName, tuple[str, ...]], int] = {}
        for machine, load in loads:
            active = names.ACTIVE, (machine,)
            values[active] = values.get(active, 0) + load.running
            found: dict[tuple[MetricName, tuple[str, ...]], int] = {(names.QUEUED, (machine,)): load.waiting}
            for place, gate in load.gates.items():
                found[names.GATE_QUEUED, (machine, place)] = gate.waiting
                found[names.GATE_SHUT, (machine, place)] = gate.is_shut
            # runners share admissions and gates: what each says of these is not added up
            values |= {key: max(value, values.get(key, 0)) for key, value in found.items()}
        for (metric, labels), value in values.items():
            self._series(metric, *labels).set(value)
        return loads

    def _show_wait(self, machine: str, state: str, wait: Wait) -> None:
        self._series(names.WAITING, machine, state).set(wait.runs)
        self._series(names.WAITING_SECONDS, machine, state).set(wait.oldest_s)

    def _text(self) -> bytes:
        if not self._is_one_of_several:
            return generate_latest(_Without(self._registry, METRICS))
        _forget_the_dead(Path(os.environ[_FOLDER]))
        together = CollectorRegistry()
        MultiProcessCollector(together)
        return generate_latest(together)


class _Without(Collector):
    """A registry as it is given out: without when each series was made, which nobody asks and doubles their number."""

    # here, not by `disable_created_metrics()`, which would change the application's own metrics too
    def __init__(self, registry: CollectorRegistry, ours: Iterable[MetricName]) -> None:
        self._registry, self._ours = registry, frozenset(metric.name for metric in ours)

    def collect(self) -> Iterable[Metric]:
        for metric in self._registry.collect():
            if metric.name in self._ours:
                metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric


def _load_or_none(runner: Loaded) -> tuple[str, Load] | None:
    """Return the name of a runner's machine and its load; None if it cannot say, which is logged: others can."""
    try:
        return runner.definition.name, runner.load
    except Exception as error:
        report("what %s has to do is not counted: its load raised %s", named(runner), type(error).__name__)
        return None


def _made(metric: MetricName, registry: CollectorRegistry) -> MetricWrapperBase:
    match metric.kind:
        case "counter":
            return Counter(metric.name, metric.help, metric.labels, registry=registry)
        case "gauge":
            return Gauge(metric.name, metric.help, metric.labels, registry=registry, multiprocess_mode=metric.across)
        case "histogram":
            return Histogram(metric.name, metric.help, metric.labels, registry=registry, buckets=metric.buckets)


def _forget_the_dead(folder: Path) -> None:
    """Remove what processes that are no more had to do; what they have counted stays counted."""
    if os.name != "posix":  # elsewhere to ask for a process may end it
        return
    for file in folder.glob("gauge_live*_*.db"):
        pid = file.stem.rpartition("_")[2]
        if pid.isdecimal() and not _is_alive(int(pid)):
            with suppress(FileNotFoundError):  # another process was quicker
                mark_process_dead(int(pid), str(folder))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
