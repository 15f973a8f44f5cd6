"""What the source of a function tells of the requests that it makes to models: a reading, never a proof.

A request is a call that looks like one of the SDKs, of LangChain's models or of an agent of a framework. Functions of
the user's own are followed that the function calls by name, or by `self`. What is hidden deeper is not seen, which is
why a node without a request seen is called blind.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from types import FunctionType

from .asked import attribute, is_an, package_of
from .functions import DEEPEST, FRAMEWORKS, SDKS, around, plain, repeated, run_by, tree
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

_RUN = re.compile("run(_[a-z_]+)?|iter|a?invoke|a?stream|a?batch|a?call|kickoff(_[a-z_]+)?")
"""What methods that run agents are called."""


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
    return Node(
        key=key,
        kind="code" if is_code else "llm",
        does=said,
        calls=calls,
        blind=is_code,
        is_counted=bool(calls),
    )


def first_line(thing: object) -> str:
    """Return the first line of a docstring, without its full stop; empty if there is none."""
    said = attribute(thing, "__doc__")
    return first_line_of(said) if is_an(said, str) else ""


def first_line_of(said: str) -> str:
    """Return the first line of a text, without its full stop."""
    return said.strip().partition("\n")[0].rstrip(". ")


def count(function: FunctionType, *, seen: tuple[FunctionType, ...] = ()) -> int | None:
    """Return how many requests to models a function is seen to make at most; None if nothing is seen to bound them."""
    parsed = tree(function)
    if parsed is None or function in seen or len(seen) == DEEPEST:
        return 0
    again = repeated(parsed)
    total = 0
    for call, made in _calls(function):
        makes = count(made, seen=(*seen, function)) if isinstance(made, FunctionType) else made
        if makes is None or (makes and call in again):
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
    library, method = package_of(type(names.get(held))), methods.rpartition(".")[2]
    if _AGENT.search(path) or (library in FRAMEWORKS and _RUN.fullmatch(method)):
        return None
    if _REQUEST.search(path) or (library in SDKS and _VERB.fullmatch(method)):
        return 1
    return run_by(call, function) or 0


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
