"""What the source of a function tells of where it sends a run, by `Command` or its result: a reading, never a proof."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType

from .asked import attribute, is_an
from .functions import around, beyond, run_by, tree

_MANY = ("Sequence", "List", "list", "tuple", "Tuple", "Send")
"""Words of a return type that stands for several targets at once."""


@dataclass(frozen=True, slots=True)
class Sent:
    """Where a function's `Command(goto=...)` lead."""

    targets: frozenset[str]
    is_open: bool
    """Whether one of them is computed, so that it may lead anywhere."""
    to_parent: bool
    """Whether one is for the graph around the function's own."""


def sent(function: FunctionType, seen: tuple[FunctionType, ...] = ()) -> Sent:
    """Return where the commands in a function, and in those of the user's that it calls by name, lead.

    That is nowhere if they make none, or their source cannot be had.
    """
    parsed = tree(function)
    names, constants = around(function), beyond(function)
    found: set[str] = set()
    is_open = to_parent = False
    for call in calls_of(parsed, "Command", names):
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        to_parent |= "graph" in given
        is_open |= None in given  # by **, so that it may lead anywhere
        if "goto" in given:
            targets = _texts(given["goto"], {**constants, **_constants(parsed, constants)})
            is_open |= targets is None
            found |= targets or set()
    for inner in _followed(parsed, function, (*seen, function)):
        more = sent(inner, (*seen, function))
        found |= more.targets
        is_open |= more.is_open
        to_parent |= more.to_parent
    return Sent(frozenset(found), is_open, to_parent)


def _followed(parsed: ast.AST | None, function: FunctionType, seen: tuple[FunctionType, ...]) -> Iterator[FunctionType]:
    """Yield the functions of the user's that a function calls, by their names or by `self`."""
    for part in ast.walk(parsed) if parsed is not None else ():
        inner = run_by(part, function) if isinstance(part, ast.Call) else None
        if inner is not None and inner not in seen:
            yield inner


def routed(function: FunctionType, *, by_names: bool = True) -> frozenset[str] | None:
    """Return where a router may lead; None if one of its results is not written as a constant.

    Args:
        function: The router.
        by_names: False if a name, which may stand for another text when it runs, is no constant, but for `END`.
    """
    parsed = tree(function)
    names = {name: held for name, held in beyond(function).items() if by_names or name == "END"}
    found: set[str] = set()
    for value in [] if parsed is None else results(parsed):
        texts = _texts(value, names)
        if texts is None:
            return None
        found |= texts
    return frozenset(found) or None


def spreads(function: FunctionType) -> bool:
    """Return whether a function may lead to several nodes at once: by `Send`, or by a collection of names."""
    parsed, names = tree(function), around(function)
    if parsed is None:
        return False
    if any(calls_of(parsed, "Send", names)):
        return True
    said = annotation(parsed)
    words = {getattr(part, "id", getattr(part, "attr", "")) for part in ast.walk(said)} if said is not None else set()
    each = [
        *results(parsed),
        *(key.value for call in calls_of(parsed, "Command", names) for key in call.keywords if key.arg == "goto"),
    ]
    return (bool(words & {*_MANY}) and "Command" not in words) or any(isinstance(one, _SEVERAL) for one in each)


_SEVERAL = (ast.List, ast.Tuple, ast.Set, ast.ListComp, ast.GeneratorExp)


def calls(function: FunctionType, name: str) -> bool:
    """Return whether a function calls something of that name."""
    parsed = tree(function)
    return parsed is not None and any(calls_of(parsed, name, around(function)))


def calls_of(parsed: ast.AST | None, name: str, names: Mapping[str, object]) -> Iterator[ast.Call]:
    """Yield the calls of something of that name, whatever it is called where they stand."""
    for part in ast.walk(parsed) if parsed is not None else ():
        if isinstance(part, ast.Call):
            said = getattr(part.func, "id", getattr(part.func, "attr", None))
            if name in (said, attribute(names.get(str(said)), "__name__")):
                yield part


_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def outer(parsed: ast.AST) -> _Function | None:
    """Return the outermost function of a tree."""
    return next((part for part in ast.walk(parsed) if isinstance(part, _Function)), None)


def annotation(parsed: ast.AST) -> ast.expr | None:
    """Return how the result of the outermost function of a tree is annotated; None if it is not."""
    return getattr(outer(parsed), "returns", None)


def results(parsed: ast.AST) -> Iterator[ast.expr | None]:
    """Yield what the outermost function of a tree returns."""
    made = outer(parsed)
    if isinstance(made, ast.Lambda):
        yield made.body
    todo: list[ast.AST] = [] if made is None or isinstance(made, ast.Lambda) else [*made.body]
    while todo:
        part = todo.pop()
        if isinstance(part, ast.Return):
            yield part.value
        if not isinstance(part, _Function | ast.ClassDef):
            todo += ast.iter_child_nodes(part)


def assigned(part: ast.AST) -> Iterator[tuple[ast.Name, ast.expr]]:
    """Yield the variables that a statement sets to an expression, with it."""
    if isinstance(part, ast.Assign | ast.AnnAssign | ast.NamedExpr) and part.value is not None:
        for target in part.targets if isinstance(part, ast.Assign) else [part.target]:
            if isinstance(target, ast.Name):
                yield target, part.value


def bound(part: ast.AST) -> str | None:
    """Return the name that a part of a function binds: by a loop, a part of something, a pattern, what was caught."""
    if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load):
        return part.id
    name = getattr(part, "name", getattr(part, "rest", None))
    return name if isinstance(name, str) else None


def _constants(parsed: ast.AST | None, names: Mapping[str, object]) -> dict[str, object]:
    """Return the variables, each with the texts that it may hold; with None if it may hold more than constants."""
    found: dict[str, set[str] | None] = {}
    known: set[int] = set()
    for part in ast.walk(parsed) if parsed is not None else ():
        for target, value in assigned(part):
            texts, before = _texts(value, names), found.get(target.id, set())
            found[target.id] = None if texts is None or before is None else before | texts
            known.add(id(target))
        if isinstance(part, ast.AnnAssign):
            known.add(id(part.target))  # it may be no more than an annotation
        other = part.arg if isinstance(part, ast.arg) else bound(part)
        if other is not None and id(part) not in known:
            found[other] = None
    return {**found}


def _texts(value: ast.expr | None, names: Mapping[str, object]) -> set[str] | None:
    """Return the texts that an expression may be; None if that is not written in it."""
    match value:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.Name(id=name):
            named = names.get(name)
            if is_an(named, str):
                return {named}
            return {*named} if is_an(named, set) else None
        case ast.IfExp(body=one, orelse=other):
            both = [_texts(one, names), _texts(other, names)]
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            both = [_texts(part, names) for part in parts]
        case _:
            return None
    return None if None in both else {text for texts in both if texts is not None for text in texts}
