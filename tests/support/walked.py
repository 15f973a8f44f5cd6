"""Where a run went."""

from __future__ import annotations

from typing import Any

from fsm_orch import RunResult


def path(result: RunResult[Any]) -> list[str]:
    """Return the names of a run's states, in the order it stood in them."""
    return [result.path[0].source, *(hop.target for hop in result.path)]
