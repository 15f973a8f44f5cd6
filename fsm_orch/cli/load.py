"""Finds the machine that a user named on the command line as `MODULE[:Machine]`.

The module is imported, so its code runs: the user named it. What it prints meanwhile goes to stderr, since stdout
belongs to the command.
"""

from __future__ import annotations

import difflib
import importlib
import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Annotated

import pydantic
import typer

from ..define.machine import AnyMachine
from ..discover import defined_in, machines_in
from ..errors import DefinitionError
from .show import CommandError

Target = Annotated[
    str,
    typer.Argument(
        metavar="MODULE[:Machine]",
        help="The module as Python imports it, from the current directory or the Python path; the machine's name "
        "is needed only if the module defines several.",
        show_default=False,
    ),
]
_NOT_THEIRS = (str(Path(__file__).parents[1]), str(Path(pydantic.__file__).parent), "<frozen", importlib.__file__)


def machine(target: str) -> AnyMachine:
    """Find one machine.

    Args:
        target: `module` if it defines exactly one machine, else `module:Machine`.

    Raises CommandError: if there is no such module or machine, the module raises, or several could be meant.
    Raises DefinitionError: if a machine of the module does not build.
    """
    found = _found(target)
    if len(found) > 1:
        module = target.partition(":")[0]
        raise CommandError(f"{module!r} defines {len(found)} machines. Name one: {_listed(module, found)}")
    return next(iter(found.values()))


def machines(target: str) -> Sequence[AnyMachine]:
    """Find the machine that is named, or else all that the module defines, in their order; at least one.

    Raises CommandError: if there is no such module or machine, or the module raises.
    Raises DefinitionError: if a machine of the module does not build; the import ends at the first.
    """
    return list(_found(target).values())


def _found(target: str) -> Mapping[str, AnyMachine]:
    """Find machines by the names that their module has for them."""
    name, colon, wanted = target.partition(":")
    module = _module(name)
    if colon:
        return {wanted: _named(module, wanted)}
    defined = defined_in(module)
    if not defined:
        imported = machines_in(module)
        instead = f", or name one that it imports: {_listed(name, imported)}" if imported else ""
        raise CommandError(f"{name!r} defines no machine. Write one, class X(Machine[...]){instead}")
    return defined


def _listed(module: str, found: Mapping[str, AnyMachine]) -> str:
    return ", ".join(f"{module}:{name}" for name in found)


def _named(module: ModuleType, wanted: str) -> AnyMachine:
    known = machines_in(module)
    if wanted in known:
        return known[wanted]
    close = difflib.get_close_matches(wanted, known, n=1)
    meant = f" Did you mean {close[0]!r}?" if close else ""
    raise CommandError(f"No machine {wanted!r} in {module.__name__!r}.{meant} Machines: {', '.join(known) or 'none'}")


def _module(name: str) -> ModuleType:
    if not _is_importable(name):
        meant = ".".join(filter(None, re.split(r"[./\\]", name.removesuffix(".py"))))
        example = f", such as {meant!r}" if _is_importable(meant) else ": names joined by dots"
        raise CommandError(f"{name!r} is no module. Name it as Python imports it{example}")
    here = str(Path.cwd())
    if here not in sys.path:  # a console script has its own directory there instead
        sys.path.insert(0, here)
    try:
        with redirect_stdout(sys.stderr):
            return importlib.import_module(name)
    except DefinitionError:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
            raise CommandError(f"No module {name!r} in {here} or on the Python path") from None
        raise CommandError(f"Importing {name!r} raised {type(error).__name__}{_place(error)}: {error}") from error


def _is_importable(name: str) -> bool:
    return not name.endswith(".py") and all(part.isidentifier() for part in name.split("."))


def _place(error: BaseException) -> str:
    """Tell where an error came from: the deepest line that is neither ours, nor pydantic's, nor the import system's."""
    if isinstance(error, SyntaxError):
        return f" at {error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith(_NOT_THEIRS)]
    return f" at {theirs[-1].filename}:{theirs[-1].lineno}" if theirs else ""
