"""The lines of logs: files or stdin, plain or gzipped, each of them once."""

from __future__ import annotations

import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

from ...observe.triage.lines import LONGEST, Tally
from ..show import CommandError
from ..tables import UTF_16

_GZIP, _MARK = b"\x1f\x8b", b"\xef\xbb\xbf"


def lines(names: Sequence[str], tally: Tally) -> Iterator[bytes]:
    """Yield the lines of files; one that is too long is cut. A file that is named again, by a link too, is not read.

    Args:
        names: of files; `-` is stdin.
        tally: is counted up.

    Raises CommandError: if one cannot be read, or is in UTF-16.
    """
    seen = set[tuple[int, int]]()
    for name in names:
        try:
            with _opened(name) as file:
                if (place := _place(file)) in seen:
                    tally.twice += 1
                    continue
                seen |= set() if place is None else {place}
                with _unpacked(file) as plain:
                    yield from _lines(name, plain)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            tally.damaged += 1  # it was cut while it was packed
        except OSError as error:
            raise CommandError(f"{name} cannot be read: {error.strerror or error}") from error


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
        return
    with open(name, "rb") as file:
        yield file


def _place(file: BinaryIO) -> tuple[int, int] | None:
    """Return the device and the inode of a file, which all its links share; None if it is none of the system's."""
    try:
        found = os.fstat(file.fileno())
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


@contextmanager
def _unpacked(file: BinaryIO) -> Iterator[BinaryIO]:
    begun = _Begun(file.read(2), file)
    if begun.first != _GZIP:
        yield io.BufferedReader(begun, 1 << 16)
        return
    with gzip.open(io.BufferedReader(begun, 1 << 16)) as packed:
        yield io.BufferedReader(_Unpacked(packed), 1 << 16)


def _lines(name: str, file: BinaryIO) -> Iterator[bytes]:
    is_first = True
    while raw := file.readline(LONGEST + 1):
        if is_first:
            if raw.startswith(UTF_16) or raw[1:2] == b"\0":
                raise CommandError(f"{name} is in UTF-16: convert it by iconv -f UTF-16 -t UTF-8")
            raw, is_first = raw.removeprefix(_MARK), False
        yield raw
        while len(raw) > LONGEST and not raw.endswith(b"\n"):
            raw = file.readline(LONGEST + 1)


class _Begun(io.RawIOBase):
    """A stream of which the first bytes were read; it is not closed with this."""

    def __init__(self, first: bytes, rest: BinaryIO) -> None:
        super().__init__()
        self.first, self._left, self._rest = first, first, rest

    def readable(self) -> bool:
        """Return that it is."""
        return True

    def readinto(self, into: Any, /) -> int:
        """Read some bytes into a buffer, and return how many; 0 at the end."""
        piece = self._left or getattr(self._rest, "read1", self._rest.read)(len(into))
        self._left = b""
        into[: len(piece)] = piece
        return len(piece)


class _Unpacked(io.RawIOBase):
    """What a packed file holds, piece by piece: of one that was cut, all that stands before the cut."""

    def __init__(self, packed: gzip.GzipFile) -> None:
        super().__init__()
        self._packed = packed

    def readable(self) -> bool:
        """Return that it is."""
        return True

    def readinto(self, into: Any, /) -> int:
        """Read some bytes into a buffer, and return how many; 0 at the end."""
        piece = self._packed.read1(len(into))
        into[: len(piece)] = piece
        return len(piece)
