"""The inspector: a page that shows a machine and its runs, live and in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ...errors import StartError
from ..seen import Sees
from .figures import Figures

if TYPE_CHECKING:
    from fastapi import APIRouter

    from ..front import Front
    from ..streams import Streams

__all__ = ["Figures", "Sees", "inspector_of"]


def inspector_of(
    front: Front,
    streams: Streams,
    auth: Callable[..., Any],
    *,
    sees: Sees | None,
    figures: Figures,
    max_body: int,
) -> Iterator[APIRouter]:
    """Yield the routes of the inspector, under `/inspector`, if it is wanted. See `router`.

    Raises StartError: if what draws machines is not installed, or a file of figures is none, or nothing shows it.
    """
    if sees is None:
        if any(figures):
            raise StartError("figures of tests and evaluations are shown by the inspector alone: give inspector=, too")
        return
    try:
        from .routes import inspector_routes  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise StartError(
            f"the inspector needs {error.name!r}, which is not installed: pip install 'fsm_orch[inspect]'"
        ) from error
    yield inspector_routes(front, streams, auth, sees=sees, figures=figures, max_body=max_body)
