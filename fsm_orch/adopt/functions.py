"""Functions of a user: what runs in the end, its source, what its names stand for, and what it calls of theirs."""

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from functools import lru_cache
from tokenize import TokenError
from types import FunctionType

from .asked import attribute, is_an, package_of

SDKS = {
    *("openai", "anthropic", "google", "instructor", "litellm", "groq", "mistralai", "cohere", "ollama", "together"),
    *("langchain", "langchain_core", "langchain_openai", "langchain_anthropic", "langchain_google_genai", "dspy"),
}
"""What makes requests; a call of an object of one of these is looked at whatever its name."""

FRAMEWORKS = {"agents", "langgraph", "crewai", "autogen_agentchat", "agent_framework", "pydantic_ai"}
"""What runs agents; a run of an object of one of these is one whatever its name."""

_LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

DEEPEST = 4
"""How many functions deep is looked."""


def plain(value: object) -> FunctionType | None:
    """Return the function that a wrapper, a method or a partial runs in the end; None if it is not in Python."""
    last = [*layers(value)][-1]
    return last if is_an(last, FunctionType) and not hasattr(last, "__wrapped__") else None


def layers(value: object) -> Iterator[object]:
    """Yield a thing that is called, and what stands inside of it, one in another: wrappers, methods, partials."""
    for _ in range(11):
        yield value
        if value is None or (is_an(value, FunctionType) and not hasattr(value, "__wrapped__")):
            return
        value = next(
            (inner for name in ("__wrapped__", "__func__", "func") if (inner := attribute(value, name)) is not None),
            None,
        )


@lru_cache(maxsize=256)  # a reader asks several questions of each function
def tree(function: FunctionType) -> ast.AST | None:
    """Return the source of a function as a tree; None if it cannot be had, or is one of several in a line.

    Who asks again gets the same tree, so nobody may change it.
    """
    try:
        parsed = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, ValueError, SyntaxError, TokenError):  # its file may be gone, or another by now
        return None
    lambdas = [part for part in ast.walk(parsed) if isinstance(part, ast.Lambda)]
    return None if function.__name__ == "<lambda>" and len(lambdas) != 1 else parsed


def repeated(parsed: ast.AST) -> set[ast.AST]:
    """Return the parts of a tree that may run any number of times: those of its loops."""
    return {part for loop in ast.walk(parsed) if isinstance(loop, _LOOPS) for part in ast.walk(loop)}


def around(function: FunctionType) -> Mapping[str, object]:
    """Return what names stand for where a function is written."""
    try:
        closed: Mapping[str, object] = inspect.getclosurevars(function).nonlocals
    except (TypeError, ValueError):  # a cell that is empty yet
        closed = {}
    return {**function.__globals__, **closed}


def variables(function: FunctionType) -> set[str]:
    """Return the names of a function's own variables, its arguments among them, however they are set."""
    return {*function.__code__.co_varnames, *function.__code__.co_cellvars}


def beyond(function: FunctionType) -> Mapping[str, object]:
    """Return what names stand for where a function is written, without those that are its own variables inside."""
    own = variables(function)
    return {name: held for name, held in around(function).items() if name not in own}


def run_by(call: ast.Call, function: FunctionType) -> FunctionType | None:
    """Return the function of the user's that a call inside a function runs; None if it is none, or cannot be known.

    It is called by its name, or by `self`: then it is looked for in the class that the function is written in.
    """
    match call.func:
        case ast.Name(id=name):
            inner = plain(around(function).get(name))
        case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name) if not _is_library(function):
            inner = plain(inspect.getattr_static(_class_around(function), kept_as(name, function), None))
        case _:
            return None
    return inner if inner is not None and _is_of(inner, function) else None


def _is_library(function: FunctionType) -> bool:
    """Return whether a function is of a framework: what a ToolNode of LangGraph does by itself, its reader knows."""
    return package_of(function) in SDKS | FRAMEWORKS


def _class_around(function: FunctionType) -> object:
    """Return the class of a module that a function is written in; None if it is in none, or in one of a function."""
    found: object = None
    if "<locals>" in function.__qualname__:
        return None
    for name in function.__qualname__.split(".")[:-1]:
        found = function.__globals__.get(name) if found is None else inspect.getattr_static(found, name, None)
    return found


def kept_as(name: str, function: FunctionType) -> str:
    """Return the name under which Python keeps an attribute that a method uses: `__ask` of `Desk` is `_Desk__ask`."""
    owner = function.__qualname__.rpartition(".")[0].rpartition(".")[2].lstrip("_")
    is_hidden = name.startswith("__") and not name.endswith("__") and owner
    return f"_{owner}{name}" if is_hidden else name


def _is_of(inner: FunctionType, function: FunctionType) -> bool:
    """Return whether two functions are of one package, so that both are the user's."""
    return package_of(inner) == package_of(function)
