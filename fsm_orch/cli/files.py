"""Files that a command is asked to write; what is there already, and is nothing of ours, is kept."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
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

    Raises CommandError: if the path is a folder, if its folder does not exist, or, unless `force` is set, if there is a
        file of another kind.
    """
    if path.is_dir():
        raise _refusal(path, os.strerror(errno.EISDIR))
    if not path.parent.is_dir():
        raise _refusal(path, os.strerror(errno.ENOENT))
    if not force and path.is_file():  # a device, such as /dev/stdout, loses nothing
        _check_kind(path, kind)


def _check_kind(path: Path, kind: Kind) -> None:
    try:
        held = path.read_bytes()
    except OSError as error:
        raise _refusal(path, error.strerror) from error
    if held and not kind.is_one(held):
        raise CommandError(f"{str(path)!r} is there, and is not {kind.name}: name another file, or say --force")


def write(path: Path, text: bytes) -> None:
    """Write a file.

    Raises CommandError: if it cannot be written.
    """
    try:
        path.write_bytes(text)
    except OSError as error:
        raise _refusal(path, error.strerror) from error


def _refusal(path: Path, reason: str | None) -> CommandError:
    return CommandError(f"cannot write {str(path)!r}: {reason}. Name a file in an existing folder")
