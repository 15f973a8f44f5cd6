"""The page of the architecture, as Markdown: `python tests/architecture_page.py > ARCHITECTURE.md` writes it.

What is said of a file is the first line of its docstring. Rooms, floors and libraries are those that
`test_architecture.py` holds the package to.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from test_architecture import FLOORS, HEAVY, OUTLETS, PACKAGE, PURE, modules, room, tree

_HEAD = """\
# Architecture

This page is written by `python tests/architecture_page.py > ARCHITECTURE.md` from the first lines of the modules'
docstrings, and from the tables that `tests/test_architecture.py` holds the package to.

## How a query travels

1. A class with states and handoffs is collected into a frozen definition in `define/machine.py`. The rules of
   `define/rules/check.py` look at it, and a class that cannot keep its promise does not build.
2. A `Runner` (`run/runner.py`) is made of it once: `run/start.py` opens its models, and `kernel/engine.py` compiles it.
3. A query comes as a context. `run/writer.py`, the single writer of the run, gives `kernel/step.py` its first input.
4. `step` is pure: it returns the next configuration, records of what happened, and what is to be done next. It alone
   moves a run; the journal is the list of its inputs.
5. To be done is an agent. `run/drive.py` has it act until the run has ended, and stores the end, whatever is raised on
   the way. `run/attempt.py` lets it act in a task of its own, in the time that its visit has left.
6. An agent of a model is shown the menu of handoffs that are legal now (`kernel/legal.py`), as a form for its reply
   (`agents/decision.py`).
7. It reaches its model through `models/metered.py` alone. A call reserves its worst case (`kernel/booking.py`), the
   journal is stored, the request is sent by an adapter of `models/` if its visit lives on, and what it used is charged.
8. `run/outcome.py` makes an input of the reply. `kernel/attempts.py` checks it again: a handoff that is legal is taken
   together with its changes, and anything else is refused, with the reason.
9. Each record is told to the observers (`observe/base.py`), and each input is kept by the store (`store/base.py`).
10. It goes on so until a final state. What fails, or can no longer be paid for, is landed in the fallback. The result
    (`run/result.py`) has the state, the context, the path, the usage and the journal.

Before any run, `proof/report.py` says what the worst run can take and whether the policies hold, by the same `step`.

## Rooms

A room is a file or a folder at the top of `fsm_orch`. Floors are counted from the ground. A room imports from its own
floor and from those below it, and there are no circles. Rooms that are *pure* have no `await`, clock, chance or I/O;
`errors.py` knows the name of a
cancellation, and no more of asyncio.
"""

_LIBRARIES = """\
## Libraries

A library is imported in these files and in no other. One that is not named here is imported nowhere.

| library | only in |
|---|---|"""


def page() -> str:
    """Write the page."""
    floors = (part for height, rooms in enumerate(FLOORS) for part in _floor(height, rooms.split()))
    light = ", ".join(f"`{library}`" for library in sorted(HEAVY))
    return "\n".join([_HEAD, *floors, _LIBRARIES, *_libraries(), "", f"`import fsm_orch` loads none of {light}.", ""])


def _floor(height: int, rooms: list[str]) -> Iterator[str]:
    """Yield a floor: what its rooms may import, then each room with its files."""
    yield f"### Floor {height}: {', '.join(map(_shown, rooms))}\n"
    yield f"May import {_reach(height)}. Pure: {', '.join(_shown(name) for name in rooms if name in PURE) or 'none'}.\n"
    alone = [name for name in rooms if modules()[name].parent == PACKAGE]
    if alone:
        yield _table(alone)
    for name in rooms:
        if name not in alone:
            yield f"**{_shown(name)}** {_first_line(name)}\n"
            yield _table([module for module in modules() if room(module) == name != module])


def _reach(height: int) -> str:
    """Return in words which floors a floor may import."""
    match height:
        case 0:
            return "floor 0"
        case 1:
            return "floors 0 and 1"
        case _:
            return f"floors 0 to {height}"


def _table(files: list[str]) -> str:
    return "\n".join(["| file | what it is |", "|---|---|", *map(_row, files), ""])


def _row(module: str) -> str:
    path = modules()[module]
    folder = PACKAGE if path.parent == PACKAGE else PACKAGE / room(module)
    return f"| {path.relative_to(folder).as_posix()} | {_first_line(module)} |"


def _libraries() -> Iterator[str]:
    """Yield a row for each library; one that may be imported everywhere or nowhere says so."""
    for library, files in OUTLETS.items():
        where = "every room" if files == ["*"] else ", ".join(f"`{file}`" for file in files)
        yield f"| {library} | {where or 'no file'} |"


def _first_line(module: str) -> str:
    said = ast.get_docstring(tree(module)) or ""
    return said.partition("\n")[0].replace("|", "\\|")


def _shown(name: str) -> str:
    """Return the name of a room as a path."""
    return f"`{modules()[name].name}`" if modules()[name].parent == PACKAGE else f"`{name}/`"


if __name__ == "__main__":
    print(page(), end="")
