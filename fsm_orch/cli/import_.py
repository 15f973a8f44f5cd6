"""`fsm-orch import`: what an orchestration of another framework can cost as it stands, and the machine to own."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from .. import discover
from ..adopt.assumed import assumptions
from ..adopt.examine import examine
from ..adopt.plan import Caps, with_ends
from ..adopt.skeleton import skeleton
from ..adopt.worst import Rates, Worst, as_it_stands
from ..errors import DefinitionError
from . import files, foreign
from .adopted import Imported, show
from .check import Proved, proved
from .show import CommandError, complaints, console

_AT_LEAST_ONE = {"min": 1, "metavar": "N"}


def import_(
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:OBJECT",
            help="Such as 'app:triage'; or 'app:make()', a function that makes it and takes no arguments.",
            show_default=False,
        ),
    ],
    *,
    end: Annotated[
        list[str] | None,
        typer.Option(metavar="NODE", help="Where a run may end too, such as where it waits for its user. Repeatable."),
    ] = None,
    max_visits: Annotated[int, typer.Option(**_AT_LEAST_ONE, help="Visits of each state in a cycle.")] = 2,
    hops: Annotated[
        int | None, typer.Option(**_AT_LEAST_ONE, max=10_000, help="Hops of a run. Default: one for each visit.")
    ] = None,
    input_tokens: Annotated[int, typer.Option(**_AT_LEAST_ONE, help="Tokens of one request.")] = 2_048,
    output_tokens: Annotated[
        int, typer.Option(**_AT_LEAST_ONE, help="Tokens of one reply, where the agent has no cap of its own.")
    ] = 256,
    model: Annotated[
        str | None, typer.Option(metavar="PROVIDER:MODEL", help="The model of all agents. Default: what they name.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the machine as a module, which must not be there yet.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on a finding that is an error.")] = False,
) -> None:
    """Import an orchestration of another framework: what it can cost as it stands, and as a machine.

    Its module is imported, so its code runs; no model is asked. What is found is said with codes of their own, and the
    machine that is made of it is proved as `fsm-orch check` does; --write gives it to you.

    Exit codes: 0 it was read; 1 no machine can be built of it, or, with --strict, a finding is an error; 2 nothing was
    read.
    """
    with complaints():
        caps = Caps(
            max_visits=max_visits, hops=hops, input_tokens=input_tokens, output_tokens=output_tokens, model=model
        )
        if write is not None:
            _check_new(write)
        found = _imported(target, tuple(end or ()), caps, "imported_machine" if write is None else write.stem)
        if write is not None:
            _check_absent(write)  # the module that was imported may have made it
            files.write(write, found.source.encode())
    if as_json:
        typer.echo(orjson.dumps(_as_json(found, write)))
    else:
        show(console(), found, target=target, written=write)
    is_wrong = isinstance(found.machine, DefinitionError)
    if is_wrong or (strict and not (found.is_proved and all(each.level != "error" for each in found.findings))):
        raise typer.Exit(1)


def _check_new(path: Path) -> None:
    """Check that a module may be written, before long work is done for it.

    Raises CommandError: if something is there, its folder is not, or no module can have its name.
    """
    _check_absent(path)
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise CommandError(f"--write {str(path)!r} is not a module to Python: name a file such as 'support.py'")
    if importlib.util.find_spec(path.stem) is not None:
        raise CommandError(f"--write {str(path)!r}: there is a module {path.stem!r} already: name another file")
    files.check_writable(path, files.beginning("a machine", "as it was read from"), force=False)


def _check_absent(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise CommandError(f"--write {str(path)!r} is there already, and is kept: name another file")


def _imported(target: str, ends: tuple[str, ...], caps: Caps, module: str) -> Imported:
    """Read, examine, write and prove.

    Raises CommandError: if an end is no node.
    """
    graph = foreign.read(target)
    unknown = [end for end in ends if end not in graph.nodes]
    if unknown:
        raise CommandError(f"--end {unknown[0]!r} is no node. Name one of: {', '.join(graph.nodes)}")
    graph = with_ends(graph, ends)
    found = examine(graph, _where(target))
    source = skeleton(graph, caps, target)
    worst = as_it_stands(graph, _rates, model=caps.model)
    return Imported(graph, found, worst, assumptions(graph, worst, caps), _proved(source, module), source)


def _rates(name: str) -> Rates | None:
    from ..models.prices import context_window, price_by_name  # noqa: PLC0415 - slow to import, as few commands need it

    price, window = price_by_name(name), context_window(name)
    return None if price is None or window is None else Rates(price, window)


def _where(target: str) -> str:
    """Return `file:line` of what a user named: its first line in the module that has it."""
    module = discover.modules(target, Path.cwd())[0]
    name = (module.picked or "").removesuffix("()").partition(".")[0]
    for node in ast.parse(module.path.read_bytes()).body:
        named = [*getattr(node, "targets", []), getattr(node, "target", None)]
        names = [getattr(node, "name", None), *(getattr(each, "id", None) for each in named)]
        if name in names:
            return f"{module.path}:{node.lineno}"
    return f"{module.path}:1"


def _proved(source: str, module: str) -> Proved | DefinitionError:
    """Build the machine of a module, and prove it, as if it were written already."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{module}.py")
        path.write_text(source, "utf-8")
        importlib.invalidate_caches()
        try:
            (one,) = discover.machines(str(path), Path.cwd()).values()
            if isinstance(one, DefinitionError):
                return one
            return proved(one, module, None, require_slack=False, max_configurations=100_000)
        finally:
            sys.modules.pop(module, None)
            sys.path[:] = [entry for entry in sys.path if entry != str(Path(folder).resolve())]


def _as_json(found: Imported, written: Path | None) -> dict[str, Any]:
    worst = replace(found.worst, cost_usd=None)
    graph = asdict(found.graph)
    return {
        "graph": {key: sorted(value) if isinstance(value, frozenset) else value for key, value in graph.items()},
        "findings": [asdict(finding) for finding in found.findings],
        "as_it_stands": {**asdict(worst), "cost_usd": _dollars(found.worst)},
        "assuming": found.assumed,
        "as_a_machine": _machine_as_json(found),
        "written": None if written is None else str(written),
    }


def _dollars(worst: Worst) -> float | None:
    return None if worst.cost_usd is None else float(worst.cost_usd)


def _machine_as_json(found: Imported) -> dict[str, Any]:
    if isinstance(found.machine, DefinitionError):
        return {"is_proved": False, "findings": [asdict(finding) for finding in found.machine.findings]}
    proof = found.machine.proof
    bounds = proof.bounds
    return {
        "is_proved": found.is_proved,
        "machine": proof.definition.name,
        "calls": bounds.calls,
        "hops": bounds.hops,
        "tokens": bounds.tokens,
        "cost_usd": None if bounds.cost_usd is None else float(bounds.cost_usd),
        "seconds": bounds.seconds,
        "findings": [asdict(finding) for finding in proof.findings],
    }
