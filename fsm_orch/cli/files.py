"""Files that a command was asked to write."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from .show import CommandError


def check_writable(path: Path) -> None:
    """Refuse a file that surely cannot be written, before there is anything to write; nothing is touched.

    Raises CommandError: if it is a folder, or its folder is not there.
    """
    if path.is_dir():
        raise _refusal(path, os.strerror(errno.EISDIR))
    if not path.parent.is_dir():
        raise _refusal(path, os.strerror(errno.ENOENT))


def write(path: Path, text: bytes) -> None:
    """Write a file.

    Raises CommandError: if it cannot be written.
    """
    try:
        path.write_bytes(text)
    except OSError as error:
        raise _refusal(path, error.strerror) from error


def _refusal(path: Path, reason: str | None) -> CommandError:
    return CommandError(f"cannot write {str(path)!r}: {reason}. Name a file in a folder that is there")
