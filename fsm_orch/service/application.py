"""An application that is one service: the routes of a runner, with their door, and a page of the API."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from ..resilience.admission import Admission
from ..run.runner import Runner
from .door import add_door
from .router import router


def application(runner: Runner[Any, Any], *, admission: Admission | None = None, **options: Any) -> FastAPI:
    """Return the application of a runner.

    Args:
        admission: that of the runner, which then stands at the door too.
        options: as for `router`.

    Raises as `router` does.
    """
    definition = runner.definition
    app = FastAPI(title=definition.name, description=definition.doc, version=definition.digest[:12])
    app.include_router(router(runner, **options))
    if admission is not None:
        add_door(app, admission)
    return app
