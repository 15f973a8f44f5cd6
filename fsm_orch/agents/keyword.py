"""Keyword agents: route by words, without a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..define.agent_spec import AgentSpec
from ..define.context import field_refs
from ..define.source import phrases, where_called
from ..define.states import Final, State
from ..define.wording import kind_of
from .base import PlainAgent, Reply, Visit
from .words import Phrases, folded, is_blank


class KeywordAgent(PlainAgent):
    """An agent that hands off to the one state whose words occur in a text; to another if none or several do.

    Args:
        field: the text to look at, such as `Ticket.query`.
        words: for each state, one or several words or phrases that mean it. They match whole words, in any case and
            in any way that Unicode writes them: "red" does not match "ordered". In scripts without spaces between
            words, and in Korean, they match inside a text too; `agents.words` says the rule.
        otherwise: where to go when no state's words occur, or those of two or more.

    Each state named must be reached by exactly one handoff (FSM121).

    Raises ValueError: if a state has no words, or a word is blank.
    Raises TypeError: if something else than a state or final state is named, such as a string.
    """

    def __init__(
        self, field: object, words: Mapping[State | Final, str | Iterable[str]], *, otherwise: State | Final
    ) -> None:
        (self._field,) = field_refs((field,))
        _check_targets(words, otherwise)
        self._words = {target: phrases(meant) for target, meant in words.items()}
        self._otherwise = otherwise
        for target, meant in self._words.items():
            if not meant or any(map(is_blank, meant)):
                raise ValueError(f"the words for {target!r} are {meant!r}: give at least one, none of them blank")
        self._phrases = {target: Phrases(meant) for target, meant in self._words.items()}
        self._where = where_called()

    @property
    def spec(self) -> AgentSpec:
        """What a definition needs to know of the agent."""
        return AgentSpec(
            kind="keyword",
            name="KeywordAgent",
            reads=(self._field,),
            routes=(*self._words, self._otherwise),
            canonical={"words": list(self._words.values())},
            where=self._where,
        )

    def begin(self, visit: Visit[Any, Any]) -> Reply:
        """Return the handoff to the one state whose words occur, or to `otherwise`."""
        text = folded(str(getattr(visit.context, self._field.name)))
        meant = [target for target, phrases in self._phrases.items() if phrases.are_in(text)]
        target = meant[0] if len(meant) == 1 else self._otherwise
        return Reply(handoff=visit.handoff_to(target).name)


def _check_targets(words: object, otherwise: object) -> None:
    if not isinstance(words, Mapping):
        raise TypeError(f"a keyword agent takes words by state, not {kind_of(words)}: {{refund: ('money back',)}}")
    for target in (*words, otherwise):
        if not isinstance(target, State | Final):
            raise TypeError(f"a keyword agent names states and final states, not {target!r}: give the attribute itself")
