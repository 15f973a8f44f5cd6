"""Functions of a user that name objects which refuse every question: they are read as any other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, SimpleNamespace
from typing import Any

import pytest

from fsm_orch.adopt import beside, chat_models, functions, in_sight, langgraph_nodes, library, messages, source, work
from fsm_orch.errors import Unreadable


class Lazy:
    """A proxy as web frameworks have them: outside of a request it raises whatever it is asked for."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("outside of a request")

    def __call__(self, *given: object) -> str:
        return "x"


class Lazier(Lazy):
    """One that also raises when it is asked what it is."""

    def __getattribute__(self, name: str) -> Any:
        if OUTSIDE:
            raise RuntimeError("outside of a request")
        return super().__getattribute__(name)


OUTSIDE: list[bool] = []
"""Whether there is no request: other tests ask all objects of a process what they are."""


@pytest.fixture(autouse=True)
def outside() -> Iterator[None]:
    """Be outside of a request for one test."""
    OUTSIDE.append(True)
    yield
    OUTSIDE.clear()


THEIRS = library.Library("Theirs", "theirs", "theirs", "1")
lazy: Any = None
lazier: Any = None
REFUSING = {"lazy": Lazy(), "lazier": Lazier()}
"""They stand in no module: pytest would ask them what they are."""


def by_name(state: Any) -> Any:
    """Call both by their names."""
    return lazy(state) or lazier(state)


def by_attribute(state: Any) -> Any:
    """Call what has their names."""
    return state.lazy() or state.lazier() or lazy.x.y(state) or lazier.invoke(state)


def by_command(state: Any) -> Any:
    """Go where one of them says."""
    return Command(goto=lazier)  # type: ignore[name-defined]  # noqa: F821 - its source is read, and it is never run


class Desk:
    lazy: Any = REFUSING["lazy"]
    lazier: Any = REFUSING["lazier"]

    def by_self(self, state: Any) -> Any:
        """Call both as methods."""
        return self.lazy(state) or self.lazier(state)


@pytest.mark.parametrize("asking", [by_name, by_attribute, by_command, Desk.by_self], ids=lambda one: one.__name__)
def test_what_refuses_to_answer_is_no_mistake_of_who_names_it(asking: FunctionType) -> None:
    """The requests of a function, where it leads, and its models are read: there are none that are seen."""
    read = FunctionType(asking.__code__, {**globals(), **REFUSING}, asking.__name__)
    read.__qualname__ = asking.__qualname__

    assert "code" == work.node("key", {"act": read}).kind
    assert not source.sent(read).targets
    assert not source.spreads(read)
    assert not messages.sends_many({"act": read})
    assert [] == chat_models.models(read)
    assert in_sight.shows_ways(read) in (True, False)


@pytest.mark.parametrize("asking", [by_name, by_attribute, by_command, Desk.by_self], ids=lambda one: one.__name__)
def test_a_function_may_be_of_no_module(asking: FunctionType) -> None:
    """It was made by `exec`, or is a copy without the names around it."""
    read = FunctionType(asking.__code__, {"lazy": by_name}, asking.__name__)
    read.__qualname__ = asking.__qualname__

    assert read.__module__ is None
    assert "code" == work.node("key", {"act": read}).kind
    assert not messages.sends_many({"act": read})


@pytest.mark.parametrize("name", REFUSING)
def test_what_refuses_to_answer_is_no_function(name: str) -> None:
    """Nor has it a docstring, or a model."""
    assert functions.plain(REFUSING[name]) is None
    assert "code" == work.node("key", {"act": REFUSING[name]}).kind
    assert not chat_models.is_model(REFUSING[name])
    assert not langgraph_nodes.is_wrapped(SimpleNamespace(func=REFUSING[name]))
    assert name == library.called(REFUSING[name]).lower()


@pytest.mark.parametrize("name", REFUSING)
def test_what_refuses_to_answer_is_code_beside_nodes(name: str) -> None:
    """It is the user's, though nothing of it is seen to ask a model."""
    held = [{"one": REFUSING[name]}, beside.overriding(THEIRS, "a", REFUSING[name]).held]
    said = beside.told(THEIRS, [beside.Beside("a", "hook", each) for each in held])

    assert ("no request to a model in 1 hook of a: none was seen there",) == said.assumed
    assert () == said.uncounted
    assert [f"one request to a model for each that is asked of the client of {name}: its class is not known"] == [
        *beside.clients(THEIRS, {name: REFUSING[name]})
    ]


@pytest.mark.parametrize("name", REFUSING)
def test_what_a_reader_needs_and_is_refused_is_said(name: str) -> None:
    """It may ask models, so that it is not taken as absent; the message has no word of what was raised."""
    with pytest.raises(Unreadable, match=f"{name.title()} raised RuntimeError when it was asked for 'hooks'") as raised:
        THEIRS.find(REFUSING[name], "hooks")

    assert "outside of a request" not in str(raised.value)
    assert raised.value.__suppress_context__


@pytest.mark.parametrize("written", [b"x = (\n", b"x = 'a\0b'\n", b"\xff\xfe\n", b"", b"def act(:\n"])
def test_a_function_whose_file_is_another_by_now_has_no_source(tmp_path: Path, written: bytes) -> None:
    """It was changed after it was imported, to something that is no Python."""
    file = tmp_path / "changed.py"
    file.write_bytes(written)
    moved = FunctionType(by_name.__code__.replace(co_filename=str(file), co_firstlineno=1), {})

    assert functions.tree(moved) is None
    assert functions.tree(FunctionType(by_name.__code__.replace(co_filename="\0"), {})) is None
