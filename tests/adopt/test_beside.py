"""What is said of code that a framework runs beside its nodes, whatever the framework."""

import functools
import operator
from types import FunctionType, SimpleNamespace
from typing import Any

import pytest

from fsm_orch.adopt.beside import Beside, clients, overriding, told
from fsm_orch.adopt.library import Library

THEIRS = Library("Theirs", "theirs", "theirs", "1", siblings=("theirs_core",))
client: Any = SimpleNamespace()


def made(kind: str, /, *bases: type, module: str = "app", **attributes: Any) -> type:
    """Return a class of a module."""
    return type(kind, bases, {"__module__": module, **attributes})


def asks() -> None:
    client.chat.completions.create()


def is_silent() -> None: ...


def by_them() -> None: ...


by_them.__module__ = "theirs.hooks"


class Hook:
    """Asks in one of its methods."""

    def before(self) -> None: ...

    def after(self) -> None:
        asks()


class Called:
    """Is called as a function is."""

    def __call__(self) -> None: ...


ASKING = {"a function": asks, "a partial": functools.partial(asks), "a method": Hook().after, "an object": Hook()}
SILENT = {"a function": is_silent, "an object that is called": Called(), "a lambda": lambda: 1}
SILENT["a function of no module"] = FunctionType(is_silent.__code__, {})
NOTHING = {
    "none": None,
    "a text": "x",
    "a switch": True,
    "a class": Hook,
    "a getter of Python's": operator.itemgetter("text"),
    "their function": by_them,
    "their object": made("Hook", module="theirs.hooks")(),
    "an object of a sibling": made("Hook", module="theirs_core.hooks")(),
    "none of several": [None, "x"],
}


@pytest.mark.parametrize("name", ASKING)
def test_code_that_asks_makes_the_number_more(name: str) -> None:
    """It is not counted, and is said to be more, each once and with all nodes that it is of."""
    said = told(THEIRS, [Beside("a", "hook", ASKING[name]), Beside("b", "hook", [ASKING[name], None])])

    assert (("what 2 hooks of a, b ask of models",), ()) == (said.uncounted, said.assumed)


@pytest.mark.parametrize("name", SILENT)
def test_code_that_is_not_seen_to_ask_is_an_assumption(name: str) -> None:
    """However it is called."""
    said = told(THEIRS, [Beside("a", "hook", {"one": SILENT[name]})])

    assert ((), ("no request to a model in 1 hook of a: none was seen there",)) == (said.uncounted, said.assumed)


@pytest.mark.parametrize("name", NOTHING)
def test_what_is_no_code_of_the_users_is_not_spoken_of(name: str) -> None:
    """Neither values, nor what the library brings itself."""
    said = told(THEIRS, [Beside("a", "hook", NOTHING[name])])

    assert ((), ()) == (said.uncounted, said.assumed)


def test_methods_in_the_place_of_a_librarys_are_found() -> None:
    """Those of the user's class and of the object alone; not those that are new there, nor those that are nodes."""
    base = made("Agent", module="theirs", run=by_them, ask=by_them, name=None, step=by_them)
    own = made("Mine", base, run=is_silent, more=is_silent, step=is_silent)
    one: Any = own()
    one.ask, one.name = asks, is_silent
    held: Any = overriding(THEIRS, "a", one, but=["step"]).held

    assert {"run": is_silent, "ask": asks} == held
    assert {"run", "step"} == {*overriding(THEIRS, "a", own).held}  # type: ignore[call-overload]
    assert {} == overriding(THEIRS, "a", base()).held


def test_clients_of_the_users_are_taken_to_ask_once() -> None:
    """Not those of an SDK, of the library, or that are named by a text."""
    held = {
        "own": made("Client", module="app")(),
        "none": None,
        "named": "gpt-4o",
        "sdk": made("OpenAI", module="openai.client")(),
        "theirs": made("Client", module="theirs.clients")(),
    }

    assert ["one request to a model for each that is asked of the client of own: its class is not known"] == [
        *clients(THEIRS, held)
    ]
    assert [] == [*clients(THEIRS, {"none": None})]
