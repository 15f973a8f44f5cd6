"""The door of a service: a request that would begin a run, and will not be admitted, is refused before it is read."""

from __future__ import annotations

from fastapi import FastAPI

from ..resilience.admission import Admission
from ..resilience.door import Door

BEGINNING = ("/runs", "/v1/chat/completions", "/agui")
"""Where a run begins. An answer or a cancellation is never refused here: that would keep places taken."""


def add_door(app: FastAPI, admission: Admission, *, prefix: str = "") -> None:
    """Put a door before the routes that begin runs: `add_door(app, admission)`.

        admission = Admission(64)
        app.include_router(router(Runner(Shop, store=store, admission=admission)))
        add_door(app, admission)

    It takes no place: the runner does, so give it the same admission. What it refuses is 429 with `Retry-After`, in
    half the time that a route takes for it.

    Args:
        app: has the routes.
        admission: who is admitted; that of the runner.
        prefix: where the routes are, as for `include_router`.

    Raises TypeError: if it is given no Admission.
    Raises ValueError: if the prefix does not begin with a slash.
    """
    app.add_middleware(Door, admission=admission, paths=[f"{prefix}{path}" for path in BEGINNING])
