"""An application that is one service: the routes of a runner, with their door, and a page of the API."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol

from fastapi import Depends, FastAPI, Response
from fastapi.middleware.trustedhost import TrustedHostMiddleware

from ..resilience.admission import Admission
from ..run.runner import Runner
from .caller import anybody
from .door import add_door
from .router import router


class Exposed(Protocol):
    """What is told of runs, as `fsm_orch.observe.prometheus.Metrics` tells it."""

    content_type: str

    async def exposed(self) -> bytes:
        """Return it as text."""
        ...


def application(
    runner: Runner[Any, Any],
    *,
    admission: Admission | None = None,
    metrics: Exposed | None = None,
    hosts: Collection[str] | None = None,
    **options: Any,
) -> FastAPI:
    """Return the application of a runner.

    Args:
        admission: that of the runner, which then stands at the door too.
        metrics: is given out at `/metrics`, to whoever `auth` lets in; None: there is no such route.
        hosts: by which names it is called; whoever calls it by another gets 400. None: by any.
        options: as for `router`.

    Raises as `router` does.
    """
    definition = runner.definition
    app = FastAPI(title=definition.name, description=definition.doc, version=definition.digest[:12])
    app.include_router(router(runner, **options))
    if metrics is not None:
        _add_metrics(app, metrics, options.get("auth", anybody))
    if admission is not None:
        add_door(app, admission)
    if hosts is not None:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*hosts], www_redirect=False)
    return app


def _add_metrics(app: FastAPI, metrics: Exposed, auth: Any) -> None:
    @app.get("/metrics", dependencies=[Depends(auth)], include_in_schema=False)
    async def scrape() -> Response:
        return Response(await metrics.exposed(), media_type=metrics.content_type)
