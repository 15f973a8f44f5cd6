"""The group of commands: one whose output cannot be written says so in a line, and has not succeeded."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from typer.core import TyperGroup

from .show import complain

_OF_WRITING = {errno.ENOSPC, errno.EPIPE, errno.EIO, errno.EFBIG, errno.EBADF, errno.EINVAL}
"""How a stream refuses to be written; the last is Windows' word for a pipe that nobody reads."""
_NO_READER = 141
"""The exit code where the reader of a pipe has left: what shells say of a program that the signal for it has ended."""


class Commands(TyperGroup):
    """Commands on a stdout that may be full or closed, or that nobody reads any more."""

    # In all three: `main` shows help by itself, and of a broken pipe in the other two it would say nothing.

    def make_context(self, *args: Any, **options: Any) -> Any:
        """Read the command line; `--help` and `--version` write here."""
        with _written():
            return super().make_context(*args, **options)

    def invoke(self, *args: Any, **options: Any) -> Any:
        """Do what the command says."""
        with _written():
            return super().invoke(*args, **options)

    def main(self, *args: Any, **options: Any) -> Any:
        """Read the command line, and do what it says."""
        if sys.stdout is None:  # it was closed, and Python would let all output go nowhere
            sys.stdout = open(os.open(os.devnull, os.O_RDONLY), "w", encoding="utf-8")  # noqa: SIM115
        with _written():
            return super().main(*args, **options)


@contextmanager
def _written() -> Iterator[None]:
    """Write to stdout all that is said inside the block.

    Raises SystemExit: if it cannot be written.
    """
    try:
        try:
            yield
        finally:  # or it is written when Python ends, where nobody can say why it was not
            if sys.stdout is not None:
                sys.stdout.flush()
    except OSError as error:
        if error.errno not in _OF_WRITING or error.filename is not None:  # a file that was opened by name: not stdout
            raise
        _close_stdout()
        if error.errno == errno.EPIPE:  # as of `| head`, which has read what it wanted
            raise SystemExit(_NO_READER) from None
        with suppress(OSError):
            complain(f"cannot write to stdout: {error.strerror or error}")
        raise SystemExit(2) from None


def _close_stdout() -> None:
    """Let what is left in the buffer of stdout go nowhere, or Python tries once more to write it when it ends."""
    with suppress(OSError, ValueError):  # one of a test has no descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
