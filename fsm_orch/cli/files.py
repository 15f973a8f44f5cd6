"""Files that a command is asked to write; what is there already, and is nothing of ours, is kept."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from .show import CommandError

Force = Annotated[bool, typer.Option("--force", help="Write over a file that is there, whatever it holds.")]


@dataclass(frozen=True)
class Kind:
    """A kind of file that is written here."""

    name: str
    """With its article, for messages."""
    is_one: Callable[[bytes], bool]
    """Returns whether the bytes of a file are of this kind, perhaps as an older version wrote them."""


def beginning(name: str, first: str, *others: str) -> Kind:
    """Return a kind whose files have some words in their first line, and others anywhere."""

    def is_one(held: bytes) -> bool:
        return first.encode() in held.partition(b"\n")[0] and all(words.encode() in held for words in others)

    return Kind(name, is_one)


def with_keys(name: str, *keys: str) -> Kind:
    """Return a kind whose files are JSON objects with these keys, among others."""
    return Kind(name, lambda held: _keys(held) >= {*keys})


def _keys(held: bytes) -> set[str]:
    try:
        value: Any = orjson.loads(held)
    except ValueError:
        return set()
    return set(value) if isinstance(value, dict) else set()


def check_writable(path: Path, kind: Kind, *, force: bool) -> None:
    """Check that a file may be written, before long work is done for it; nothing is touched.

    Raises CommandError: if the path is a folder, a link to nothing or a pipe, if its folder does not exist, if it
        or its folder is read-only, or, unless `force` is set, if there is a file of another kind.
    """
    if path.is_dir():
        raise _refusal(path, os.strerror(errno.EISDIR))
    if _descriptor(path) is not None:
        return  # it is added to, and loses nothing
    if path.is_symlink() and not path.exists():
        raise _refusal(path, "it is a link to what is not there")
    if not path.parent.is_dir():
        raise _refusal(path, os.strerror(errno.ENOENT))
    if path.is_fifo():  # to open one that nobody reads would wait without an end
        raise _refusal(path, "it is a named pipe")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise _refusal(path, os.strerror(errno.EACCES))
    if path.is_file():  # a device loses nothing
        if not os.access(path.resolve().parent, os.W_OK):  # a new file is written beside it first
            raise _refusal(path, f"its folder: {os.strerror(errno.EACCES)}")
        if not force:
            _check_kind(path, kind)


def _descriptor(path: Path) -> int | None:
    """Return what this process has a file open by, as its output or as what the shell has given it; else None."""
    if str(path.parent) in ("/dev/fd", "/proc/self/fd") and path.name.isdecimal():
        return int(path.name)
    return {"/dev/stdout": 1, "/dev/stderr": 2}.get(str(path))


def _check_kind(path: Path, kind: Kind) -> None:
    try:
        held = path.read_bytes()
    except OSError as error:
        raise _refusal(path, error.strerror) from error
    if held and not kind.is_one(held):
        raise CommandError(f"{str(path)!r} is there, and is not {kind.name}: name another file, or say --force")


def write(path: Path, text: bytes) -> None:
    """Write a file: whole, or not at all. A link stays one, and what it leads to is written.

    Raises CommandError: if it cannot be written; what was there is then as it was.
    """
    try:
        if (descriptor := _descriptor(path)) is not None:
            # by this and not by its name: what others write there stays, before it and after it
            with open(os.dup(descriptor), "wb") as file:
                file.write(text)
        elif path.exists() and not path.is_file():
            path.write_bytes(text)
        else:
            _replace(path.resolve(), text)
    except OSError as error:
        raise _refusal(path, error.strerror) from error


def _replace(path: Path, text: bytes) -> None:
    """Write a file beside it, and put that in its place: on a full disk the old one stays."""
    mode = path.stat().st_mode & 0o7777 if path.exists() else 0o666 & ~_umask()
    handle, name = tempfile.mkstemp(prefix=".fsm-orch.", dir=path.parent)  # its own name may be as long as names can be
    try:
        with open(handle, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(handle)
            os.fchmod(handle, mode)
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def _umask() -> int:
    os.umask(mask := os.umask(0o077))  # which can only be read by setting it
    return mask


def _refusal(path: Path, reason: str | None) -> CommandError:
    return CommandError(f"cannot write {str(path)!r}: {reason}. Name a file in an existing folder")
