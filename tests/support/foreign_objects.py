"""Objects of other libraries as plain data: all that a reader reads of them, and objects made of that again.

A library need not be there for what is made again: classes keep their names, bases and modules, and functions their
source, which is parsed and never run.
"""

import inspect
import linecache
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from types import FunctionType
from typing import Any
from unittest.mock import patch

from fsm_orch.adopt.chat_models import closed_over
from fsm_orch.adopt.functions import SDKS, plain
from fsm_orch.adopt.graph import Graph
from fsm_orch.adopt.library import Library

Data = dict[str, Any]
"""What JSON can hold."""

_GONE = object()


def graph_data(graph: Graph) -> Data:
    """Return a graph as plain data, in which equal graphs are equal."""
    return _jsonable(asdict(graph))


def _jsonable(value: Any) -> Any:
    match value:
        case Mapping():
            return {key: _jsonable(part) for key, part in value.items()}
        case set() | frozenset():
            return sorted(value)
        case list() | tuple():
            return [_jsonable(part) for part in value]
    return value


def write_down(thing: object, read: Callable[[object], Graph]) -> Data:
    """Return all that a reader reads of a thing, as plain data."""
    with _observed() as seen:
        read(thing)
    return _Writer(seen).written(thing)


@contextmanager
def _observed() -> Iterator[dict[int, tuple[object, dict[str, Any]]]]:
    """Note every attribute that is found, and what every method returns."""
    seen: dict[int, tuple[object, dict[str, Any]]] = {}
    find, call = Library.find, Library.call

    def noting(library: Library, thing: object, name: str, default: object = None) -> object:
        found = find(library, thing, name, _GONE)
        if found is not _GONE:
            seen.setdefault(id(thing), (thing, {}))[1].setdefault(name, found)
        return default if found is _GONE else found

    def calling(library: Library, thing: object, name: str) -> object:
        returned = call(library, thing, name)
        seen[id(thing)][1][name] = _Returns(returned)
        return returned

    with patch.object(Library, "find", noting), patch.object(Library, "call", calling):
        yield seen


class _Returns:
    """Stand for a method that was called."""

    def __init__(self, value: object) -> None:
        self.value = value


class _Writer:
    """Writes each object once, under a number."""

    def __init__(self, seen: Mapping[int, tuple[object, dict[str, Any]]]) -> None:
        self.seen = seen
        self.numbers: dict[int, int] = {}
        self.things: list[object] = []  # keeps them alive, so that no id is used twice
        self.rows: list[Data] = []

    def written(self, thing: object) -> Data:
        """Return the thing with all that it leads to."""
        return {"root": self.value(thing), "objects": self.rows}

    def value(self, value: object) -> Any:
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                return str(value)
            case list() | tuple() | set() | frozenset() if id(value) not in self.seen:  # of a named tuple, its names
                kind = next(kind for kind in (list, tuple, set, frozenset) if isinstance(value, kind))
                return {kind.__name__: [self.value(part) for part in value]}
            case Mapping():
                _, read = self.seen.get(id(value), (value, value))  # of one that is read by its keys, those alone
                return {"mapping": [[self.value(key), self.value(part)] for key, part in read.items()]}
            case _Returns():
                return {"returns": self.value(value.value)}
        return {"object": self.number(value)}

    def number(self, thing: object) -> int:
        is_read = isinstance(thing, type) or id(thing) in self.seen
        function = None if is_read else plain(thing)
        thing = function or thing
        if id(thing) not in self.numbers:
            self.numbers[id(thing)] = len(self.rows)
            self.things.append(thing)
            self.rows.append({})
            self.rows[self.numbers[id(thing)]] |= self.function(function) if function else self.row(thing)
        return self.numbers[id(thing)]

    def row(self, thing: object) -> Data:
        kind = thing if isinstance(thing, type) else type(thing)
        if kind.__module__ == "typing":
            return {"said": str(thing)}
        _, attributes = self.seen.get(id(thing), (thing, {}))
        return {
            "is_class": isinstance(thing, type),
            "classes": [self.kind(base) for base in kind.__mro__ if base is not object],
            "doc": (kind.__doc__ or "").strip().partition("\n")[0],  # all that is read of it
            "attributes": {name: self.value(found) for name, found in attributes.items()},
        }

    def kind(self, base: type) -> Data:
        """Return a class; the methods of one that is beside the examples too, since readers look for what it adds."""
        is_ours = base.__module__.startswith("adopt.examples")
        methods = {name: value for name, value in vars(base).items() if is_ours and isinstance(value, FunctionType)}
        kept = {name: self.value(value) for name, value in methods.items() if not name.startswith("__")}
        return {"module": base.__module__, "name": base.__name__} | ({"methods": kept} if kept else {})

    def function(self, function: FunctionType) -> Data:
        source = _source(function)
        around = {**function.__globals__, **closed_over(function)}
        named = {name: around.get(name) for name in sorted(set(re.findall(r"\w+", source)))}
        return {
            "function": function.__qualname__,
            "module": function.__module__,
            "doc": function.__doc__,
            "source": source,
            "names": {
                name: self.value(value)
                for name, value in named.items()
                if isinstance(value, str)
                or type(value).__module__.partition(".")[0] in SDKS
                or (id(value) in self.seen and not isinstance(value, type | Mapping))
                or (plain(value) and _is_near(value, function))
            },
        }


def _is_near(value: object, function: FunctionType) -> bool:
    """Return whether a value is of the module of a function, or of an example that a library keeps inside its own."""
    module = str(getattr(value, "__module__", ""))
    return module == function.__module__ or module.startswith("adopt.examples")


def _source(function: FunctionType) -> str:
    try:
        source = textwrap.dedent(inspect.getsource(function))
        compile(source, "<source>", "exec")
    except (OSError, TypeError, SyntaxError):
        return ""
    return source


def made_again(data: Data, *, without: tuple[int, str] | None = None) -> Any:
    """Return the thing that was written down, made of plain objects.

    Args:
        data: What `write_down` returned.
        without: An attribute that is left out, by the number of its object and its name.
    """
    return _Maker(data["objects"], without).value(data["root"])


def attributes(data: Data) -> list[tuple[int, str]]:
    """Return all that was read, by the number of the object and the name."""
    return [(number, name) for number, row in enumerate(data["objects"]) for name in row.get("attributes", {})]


class _Maker:
    """Makes each object once."""

    def __init__(self, rows: list[Data], without: tuple[int, str] | None) -> None:
        self.rows = rows
        self.without = without
        self.made: dict[int, Any] = {}
        self.classes: dict[str, type] = {}

    def value(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        ((kind, inner),) = value.items()
        match kind:
            case "mapping":
                return {self.value(key): self.value(part) for key, part in inner}
            case "object":
                return self.thing(inner)
            case "returns":
                returned = self.value(inner)
                return staticmethod(lambda: returned)
        return {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}[kind](map(self.value, inner))

    def thing(self, number: int) -> Any:
        if number not in self.made:
            row = self.rows[number]
            if "said" in row:
                self.made[number] = type("Said", (), {"__str__": lambda _: row["said"]})()
            elif "function" in row:
                self.made[number] = self.function(number, row)
            else:
                self.object(number, row)
        return self.made[number]

    def object(self, number: int, row: Data) -> None:
        kind: type = object
        for base in reversed(row["classes"]):
            methods = {name: self.value(value) for name, value in base.get("methods", {}).items()}
            kind = type(base["name"], (kind,), {"__module__": base["module"], **methods})
        kind.__doc__ = row["doc"]
        self.made[number] = thing = kind if row["is_class"] else kind()
        for name, value in row["attributes"].items():
            if (number, name) == self.without:
                continue
            made = self.value(value)
            is_method = isinstance(made, staticmethod) and not row["is_class"]
            setattr(thing, name, made.__func__ if is_method else made)

    def function(self, number: int, row: Data) -> FunctionType:
        file = f"<{row['module']}.{row['function']} {number} {id(self)}>"
        source = row["source"] or "def nothing(): ...\n"
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        code = next(
            part for part in compile(source, file, "exec").co_consts if inspect.iscode(part)
        )  # never run, only looked at
        made = FunctionType(
            code.replace(co_freevars=()), {"__name__": row["module"]}, row["function"].rpartition(".")[2]
        )
        made.__qualname__, made.__doc__ = row["function"], row["doc"]
        self.made[number] = made
        made.__globals__.update({name: self.value(value) for name, value in row["names"].items()})
        return made
