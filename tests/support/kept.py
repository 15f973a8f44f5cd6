"""The beginning of a journal, stored as its run would have stored it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fsm_orch import Runner
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.step import fold
from fsm_orch.run import start
from fsm_orch.run.head import head_of


async def keep(runner: Runner[Any, Any], run_id: str, journal: Sequence[Input]) -> None:
    """Store a journal in the store of a runner, with its head."""
    store = runner.store
    assert store is not None
    compiled = start.compiled_for(runner.compiled, journal[0])
    await store.append(run_id, 0, journal, head_of(compiled, fold(compiled, journal)), epoch=1)
