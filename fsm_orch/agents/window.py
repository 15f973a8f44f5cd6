"""The window: what of a conversation crosses a handoff."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec import UNSET
from msgspec.structs import replace

from ..messages import Message
from .shortened import CUT, cut

_SHORT = "What was said before, in short: "
_LEAST_CHARS = 200
_MARK = re.compile(r"([0-9a-f]{12}):([1-9][0-9]{0,8}):([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class Window:
    """The newest messages of a conversation that fit; older ones are left out first.

    Args:
        messages: how many at most; 0 hides the conversation.
        chars: how many characters together at most; the newest message is cut to fit, older ones are whole or absent.
        summary: whether what leaves the window is summed up, by a call of the visit to the agent's own model. It is
            committed with the reply, as a message of role `summary` that this agent alone sees, and may take half of
            the characters. The agent needs `calls=2` or more, and 3 with tools.

    Raises ValueError: if one of them is negative, or a summary is to be made and there are fewer than 200 characters.
    """

    messages: int = 6
    chars: int = 2_000
    summary: bool = False

    def __post_init__(self) -> None:
        if self.messages < 0 or self.chars < 0:
            raise ValueError(f"a window shows 0 or more messages and characters, not {self.messages} and {self.chars}")
        if self.summary and self.chars < _LEAST_CHARS:
            raise ValueError(f"a window with a summary shows {_LEAST_CHARS} characters or more, not {self.chars}")

    @property
    def summary_chars(self) -> int:
        """How many characters a summary has at most."""
        return self.chars // 2 - len(_SHORT)

    def view(self, conversation: Iterable[Message], *, agent: str) -> tuple[Message, ...]:
        """Return the messages that the agent of a state may see; tool calls and their results only if they are its own.

        What is summed up comes first, as a message of the user's: so it can be sent to any model.

        Args:
            agent: the name of the state.
        """
        conversation = tuple(conversation)
        summed = self.last_summary(conversation, agent=agent)
        head = () if summed is None else (Message(role="user", content=f"{_SHORT}{summed.content}"),)
        return (*head, *self._newest(_visible(conversation, agent)))

    def _newest(self, visible: Sequence[Message]) -> tuple[Message, ...]:
        taken: list[Message] = []
        left = self.chars - self.chars // 2 if self.summary else self.chars
        for message in reversed(visible[-self.messages :] if self.messages else []):
            if len(message.content) > left:
                if not taken and left > len(CUT):
                    # a text now, whatever it showed
                    taken.append(replace(message, content=cut(message.content, left), fields=UNSET))
                break
            taken.append(message)
            left -= len(message.content)
        return tuple(reversed(taken))

    def last_summary(self, conversation: Sequence[Message], *, agent: str) -> Message | None:
        """Return the newest summary that an agent has made; None if there is none, or the window has none."""
        made = (said for said in reversed(conversation) if said.role == "summary" and said.agent == agent)
        return next(made, None) if self.summary else None

    def untold(self, conversation: Sequence[Message], *, agent: str) -> tuple[Message, ...]:
        """Return the messages that have left the window, and that the newest summary does not tell of."""
        visible = _visible(conversation, agent)
        out = visible[: len(visible) - len(self._newest(visible))]
        return tuple(out[self._told(conversation, visible, agent) :])

    def mark(self, conversation: Sequence[Message], number: int, *, agent: str) -> str:
        """Return how a summary names the last message that it tells of: `digest:nth:after`.

        That is its digest, which of its like it is, and how many messages come after it.

        Args:
            number: how many of the untold messages it tells of, from 1.
        """
        visible = _visible(conversation, agent)
        told = [_digest(said) for said in visible[: self._told(conversation, visible, agent) + number]]
        return f"{told[-1]}:{told.count(told[-1])}:{len(visible) - len(told)}"

    def _told(self, conversation: Sequence[Message], visible: Sequence[Message], agent: str) -> int:
        """Return how many of the visible messages the newest summary, or what it sums up, tells of."""
        summed = self.last_summary(conversation, agent=agent)
        marked = None if summed is None or summed.until is UNSET else _MARK.fullmatch(summed.until)
        if summed is None or marked is None:
            return 0
        digest, nth, after = marked.groups()
        before = len(_visible(conversation[: _last_place(conversation, summed)], agent))
        # A conversation may have lost its beginning, and gained in between what was shown as fields until then: so it
        # is looked for, and where that leaves a doubt, rather too much is told once more than too little.
        places = [place for place in range(1, before - int(after) + 1) if _digest(visible[place - 1]) == digest]
        return (places[int(nth) - 1] if int(nth) <= len(places) else places[0]) if places else 0


def _last_place(conversation: Sequence[Message], one: Message) -> int:
    return max(place for place, said in enumerate(conversation) if said is one)


def _visible(conversation: Iterable[Message], agent: str) -> list[Message]:
    return [shown for message in conversation if (shown := _as_seen_by(agent, message)) is not None]


def _as_seen_by(agent: str, message: Message) -> Message | None:
    if message.role == "summary":
        return None  # in its own place
    if message.agent == agent:
        return message
    if message.role == "tool":
        return None
    if message.tool_calls:
        return replace(message, tool_calls=()) if message.content else None
    return message


def _digest(said: Message) -> str:
    told = f"{said.role}\n{said.agent}\n{said.content}"
    return hashlib.sha256(told.encode()).hexdigest()[:12]
