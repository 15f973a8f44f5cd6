"""Finds the modules that a user named, as files to collect, and the machines in them.

A target is a module as Python imports it, a file, or a folder with all modules below it; `:Machine` after it picks one
by its name in the module; in a package, by its name in the package itself.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

from ..define.machine import AnyMachine
from ..discover import defined_in, machines_in


class TargetError(Exception):
    """What a user named is not there, or ends the program when it is imported."""


def files(target: str, root: Path) -> dict[Path, str]:
    """Find the files of a target.

    Args:
        root: where relative paths and top-level modules are looked for.

    Returns:
        By file, the machine that was picked; "" for all of them.

    Raises TargetError: if there is no such module, file or folder.
    """
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    name, _, picked = target.partition(":")
    if not name:
        raise TargetError(f"{target!r} names no module, file or folder")
    place = _place(name, root)
    if picked and (place / "__init__.py").is_file():
        place /= "__init__.py"
    if place.is_file():
        return {place: picked}
    found = [path for path in sorted(place.rglob("*.py")) if _is_ours(path.relative_to(place))]
    if not found:
        raise TargetError(f"{name!r} is a folder without modules: {place}")
    return dict.fromkeys(found, picked)


def _place(name: str, root: Path) -> Path:
    """Find a file or folder by its path, or by what Python calls it."""
    for path in (root / name, root / f"{name.replace('.', '/')}.py", root / name.replace(".", "/")):
        if path.exists():
            return path.resolve()
    try:
        spec = importlib.util.find_spec(name) if all(part.isidentifier() for part in name.split(".")) else None
    except ModuleNotFoundError:
        spec = None
    if spec is not None and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).resolve()
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise TargetError(f"no module, file or folder {name!r} in {root} or on the Python path")
    return Path(spec.origin).resolve()


def _is_ours(path: Path) -> bool:
    """Tell whether a file in a folder may define machines: neither a test, nor a program, nor hidden."""
    is_test = path.name.startswith("test_") or path.name.endswith("_test.py") or path.name == "conftest.py"
    is_hidden = any(part.startswith((".", "__pycache__")) for part in path.parts)
    return not (is_test or is_hidden or path.name in ("__main__.py", "setup.py"))


def machines(path: Path, root: Path, picked: str = "") -> dict[str, AnyMachine]:
    """Import a file and give the machines that it defines, or the one that was picked, by their names there.

    Raises TargetError: if it has no machine of that name, or ends the program.
    Raises whatever else the import raises.
    """
    name = _module_name(path, root)
    try:
        module = importlib.import_module(name)
    except SystemExit as error:
        do = "let it do so under if __name__ == '__main__'"
        raise TargetError(f"importing {name!r} ends the program, sys.exit({error.code!r}): {do}") from error
    if not picked:
        return defined_in(module)
    known = machines_in(module)
    if picked not in known:
        raise TargetError(f"no machine {picked!r} in {name!r}. Machines: {', '.join(known) or 'none'}")
    return {picked: known[picked]}


def _module_name(path: Path, root: Path) -> str:
    """Tell what Python calls a file: by the packages around it, or by its folders below the root."""
    top = path.parent
    while (top / "__init__.py").exists():
        top = top.parent
    if not (path.parent / "__init__.py").exists() and path.is_relative_to(root):
        top = root
    if str(top) not in sys.path:
        sys.path.insert(0, str(top))
    parts = path.relative_to(top).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
