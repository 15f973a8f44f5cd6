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
    first = file.read(2)
    whole = io.BufferedReader(_Pieces(file, first=first), 1 << 16)
    if first != _GZIP:
        yield whole
        return
    with gzip.open(whole) as packed:
        yield io.BufferedReader(_Pieces(packed), 1 << 16)


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


class _Pieces(io.RawIOBase):
    """What a stream gives, piece by piece, after bytes of it that were read already; it is not closed with this.

    So of a packed file that was cut all is read that stands before the cut, and a log that grows is read as it does.
    """

    def __init__(self, rest: BinaryIO | gzip.GzipFile, *, first: bytes = b"") -> None:
        super().__init__()
        self._left, self._rest = first, rest

    def readable(self) -> bool:
        """Return that it is."""
        return True

    def readinto(self, into: Any, /) -> int:
        """Read some bytes into a buffer, and return how many; 0 at the end."""
        piece = self._left or getattr(self._rest, "read1", self._rest.read)(len(into))
        self._left = b""
        into[: len(piece)] = piece
        return len(piece)
