"""The inspector: a page that shows a machine and its runs, live and in time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from ...errors import StartError

if TYPE_CHECKING:
    from fastapi import APIRouter

    from ..driving import Driving
    from ..front import Front
    from ..hub import Hub
    from ..streams import Streams

Sees = Literal["own", "all"]
"""Whose runs the inspector shows: those of the caller's tenant, or everybody's."""


def inspector(
    driving: Driving, hub: Hub, front: Front, streams: Streams, auth: Callable[..., Any], *, sees: Sees, max_body: int
) -> APIRouter:
    """Return the routes of the inspector, under `/inspector`. See `router`.

    Raises StartError: if what draws machines is not installed.
    """
    try:
        from .routes import inspector_routes  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise StartError(
            f"the inspector needs {error.name!r}, which is not installed: pip install 'fsm_orch[inspect]'"
        ) from error
    return inspector_routes(driving, hub, front, streams, auth, sees=sees, max_body=max_body)
