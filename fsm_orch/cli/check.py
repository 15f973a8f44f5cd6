"""`fsm-orch check`: what is known of every run of a machine before any run."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import orjson
import typer
from rich.progress import BarColumn, Progress, TextColumn

from .. import discover
from ..define.definition import Definition
from ..define.machine import AnyMachine
from ..define.states import Handoff
from ..errors import CertificateError, DefinitionError
from ..export.as_test import pytest_source
from ..export.drawing import drawn
from ..export.table import table
from ..proof.away import Away, away
from ..proof.explore.walk import OnProgress
from ..proof.report import Counterexample, Proof, prove
from . import files, foreign, start
from .page import show_proof
from .show import CommandError, complain, complaints, console, show_findings

_CERTIFICATE = files.with_keys("a certificate", "machine", "definition", "bounds")
_COUNTEREXAMPLE = files.beginning("a counterexample", "counterexample that `fsm-orch check` found")

_QUIET_S = 2.0
"""Seconds of exploration before anything is said of it."""
_AGAIN_S = 10.0
"""Seconds between two lines of progress, where there is no terminal for a bar."""


def check(
    targets: start.Targets,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")] = False,
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the certificate, for Runner(certificate=...).")
    ] = None,
    counterexample: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a pytest of the first policy that is broken.")
    ] = None,
    force: files.Force = False,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="PROVIDER:MODEL",
            help="The model whose price is used for agents that name none; several, with commas: a fallback.",
        ),
    ] = None,
    require_slack: Annotated[
        bool, typer.Option("--require-slack", help="Fail if the ledger may land a run: the worst case must fit.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings too.")] = False,
    max_configurations: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Stop exploring after N configurations, or after 100 x N steps: it bounds memory and time.",
        ),
    ] = 100_000,
) -> None:
    """Check machines, or every machine of modules and folders, and prove what no run of them can exceed.

    A machine that cannot keep its promise does not build: its findings are shown with the lines they are about. The
    import ends at the first such machine, so those below it in its module are not seen yet; other modules are checked.
    For a machine that builds, it prints bounds with a worst path, verdicts on policies, theorems and findings.

    Exit codes: 0 nothing to mend, and every policy holds; 1 a finding that is an error (or, with --strict, a warning),
    or a policy that is violated, possible or unknown; 2 nothing was checked.
    """
    with complaints():
        found = foreign.or_hint(lambda: discover.machines_of_all(targets, Path.cwd()), targets)
        asked = [(certificate, _CERTIFICATE), (counterexample, _COUNTEREXAMPLE)]
        _check_files(len(found), [(path, kind) for path, kind in asked if path is not None], force=force)
        outcomes = [
            one
            if isinstance(one, DefinitionError)
            else proved(one, spelling, model, require_slack=require_slack, max_configurations=max_configurations)
            for spelling, one in found.items()
        ]
        _write(outcomes[0], certificate, counterexample)
    if as_json:
        typer.echo(orjson.dumps({"machines": [*map(_as_json, outcomes)]}))
    else:
        _show(outcomes)
    if not all(isinstance(one, Proved) and one.proof.is_sound(strict=strict) for one in outcomes):
        raise typer.Exit(1)


class Proved(NamedTuple):
    """What was found of a machine that builds."""

    proof: Proof
    module: str
    """Where it is imported from."""
    spelling: str
    """A target that means it alone."""


def proved(
    machine: AnyMachine, spelling: str, model: str | None, *, require_slack: bool, max_configurations: int
) -> Proved:
    """Prove a machine, with its progress on stderr.

    Raises CommandError: if its certificate cannot be made.
    """
    with _progress(machine.definition.name) as on_progress:
        try:
            found = prove(
                machine,
                model=model,
                require_slack=require_slack,
                max_configurations=max_configurations,
                on_progress=on_progress,
                clock=time.perf_counter,
            )
        except CertificateError as error:
            raise CommandError(str(error)) from error
    return Proved(found, machine.__module__, spelling)


@contextmanager
def _progress(name: str) -> Iterator[OnProgress]:
    """Show how far an exploration is on stderr, once it takes longer than a moment: a bar, or lines in a log."""
    err = console(stderr=True)
    bar = Progress(TextColumn("{task.description}"), BarColumn(), console=err, transient=True)
    task = bar.add_task(name)
    began = time.perf_counter()
    due = began + _QUIET_S

    def on_progress(found: int, left: int) -> None:
        nonlocal due
        now = time.perf_counter()
        if now <= due:
            return
        said = f"{name}: {found:,} configurations, {left:,} to look into"
        if err.is_terminal:
            bar.start()
            bar.update(task, description=said, total=found, completed=found - left)
        else:  # where no bar is shown, as in a log of CI, whoever waits would see nothing at all
            err.print(f"{said}, {now - began:.0f} s")
            due = now + _AGAIN_S

    try:
        yield on_progress
    finally:
        if bar.live.is_started:  # or it would print an empty line
            bar.stop()


def _check_files(count: int, asked: Sequence[tuple[Path, files.Kind]], *, force: bool) -> None:
    for path, kind in asked:
        files.check_writable(path, kind, force=force)
    if asked and count > 1:
        raise CommandError(f"A file holds what is said of one machine, and there are {count}: name one")
    if len({path.resolve() for path, _ in asked}) < len(asked):
        raise CommandError(f"{str(asked[0][0])!r} cannot hold both: name two files")


def _write(one: Proved | DefinitionError, certificate: Path | None, counterexample: Path | None) -> None:
    if isinstance(one, DefinitionError):
        return
    found, module, _ = one
    if certificate is not None:
        unnamed = [state for state, model in found.certificate.models.items() if model is None]
        if unnamed:
            raise CommandError(f"A certificate is bound to models, and {unnamed[0]!r} names none: give --model")
        files.write(certificate, found.certificate.dump().encode())
    if counterexample is None:
        return
    if found.counterexamples:
        files.write(counterexample, _source(found.definition, found.counterexamples[0], module).encode())
    else:
        complain(f"{found.definition.name} has no counterexample, so {counterexample} was not written")


def _source(definition: Definition, example: Counterexample, module: str) -> str:
    return pytest_source(
        definition,
        example.policy,
        example.trace,
        module=module,
        change=example.change,
        is_real=example.verdict == "violated",
    )


def _show(outcomes: Iterable[Proved | DefinitionError]) -> None:
    out = console()
    for one in outcomes:
        if isinstance(one, DefinitionError):
            show_findings(out, one)
            out.print()
        else:
            show_proof(out, one.proof, one.spelling)


def _as_json(one: Proved | DefinitionError) -> dict[str, Any]:
    if isinstance(one, DefinitionError):
        return {"machine": one.subject, "findings": [asdict(finding) for finding in one.findings]}
    found, module, _ = one
    definition, explored = found.definition, found.exploration
    return {
        "machine": definition.name,
        "where": definition.where,
        "digest": definition.digest,
        "findings": [asdict(finding) for finding in found.findings],
        "verdicts": {measure: found.certificate.verdict(measure) for measure in ("tokens", "cost")},
        "certificate": found.certificate.model_dump(mode="json"),
        "exploration": {
            "configurations": explored.configurations,
            "steps": explored.steps,
            "seconds": explored.seconds,
            "is_complete": explored.is_complete,
            "max_hops": explored.measures.hops.amount,
            # found by a walk of its own where the ledger is tight, and the certificate has a bound anyway
            "max_tokens": None if explored.measures.is_tight else explored.measures.tokens.amount,
            "max_calls": explored.measures.calls.amount,
            "held": explored.held,
            "broken": [broken.breach._asdict() for broken in explored.broken],
            "abstracted": explored.abstracted,
        },
        "policies": [{"policy": str(judged.policy), "verdict": judged.verdict} for judged in explored.policies],
        "counterexamples": [
            {
                "policy": str(example.policy),
                "verdict": example.verdict,
                "path": str(example.trace),
                "table": table(example.trace),
                "mermaid": drawn(definition, example.trace),
                "pytest": _source(definition, example, module),
                "change": str(example.change) if example.change else None,
            }
            for example in found.counterexamples
        ],
        "changes": [str(change) for change in found.slackening],
        "away": [_away_as_json(each) for each in away(definition)],
    }


def _away_as_json(found: Away) -> dict[str, Any]:
    return {
        "state": found.place,
        "edge": _named(found.edge),
        "before": [
            {
                "state": turned.source.name,
                "remain": [_named(way) for way in turned.remain],
                "edge": _named(turned.edge),
                "may_land": turned.may_land,
            }
            for turned in found.before
        ],
    }


def _named(way: Handoff | None) -> dict[str, Any] | None:
    """Return a handoff; None for landing."""
    if way is None:
        return None
    return {"handoff": way.name, "target": way.target.name, "is_guarded": way.guard is not None}
