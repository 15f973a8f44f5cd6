"""What is found out of an object of another framework: its graph, its worst run, and the machine that is made of it."""

from __future__ import annotations

import ast
import asyncio
import importlib
import sys
import tempfile
from collections.abc import Awaitable, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from .. import discover
from ..adopt import detect
from ..adopt.assumed import assumptions
from ..adopt.examine import examine
from ..adopt.graph import Graph
from ..adopt.plan import Caps, with_ends
from ..adopt.skeleton import skeleton
from ..adopt.worst import Rates, Worst, as_it_stands
from ..define.machine import is_machine
from ..errors import DefinitionError, is_failure
from .adopted import Imported
from .check import Proved, proved
from .show import CommandError


def imported(target: str, ends: tuple[str, ...], caps: Caps, module: str) -> Imported:
    """Return what is found out of an object: read, examined, written as a machine, and proved.

    Args:
        target: names it.
        ends: nodes where a run may end too.
        caps: of the machine.
        module: the name of that of the machine.

    Raises CommandError: if an end is no node, or the object is a machine already, or its function raises.
    Raises DiscoveryError: if there is no such object, or its module cannot be imported.
    Raises Unreadable: if it is of no framework that can be read, or something that is read is not there.
    """
    # before it is imported: in a package inside one of its name, Python then finds the outer one
    module_of = discover.modules(target, Path.cwd())[0]
    with redirect_stdout(sys.stderr):  # stdout belongs to the command
        graph = _read(target)
    unknown = [end for end in ends if end not in graph.nodes]
    if unknown:
        raise CommandError(f"--end {unknown[0]!r} is no node. Name one of: {', '.join(graph.nodes)}")
    graph = with_ends(graph, ends)
    found = examine(graph, _where(module_of))
    source = skeleton(graph, caps, target)
    worst = as_it_stands(graph, _rates, model=caps.model)
    return Imported(graph, found, worst, assumptions(graph, worst, caps), proved_source(source, module), source)


def _read(target: str) -> Graph:
    """Import a module and read the object that is named in it.

    Raises CommandError: if it is a machine already.
    Raises DiscoveryError: if there is no such object, or the module cannot be imported.
    Raises Unreadable: if it is of no framework that can be read, or something that is read is not there.
    """
    thing = discover.thing(target, Path.cwd())
    if isinstance(thing, Awaitable) and target.endswith("()"):
        thing = _awaited(thing, target)
    if is_machine(thing):
        raise CommandError(f"{target!r} is a machine already: fsm-orch check {target}")
    return detect.read(thing, target.rpartition(":")[2])


def _awaited(made: Awaitable[object], target: str) -> object:
    """Return what an async function of a user comes to.

    Raises CommandError: if it raises, or ends the program.
    """

    async def wait() -> object:
        return await made

    try:
        return asyncio.run(wait())
    except BaseException as error:
        if not is_failure(error):
            raise
        raise CommandError(f"{target!r} raised {type(error).__name__}: {error}") from error


def _rates(name: str) -> Rates | None:
    from ..models.prices import context_window, price_by_name  # noqa: PLC0415 - slow to import, as few commands need it

    price, window = price_by_name(name), context_window(name)
    return None if price is None or window is None else Rates(price, window)


def _where(module: discover.Module) -> str:
    """Return `file:line` of what a user named: its first line in the module that has it."""
    name = (module.picked or "").partition(".")[0].removesuffix("()")
    for node in _statements(module.path):
        named = [*getattr(node, "targets", []), getattr(node, "target", None)]
        names = [getattr(node, "name", None), *(getattr(each, "id", None) for each in named)]
        if name in names:
            return f"{module.path}:{node.lineno}"
    return f"{module.path}:1"


def _statements(path: Path) -> Sequence[ast.stmt]:
    """Return the statements of a module that was imported; none of one that is compiled, or is gone."""
    try:
        return ast.parse(path.read_bytes()).body
    except (OSError, SyntaxError, ValueError, MemoryError, RecursionError):
        return ()


def proved_source(source: str, module: str) -> Proved | DefinitionError:
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


def as_json(found: Imported, written: Path | None) -> dict[str, Any]:
    """Return what was found out, as JSON.

    Args:
        written: where the machine was written; None: nowhere.
    """
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
