"""What is told of a failure: its kind, the deepest line that is the user's, and texts of our own; never a value."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ..agents.base import Agent
from ..agents.code import CodeAgent
from ..define.source import where_defined
from ..define.wording import without_surrogates
from ..errors import CallFailed, FsmError, parts_of

_OURS = Path(__file__).parent.parent
_STANDARD = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
_INSTALLED = frozenset({"site-packages", "dist-packages"})


class _Line(NamedTuple):
    """A line that an exception passed."""

    file: str
    number: int
    function: str

    def __str__(self) -> str:
        return f"{Path(self.file).name}:{self.number}" if self.number else self.file


_MOST_PARTS, _DEEPEST, _LONGEST = 3, 3, 20
"""How much is told of a group, and of what led to an error: an agent that tries again for long makes long chains."""


def described(error: BaseException, agent: Agent) -> str:
    """Return the kind of an error, the user's line that it came from, and its text if that is one of our own.

    Args:
        agent: raised it. Where no line is the user's, the one that declares this agent is named.
    """
    # what a provider or a file system wrote need not be Unicode, and a journal holds nothing else
    return without_surrogates(_described(error, agent, _DEEPEST))


def _described(error: BaseException, agent: Agent, depth: int) -> str:
    # any other text may hold secrets, and this goes into the journal and into logs
    lines = _lines(error)
    text = f": {error}" if is_our_text(error) else ""
    inside = ", ".join(_described(part, agent, depth - 1) for part in parts_of(error)[:_MOST_PARTS] if depth)
    return f"{type(error).__name__} at {_users(lines, agent)}{f' ({inside})' if inside else ''}{text}"


def traced(error: BaseException) -> str:
    """Return a traceback as Python prints it, but for the texts of exceptions and the source, which may hold values."""
    return without_surrogates("\n".join(_traced(error, set(), _DEEPEST)))


def _traced(error: BaseException, seen: set[int], depth: int) -> Iterator[str]:
    for number, one in enumerate(_led_to(error, seen)):
        if number:
            yield "which led to"
        yield "Traceback (most recent call last):"
        lines = _lines(one)
        for file, line, function in lines:
            yield f'  File "{file}", line {line}, in {function}'
        yield f"{type(one).__name__}: {one}" if is_our_text(one) else type(one).__name__
        for part in parts_of(one)[:_MOST_PARTS] if depth else ():
            if id(part) not in seen:
                yield from (f"  {line}" for line in _traced(part, seen, depth - 1))


def _led_to(error: BaseException, seen: set[int]) -> list[BaseException]:
    """Return an error after those that led to it, the first of them first."""
    chain: list[BaseException] = []
    before: BaseException | None = error
    while before is not None and id(before) not in seen and len(chain) < _LONGEST:
        seen.add(id(before))
        chain.append(before)
        before = _own(before, "__cause__") or (
            None if _own(before, "__suppress_context__") else _own(before, "__context__")
        )
    return chain[::-1]


def _own(error: BaseException, name: str) -> Any:
    """Return what Python keeps of an exception, whatever its class makes of the name."""
    return vars(BaseException)[name].__get__(error)


def _lines(error: BaseException) -> list[_Line]:
    lines, traceback = [], _own(error, "__traceback__")
    while traceback is not None:
        code = traceback.tb_frame.f_code
        lines.append(_Line(code.co_filename, traceback.tb_lineno, code.co_name))
        traceback = traceback.tb_next
    return lines


def is_our_text(error: BaseException) -> bool:
    """Return whether this library wrote the text of an error: its class is ours, and so is the line that raised it."""
    # A `CallFailed` is raised by adapters, a user's own too; what it says of a call holds neither prompts nor keys.
    lines = _lines(error)
    is_our_class = issubclass(type(error), FsmError) and type(error).__module__.partition(".")[0] == "fsm_orch"
    return is_our_class and (type(error) is CallFailed or not lines or _owner(lines[-1]) == "us")


def _users(lines: list[_Line], agent: Agent) -> _Line:
    """Return the deepest line that is the user's; if none is, the one that declares the agent."""
    own = [line for line in lines if _owner(line) == "user"]
    if own:
        return own[-1]
    declared = _declared(agent)  # only now: to find the line of a class, its file is read
    if _owner(declared) == "installed":  # then all that is installed with it is the user's
        own = [line for line in lines if _owner(line) == "installed" and _package(line) == _package(declared)]
    return own[-1] if own else declared


def _declared(agent: Agent) -> _Line:
    """Return the line that declares an agent: that of its function, of its call, or of its class."""
    where = where_defined(agent.function) if isinstance(agent, CodeAgent) else agent.spec.where
    where = where_defined(type(agent)) if where == "unknown" else where
    file, _, number = where.rpartition(":")
    return _Line(file, int(number), "") if number.isdigit() else _Line(where, 0, "")  # a module, where there is no file


def _owner(line: _Line) -> Literal["us", "installed", "standard", "user"]:
    file = Path(line.file)
    if file.is_relative_to(_OURS):
        return "us"
    if not _INSTALLED.isdisjoint(file.parts):  # before the standard library, whose folder may hold this one
        return "installed"
    return "standard" if line.file.startswith("<frozen ") or any(map(file.is_relative_to, _STANDARD)) else "user"


def _package(line: _Line) -> tuple[str, ...]:
    """Return the file or folder, of those that were installed, that a line is in."""
    parts = Path(line.file).parts
    return parts[: max(number for number, part in enumerate(parts) if part in _INSTALLED) + 2]
