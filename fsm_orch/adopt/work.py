"""What the source of a function tells of the requests that it makes to models: a reading, never a proof.

A request is a call that looks like one of the SDKs, of LangChain's models or of an agent of a framework. Functions of
the user's own are followed that the function calls by name, or by `self`. What is hidden deeper is not seen, which is
why a node without a request seen is called blind.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import FunctionType
from typing import Literal

from .graph import Node

_REQUEST = re.compile(
    r"""(^|\.)(
        completions\.(create|parse|stream) | responses\.(create|parse|stream) | messages\.(create|parse|stream) |
        images\.(generate|edit) | embeddings\.create | generate_content(_async|_stream)? | chat_completion |
        a?completion | a?responses | a?embedding | get_response | get_streaming_response | create_stream |
        \w*(llm|model|chain|runnable|prompt|client)\w*\.
            (a?invoke|a?stream|a?batch|a?call|a?predict|create|chat|complete) |
        (with_structured_output|bind_tools)\.a?invoke
    )$""",
    re.VERBOSE | re.IGNORECASE,
)
"""What looks like one request to a model."""

_AGENT = re.compile(
    r"""(^|\.)(
        Runner\.run(_sync|_streamed)? | kickoff(_async|_for_each|_for_each_async)? |
        \w*(agent|crew|assistant|team|graph|workflow)\w*\.
            (run|arun|run_sync|run_stream|run_stream_sync|iter|a?invoke|a?stream|a?call)
    )$""",
    re.VERBOSE | re.IGNORECASE,
)
"""What looks like the run of an agent: it makes as many requests as it pleases."""

_VERB = re.compile(
    "a?(invoke|stream|batch|call|predict|create|parse|chat|complete|completion|generate|respond)(_[a-z_]+)?"
)
"""What methods of clients that make requests are called."""

SDKS = {
    *("openai", "anthropic", "google", "instructor", "litellm", "groq", "mistralai", "cohere", "ollama", "together"),
    *("langchain", "langchain_core", "langchain_openai", "langchain_anthropic", "langchain_google_genai", "dspy"),
}
"""What makes requests; a call of an object of one of these is looked at whatever its name."""

FRAMEWORKS = {"agents", "langgraph", "crewai", "autogen_agentchat", "agent_framework", "pydantic_ai"}
"""What runs agents; a run of an object of one of these is one whatever its name."""

_RUN = re.compile("run(_[a-z_]+)?|iter|a?invoke|a?stream|a?batch|a?call|kickoff(_[a-z_]+)?")
"""What methods that run agents are called."""

LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
"""What may run any number of times."""

DEEPEST = 4
"""How many functions deep is looked."""


def node(key: str, functions: Mapping[str, object] | None = None, *, does: str = "") -> Node:
    """Return a node of a framework that is code, by the functions that run in it.

    Args:
        key: Its name there.
        functions: What runs in a visit, by whatever name; what is no function is not looked into.
        does: What it is for; by default the first line of a docstring of the functions.
    """
    each = [function for value in (functions or {}).values() if (function := plain(value)) is not None]
    counts = [count(function) for function in each]
    calls = None if None in counts else sum(filter(None, counts))
    said = does or next((line for function in each if (line := first_line(function))), "")
    is_code = calls == 0
    kind: Literal["code", "llm"] = "code" if is_code else "llm"
    return Node(key=key, kind=kind, does=said, calls=calls, blind=is_code, is_counted=bool(calls))


def plain(value: object) -> FunctionType | None:
    """Return the function that a wrapper, a method or a partial runs in the end; None if it is not in Python."""
    for _ in range(10):
        if isinstance(value, FunctionType) and not hasattr(value, "__wrapped__"):
            return value
        value = next(
            (
                inner
                for name in ("__wrapped__", "__func__", "func")
                if (inner := getattr(value, name, None)) is not None
            ),
            None,
        )
    return None


def first_line(thing: object) -> str:
    """Return the first line of a docstring, without its full stop; empty if there is none."""
    said = getattr(thing, "__doc__", None)
    return first_line_of(said) if isinstance(said, str) else ""


def first_line_of(said: str) -> str:
    """Return the first line of a text, without its full stop."""
    return said.strip().partition("\n")[0].rstrip(". ")


@lru_cache(maxsize=256)  # a reader asks several questions of each function
def tree(function: FunctionType) -> ast.AST | None:
    """Return the source of a function as a tree; None if it cannot be had, or is one of several in a line.

    Who asks again gets the same tree, so nobody may change it.
    """
    try:
        parsed = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return None
    lambdas = [part for part in ast.walk(parsed) if isinstance(part, ast.Lambda)]
    return None if function.__name__ == "<lambda>" and len(lambdas) != 1 else parsed


def count(function: FunctionType, *, seen: tuple[FunctionType, ...] = ()) -> int | None:
    """Return how many requests to models a function is seen to make at most; None if nothing is seen to bound them."""
    parsed = tree(function)
    if parsed is None or function in seen or len(seen) == DEEPEST:
        return 0
    repeated = {part for loop in ast.walk(parsed) if isinstance(loop, LOOPS) for part in ast.walk(loop)}
    total = 0
    for call, made in _calls(function):
        makes = count(made, seen=(*seen, function)) if isinstance(made, FunctionType) else made
        if makes is None or (makes and call in repeated):
            return None
        total += makes
    return total


def outermost(functions: Mapping[str, object]) -> dict[str, object]:
    """Return those of the methods of a class whose requests are not counted with another's, which calls them.

    Where several call each other in a circle, all of them are returned.

    Args:
        functions: By name.
    """
    inside = {function: _counted_with(function) for each in functions.values() if (function := plain(each))}
    kept = {one for one in inside if not any(one in inside[by] and by not in inside[one] for by in inside)}
    kept |= {one for one in inside if not any(one in inside[by] for by in kept)}
    return {name: each for name, each in functions.items() if plain(each) in kept}


def _counted_with(function: FunctionType) -> set[FunctionType]:
    """Return the functions whose requests are counted as those of a function that calls them, itself or by others."""
    found: set[FunctionType] = set()
    level = {function}
    for _ in range(DEEPEST - 1):
        level = {made for one in level for _, made in _calls(one) if isinstance(made, FunctionType)} - found
        found |= level
    return found


def _calls(function: FunctionType) -> Iterator[tuple[ast.Call, int | FunctionType | None]]:
    """Yield the calls in a function, with what each makes."""
    parsed, names = tree(function), around(function)
    for call in ast.walk(parsed) if parsed is not None else ():
        if isinstance(call, ast.Call):
            yield call, _made(call, function, names)


def _made(call: ast.Call, function: FunctionType, names: Mapping[str, object]) -> int | FunctionType | None:
    """Return the requests of one call, of an SDK or of an agent, or the function of the user's that it runs."""
    path = _dotted(call.func)
    held, _, methods = path.partition(".")
    library, method = type(names.get(held)).__module__.partition(".")[0], methods.rpartition(".")[2]
    if _AGENT.search(path) or (library in FRAMEWORKS and _RUN.fullmatch(method)):
        return None
    if _REQUEST.search(path) or (library in SDKS and _VERB.fullmatch(method)):
        return 1
    return run_by(call, function) or 0


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
    return function.__module__.partition(".")[0] in SDKS | FRAMEWORKS


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


def around(function: FunctionType) -> Mapping[str, object]:
    """Return what names stand for where a function is written."""
    try:
        closed: Mapping[str, object] = inspect.getclosurevars(function).nonlocals
    except (TypeError, ValueError):  # a cell that is empty yet
        closed = {}
    return {**function.__globals__, **closed}


def _is_of(inner: FunctionType, function: FunctionType) -> bool:
    """Return whether two functions are of one package, so that both are the user's."""
    return inner.__module__.partition(".")[0] == function.__module__.partition(".")[0]


def _dotted(called: ast.expr) -> str:
    """Return what is called as a path, such as `client.chat.completions.create`; a call in the middle by its name."""
    match called:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=inner, attr=name):
            return f"{_dotted(inner)}.{name}"
        case ast.Call(func=inner):
            return _dotted(inner)
        case ast.Await(value=inner):
            return _dotted(inner)
    return ""
