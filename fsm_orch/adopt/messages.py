"""How many messages a function sends in one visit, as its source tells: a reading, never a proof."""

import ast
from collections.abc import Mapping, Sequence
from types import FunctionType

from .functions import DEEPEST, kept_as, plain, repeated, run_by, tree
from .source import calls, outer

_SENDS = "send_message"


def sends_many(functions: Mapping[str, object]) -> bool:
    """Return whether one of the functions may send several messages in a visit, itself or by one that it calls.

    Args:
        functions: By name; those of a class find each other as `self.name`.
    """
    return any(_Reading(functions).most(function, ()) > 1 for function in functions.values())


class _Reading:
    """Counts messages of functions that may call each other."""

    def __init__(self, functions: Mapping[str, object]) -> None:
        self.functions = functions

    def most(self, called: object, seen: tuple[FunctionType, ...]) -> int:
        """Return the most messages of one call of a function, 2 standing for any number."""
        function = plain(called)  # what a framework wraps around it has other globals
        parsed = None if function is None or function in seen or len(seen) == DEEPEST else tree(function)
        made = None if parsed is None else outer(parsed)
        if function is None or made is None:
            return 0
        inside = (*seen, function)
        total = self._each(made.body, inside) if isinstance(made, ast.Lambda) else self._block(made.body, inside)
        return total * (2 if calls(function, function.__name__) else 1)

    def _block(self, lines: Sequence[ast.stmt], seen: tuple[FunctionType, ...]) -> int:
        """Return the most messages of statements; of two branches, one of which returns, one is run."""
        total = 0
        for at, line in enumerate(lines):
            if not isinstance(line, ast.If):
                total += self._each(line, seen)
                continue
            then = self._block(line.body, seen)
            if line.body and isinstance(line.body[-1], ast.Return | ast.Raise):
                rest = [*line.orelse, *lines[at + 1 :]]
                return total + self._each(line.test, seen) + max(then, self._block(rest, seen))
            total += self._each(line.test, seen) + max(then, self._block(line.orelse, seen))
        return total

    def _each(self, part: ast.AST, seen: tuple[FunctionType, ...]) -> int:
        """Return the most messages of all calls in a part."""
        total = 0
        looped = repeated(part)
        for call in (each for each in ast.walk(part) if isinstance(each, ast.Call)):
            total += self._call(call, seen) * (2 if call in looped else 1)
        return total

    def _call(self, call: ast.Call, seen: tuple[FunctionType, ...]) -> int:
        match call.func:
            case ast.Attribute(attr=name) if name == _SENDS:
                return 1
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                return self.most(self.functions.get(kept_as(name, seen[-1])), seen)
            case ast.Name():
                return self.most(run_by(call, seen[-1]), seen)
        return 0
