"""Finds the machines that a user named: in a module, in a file, or in all modules below a package or folder.

A target is `machines.shop`, `machines/shop.py`, `machines` or `machines/`; a file or folder that is there comes first.
`:Machine` after it picks one by its name in the module; in a package, by its name in the package itself.

A module is imported, so its code runs: the user named it. However it is spelled, it has one name, since the digest of a
machine holds it: what Python calls it from the deepest folder on its path that is above all packages around it.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from importlib.machinery import all_suffixes
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pydantic

from .define.changes import describe
from .define.machine import AnyMachine, is_machine
from .errors import DefinitionError, DiscoveryError, is_failure

_NOT_THEIRS = (f"{Path(__file__).parent}/", f"{Path(pydantic.__file__).parent}/", "<frozen", importlib.__file__)


@dataclass(frozen=True)
class Module:
    """A module that a user named; it may not be imported yet."""

    path: Path
    top: Path
    """The folder that its name starts from, which must be on the Python path when it is imported."""
    spelling: str
    """A target that means it alone."""
    picked: str | None
    """The only machine that is meant, by its name in the module."""

    @property
    def name(self) -> str:
        """What Python calls it."""
        *packages, file = self.path.relative_to(self.top).parts
        stem = file.partition(".")[0]
        return ".".join(packages if stem == "__init__" else [*packages, stem])

    def machines(self) -> dict[str, AnyMachine]:
        """Import the module and return the machine that was picked, or all that it defines, by their first names there.

        Raises DiscoveryError: if the module cannot be imported, or has no machine of that name.
        Raises DefinitionError: if a machine does not build; the import ends at the first.
        """
        known = self.known()
        if self.picked is None:
            first = {machine: name for name, machine in reversed(known.items()) if machine.__module__ == self.name}
            return {name: machine for name, machine in known.items() if first.get(machine) == name}
        if self.picked in known:
            return {self.picked: known[self.picked]}
        meant, there = _meant(self.picked, known, self.picked), ", ".join(known) or "none"
        raise DiscoveryError(f"No machine {self.picked!r} in {self.spelling!r}.{meant} Machines: {there}")

    def known(self) -> dict[str, AnyMachine]:
        """Import the module and return what it defines or imports, by all names; raises as `machines` does."""
        return {name: value for name, value in vars(self.imported()).items() if is_machine(value)}

    def imported(self) -> ModuleType:
        """Import the module; raises as `machines` does."""
        if str(self.top) not in sys.path:
            sys.path.insert(0, str(self.top))
        module = None
        try:
            with redirect_stdout(sys.stderr):  # stdout belongs to a command
                module = importlib.import_module(self.name)
        except DefinitionError:
            raise
        except SystemExit as error:
            ends = f"Importing {self.spelling!r} ends the program{_line(error)}, sys.exit({error.code!r})"
            raise DiscoveryError(f"{ends}. Let it do so under if __name__ == '__main__'") from error
        except Exception as error:
            if not (isinstance(error, ModuleNotFoundError) and f"{self.name}.".startswith(f"{error.name}.")):
                raised = f"raised {type(error).__name__}{_line(error)}: {_said(error)}"
                raise DiscoveryError(f"Importing {self.spelling!r} {raised}") from error
        file = Path(getattr(module, "__file__", None) or "")
        if not (file.is_file() and file.samefile(self.path)):
            hidden = f"{str(self.path)!r} is hidden by another module that Python calls {self.name!r}"
            raise DiscoveryError(f"{hidden}. Rename the file, or make a package of its folder by an __init__.py")
        assert module is not None  # it has a file
        return module


def function(target: str, root: Path) -> Callable[..., Any]:
    """Find a function, `MODULE:NAME`.

    Raises DiscoveryError: if there is no such module or function, or the module cannot be imported.
    Raises DefinitionError: if a machine of the module does not build.
    """
    found = modules(target, root)
    name = found[0].picked
    if name is None:
        raise DiscoveryError(f"{target!r} names no function. Name one in a module, such as 'machines.shop:open_shop'")
    named = getattr(found[0].imported(), name, None)
    if not callable(named):
        raise DiscoveryError(f"No function {name!r} in {found[0].spelling!r}. Write one, or name another")
    return cast("Callable[..., Any]", named)


def thing(target: str, root: Path) -> object:
    """Find what a name stands for in a module, `MODULE:NAME`; `NAME()` is what a function without arguments returns.

    So is each part of a name with dots: `Desk().graph()` is what a method of a fresh `Desk` returns.

    Returns:
        The object; of `NAME()` perhaps an awaitable of it.

    Raises DiscoveryError: if there is no such module or name, the module cannot be imported, or the function raises.
    Raises DefinitionError: if a machine of the module does not build.
    """
    named = modules(target, root)[0]
    if named.picked is None:
        raise DiscoveryError(f"{target!r} names no object. Name one in a module, such as 'app:triage' or 'app:make()'")
    found: object = named.imported()
    for part in named.picked.split("."):
        name = part.removesuffix("()")
        if not _asked(partial(hasattr, found, name), named):
            meant = _meant(name, filter(lambda known: not known.startswith("_"), dir(found)), named.picked)
            raise DiscoveryError(f"No {named.picked!r} in {named.spelling!r}.{meant} Write it, or name another")
        found = _asked(partial(getattr, found, name), named)
        found = _made(found, named) if name != part else found
    return found


def _made(factory: object, named: Module) -> object:
    """Return what a function of a user returns.

    Raises DiscoveryError: if it is none, needs arguments, raises, or ends the program.
    """
    if not callable(factory):
        raise DiscoveryError(f"{named.picked!r} of {named.spelling!r} is no function: leave out the brackets")
    try:
        inspect.signature(factory).bind()
    except TypeError as error:
        raise DiscoveryError(f"{named.picked!r} of {named.spelling!r}: {error}. Write one without arguments") from error
    except ValueError:  # one in C, which has no signature
        pass
    return _asked(factory, named)


def _asked(ask: Callable[[], object], named: Module) -> object:
    """Return what code of a user returns.

    Raises DiscoveryError: if it raises, or ends the program.
    """
    try:
        with redirect_stdout(sys.stderr):
            return ask()
    except BaseException as error:
        if not is_failure(error):
            raise
        raised = f"{type(error).__name__}{_line(error)}: {error}"
        raise DiscoveryError(f"{named.picked!r} of {named.spelling!r} raised {raised}") from error


def machine(target: str, root: Path) -> AnyMachine:
    """Find one machine.

    Raises DiscoveryError: as `machines` does, or if several could be meant.
    Raises DefinitionError: if a machine does not build.
    """
    found = machines(target, root)
    for one in found.values():
        if isinstance(one, DefinitionError):
            raise one
        if len(found) == 1:
            return one
    raise DiscoveryError(f"{target!r} defines {len(found)} machines. Name one: {', '.join(found)}")


def machines(target: str, root: Path) -> dict[str, AnyMachine | DefinitionError]:
    """Find all machines that could be meant, in their order; at least one.

    Returns:
        A dict. A machine has its full target as key; a class that does not build has its module as key, and its error
        as value.

    Raises DiscoveryError: if there is no such module or machine, or a module cannot be imported.
    """
    found: dict[str, AnyMachine | DefinitionError] = {}
    for module in (named := modules(target, root)):
        try:
            found |= {f"{module.spelling}:{name}": machine for name, machine in module.machines().items()}
        except DefinitionError as error:
            # each module that imports one that does not build meets its findings
            if not any(_is_same(error, known) for known in found.values()):
                found[module.spelling] = error
    if not found:
        raise none_defined(target, named)
    return found


def machines_of_all(targets: Iterable[str], root: Path) -> dict[str, AnyMachine | DefinitionError]:
    """Find all machines that several targets could mean, in their order, each once; as `machines` does for one.

    Raises DiscoveryError: if one of the targets is not there, or a module cannot be imported.
    """
    found: dict[str, AnyMachine | DefinitionError] = {}
    for target in targets:
        for spelling, one in machines(target, root).items():
            if not any(_is_same(one, known) for known in found.values()):
                found[spelling] = one
    return found


def _is_same(one: AnyMachine | DefinitionError, other: AnyMachine | DefinitionError) -> bool:
    """Return whether two are one machine; one that does not build is known by its findings."""
    if isinstance(one, DefinitionError) and isinstance(other, DefinitionError):
        return one.findings == other.findings
    return one is other


def none_defined(target: str, named: Iterable[Module]) -> DiscoveryError:
    """Make the error of a target whose modules define no machine."""
    imported = [f"{module.spelling}:{name}" for module in named for name in module.known()]
    instead = f", or name one that it imports: {', '.join(imported)}" if imported else ""
    return DiscoveryError(f"{target!r} defines no machine. Write one, class X(Machine[...]){instead}")


def modules(target: str, root: Path) -> Sequence[Module]:
    """Find the modules of a target, at least one, without importing any.

    Args:
        root: where paths start, and modules are looked for first; it is put on the Python path.

    Raises DiscoveryError: if there is no such module, file or folder.
    """
    if str(root) not in sys.path:  # a console script has its own directory there instead
        sys.path.insert(0, str(root))
    name, colon, last = target.rpartition(":")
    is_path = "/" in last or (name and os.path.exists(root / target))  # which may have colons of its own
    name, picked = (name, last) if colon and not is_path else (target, None)
    if not name:
        raise DiscoveryError(f"{target!r} names no module, file or folder. Name one, such as 'machines.shop'")
    path = _place(root / name)
    is_there = path.is_file() or (path.is_dir() and any(_files(path, picked))) or (path.exists() and is_path)
    try:
        places = [path] if is_there else _places(name, root)
    except DiscoveryError:
        if not path.exists():
            raise
        places = [path]  # which holds no modules, and nothing else has this name
    found = [
        Module(file, _top(file), os.path.relpath(file, root) if place.is_dir() else name, picked)
        for place in places
        for file in _files(place, picked)
    ]
    if not found:
        own = "without modules" if picked is None else "and no package: name the module of the machine too"
        raise DiscoveryError(f"{name!r} is a folder {own}: {places[0]}")
    return found


def _places(name: str, root: Path) -> Sequence[Path]:
    """Locate what Python calls so, a file or the folders of a package, without running the packages around it."""
    top, *below = name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:  # nothing before a dot, or __main__
        spec = None
    if spec is None or not (spec.submodule_search_locations or spec.has_location):  # what is built in has neither
        raise _missing(name, root, top, [root])
    places = [Path(place) for place in spec.submodule_search_locations or [str(spec.origin)]]
    for part in below:
        around, places = places, [path for place in places if part and (path := _below(place, part)).exists()]
        if not places:
            raise _missing(name, root, part, around)
    return [_place(place) for place in places]


def _place(path: Path) -> Path:
    """Return the absolute path of a module, which is where it lies: a link is not followed, for Python follows none."""
    return path.parent.resolve() / path.name if path.name not in ("", "..") else path.resolve()


def _below(place: Path, part: str) -> Path:
    """Return the package, else the module, else the folder of a name, as Python does."""
    folder, file = place / part, place / f"{part}.py"
    return file if file.is_file() and not (folder / "__init__.py").is_file() else folder


def _missing(name: str, root: Path, part: str, folders: Iterable[Path]) -> DiscoveryError:
    is_path = "/" in name or name.endswith(".py")
    part, folders = ((root / name).name, [(root / name).parent]) if is_path else (part, folders)
    there = [path for folder in folders for path in folder.glob("*") if path.is_dir() or path.suffix == ".py"]
    meant = _meant(part, [path.name if is_path else path.stem for path in there], name)
    return DiscoveryError(f"No module, file or folder {name!r} in {root} or on the Python path.{meant}")


def _meant(wrong: str, known: Iterable[str], whole: str) -> str:
    """Ask whether a name was misspelt, if a known one is close to it; `whole` is what it is a part of."""
    close = difflib.get_close_matches(wrong, list(known), n=1)
    return f" Did you mean {whole.replace(wrong, close[0])!r}?" if close else ""


def _files(place: Path, picked: str | None) -> Iterable[Path]:
    """Find the files of a module, package or folder that may define the machines that are meant."""
    if not place.is_dir():
        return [place]
    if picked is not None:
        return filter(Path.is_file, [place / "__init__.py"])
    return [path for path in sorted(place.rglob("*.py")) if _is_ours(path.relative_to(place))]


def _is_ours(path: Path) -> bool:
    """Check that a file in a folder may define machines: no test, no program, not hidden, and a module to Python."""
    is_test = path.stem.startswith("test_") or path.stem.endswith("_test") or path.stem == "conftest"
    is_hidden = any(part.startswith((".", "__pycache__")) for part in path.parts)
    return not (is_test or is_hidden or "." in path.stem or path.stem in ("__main__", "setup"))


def _top(path: Path) -> Path:
    """Return the folder that the name of a module starts from.

    Raises DiscoveryError: if the file cannot be a module.
    """
    stem = path.name.partition(".")[0]
    if path.name.removeprefix(stem) not in all_suffixes():
        raise DiscoveryError(f"{str(path)!r} is not a module to Python. Name a file such as 'shop.py'")
    top = next(folder for folder in path.parents if not (folder / "__init__.py").exists())
    above = [folder for folder in {Path(entry).resolve() for entry in sys.path} if top.is_relative_to(folder)]
    named = [folder for folder in above if "." not in "".join(top.relative_to(folder).parts)]
    return max(named, key=lambda folder: len(folder.parts), default=top)


def _said(error: Exception) -> str:
    """Return what an error says; of a name that is not there, such as a misspelt state, also one that is close."""
    if isinstance(error, NameError) and error.name:
        *_, (frame, _) = traceback.walk_tb(error.__traceback__)
        return f"{error}.{_meant(error.name, {**frame.f_globals, **frame.f_locals}, error.name)}"
    return f"{error.title}: {describe(error)}" if isinstance(error, pydantic.ValidationError) else str(error)


def _line(error: BaseException) -> str:
    """Return where an error came from: the deepest line that is not ours, pydantic's or the import system's."""
    if isinstance(error, SyntaxError):
        return f" at {error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith(_NOT_THEIRS)]
    return f" at {theirs[-1].filename}:{theirs[-1].lineno}" if theirs else ""
