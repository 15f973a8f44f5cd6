"""A client of AG-UI: it holds a stream to the protocol's own types and order, and shows what a user would see.

The rules are those of `verifyEvents` and `defaultApplyEvents` of npm's @ag-ui/client 1.0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ag_ui.core import Event
from pydantic import TypeAdapter

EVENT: TypeAdapter[Any] = TypeAdapter(Event)


@dataclass
class Client:
    """What a user sees of one run."""

    texts: dict[str, str] = field(default_factory=dict)
    """By the id of their message."""
    activities: dict[str, dict[str, Any]] = field(default_factory=dict)
    state: Any = None
    steps: list[str] = field(default_factory=list)
    """The steps that were begun, in order."""
    end: Any = None
    """The last event: that the run has ended, or failed."""
    taken_back: int = 0
    """How often text was taken back."""
    kinds: list[str] = field(default_factory=list)
    _open: set[tuple[str, str]] = field(default_factory=set)

    @property
    def text(self) -> str:
        """All that was said."""
        return "".join(self.texts.values())

    def read(self, frames: Iterable[bytes]) -> Client:
        """Read a stream, each event by the protocol's own types."""
        for frame in frames:
            assert frame.startswith(b"data: ")
            assert frame.endswith(b"\n\n")
            self.take(EVENT.validate_json(frame[6:]))
        return self

    def take(self, event: Any) -> None:
        """Take an event.

        Raises AssertionError: if it may not come here.
        """
        assert not event.model_extra, f"{event.type} has fields that the protocol does not know: {event.model_extra}"
        assert self.end is None, f"{event.type} comes after the end"
        assert ("RUN_STARTED" == event.type) == (not self.kinds)
        self.kinds.append(event.type.value)
        match event.type.value:
            case "STEP_STARTED":
                self._opened("step", event.step_name)
                self.steps.append(event.step_name)
            case "STEP_FINISHED":
                self._open.remove(("step", event.step_name))
            case "TEXT_MESSAGE_START":
                self._opened("text", event.message_id)
                self.texts.setdefault(event.message_id, "")
            case "TEXT_MESSAGE_CONTENT":
                assert ("text", event.message_id) in self._open
                self.texts[event.message_id] += event.delta
            case "TEXT_MESSAGE_END":
                self._open.remove(("text", event.message_id))
            case "MESSAGES_SNAPSHOT":
                assert not any(kind == "text" for kind, _ in self._open)
                assert not any(message.role in ("activity", "reasoning") for message in event.messages)
                kept = {message.id for message in event.messages}
                self.taken_back += 1
                self.texts = {key: text for key, text in self.texts.items() if key in kept}
            case "ACTIVITY_SNAPSHOT":
                self.activities[event.message_id] = event.content
            case "STATE_SNAPSHOT":
                self.state = event.snapshot
            case "RUN_FINISHED":
                assert set() == self._open
                self.end = event
            case "RUN_ERROR":
                self.end = event

    def _opened(self, kind: str, name: str) -> None:
        assert (kind, name) not in self._open, f"{name!r} is open already"
        self._open.add((kind, name))
