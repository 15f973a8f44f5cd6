"""The routes that ask for the process, not for a run: whether it is there, and whether it takes requests."""

# no `from __future__ import annotations`: FastAPI resolves annotations at run time
from fastapi import APIRouter

from .driving import Driving
from .route import route_class
from .shown import refusals
from .views import Health


def health_routes(driving: Driving) -> APIRouter:
    """Return the routes. They are for everybody."""
    api = APIRouter(tags=["health"], route_class=route_class(1))

    @api.get("/healthz", summary="Whether the process is there")
    async def healthz() -> Health:
        """Return that it is, even while it ends."""
        return Health(status="draining" if driving.runner.is_draining else "ok")

    @api.get("/readyz", summary="Whether requests are taken", responses=refusals(503))
    async def readyz() -> Health:
        """Return that they are; 503 until the runner is warm, and once the process is to end."""
        driving.check_ready()
        return Health(status="ok")

    return api
