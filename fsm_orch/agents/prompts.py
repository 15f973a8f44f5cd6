"""Prompts: what an LLM agent says to its model, from its instructions and the menu to why a reply was refused."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import dropwhile
from typing import Any

from pydantic_core import from_json, to_json

from ..define.agent_spec import AgentSpec
from ..define.context import Context, json_fields
from ..define.ordered import in_one_order
from ..define.states import NONE_OF_THESE, Handoff
from ..define.wording import without_surrogates
from ..messages import Message
from .base import Visit
from .decision import MEANS_NONE
from .toolbox import SHORTER, Toolbox, Tools
from .window import Window

_TOKEN_CHARS = 8
"""Characters that tokens of a reply have at most on an average; a longer reply is not shown to who wrote it."""

_NO_INSTRUCTIONS = Message(role="system", content="")

Prompt = tuple[Message, ...]
"""What a request says, message by message."""


class Prompts:
    """What the requests of one agent say.

    Args:
        instructions: what it is told to do.
        does: what it is for, in phrases.
        must_not: what it leaves to others, in phrases.
        spec: of the agent.
        toolbox: what it may use.
        window: what it sees of a conversation.
    """

    def __init__(
        self,
        instructions: str,
        *,
        does: tuple[str, ...],
        must_not: tuple[str, ...],
        spec: AgentSpec,
        toolbox: Toolbox,
        window: Window,
    ) -> None:
        self._instructions = instructions
        self._does = does
        self._must_not = must_not
        self._spec = spec
        self._toolbox = toolbox
        self._window = window

    def instructions(self, menu: tuple[Handoff, ...], *, may_decline: bool, tools: Tools, may_decide: bool) -> Message:
        """Return what a model is told to do, and how it is to reply."""
        parts = [self._instructions]
        if self._does:
            parts.append(f"You: {'; '.join(self._does)}.")
        if self._must_not:
            parts.append(f"You must not: {'; '.join(self._must_not)}.")
        if menu:
            parts.append("Choose one handoff:")
            parts += [f"- {handoff.name}: {handoff.description}" for handoff in menu]
        if may_decline:  # or a critic whose rounds are used up would be left with nothing but to approve
            parts.append(f"- {NONE_OF_THESE}: {MEANS_NONE}")
        keys = [*(["handoff"] if menu else []), *(ref.name for ref in self._spec.writes)]
        named = f"the key{'s' if keys[1:] else ''} {', '.join(keys)}" if keys else ""
        if tools.offered:
            parts += self._toolbox.told(tools, may_decide=may_decide, keys=named or "the key text")
        elif named:
            parts.append(f"Reply with one JSON object with {named}.")
        return Message(role="system", content="\n".join(parts))

    def count(self, visit: Visit[Any, Any]) -> int:
        """Return how many there are for a request of a visit."""
        if not (visit.refusals or visit.asks):
            return 1
        return len(self.longest_first(visit, _NO_INSTRUCTIONS))

    def longest_first(self, visit: Visit[Any, Any], instructions: Message) -> list[Prompt]:
        """Return what a request may say, longest first.

        After a refusal that is the reply that was refused, and why; after that the prompt alone, which is no longer
        than the one that came before the refusal: so a repair is never too long where the first request was not. And
        then the prompt with shorter results of tools.
        """
        prompt = self._prompt(visit, instructions)
        if not (visit.refusals or visit.asks):
            return [prompt]
        prompts = [(*prompt, *self._toolbox.results(visit))]
        prompts += [(*prompt, *self._toolbox.results(visit, by=by)) for by in SHORTER if visit.asks]
        return [*self._repairs(visit, prompts[0]), *prompts] if visit.refusals else prompts

    def _prompt(self, visit: Visit[Any, Any], instructions: Message) -> Prompt:
        fields = {ref.name: getattr(visit.context, ref.name) for ref in self._spec.reads}
        # `__class__`, not `type`: the context is a view of a class of its own, which shows the class it stands for
        asked = Message(role="user", content=_as_text(visit.context.__class__, fields))
        if not visit.messages:
            return instructions, asked
        view = self._window.view(visit.messages, agent=visit.state.name)
        # providers refuse the result of a tool without its call, which a window may have cut off
        return (instructions, *dropwhile(lambda said: said.role == "tool", view), asked)

    def _repairs(self, visit: Visit[Any, Any], prompt: Prompt) -> list[Prompt]:
        """Return a prompt with why the last reply was refused: first with that reply, if it can be shown."""
        # the user's side says it, and not the system's: it may quote what the model wrote, and so what a user did
        why = Message(
            role="user", content=without_surrogates(f"Your last reply was refused: {visit.refusals[-1].detail}")
        )
        # a provider that breaks its cap may have sent megabytes, of which there is nothing to learn
        if visit.refused.strip() and len(visit.refused) <= _TOKEN_CHARS * self._spec.call_limits.max_output_tokens:
            said = Message(role="assistant", content=without_surrogates(visit.refused))
            return [(*prompt, said, why), (*prompt, why)]
        return [(*prompt, why)]


def _as_text(context: type[Context], fields: Mapping[str, Any]) -> str:
    """Return fields as JSON, the same text in every process."""
    told = to_json(fields)
    if not json_fields(context).with_sets.isdisjoint(fields):
        told = to_json(in_one_order(fields, from_json(told)))
    return told.decode()
