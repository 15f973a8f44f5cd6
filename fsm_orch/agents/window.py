"""The window: what of a conversation crosses a handoff."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec import UNSET
from msgspec.structs import replace

from ..messages import Message

_CUT = " [...]"


@dataclass(frozen=True, slots=True)
class Window:
    """The newest messages of a conversation that fit; older ones are left out first.

    Args:
        messages: how many at most; 0 hides the conversation.
        chars: how many characters together at most; the newest message is cut to fit, older ones are whole or absent.

    Raises ValueError: if one of them is negative.
    """

    messages: int = 6
    chars: int = 2_000

    def __post_init__(self) -> None:
        if self.messages < 0 or self.chars < 0:
            raise ValueError(f"a window shows 0 or more messages and characters, not {self.messages} and {self.chars}")

    def view(self, conversation: Iterable[Message], *, agent: str) -> tuple[Message, ...]:
        """Return the messages that the agent of a state may see; tool calls and their results only if they are its own.

        Args:
            agent: the name of the state.
        """
        visible = [shown for message in conversation if (shown := _as_seen_by(agent, message)) is not None]
        taken: list[Message] = []
        left = self.chars
        for message in reversed(visible[-self.messages :] if self.messages else []):
            if len(message.content) > left:
                if not taken and left > len(_CUT):
                    cut = message.content[: left - len(_CUT)] + _CUT  # a text now, whatever it showed
                    taken.append(replace(message, content=cut, fields=UNSET))
                break
            taken.append(message)
            left -= len(message.content)
        return tuple(reversed(taken))


def _as_seen_by(agent: str, message: Message) -> Message | None:
    if message.agent == agent:
        return message
    if message.role == "tool":
        return None
    if message.tool_calls:
        return replace(message, tool_calls=()) if message.content else None
    return message
