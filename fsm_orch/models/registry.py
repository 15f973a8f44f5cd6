"""Models by name, `provider:model`, and embedders. What is named is imported when it is first named, and not before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NamedTuple, cast

from ..amounts import Price
from ..define.callables import is_awaited, takes_one
from ..define.wording import kind_of, to_install
from ..errors import ModelUnavailable
from .base import Model
from .embed import Embedder
from .fallback import Fallback
from .weights import CATALOGUE


class _Adapter(NamedTuple):
    """Where the models of a provider come from."""

    module: str
    opener: str
    """The function of the module that makes a model from its name alone."""
    extra: str
    """What has to be installed for it."""


_ADAPTERS: Mapping[str, _Adapter] = {
    "local": _Adapter("local", "load", extra="local"),
    "openai": _Adapter("openai", "open_responses", extra="openai"),
    "openai-chat": _Adapter("openai", "open_chat", extra="openai"),
    "compatible": _Adapter("openai", "open_compatible", extra="openai"),
    "anthropic": _Adapter("anthropic", "open_messages", extra="anthropic"),
    "pydantic-ai": _Adapter("bridges.pydantic_ai", "open_pydantic_ai", extra="pydantic-ai"),
}


_CLOSE = 0.8
"""How like a known name, from 0 to 1, one must be for that to be guessed: `openai` is like the names of no models."""

_EMBEDDERS: Mapping[str, _Adapter] = {"minilm": _Adapter("minilm", "MiniLM", extra="embed")}


def resolve(name: str) -> Model:
    """Return the model of a name.

    Args:
        name: `provider:model`, such as `local:smollm2`; several, with a comma between two, are a fallback.

    Raises ModelUnavailable: if the provider or the model is unknown, or something it needs is missing.
    """
    if "," in name:
        return opened(_fallback(name.split(",")))
    provider, _, model = checked(name).partition(":")
    opener: Callable[[str], Model] = _opener(_ADAPTERS[provider])
    return opener(model)


def embedder(name: str) -> Embedder:
    """Return the embedder of a name.

    Raises ModelUnavailable: if it is unknown, or something it needs is missing.
    """
    if name not in _EMBEDDERS:
        raise ModelUnavailable(f"No embedder {name!r}. Known: {', '.join(_EMBEDDERS)}; or give one of your own")
    opener: Callable[[], Embedder] = _opener(_EMBEDDERS[name])
    return opener()


def _opener(adapter: _Adapter) -> Any:
    try:  # here and by name, since an SDK is an extra, and slow to import
        module = import_module(f".{adapter.module}", __package__)
    except ImportError as error:
        raise ModelUnavailable(f"Models of this provider need some packages: {to_install(adapter.extra)}") from error
    return getattr(module, adapter.opener)


def checked(name: str) -> str:
    """Return a name that may be a model's; its provider is not asked.

    Raises ModelUnavailable: if the provider is unknown, or no model is named.
    """
    if "," in name:
        return _fallback([checked(one) for one in name.split(",")]).name
    provider, _, model = name.strip().partition(":")
    if provider not in _ADAPTERS or not model:
        known = ", ".join(f"{known}:..." for known in _ADAPTERS)
        meant = _meant(name.strip())
        raise ModelUnavailable(f"No model {name!r}{meant or '.'} Name one as provider:model; providers: {known}")
    return name.strip()


def _meant(name: str) -> str:
    """Return the end of a message that guesses which model was meant; nothing if no known name is like it."""
    from .prices import priced_names  # noqa: PLC0415 - the price table loads an HTTP client

    if name.partition(":")[0] in _ADAPTERS:  # a model is missing, and which is anybody's guess
        return ""
    local = [f"local:{entry.name}" for entry in CATALOGUE.values() if entry.kind == "language"]
    whole = {full.partition(":")[2]: full for full in (*priced_names(), *local)}
    whole |= {full: full for full in whole.values()}
    close = get_close_matches(name, whole, n=1, cutoff=_CLOSE)
    return f": did you mean {whole[close[0]]!r}?" if close else ""


def _fallback(names: Sequence[str]) -> Fallback:
    try:
        return Fallback(*names)
    except ValueError as error:
        raise ModelUnavailable(f"No model {','.join(names)!r}: {error}") from None


def given(model: Model) -> Model:
    """Return a model that was given as such, and not by its name.

    Raises TypeError: if it is something else, such as the class of one, or an own one that lacks something.
    """
    if isinstance(model, type) or not hasattr(model, "complete"):
        came = kind_of(model)
        raise TypeError(f"model= takes 'provider:model' or a model, not {came}: make one, such as ScriptedModel([...])")
    lacks = "; ".join(_lacks(model))
    if lacks:
        raise TypeError(f"{type(model).__name__} is no model yet: {lacks}")
    return model


def opened(wanted: str | Model) -> Model:
    """Return a model that is ready to be asked: of its name, or the one that was given, and all that a fallback names.

    Raises ModelUnavailable: if it cannot be had, or one of a fallback.
    Raises TypeError: if it is neither a name nor a model.
    """
    if isinstance(wanted, str):
        return resolve(wanted)
    if isinstance(wanted, Fallback):
        wanted.open(opened)
    return given(wanted)


def _lacks(model: object) -> Iterator[str]:
    """Yield what keeps something from being a model, with what to write."""
    name = getattr(model, "name", None)
    if not (isinstance(name, str) and name):
        yield f"its name is {kind_of(name)}: write name = 'provider:model'"
    if not isinstance(price := getattr(model, "price", "missing"), Price | None):
        came = "missing" if price == "missing" else kind_of(price)
        yield f"its price is {came}: write price = Price(...), or None if it is not known"
    for method, takes in (("count", "int"), ("complete", "Response")):
        function = getattr(model, method, None)
        if not is_awaited(function):
            yield f"its {method} cannot be awaited: write async def {method}(self, request) -> {takes}"
        elif not takes_one(cast("Any", function)):
            yield f"its {method} does not take a request alone: write async def {method}(self, request) -> {takes}"
