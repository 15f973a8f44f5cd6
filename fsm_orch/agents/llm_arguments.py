"""What an `LLMAgent` is given, checked one by one: by its kind, and by what it means beside the rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from ..define.source import phrases
from ..define.wording import kind_of
from ..models.fallback import Fallback
from ..settings import ModelSettings
from .window import Window


def check_kinds(instructions: object, window: object, **numbers: object) -> None:
    """Check of what kind each is, before anything is done with it.

    Raises TypeError: if one is of another.
    """
    if not isinstance(instructions, str):
        raise TypeError(
            f"an LLMAgent is told in words what to do, not by {kind_of(instructions)}: LLMAgent('Answer the question.')"
        )
    if not isinstance(window, Window | None):
        raise TypeError(f"window= takes Window(messages=10), not {kind_of(window)}")
    for name, number in numbers.items():
        if number is not None and type(number) is not int:
            raise TypeError(f"{name}= is a whole number, not {kind_of(number)}")


def phrases_of(name: str, given: object) -> tuple[str, ...]:
    """Return one phrase or several as several.

    Raises TypeError: if one is no text.
    """
    taken: tuple[object, ...] = phrases(given) if isinstance(given, Iterable) else (given,)
    for phrase in taken:
        if not isinstance(phrase, str):
            raise TypeError(f"{name}= is one text, or several in a tuple, not {kind_of(phrase)}")
    return cast("tuple[str, ...]", taken)


def asks_of(has_tools: bool, asks: int | None, tool_first: bool) -> int:
    """Return how often one visit uses tools at most.

    Raises ValueError: if the agent has no tools to use, or may not use them.
    """
    if not has_tools:
        if tool_first or asks is not None:
            raise ValueError("asks= and tool_first= are about tools, and this agent has none: give tools=(...)")
        return 0
    asks = 2 if asks is None else asks
    if asks < 1:
        raise ValueError(f"an agent with tools asks for one or more in a visit, not {asks}: leave asks= out")
    return asks


def name_of(model: object) -> str | None:
    """Return what an agent calls its model; None: the runner's.

    Raises TypeError: if it is given a model instead of a name.
    """
    if isinstance(model, Fallback):
        return model.by_name
    if model is None or isinstance(model, str):
        return model
    raise TypeError(
        f"an agent names its model as 'provider:model', not by a {type(model).__name__}: give that to the Runner"
    )


def settings_of(settings: object) -> ModelSettings:
    """Return how its model is to answer.

    Raises TypeError: if it is something else.
    """
    if not isinstance(settings, ModelSettings):
        raise TypeError(f"settings= takes ModelSettings(temperature=0.2), not {kind_of(settings)}")
    return settings
