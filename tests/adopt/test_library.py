"""What is read of objects by name, and what is said when it is not there."""

import importlib.metadata
import itertools
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from fsm_orch.adopt import openai_agents
from fsm_orch.adopt.library import Library, called
from fsm_orch.errors import Unreadable

PYTEST = Library("Pytest", "pytest", "pytest", "1.0")


def test_a_lost_name_is_said_with_the_version_that_is_installed() -> None:
    """The message names the library, the class, the name, both versions and what to do."""
    with pytest.raises(Unreadable) as raised:
        PYTEST.get(SimpleNamespace(), "nodes")

    assert (
        f"Pytest cannot be read: SimpleNamespace has no 'nodes', in pytest {importlib.metadata.version('pytest')}. "
        "Expected: what 1.0 has, which this reader was tried with. "
        "Fix: import with pytest 1.0, or report this message."
    ) == str(raised.value)


def test_a_library_that_is_not_installed_has_no_version() -> None:
    """Objects can be read without their library, and then the message says so."""
    with pytest.raises(Unreadable, match=r"in no-such-thing \(not installed\)"):
        Library("None", "no-such-thing", "none", "1.0").get(object(), "nodes")


@pytest.mark.parametrize(
    ("ask", "held", "expected"),
    [
        (PYTEST.text, 3, "text"),
        (PYTEST.words, 3, "text"),
        (PYTEST.number, "3", "a whole number"),
        (PYTEST.number, True, "a whole number"),
        (PYTEST.many, "abc", "a collection"),
        (PYTEST.names, [3], "a text in each place"),
        (PYTEST.table, [("a", 1)], "a mapping"),
        (PYTEST.table, {3: 1}, "a text in each place"),
    ],
)
def test_a_value_of_another_kind_is_said_without_the_value(ask, held: object, expected: str) -> None:
    """The message names the kinds alone, since the value may be secret."""
    with pytest.raises(Unreadable, match=f"under 'name', not {expected}") as raised:
        ask(SimpleNamespace(name=held), "name")

    assert "abc" not in str(raised.value)


def test_what_cannot_be_called_is_said() -> None:
    """A method that is a value now is gone as a method."""
    with pytest.raises(Unreadable, match=r"cannot be asked for to_dict\(\)"):
        PYTEST.call(SimpleNamespace(to_dict={}), "to_dict")


def test_attributes_and_keys_are_read_alike() -> None:
    """Data of a library is read like its objects."""
    thing = SimpleNamespace(name="n", number=3, none=None, many=("a", "b"), table={"k": 1}, give=lambda: "given")

    for each in (thing, vars(thing)):
        assert ("n", 3, None) == (PYTEST.text(each, "name"), PYTEST.number(each, "number"), PYTEST.number(each, "none"))
        assert (["a", "b"], [], [1]) == (
            PYTEST.many(each, "many"),
            PYTEST.many(each, "none"),
            PYTEST.many(each, "table"),
        )
        assert (("a", "b"), ("k",), {"k": 1}) == (
            *(PYTEST.names(each, "many"), PYTEST.names(each, "table")),
            PYTEST.table(each, "table"),
        )
        assert ("", "given", "else") == (
            *(PYTEST.words(each, "none"), PYTEST.call(each, "give")),
            PYTEST.find(each, "gone", "else"),
        )


def test_classes_are_known_by_name_and_module() -> None:
    """A class of the same name elsewhere is another; a subclass outside the library is of it all the same."""
    ours = type("Graph", (), {"__module__": "pytest.inner"})
    other = type("Graph", (), {"__module__": "pytestlike"})
    below = type("Mine", (ours,), {"__module__": "app"})

    assert PYTEST.made(ours(), "Graph")
    assert PYTEST.made(below(), "Graph")
    assert PYTEST.made(below)
    assert not PYTEST.made(ours(), "Node")
    assert not PYTEST.made(other(), "Graph")
    assert (True, False) == (PYTEST.wrote(ours), PYTEST.wrote(below))


def test_what_is_called_has_a_name() -> None:
    """A function inside another has its own name, a lambda says that it is one, and an object has its class's."""
    assert "test_what_is_called_has_a_name" == called(test_what_is_called_has_a_name)
    assert "<lambda>" == called(lambda: None)
    assert "SimpleNamespace" == called(SimpleNamespace())


def test_of_methods_around_a_library_the_nearest_is_read() -> None:
    """What a class overrides does not run, so it is not read; nor is what the library or Python gives."""

    class Made:
        __module__ = "pytest.made"

        def close(self) -> None: ...

    class Above(Made):
        def run(self) -> str:
            return "above"

    class Near(Above):
        def run(self) -> str:
            return "near"

    assert {"run": Near.run} == PYTEST.methods_around(Near)


class Endless:
    """A collection that never ends."""

    def __len__(self) -> int:
        return 1

    def __contains__(self, item: object) -> bool:
        return False

    def __iter__(self) -> Iterator[object]:
        return itertools.count()


def test_what_never_ends_is_refused() -> None:
    """An attribute that yields for ever, and agents each of which makes another when it is looked at."""
    settings = SimpleNamespace(max_tokens=9)
    plain = dict.fromkeys(("mcp_servers", "tools", "input_guardrails", "output_guardrails"), ())

    def looked_at(self: object, name: str) -> object:
        held = {"name": "one", "instructions": "", "model": "m", "model_settings": settings, "handoff_description": ""}
        if name == "handoffs":
            return [agent()]
        return (held | plain).get(name)

    agent: Any = type("Agent", (), {"__module__": "agents", "__getattr__": looked_at})
    with pytest.raises(Unreadable, match="more than 5,000 things under 'nodes'"):
        PYTEST.many(SimpleNamespace(nodes=Endless()), "nodes")
    with pytest.raises(Unreadable, match="more than 5,000 agents that hand off to one another"):
        openai_agents.read(agent(), "first")
