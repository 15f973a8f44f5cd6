"""A scripted model that streams: it tells each of its replies in pieces, and may break off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from msgspec.structs import replace

from fsm_orch import ScriptedModel
from fsm_orch.models.base import OnPiece, Request, Response
from fsm_orch.models.scripted import Line

from .pieces import Pieces


class Speaking(ScriptedModel):
    """A scripted model that tells its replies in pieces.

    Args:
        script: as of a `ScriptedModel`.
        pieces: cuts a text into what is told at a time.
        fails: by the number of a request, from 1, what it raises once all but its last two pieces were told.
        gives: changes the text of the reply after it was told.
        on_piece: called after each piece.
    """

    def __init__(
        self,
        script: Iterable[Line],
        *,
        pieces: Pieces = list,
        fails: dict[int, BaseException] | None = None,
        gives: Callable[[str], str] = lambda text: text,
        on_piece: Callable[[], Any] = lambda: None,
    ) -> None:
        super().__init__(script)
        self._pieces = pieces
        self._fails = fails or {}
        self._gives = gives
        self._on_piece = on_piece
        self.heard: list[bool] = []
        """Whether somebody listened to each request."""

    async def complete(self, request: Request, on_text: OnPiece | None = None) -> Response:
        self.heard.append(on_text is not None)
        response = await super().complete(request)
        error = self._fails.get(len(self.requests))
        told = list(self._pieces(response.text))
        for piece in told[:-2] if error else told:
            await asyncio.sleep(0)
            if on_text is not None:
                on_text(piece)
                self._on_piece()
        if error is not None:
            raise error
        return replace(response, text=self._gives(response.text))
