"""A decision while a model writes it: the text of its last field is told, once nothing but a cut can refuse it.

What has come so far is read as JSON that goes on. At the moment at which the last field begins, the decision is read as
if that field were empty and nothing followed: by the reader of the form, and then by whoever judges what is legal. What
both take is told as it grows; of anything else nothing is told, and its text comes in one piece with the commit.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Any

from pydantic_core import from_json

from ..define.wording import without_surrogates
from ..errors import CallFailed
from ..models.base import OnPiece
from .base import Listener, Reply
from .decision import Decision, Form
from .tool_form import ToolForm


class Written:
    """The reply to a request while it is written; a request that is sent again has a new one.

    Args:
        field: the last one that it writes.
        listener: judges whether its text may be told, and is told it.
        asked: returns the form that the request which was sent last asks for.
    """

    _form: Form | ToolForm
    _raw = _told = ""
    _is_told: bool | None = None
    """Whether the text is told; None: that is not known yet."""

    def __init__(self, field: str, listener: Listener, asked: Callable[[], Form | ToolForm]) -> None:
        self._field = field
        self._listener = listener
        self._asked = asked

    def begin(self) -> OnPiece:
        """Begin the reply to a request that is sent now, and return who is told its pieces."""
        self._form, self._raw, self._told, self._is_told = self._asked(), "", "", None
        return self.hear

    def hear(self, piece: str) -> None:
        """Take the next piece of the reply."""
        if self._is_told is False:
            return
        self._raw += without_surrogates(piece)
        text = self._text_in(self._raw)
        if self._is_told is None and text is not None:
            self._is_told = self._will_stand()
        if self._is_told and text is not None:
            self._tell(text)

    def end(self, raw: str, reply: Reply) -> None:
        """Pass on what is left of the text, now that the reply is whole.

        Args:
            raw: the reply as its model gave it.

        Raises CallFailed: `unreadable`, if text was told and the reply is another one than was streamed.
        """
        if not self._told:
            return
        if raw != self._raw:
            raise CallFailed("unreadable", "the reply is another one than was streamed")
        text = reply.changes.get(self._field)
        if isinstance(text, str):
            self._tell(text)

    def _tell(self, text: str) -> None:
        added = text[len(self._told) :]
        if added and text.startswith(self._told):
            self._told = text
            self._listener.hear(self._field, added)

    def _text_in(self, raw: str) -> str | None:
        """Return the field's text as far as it has come; None if it has not begun, or is no text."""
        value = _decision_in(raw, self._form.place)
        text = value.get(self._field) if isinstance(value, dict) else None
        return text if isinstance(text, str) else None

    def _will_stand(self) -> bool:
        """Return whether all that stands before the text makes a decision that nothing but a cut can refuse."""
        raw = self._raw
        # the shortest text in which the field has begun: it ends with the quote that opens its value
        begun = bisect_left(range(len(raw) + 1), True, key=lambda length: self._text_in(raw[:length]) is not None)
        head = raw[:begun] + '"' + "}" * (1 + len(self._form.place))
        decision = self._form.read(head, is_truncated=False)
        if not isinstance(decision, Decision):
            return False
        return self._listener.will_stand(Reply(handoff=decision.handoff, changes=decision.changes), self._field)


def _decision_in(raw: str, place: tuple[str, ...]) -> Any:
    """Return the decision in a reply that goes on, as far as it has come; None if it has not begun."""
    try:
        value = from_json(raw, allow_partial="trailing-strings")
    except ValueError:  # of nothing yet too
        return None
    for key in place:
        value = value.get(key) if isinstance(value, dict) else None
    return value
