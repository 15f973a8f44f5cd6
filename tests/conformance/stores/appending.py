"""What the tests of stores append: inputs and heads that hardly matter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fsm_orch.kernel import inputs
from fsm_orch.kernel.inputs import Input
from fsm_orch.store import Head, Store

HEAD = Head("a")
ENDED = Head("end", "finished", 2, 7)


async def put(store: Store, run_id: str, start: int, new: Sequence[Input], head: Head = HEAD, **options: Any) -> None:
    """Append inputs under a head that hardly matters."""
    await store.append(run_id, start, new, head, **{"epoch": 1, **options})


def at(*seconds: float) -> list[Input]:
    """Return inputs that differ in their time alone."""
    return [inputs.Cancelled(at=float(s)) for s in seconds]
