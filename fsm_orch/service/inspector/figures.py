"""Figures of other sessions on the edges of a machine: how often its tests took each, and how queries went over it.

Both are read from files that others have written, once, when the service starts. An edge is known by the state that it
leaves and its own name. Those of machines inside are not shown.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec

from ...define.definition import Definition
from ...errors import StartError
from ...evaluate.routes import verdict

T = TypeVar("T")
_MOST_BYTES = 64 << 20
"""Of a file: what a session or an evaluation has written is a thousandth of it."""
_Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]


class _Taken(msgspec.Struct):
    """What the runs of one machine did, as `fsm_orch.testing.coverage` writes it: keep in sync."""

    digest: str
    runs: _Count
    edges: list[tuple[str, str, _Count]]
    refusals: dict[str, _Count]
    landings: dict[str, _Count]


class _Row(msgspec.Struct):
    expected: str
    reached: str
    path: tuple[str, ...]
    landing: str | None = None


class _Evaluated(msgspec.Struct):
    """What `fsm-orch eval --json` prints, as `fsm_orch.cli.eval.scores` writes it: keep in sync."""

    machine: str
    digest: str
    source: str
    model: str | None
    labels: tuple[str, ...]
    matrix: dict[str, dict[str, _Count]]
    routes: list[_Row]


class Figures(NamedTuple):
    """The files that hold them."""

    coverage: Path | None = None
    """What `pytest --fsm-coverage-json` has written."""
    evaluation: Path | None = None
    """What `fsm-orch eval --json` has printed."""


def figures_json(definition: Definition, figures: Figures) -> dict[str, Any]:
    """Return the figures of a machine as JSON; null stands for a file that was not given.

    Raises StartError: if a file cannot be read, is none of its kind, or holds nothing of this machine.
    """
    coverage, evaluation = figures
    return {
        "coverage": None if coverage is None else _coverage(definition, coverage),
        "evaluation": None if evaluation is None else _evaluation(definition, evaluation),
    }


def _coverage(definition: Definition, file: Path) -> dict[str, Any]:
    held = _read(file, dict[str, _Taken], "pytest --fsm-coverage-json")
    named = {name: taken for name, taken in held.items() if name.rpartition(" (")[0] == definition.name}
    same = [taken for taken in held.values() if taken.digest == definition.digest]
    if not (found := same or list(named.values())):
        raise StartError(f"{file} holds nothing of {definition.name!r}, but of: {_names(held)}")
    times = Counter[tuple[str, str]]()
    for taken in found:
        for source, handoff, count in taken.edges:
            times[source, handoff] += count
    declared = [(source, edge.name) for source, edge in definition.edges]
    return {
        "is_this_version": bool(same),
        "digest": found[0].digest,
        "runs": sum(taken.runs for taken in found),
        "edges": [{"source": source, "handoff": name, "times": times[source, name]} for source, name in declared],
        "refusals": _sum(taken.refusals for taken in found),
        "landings": _sum(taken.landings for taken in found),
    }


def _evaluation(definition: Definition, file: Path) -> dict[str, Any]:
    held = _read(file, _Evaluated, "fsm-orch eval ... --json")
    if definition.digest != held.digest and definition.name != held.machine:
        raise StartError(f"{file} holds nothing of {definition.name!r}, but of {held.machine!r}")
    right, wrong = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for row in held.routes:
        went = right if verdict(row.expected, row.reached, held.labels) == "right" else wrong
        went.update(set(_hops(definition, row)))
    ends = Counter((source, edge.target.name) for source, edge in definition.edges)
    reached = {state for row in held.matrix.values() for state in row}
    return {
        "is_this_version": definition.digest == held.digest,
        "digest": held.digest,
        "source": held.source,
        "model": held.model,
        "queries": len(held.routes),
        "edges": [
            {
                "source": source,
                "handoff": edge.name,
                "right": right[source, edge.target.name],
                "wrong": wrong[source, edge.target.name],
                "is_alone": ends[source, edge.target.name] == 1,
            }
            for source, edge in definition.edges
        ],
        "labels": held.labels,
        "reached": [*(each for each in held.labels if each in reached), *sorted(reached - set(held.labels))],
        "matrix": held.matrix,
    }


def _hops(definition: Definition, row: _Row) -> Iterator[tuple[str, str]]:
    """Yield from where to where a run went, up to where it was routed; a landing goes over no edge.

    The states of machines inside are left out: they stand between those of the machine.
    """
    path = [state for state in row.path if state in definition.states]
    if row.reached in definition.finals and row.landing is None:
        path.append(row.reached)
    yield from pairwise(path)


def _names(held: Mapping[str, object]) -> str:
    """Return the first names of machines, and how many more there are."""
    shown, more = list(held)[:5], len(held) - 5
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "") or "no machine"


def _sum(counted: Iterator[Mapping[str, int]]) -> dict[str, int]:
    return dict(sum(map(Counter, counted), Counter[str]()).most_common())


def _read(file: Path, kind: type[T], writer: str) -> T:
    """Return what a file holds, in the encoding that its first bytes say: a shell may have written it as UTF-16.

    Raises StartError: if it cannot be read, or is none of its kind.
    """
    try:
        with open(file, "rb") as opened:  # not all of it: it may have no end
            held = opened.read(_MOST_BYTES + 1)
        if len(held) > _MOST_BYTES:
            raise ValueError(f"it has more than {_MOST_BYTES >> 20} MB")
        return msgspec.json.decode(held.decode(json.detect_encoding(held)), type=kind)
    except OSError as error:
        raise StartError(f"{file} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:  # both what is no text and what is no such JSON
        raise StartError(f"{file} is nothing that {writer} of this version has written: {error}") from None
