"""The shop served with its metrics, in a process of its own: `python -m support.metered_alone PORT`.

Words route most of its queries; of the others the model never answers.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.routing import Route

from fsm_orch import Limits, MemoryStore, Runner, ScriptedModel
from fsm_orch.models import Model
from fsm_orch.observe.prometheus import Metrics
from fsm_orch.resilience import Admission
from fsm_orch.service import router
from machines.catalogue import Shop, open_catalogue
from machines.shop import ShopFloor


class Silent(ScriptedModel):
    """A model that never answers."""

    async def complete(self, request: Any) -> Any:
        """Wait for ever."""
        await asyncio.Event().wait()


def catalogue(_: object) -> Shop:
    """Make the dependencies of a run."""
    return Shop(open_catalogue())


def app(model: Model) -> FastAPI:
    """Return the service.

    Args:
        model: of the router.
    """
    metrics = Metrics()
    runner = Runner(
        ShopFloor,
        model=model,
        store=MemoryStore(),
        admission=Admission(64),
        observers=[metrics.of(ShopFloor)],
        limits=Limits(hops=6, tokens=6_000, deadline_s=600, visit_s=300),  # what is silent stays so for a whole test
    )
    metrics.watch(runner)
    served = FastAPI()
    served.include_router(router(runner, deps=catalogue, works=0))
    served.routes.append(Route("/metrics", metrics))
    return served


@contextmanager
def alone(port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Serve in a process of its own, which is killed when the block is left.

    Args:
        folder: where the processes keep what they have counted.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    words = [sys.executable, "-m", "support.metered_alone", str(port)]
    with subprocess.Popen(words, env=environment, start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()


if __name__ == "__main__":
    uvicorn.run(app(Silent([])), port=int(sys.argv[1]), log_level="warning")
