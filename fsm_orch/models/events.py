"""A reply that comes as a stream of events: its text is told as it comes, and the events are put together again.

Together they make the very object that would have come in one piece. So there is one way to read a reply, to refuse and
to charge it, whether it was streamed or not. Here is what all providers have in common: server-sent events, each a JSON
object. What those of a provider mean, its *assembly* knows.
"""

from __future__ import annotations

import json
from typing import Any, Protocol

from .base import OnPiece
from .http import DISCONNECTED, UNREADABLE
from .wire import json_of, paired

SILENCE_S = 30.0
"""Seconds without a byte after which a reply whose text has begun counts as lost. Before that a model may think."""

_END_S = 2.0
"""Seconds in which a body has to end, its usage included, that has told the end of its reply; then it is closed."""

_DONE = b"[DONE]"
"""What some servers say after the last event."""


class Assembly(Protocol):
    """What the events of one reply amount to."""

    is_whole: bool
    """Whether the reply has ended, well or by an error that was told."""

    def take(self, event: dict[str, Any]) -> str:
        """Take an event, and return the text that it adds to the reply; most add none."""
        ...

    def reply(self) -> Any:
        """Return the reply as if it had come in one piece."""
        ...


class Events:
    """The events of one reply, heard while they come.

    Args:
        assembly: what they amount to.
        on_text: is told the text that each adds.
    """

    def __init__(self, assembly: Assembly, on_text: OnPiece) -> None:
        self._assembly = assembly
        self._on_text = on_text
        self._line = bytearray()
        self._half = ""
        self._data: list[bytes] = []
        self._is_heard = self._is_spoilt = self._has_text = False

    @property
    def is_whole(self) -> bool:
        return self._assembly.is_whole

    @property
    def patience_s(self) -> float | None:
        if self.is_whole:
            return _END_S
        return SILENCE_S if self._has_text else None

    def hear(self, part: bytes) -> None:
        self._line += part
        if b"\n" in part:
            *lines, self._line = self._line.split(b"\n")
            for line in lines:
                self._take(bytes(line.removesuffix(b"\r")))

    def reply(self, content: bytes) -> Any:
        """Return the reply as if it had come in one piece; None if it is not JSON.

        Args:
            content: the whole body, which is what is read if no events came: a server may not know how to stream.

        Raises CallFailed: `disconnected`, if the stream was cut off; `unreadable`, if one of its events was.
        """
        is_spoilt = self._is_spoilt
        self.hear(b"\n\n")  # the last event may lack its end, or be half of one that was cut off
        if not self._is_heard:
            return json_of(content)
        if is_spoilt:
            raise UNREADABLE.error("an event of its stream is no JSON object")
        if not self.is_whole:
            raise DISCONNECTED.error("its stream of events was cut off")
        return self._assembly.reply()

    def _take(self, line: bytes) -> None:
        """Take a line; a blank one ends an event. Comments, names and numbers of events say nothing."""
        if line.startswith(b"data:"):
            self._data.append(line[5:])
        elif not line and self._data:
            data, self._data = b"\n".join(self._data).strip(), []
            if data and not self._is_spoilt:  # of what comes after a loss nothing is told
                self._is_heard = True
                self._end_event(data)

    def _end_event(self, data: bytes) -> None:
        if data == _DONE:
            self._assembly.is_whole = True
            return
        event = _object(data)
        if event is None:
            self._is_spoilt = True
        elif text := self._assembly.take(event):
            self._has_text = True
            self._tell(self._half + text)

    def _tell(self, text: str) -> None:
        # a server may cut a text in the middle of a surrogate pair
        self._half = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
        if whole := paired(text.removesuffix(self._half)):
            self._on_text(whole)


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None
