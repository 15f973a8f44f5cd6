"""`fsm-orch eval`: measure how well a machine routes queries whose right states are known."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ... import discover
from ...define.context import Context
from ...define.machine import AnyMachine
from ...errors import DefinitionError
from ...evaluate.routes import Probe, Route, Routing, Share, alone, handed_on, route
from ...kernel.records import VisitStarted
from ...models import registry
from ...run.delta import TextDelta
from ...run.runner import Runner
from .. import files, start
from ..outcome import json_alone
from ..show import CommandError, complaints, console, interrupted
from . import queries, report
from .against import compared, side_in, side_of
from .against import show as show_compared
from .curve import tradeoff
from .queries import Query
from .scores import TITLE, Scores, picture, print_json, show

AnyRunner = Runner[Any, Any]
T = TypeVar("T")


def evaluate(
    target: start.Target,
    *,
    data: Annotated[Path, typer.Option(metavar="CSV", help="A file with a header and one query a row.")],
    text: Annotated[str, typer.Option(metavar="COLUMN", help="Column of the queries.")] = "text",
    expect: Annotated[
        str, typer.Option(metavar="COLUMN", help="Column of the states to reach; any other word means none.")
    ] = "specialist",
    split: Annotated[
        str | None, typer.Option(help="Use only rows with this value in the column `split`.", show_default=False)
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Use at most N rows, chosen at random.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random sample.")] = 0,
    fields: Annotated[
        str, typer.Option("--context", metavar="JSON", help="Other fields of each initial context, as a JSON object.")
    ] = "{}",
    model: start.ModelName = None,
    full: Annotated[bool, typer.Option("--full", help="Let runs end, instead of leaving them once routed.")] = False,
    probe: Annotated[int, typer.Option(min=0, metavar="N", help="Ask each specialist N questions of others.")] = 0,
    concurrency: Annotated[int, typer.Option(min=1, help="Runs at the same time.")] = 1,
    beside: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODULE[:Machine]", help="Measure another machine on the same queries, too; may be repeated."
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.svg", dir_okay=False, help="Draw the errors, and how a threshold trades them."),
    ] = None,
    versus: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PROVIDER:MODEL", help="Measure the machine with another model, too, and compare; may be repeated."
        ),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE.json", help="Compare with an older result that --json has printed; may be repeated."
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", dir_okay=False, help="Write a report for a browser, without any script."),
    ] = None,
    force: files.Force = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Run queries whose right states are known through a machine, and show where it routed them.

    A query fills the context's only required str field. It is routed to the first state it enters that some row
    expects. The run is left there, before the agent of that state acts. A probe asks each specialist that is a model N
    questions of others, which it should hand on, and N of its own, which it should not. Where an ExamplesAgent routes,
    it is shown what each of its thresholds would do.

    What --beside or --versus measures, or --against names, is compared with the machine, query by query: which are
    right now and were wrong before, and whether that may be chance (McNemar's exact test).

    Exit codes: 0 measured, however well the machine routes; 2 could not start; 130 interrupted.
    """
    with complaints(), json_alone(as_json) as stdout:
        if plot is not None:
            files.check_writable(plot, _PICTURE, force=force)
        if html is not None:
            files.check_writable(html, report.REPORT, force=force)
        older = [side_in(file) for file in against or ()]
        machines = [discover.machine(name, Path.cwd()) for name in (target, *(beside or ()))]
        given = queries.read(data, text=text, expect=expect, split=split)
        chosen = queries.sample(given, limit, seed)
        source = data.name if split is None else f"{data.name} ({split})"
        measurement = _Measurement(source, given, chosen, fields, model, full, concurrency)
        scores, *others = [
            measurement.of(machine, probe=0 if number else probe, seed=seed) for number, machine in enumerate(machines)
        ]
        others += [replace(measurement, model=name).of(machines[0], probe=0, seed=seed) for name in versus or ()]
        now = side_of(scores)
        comparisons = [compared(before, now) for before in (*older, *map(side_of, others))]
        if plot is not None:
            files.write(plot, picture(scores, others).encode())
        if html is not None:
            files.write(html, report.report([scores, *others], comparisons).encode(errors="replace"))
        if as_json:
            print_json(stdout, scores, others, [comparison.as_json() for comparison in comparisons])
        else:
            show(console(), scores, others)
            for comparison in comparisons:
                show_compared(console(), comparison)


_PICTURE = files.beginning("a picture of how machines route", "<svg", f"<title>{TITLE}</title>")


@dataclass(frozen=True)
class _Measurement:
    """What the measurements of all machines have in common."""

    source: str
    given: Sequence[Query]
    chosen: Sequence[Query]
    fields: str
    model: str | None
    is_full: bool
    at_once: int

    def of(self, machine: AnyMachine, *, probe: int, seed: int) -> Scores:
        """Measure a machine."""
        definition = machine.definition
        named = start.model_of(machine, self.model)
        labels = queries.labels(self.given, definition)
        exams = _exams(machine, named, self.given, labels, probe, seed) if probe else []
        runner = AnyRunner(machine, model=named)
        with start.dependencies(machine) as deps, interrupted("an incomplete measurement is not shown"):
            trial = _Trial(labels, self.fields, deps, self.at_once)
            leave_at = () if self.is_full else labels
            routing, probes = asyncio.run(trial.measure(runner, self.chosen, exams, leave_at=leave_at))
        contexts = [start.context(definition.context, query.text, self.fields) for query in self.chosen]
        return Scores(
            definition=definition,
            source=self.source,
            model=named if any(route.calls for route in routing.routes) or probes else None,
            routing=routing,
            tradeoff=tradeoff(definition, routing, contexts),
            is_full=self.is_full,
            is_priced=_is_priced(machine, named),
            probes=probes,
            texts=tuple(query.text for query in self.chosen),
        )


@dataclass(frozen=True)
class _Exam:
    """A specialist, and the questions that it is asked."""

    label: str
    runner: AnyRunner
    elsewhere: Collection[str]
    """Where its run ends if it hands the question on."""
    foreign: Sequence[Query]
    own: Sequence[Query]

    @property
    def size(self) -> int:
        return len(self.foreign) + len(self.own)


def _exams(
    machine: AnyMachine, model: str, given: Sequence[Query], labels: Collection[str], count: int, seed: int
) -> list[_Exam]:
    """Return the exam of every specialist that is a model.

    Raises CommandError: if no specialist is a model, or one cannot stand alone.
    """
    definition = machine.definition
    specialists = [label for label in labels if definition.states[label].spec.proposes]
    if not specialists:
        raise CommandError(f"--probe asks models, and none works in {', '.join(labels)}")
    exams = []
    for label in specialists:
        try:
            runner = AnyRunner(alone(machine, label), model=model)
        except DefinitionError as error:
            raise CommandError(f"{label!r} cannot be probed on its own: {error.findings[0].problem}") from None
        foreign = [query for query in given if query.expected in labels and query.expected != label]
        own = [query for query in given if query.expected == label]
        chosen = (queries.sample(questions, count, seed) for questions in (foreign, own))
        exams.append(_Exam(label, runner, handed_on(definition, label, labels), *chosen))
    return exams


@dataclass(frozen=True)
class _Trial:
    """What all runs of a measurement have in common."""

    labels: tuple[str, ...]
    fields: str
    """The other fields of each initial context, as JSON."""
    deps: Any
    at_once: int
    """Runs at a time."""

    async def measure(
        self, runner: AnyRunner, chosen: Sequence[Query], exams: Sequence[_Exam], *, leave_at: Collection[str]
    ) -> tuple[Routing, tuple[Probe, ...]]:
        """Route the queries and hold the exams, all on one event loop, since a model's connections belong to theirs."""
        async with runner:  # queries share its servers, and so do exams
            with _progress() as progress:
                bar = progress.add_task("routing", total=len(chosen))
                routes = await self._each(
                    chosen, lambda query: self._route(runner, query, leave_at), lambda: progress.advance(bar)
                )
                bar = progress.add_task("probing", total=sum(exam.size for exam in exams), visible=bool(exams))
                probes = [await self._probe(exam, lambda: progress.advance(bar)) for exam in exams]
        return Routing(self.labels, tuple(routes)), tuple(probes)

    async def _route(self, runner: AnyRunner, query: Query, leave_at: Collection[str]) -> Route:
        records = []
        async with runner.stream(self._context(runner, query), deps=self.deps, text=False) as stream:
            async for record in stream:
                assert not isinstance(record, TextDelta)  # none was asked for
                records.append(record)
                if isinstance(record, VisitStarted) and record.stamp.state in leave_at:
                    break
            else:
                await stream.result()
        return route(query.expected, records, self.labels)

    async def _probe(self, exam: _Exam, advance: Callable[[], object]) -> Probe:
        async def is_handed_on(query: Query) -> bool:
            result = await exam.runner.run(self._context(exam.runner, query), deps=self.deps)
            return result.landing is None and result.state.name in exam.elsewhere

        foreign = await self._each(exam.foreign, is_handed_on, advance)
        own = await self._each(exam.own, is_handed_on, advance)
        return Probe(label=exam.label, foreign=Share(sum(foreign), len(foreign)), own=Share(sum(own), len(own)))

    def _context(self, runner: AnyRunner, query: Query) -> Context:
        return start.context(runner.definition.context, query.text, self.fields)

    async def _each(
        self, given: Sequence[Query], work: Callable[[Query], Awaitable[T]], advance: Callable[[], object]
    ) -> list[T]:
        gate = asyncio.Semaphore(self.at_once)

        async def one(query: Query) -> T:
            async with gate:
                done = await work(query)
            advance()
            return done

        return await asyncio.gather(*map(one, given))


def _is_priced(machine: AnyMachine, model: str) -> bool:
    """Return whether the price of every model is known."""
    names = set(machine.definition.models(model).values())
    return all(name is not None and registry.resolve(name).price is not None for name in names)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    out = console(stderr=True)
    return Progress(*columns, console=out, transient=True, disable=not out.is_terminal)
