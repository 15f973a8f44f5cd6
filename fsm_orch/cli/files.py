"""Files that a command is asked to write."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from .show import CommandError


def check_writable(path: Path) -> None:
    """Check that a file may be written, before long work is done for it; nothing is touched.

    Raises CommandError: if the path is a folder, or its folder does not exist.
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
    return CommandError(f"cannot write {str(path)!r}: {reason}. Name a file in an existing folder")
