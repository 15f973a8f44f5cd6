"""Models of LangChain that code holds: in a closure, a global, or an attribute of what it holds."""

import inspect
from collections.abc import Iterator
from types import FunctionType, MethodType

from .asked import attribute, is_an, package_of
from .library import Library

LANGCHAIN = Library("LangChain", "langchain-core", "langchain_core", "1.8.3")
_CHOSEN_LATER = Library("LangChain", "langchain", "langchain", "1.5.2")

_HELD = ("bound", "func", "afunc", "first", "middle", "last", "steps", "runnable", "mapper")
"""Where things of LangChain that are made of others hold these."""
_DEEPEST = 6
_PROVIDERS = {"ChatOpenAI": "openai", "ChatAnthropic": "anthropic", "ChatGoogleGenerativeAI": "google"}


def models(thing: object, seen: frozenset[int] = frozenset()) -> list[object]:
    """Return the models that are found in a function or another thing, those first that are nearest."""
    if id(thing) in seen or len(seen) > _DEEPEST:
        return []
    if is_model(thing):
        return [thing]
    inside = seen | {id(thing)}
    found = [model for part in _parts(thing) for model in models(part, inside)]
    return list({id(model): model for model in found}.values())


def is_model(thing: object) -> bool:
    """Return whether it is a chat model, or one that is chosen when it runs."""
    is_one = LANGCHAIN.made(thing, "BaseChatModel") or _CHOSEN_LATER.made(thing, "_ConfigurableModel")
    return is_one and not isinstance(thing, type)


def name_of(model: object) -> str | None:
    """Return `provider:model`; None if the model is chosen when it runs."""
    name = LANGCHAIN.find(model, "model_name") or LANGCHAIN.find(model, "model")
    if not isinstance(name, str):
        return None
    kind = type(model)
    provider = _PROVIDERS.get(kind.__name__) or package_of(kind).removeprefix("langchain_")
    bare = name.removeprefix("models/")
    return bare if ":" in bare else f"{provider}:{bare}"


def cap_of(model: object) -> int | None:
    """Return how many tokens a reply may have; None if nothing bounds them."""
    found = LANGCHAIN.find(model, "max_tokens")
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def closed_over(function: FunctionType) -> dict[str, object]:
    """Return what the names in a function stand for, as far as it is known yet."""
    try:
        found = inspect.getclosurevars(function)
    except (TypeError, ValueError):  # a cell that is empty yet
        return {}
    return {**found.globals, **found.nonlocals}


def _parts(thing: object) -> Iterator[object]:
    """Yield what may hold a model."""
    if is_an(thing, FunctionType):
        for value in closed_over(thing).values():
            if is_an(value, FunctionType, MethodType) or _is_runnable(value):
                yield value
    elif is_an(thing, MethodType):
        yield thing.__func__
        yield from attribute(thing.__self__, "__dict__", {}).values()
    elif _is_runnable(thing):
        for name in _HELD:
            held = LANGCHAIN.find(thing, name)
            yield from held if isinstance(held, list | tuple) else [held]
    elif callable(thing) and not is_an(thing, type):
        yield from attribute(thing, "__dict__", {}).values()


def _is_runnable(thing: object) -> bool:
    return LANGCHAIN.made(thing, "Runnable") and not is_an(thing, type)
