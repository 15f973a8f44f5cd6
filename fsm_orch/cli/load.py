"""Finds the machine that a user named on the command line as `MODULE[:Machine]`.

The module is imported, so its code runs: the user named it. What it prints meanwhile goes to stderr, since stdout
belongs to the command.
"""

from __future__ import annotations

import difflib
import importlib
import sys
import traceback
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from ..errors import DefinitionError
from ..machine import AnyMachine, defined_in, is_machine
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
_LIBRARY = str(Path(__file__).parents[1])


def machine(target: str) -> AnyMachine:
    """Find one machine.

    Args:
        target: `module` if it defines exactly one machine, else `module:Machine`.

    Raises CommandError: if there is no such module or machine, the module raises, or several could be meant.
    Raises DefinitionError: if a machine of the module does not build.
    """
    found = machines(target)
    if len(found) > 1:
        module = target.partition(":")[0]
        named = ", ".join(f"{module}:{one.__name__}" for one in found)
        raise CommandError(f"{module!r} defines {len(found)} machines. Name one: {named}")
    return found[0]


def machines(target: str) -> Sequence[AnyMachine]:
    """Find the machine that is named, or else all that the module defines, in their order; at least one.

    Raises CommandError: if there is no such module or machine, or the module raises.
    Raises DefinitionError: if a machine of the module does not build; the import ends at the first.
    """
    name, colon, wanted = target.partition(":")
    module = _module(name)
    if colon:
        return [_named(module, wanted)]
    defined = defined_in(module)
    if not defined:
        raise CommandError(f"{name!r} defines no machine. Write one, class X(Machine[...]), or name one it imports")
    return defined


def _named(module: ModuleType, wanted: str) -> AnyMachine:
    value = getattr(module, wanted, None)
    if is_machine(value):
        return value
    known = [name for name, other in vars(module).items() if is_machine(other)]
    close = difflib.get_close_matches(wanted, known, n=1)
    meant = f" Did you mean {close[0]!r}?" if close else ""
    raise CommandError(f"No machine {wanted!r} in {module.__name__!r}.{meant} Machines: {', '.join(known) or 'none'}")


def _module(name: str) -> ModuleType:
    if name.endswith(".py") or not all(part.isidentifier() for part in name.split(".")):
        as_module = name.removesuffix(".py").strip("./\\").replace("/", ".").replace("\\", ".")
        raise CommandError(f"{name!r} is no module. Name it as Python imports it, such as {as_module or 'shop'!r}")
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


def _place(error: BaseException) -> str:
    """Tell where an error came from: the deepest line that is neither ours nor the import system's."""
    if isinstance(error, SyntaxError):
        return f" at {error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith((_LIBRARY, "<frozen", importlib.__file__))]
    return f" at {theirs[-1].filename}:{theirs[-1].lineno}" if theirs else ""
