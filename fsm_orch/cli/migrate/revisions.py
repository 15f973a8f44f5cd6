"""A machine as it was in a revision of git: its module is imported from a scratch folder, beside the one of today.

The code of that revision runs, so a revision is as trusted as the code of today. Both versions are in one process, and
neither imports modules of the other: while the old one is imported, nothing of the repository is known. An import
inside a function is done when that is called, and finds the modules of today: write imports at the top.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from sysconfig import get_path
from tempfile import TemporaryDirectory
from types import ModuleType

from ... import discover
from ...define.machine import AnyMachine
from ...errors import DefinitionError, DiscoveryError
from ..show import CommandError

_LIBRARIES = {Path(get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")}
"""Where Python and what is installed lie, which may be inside a repository."""

_OF_HOOKS = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"}


@dataclass(frozen=True)
class Version:
    """A version of a machine that a user named."""

    machine: AnyMachine
    target: str
    """Names it in its own tree."""
    commit: str | None = None
    """A commit of git, since a branch moves on; None: it is in the tree of today."""


@contextmanager
def version(named: str, target: str, root: Path) -> Iterator[Version]:
    """Yield a version of a machine; what it was imported from is there until the block is left.

    Args:
        named: a module, as `discover` takes it; or a revision of git such as `main`, `HEAD~1` or `v1.2`, and behind a
            colon the module in it.
        target: the module in a revision that names none.
        root: the folder that names start from.

    Raises CommandError: if it is neither, or both, or the revision imports a module that it does not hold.
    Raises DiscoveryError: if the module cannot be imported, or has no such machine.
    Raises DefinitionError: if the machine does not build.
    """
    revision, _, inside = named.partition(":")
    missing, commit = _missing(named, root), _commit(revision, root)
    if commit is not None and missing is None and _is_here(named, root):
        file = os.path.relpath(discover.modules(named, root)[0].path, root)
        raise CommandError(
            f"{named!r} is a module here and a revision of git: say ./{file} for the module, or {commit[:12]} for the "
            "revision"
        )
    if commit is not None:
        with _checked_out(commit, root) as (top, scratch):
            target = inside or target
            with _said_of(revision, scratch):
                machine = _imported(target, root, top, scratch, revision)
            yield Version(machine, target, commit)
    elif missing is not None:
        raise CommandError(
            f"{missing} Nor is {revision!r} a revision of git here: git log and git tag show those that are "
            "there. A clone of CI may hold the last commit alone: git fetch --unshallow"
        )
    else:
        yield Version(discover.machine(named, root), named)


def _missing(named: str, root: Path) -> str | None:
    """Return why there is no such module; None if there is."""
    try:
        discover.modules(named, root)
    except DiscoveryError as error:
        return str(error)
    return None


def _is_here(named: str, root: Path) -> bool:
    """Return whether a module that is there is in a folder: a branch may be called as a library is."""
    return any(module.path.is_relative_to(root.resolve()) for module in discover.modules(named, root))


def _commit(revision: str, root: Path) -> str | None:
    """Return the commit of a revision; None if it is none, or there is no repository."""
    words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    try:
        found = _git(root, *words, check=False) if revision else None
    except FileNotFoundError:
        return None
    return None if found is None or found.returncode else found.stdout.strip()


def _git(
    folder: Path, *words: str, check: bool = True, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = ["git", "-C", str(folder), *words]
    # no shell, and what a user names comes after the end of options
    done = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, check=False, env={**_environment(), **(env or {})}
    )
    if check and done.returncode:
        raise CommandError(f"git {words[0]} failed: {done.stderr.strip()}")
    return done


def _environment() -> dict[str, str]:
    """Return the environment without what git tells its hooks, which means the folder that git was called in."""
    return {name: value for name, value in os.environ.items() if name not in _OF_HOOKS}


@contextmanager
def _checked_out(commit: str, root: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the top of the repository, and a folder with all files of a commit. The repository stays as it is."""
    top = Path(_git(root, "rev-parse", "--show-toplevel").stdout.strip()).resolve()
    with TemporaryDirectory(prefix="fsm_orch_") as folder:
        scratch = Path(folder).resolve()
        # an index of its own; an archive would leave out what is marked `export-ignore`
        index = {"GIT_INDEX_FILE": str(scratch / "index")}
        _git(top, "read-tree", commit, env=index)
        _git(top, "checkout-index", "--all", f"--prefix={scratch}/tree/", env=index)
        yield top, scratch / "tree"


@contextmanager
def _said_of(revision: str, scratch: Path) -> Iterator[None]:
    """Name places in a revision by that: the scratch folder is gone when somebody reads of them."""
    try:
        yield
    except DefinitionError as error:
        findings = [replace(finding, where=_named(finding.where, revision, scratch)) for finding in error.findings]
        raise DefinitionError(f"{error.subject} of {revision}", findings) from error
    except DiscoveryError as error:
        raise DiscoveryError(_named(str(error), revision, scratch)) from error


def _named(text: str, revision: str, scratch: Path) -> str:
    return text.replace(f"{scratch}/", f"{revision}:").replace(str(scratch), revision)


def _imported(target: str, root: Path, top: Path, scratch: Path, revision: str) -> AnyMachine:
    """Import a machine from a folder that stands for the repository."""
    there = scratch / root.resolve().relative_to(top)
    with _apart(top, scratch), chdir(there) if there.is_dir() else nullcontext():
        before = {*sys.modules}
        machine = discover.machine(target, there)
        new = {name: module for name, module in sys.modules.items() if name not in before}
        mixed = [name for name, module in new.items() if _is_users(name, module, top, scratch)]
    if mixed:
        raise CommandError(
            f"{target!r} of {revision} imports {mixed[0]!r}, which it does not hold, and was given the one of today: "
            "name a revision that has it"
        )
    return machine


@contextmanager
def _apart(top: Path, scratch: Path) -> Iterator[None]:
    """Let nothing of a repository be known, but what a folder has in its place; put all back afterwards."""
    known = {name: module for name, module in sys.modules.items() if _is_users(name, module, top, scratch)}
    paths = sys.path[:]
    for name in known:
        del sys.modules[name]
    sys.path[:] = [place for entry in paths if (place := _in_place(entry, top, scratch)) is not None]
    try:
        yield
    finally:
        # all are found before one is deleted: where a package without a file lies, its parent says
        for name in [name for name, module in tuple(sys.modules.items()) if _is_of(name, module, top, scratch)]:
            del sys.modules[name]
        sys.modules.update(known)
        sys.path[:] = paths


def _in_place(entry: str, top: Path, scratch: Path) -> str | None:
    """Return what stands for an entry of the Python path; None if nothing does."""
    place = Path(entry).resolve()
    if not _is_in_tree(place, top):
        return entry
    there = scratch / place.relative_to(top)
    return str(there) if there.is_dir() else None


def _is_users(name: str, module: ModuleType, top: Path, scratch: Path) -> bool:
    """Return whether a module is of a repository. This package is not, nor is the program, wherever they lie."""
    if name.partition(".")[0] in ("fsm_orch", "__main__"):
        return False
    return any(_is_in_tree(place, top) and not place.is_relative_to(scratch) for place in _places(module))


def _is_of(name: str, module: ModuleType, top: Path, scratch: Path) -> bool:
    """Return whether a module is of a repository, or of the folder that stands for it."""
    in_scratch = any(place.is_relative_to(scratch) for place in _places(module))
    return in_scratch or _is_users(name, module, top, scratch)


def _places(module: ModuleType) -> list[Path]:
    """Return where a module lies: its file, or the folders of a package without one."""
    file = getattr(module, "__file__", None)
    places = [file] if isinstance(file, str) else [*(getattr(module, "__path__", None) or ())]
    return [Path(place).resolve() for place in places if isinstance(place, str)]


def _is_in_tree(place: Path, top: Path) -> bool:
    """Return whether a place is the user's own: in a repository, and in no environment that lies in it."""
    in_environment = any(place.is_relative_to(folder) for folder in _LIBRARIES)
    return place.is_relative_to(top) and not in_environment and "site-packages" not in place.parts
