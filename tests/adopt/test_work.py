"""What the source of a function tells of its requests, and of the texts it returns."""

import functools
from types import FunctionType
from typing import Any

import pytest

from fsm_orch.adopt.functions import plain
from fsm_orch.adopt.source import routed, sent
from fsm_orch.adopt.starts import opening
from fsm_orch.adopt.work import count, node, outermost

client: Any = None
agent: Any = None
AGAIN = "again"
asking: Any = type("Instructor", (), {"__module__": "instructor.client"})()
other: Any = type("Table", (), {"__module__": "lancedb"})()


def helper(text: str) -> str:
    """Ask by a helper."""
    return client.messages.create(text)


def silent(text: str) -> str:
    """Ask nobody."""
    return text


def chat(text: str) -> str:
    return client.chat.completions.create(text)


def twice(text: str) -> str:
    return helper(helper(text))


def looped(text: str) -> list[str]:
    return [helper(part) for part in text]


def waits(text: str) -> str:
    while text:
        text = helper(text)
    return text


def runs(text: str) -> str:
    return agent.run_sync(text)


def calls_itself(text: str) -> str:
    return calls_itself(helper(text))


async def inside(text: str) -> str:
    async def deeper() -> str:
        return await client.responses.create(text)

    return await deeper()


def structured(text: str) -> str:
    return agent.with_structured_output(str).invoke(text)


def of_an_sdk(text: str) -> str:
    return asking.create(text) + asking.name(text) + other.create(text)


class Desk:
    """Stand for a graph whose nodes are methods."""

    def asks(self, text: str) -> str:
        return self.helped(text) + self.still(text)

    def helped(self, text: str) -> str:
        return client.messages.create(text)

    @staticmethod
    def still(text: str) -> str:
        return helper(text)

    def of_another(self, other: Any) -> str:
        return other.helped("a")


class Called:
    """Stand for what asks by its class, or by a method that Python names."""

    def handle(self, text: str) -> str:
        return self.__call__(text)

    def __call__(self, text: str) -> str:
        return client.messages.create(text)

    @classmethod
    def made(cls, text: str) -> str:
        return cls.ask(text)

    @staticmethod
    def ask(text: str) -> str:
        return twice(text)


class Theirs:
    """Stand for what a framework does by itself."""

    def asks(self, text: str) -> str:
        return self.helped(text)

    def helped(self, text: str) -> str:
        return client.messages.create(text)


for each in (Theirs.asks, Theirs.helped):
    each.__module__ = "langgraph.prebuilt"
foreign = FunctionType(helper.__code__, globals(), "foreign")
foreign.__module__ = "elsewhere.models"


def of_another_package(text: str) -> str:
    return foreign(text)


def looped_silently(text: str) -> list[str]:
    return [silent(part) for part in text]


class Clerk:
    """Stand for an executor that asks by methods of its own."""

    def handle(self, text: str) -> str:
        return self.ask(text) + self.__ask(text)

    def ask(self, text: str) -> str:
        return client.messages.create(text)

    def __ask(self, text: str) -> str:
        return self.ask(text)

    def other(self, text: str) -> str:
        return helper(text)


class _Circle:
    """Stand for one whose methods all call each other."""

    def there(self, text: str) -> str:
        return self.__back(helper(text)) if text else ""

    def __back(self, text: str) -> str:
        return self.there(self.asks(text))

    def asks(self, text: str) -> str:
        return helper(text)


def test_what_a_method_calls_is_counted_once() -> None:
    """A node asks what those of its methods ask that no other calls; all of them, where they call each other."""
    clerk = {name: value for name, value in vars(Clerk).items() if callable(value)}
    circle = {name: value for name, value in vars(_Circle).items() if callable(value)}

    assert 2 == count(Clerk.handle)
    assert 2 + 1 == node("a", outermost(clerk)).calls
    assert {"handle", "other"} == {*outermost(clerk)}
    assert 2 + 2 == node("a", outermost(circle)).calls


class Deep:
    """Stand for one whose requests are hidden deeper than is looked, and behind a name that looks like one."""

    def handle(self, text: str) -> str:
        return self.one(text)

    def one(self, text: str) -> str:
        return self.two(text)

    def two(self, text: str) -> str:
        return self.three(text)

    def three(self, text: str) -> str:
        return self.get_response(text) + self.four(text)

    def four(self, text: str) -> str:
        return helper(text)

    def get_response(self, text: str) -> str:
        return twice(text)


def test_what_no_other_method_is_counted_with_is_not_left_out() -> None:
    """Too deep, or taken for a request itself: it is counted by itself then."""
    methods = {name: value for name, value in vars(Deep).items() if callable(value)}

    assert 1 + 2 + 1 == node("a", outermost(methods)).calls
    assert {"handle", "get_response", "four"} == {*outermost(methods)}


def test_a_class_in_a_function_is_not_looked_for_outside() -> None:
    """Another of its name in the module says nothing of it."""

    class Desk:
        def asks(self, text: str) -> str:
            return self.helped(text)

        def helped(self, text: str) -> str:
            return text

    assert 0 == count(Desk.asks)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (Desk.asks, 2),
        (Desk.of_another, 0),
        (Called.handle, 1),
        (plain(vars(Called)["made"]), 2),
        (Theirs.asks, 0),
        (of_another_package, 0),
        (looped_silently, 0),
        (of_an_sdk, 1),
        (silent, 0),
        (chat, 1),
        (helper, 1),
        (twice, 2),
        (looped, None),
        (waits, None),
        (runs, None),
        (calls_itself, 1),
        (inside, 1),
        (structured, 1),
    ],
)
def test_requests_are_counted(function, expected: int | None) -> None:
    """Each call that looks like one counts, through what it calls; in a loop, or by an agent, nothing bounds them."""
    assert expected == count(function)


def test_a_node_says_what_was_seen() -> None:
    """A node without a request seen is code, and blind; one of several functions makes the requests of all."""
    assert ("code", 0, True, "Ask nobody") == tuple(
        getattr(node("a", {"f": silent}), name) for name in ("kind", "calls", "blind", "does")
    )
    assert ("llm", 3, False) == tuple(
        getattr(node("a", {"f": twice, "g": chat}), name) for name in ("kind", "calls", "blind")
    )
    assert ("llm", None, False) == tuple(
        getattr(node("a", {"f": looped, "g": silent}), name) for name in ("kind", "calls", "blind")
    )


def test_what_has_no_source_is_blind() -> None:
    """A function that is not written in Python, and none at all, are taken to make no request, and said to be blind."""
    assert node("a", {"f": len}).blind
    assert node("a").blind


def test_wrappers_are_looked_behind() -> None:
    """A partial, a method and a decorated function are read as what they run."""

    class Thing:
        def method(self) -> None: ...

    @functools.wraps(chat)
    def wrapped(text: str) -> str:
        return silent(text)

    assert chat is plain(functools.partial(chat, "x"))
    assert chat is plain(wrapped)
    assert Thing.method is plain(Thing().method)
    assert plain(len) is None


def _either(state: dict[str, str]) -> str:
    if state:
        return "good" if state["x"] else AGAIN

    def inner() -> str:
        return "never"

    return inner.__name__ and "poor"


def _constants(state: dict[str, str]) -> str:
    if state:
        return "good" if state["x"] else AGAIN
    return "poor"


def _computed(state: dict[str, str]) -> str:
    return state["x"]


def _nothing(state: dict[str, str]) -> None: ...


@pytest.mark.parametrize(
    ("function", "expected"),
    [(_constants, {"good", "again", "poor"}), (_either, None), (_computed, None), (_nothing, None)],
)
def test_constants_that_are_returned_are_read(function, expected: set[str] | None) -> None:
    """All of them, if all are constants; else nothing is guessed."""
    assert expected == routed(function)


class Command:
    """Stand for that of LangGraph."""

    def __init__(self, **given: Any) -> None: ...


class Office:
    """Stand for a graph whose nodes send a run by methods of their own."""

    def node(self, state: dict[str, str]) -> Command:
        return self.go() if state else Command(goto="a")

    def go(self) -> Command:
        return Command(goto="b")


def test_a_command_of_a_method_beside_it_is_read() -> None:
    """Where a method that a node calls sends a run is where the node sends it."""
    found = sent(Office.node)

    assert ({"a", "b"}, False) == (found.targets, found.is_open)


onward = "on"


def by_a_default(state: Any, to: str = "a") -> Command:
    if state:
        to = "b"
    return Command(goto=to)


def by_what_is_added(state: Any) -> Command:
    to = "a"
    to += state
    return Command(goto=to)


def by_a_later_loop(state: Any) -> Command:
    to = "a"
    for to in state:
        print(to)
    return Command(goto=to)


def by_an_annotation(state: Any) -> Command:
    to: str
    other: str = "a"
    if state:
        to = then = "b"
    else:
        to = then = "c"
    return Command(goto=[to, then, other])


def test_variables_of_constants_are_read_however_they_are_set() -> None:
    """Two at once, or with an annotation."""
    found = sent(by_an_annotation)

    assert ({"a", "b", "c"}, False) == (found.targets, found.is_open)


@pytest.mark.parametrize("function", [by_a_default, by_what_is_added, by_a_later_loop])
def test_a_command_by_a_variable_that_is_set_otherwise_too_may_lead_anywhere(function: FunctionType) -> None:
    """That it holds a constant in one place is not enough."""
    assert sent(function).is_open


class Shadowing:
    """Names where it sends a run by variables that are no constants, though a global of the name is one."""

    def by_a_loop(self, state: list[str]) -> Command:
        for onward in state:
            return Command(goto=onward)
        return Command(goto="a")

    def by_a_pattern(self, state: dict[str, str]) -> Command:
        match state:
            case {"to": onward}:
                return Command(goto=onward)
        return Command(goto="a")

    def by_an_argument(self, onward: str) -> Command:
        return Command(goto=onward if self else "a")


@pytest.mark.parametrize("name", ["by_a_loop", "by_a_pattern", "by_an_argument"])
def test_a_command_by_a_variable_of_a_globals_name_may_lead_anywhere(name: str) -> None:
    """The variable is another thing than the global."""
    assert sent(getattr(Shadowing, name)).is_open


def test_several_starts_have_one_before_them() -> None:
    """One start is the entry; before several stands a node under a name that is free, which forks and asks nobody."""
    one, two = opening(["a"], {"a": 1}), opening(["a", "b"], {"a": 1, "b": 2, "start": 3})

    assert ("a", {}, (), frozenset()) == (one.entry, one.nodes, one.edges, one.forks)
    assert ("all_starts", {"all_starts"}) == (two.entry, two.forks)
    assert ["a", "b"] == [edge.target for edge in two.edges]
    assert (0, False) == (two.nodes["all_starts"].calls, two.nodes["all_starts"].blind)
