"""What the page is given of runs: rows of a list, one run with its inputs, and where all of them stand."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from msgspec import json, to_builtins

from ...errors import StepError, StoreError
from ...kernel.codec import to_json
from ...kernel.configuration import Configuration
from ...kernel.course import Step
from ...kernel.engine import CompiledMachine
from ...kernel.inputs import Input
from ...kernel.tree import levels
from ...run.cuts import Cut
from ...run.unrecorded import Unrecorded
from ...store.values import Listed
from ..driving import Driving
from .remembered import Remembered, run_of
from .subjects import Subjects

MOST_LISTED = 500
"""Of how many runs, the newest, the page is told where they stand."""
_MOST_WORST = 10


def row_json(row: Listed, about: str) -> dict[str, Any]:
    """Return a run as a list shows it, as JSON, without who drives it.

    Args:
        about: what it is about, in a line.
    """
    told: dict[str, Any] = to_builtins(row)
    for name in ("owner", "epoch", "rebound"):
        told.pop(name)
    head: dict[str, Any] = told.pop("head")
    return told | head | {"about": about}


def tag_of(*rows: Listed) -> str:
    """Return what stands for a run as it is, as an ETag: all that is told of it comes of its row and so many inputs.

    Args:
        rows: of the run, and of the runs that it comes from, if what they have recorded is told too.
    """
    return f'"{hashlib.sha256(json.encode(rows)).hexdigest()[:32]}"'


def journal_json(
    compiled: CompiledMachine, journal: Sequence[Input], steps: Sequence[tuple[Step, Cut | None]]
) -> dict[str, Any]:
    """Return a journal as JSON: inputs, each with how many records the run has after it, and where it can be cut.

    Args:
        steps: what each input led to, and the cut after it, if there is one.
    """
    repliers = dict[int, dict[str, Any]]()
    inputs, cuts, count, before = list[dict[str, Any]](), list[dict[str, Any]](), 0, None
    for event, (stepped, cut) in zip(journal, steps, strict=True):
        count += len(stepped.records)
        inputs.append({"records": count, "input": json.decode(to_json(event))})
        if cut is not None:
            cuts.append(cut._asdict())
            if cut.is_reply:
                assert before is not None  # a reply is never the first
                repliers[cut.at] = _replier(compiled, before, event)
        before = stepped.configuration
    return {"inputs": inputs, "cuts": cuts, "repliers": repliers}


def _replier(compiled: CompiledMachine, now: Configuration, event: Input) -> dict[str, Any]:
    """Return whose reply an input is: the place of its machine, its state, and the handoffs that it may propose."""
    found = levels(compiled, now, event.path)
    places = [name for above, level in pairwise(found) for name in (above.now.state, level.part)]
    state = found[-1].compiled.definition.states[found[-1].now.state]
    return {
        "machine": ".".join(places),
        "replier": state.name,
        "handoffs": [each.name for each in state.handoffs if each.kind == "handoff"],
    }


def fork_json(fork: Unrecorded) -> dict[str, Any]:
    """Return what a fork would not begin as JSON: why it stands, and the tools of which a yes would not have it."""
    return {"withheld": fork.stopped_by and str(fork.stopped_by), "unrecorded": dict(fork.asked)}


class Fleet:
    """Where the newest runs of a store stand, and why they were landed."""

    def __init__(self, driving: Driving, subjects: Subjects) -> None:
        self._driving, self._subjects = driving, subjects
        self._reasons = Remembered[str | None]()

    async def only(self, rows: Sequence[Listed], *, state: str | None, landing: str | None) -> list[Listed]:
        """Return the runs that are counted at a state, or by why they were landed.

        Args:
            rows: the newest runs.
            state: None: at any.
            landing: why they were landed; None: whether or not they were.
        """
        found = [row for row in self._ours(rows) if state in (None, row.head.state)]
        return [row for row in found if landing is None or (self._is_back(row) and await self._reason(row) == landing)]

    async def json(self, rows: Sequence[Listed], now_s: float) -> dict[str, Any]:
        """Return where runs stand, how they ended, and which took most, as JSON.

        Args:
            rows: the newest runs.
            now_s: seconds of the epoch.
        """
        ours = self._ours(rows)
        ended = [row for row in ours if row.head.status == "finished"]
        reasons = [await self._reason(row) for row in ended if self._is_back(row)]
        most = sorted((row for row in ours if row.head.tokens), key=lambda row: row.head.tokens, reverse=True)
        worst = most[:_MOST_WORST]
        return {
            "runs": len(ours),
            "of_others": len(rows) - len(ours),
            "is_all": len(rows) < MOST_LISTED,
            "standing": dict(Counter(row.head.state for row in ours if row.head.status == "running")),
            "waiting": dict(Counter(row.head.state for row in ours if row.head.status == "waiting")),
            "ended": dict(Counter(row.head.state for row in ended)),
            "landings": dict(Counter(reason for reason in reasons if reason is not None)),
            "minutes": _minutes(ended, now_s),
            "worst": [row_json(*each) for each in zip(worst, await self._subjects.of(worst), strict=True)],
        }

    def _ours(self, rows: Sequence[Listed]) -> list[Listed]:
        return [row for row in rows if row.digest == self._driving.runner.definition.digest]

    def _is_back(self, row: Listed) -> bool:
        """Return whether a run ended in its fallback, so that it may have been landed."""
        return row.head.status == "finished" and row.head.state == self._driving.runner.definition.fallback.name

    async def _reason(self, row: Listed) -> str | None:
        """Return why a run was landed; None if it chose its fallback itself, or cannot be read any more."""
        if (run := run_of(row)) not in self._reasons:
            try:
                self._reasons[run] = await self._read(row.run_id)
            except StoreError:  # it may be away for the moment
                return None
        return self._reasons[run]

    async def _read(self, run_id: str) -> str | None:
        journal = await self._driving.store.load(run_id)
        try:
            landing = (await asyncio.to_thread(self._driving.runner.replay, journal)).landing
        except StepError:
            return None
        return None if landing is None else landing.reason


def _minutes(ended: Sequence[Listed], now_s: float) -> list[dict[str, int]]:
    """Return what ended in each of the last ten minutes, the newest last."""
    runs, tokens = [0] * 10, [0] * 10
    for row in ended:
        ago = int((now_s - row.stored_at) // 60)
        if 0 <= ago < len(runs):
            runs[-1 - ago] += 1
            tokens[-1 - ago] += row.head.tokens
    return [{"runs": count, "tokens": sum_} for count, sum_ in zip(runs, tokens, strict=True)]
