"""Summaries of a conversation: what leaves a window is told in short by the model of the agent, and kept."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from msgspec.structs import replace

from ..errors import CallFailed
from ..messages import Message
from .base import Visit
from .prompts import Prompt
from .shortened import cut
from .window import Window

_ASKED = Message(
    role="system",
    content="Sum up this part of a conversation for whoever goes on with it. Keep facts, names, numbers, decisions and "
    "open questions. Reply with plain text, as short as possible.",
)

_MOST_KEPT = 256
"""Visits whose summaries are remembered, for the attempts that come after the one that made it."""


class Summaries:
    """The summaries of one agent's conversations.

    One is made in a visit at whose beginning something has left the window that no summary tells of, if calls are left
    for it and for what comes after it. If its request fails, the visit goes on without it, and the next makes up for
    it. Money is not looked at: it is charged as any call is, and a run that cannot pay for the reply after it is landed
    as `denied`.

    Args:
        window: what its agent sees of a conversation.
    """

    def __init__(self, window: Window) -> None:
        self._window = window
        self._made: OrderedDict[str, Message | None] = OrderedDict()

    async def of(self, visit: Visit[Any, Any], *, spare: int) -> Message | None:
        """Return the summary of a visit, made by a call of it; None if there is nothing to sum up, or it has failed.

        Args:
            spare: calls that it leaves: for the reply that it is committed with, and for a tool before that.
        """
        if visit.attempt == 1:  # what is remembered is of another run of that name
            self._made.pop(visit.key, None)
        if not self._window.summary or visit.key in self._made:
            return self._made.get(visit.key)
        agent = visit.state.name
        left = self._window.untold(visit.messages, agent=agent)
        if not left or visit.calls_left() <= spare:
            return None
        told, prompt = await _most_that_fits(visit, self._window.last_summary(visit.messages, agent=agent), left)
        if not told:
            return None
        text = await _in_short(visit, prompt, spare)
        made = None
        if text:
            until = self._window.mark(visit.messages, told, agent=agent)
            made = Message(role="summary", agent=agent, content=cut(text, self._window.summary_chars), until=until)
        self._made[visit.key] = made  # a failure too: the calls that are left are for the reply
        while len(self._made) > _MOST_KEPT:
            self._made.popitem(last=False)
        return made


async def _in_short(visit: Visit[Any, Any], prompt: Prompt, spare: int) -> str:
    """Return what a model says in short; empty if it failed: what has left the window is not seen this time."""
    try:
        response = await visit.model.ask(prompt, spare=spare)
    except CallFailed:
        return ""
    return "" if response.finish == "refusal" else response.text.strip()


async def _most_that_fits(
    visit: Visit[Any, Any], before: Message | None, left: tuple[Message, ...]
) -> tuple[int, Prompt]:
    """Return how many messages, the oldest first, fit into a request, and the request; 0 if not even one fits."""
    fits, none = 0, len(left) + 1
    while none - fits > 1:
        middle = (fits + none) // 2
        if await visit.model.fits(_prompt(before, left[:middle])):
            fits = middle
        else:
            none = middle
    if fits:
        return fits, _prompt(before, left[:fits])
    chars = len(left[0].content) // 2
    while chars:  # one that is too long by itself is cut
        prompt = _prompt(before, (replace(left[0], content=cut(left[0].content, chars)),))
        if await visit.model.fits(prompt):
            return 1, prompt
        chars //= 2
    return 0, ()


def _prompt(before: Message | None, messages: tuple[Message, ...]) -> Prompt:
    said = [] if before is None else [f"summary of what came before: {before.content}"]
    said += [f"{message.role}: {message.content}" for message in messages]
    return _ASKED, Message(role="user", content="\n".join(said))
