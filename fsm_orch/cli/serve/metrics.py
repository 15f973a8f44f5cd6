"""Metrics of `fsm-orch serve`, where the extra `prometheus` is installed: of one process, or of several together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

from ..show import CommandError

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def has_metrics() -> bool:
    """Return whether there is what counts runs."""
    return _maker() is not None


def metrics_or_none() -> Any:
    """Return what counts the runs of this process, and gives that out; None without the extra."""
    return None if (maker := _maker()) is None else maker()


def _maker() -> Any:
    try:
        from ...observe.prometheus import Metrics  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    return Metrics


@contextmanager
def counted_together() -> Iterator[None]:
    """Let processes that are begun inside the block count together.

    They do so in the folder that the environment names, or else in one that is removed after them.

    Raises CommandError: if the folder that is named is not there or cannot be written to, or none can be made.
    """
    if named := os.environ.get(_FOLDER):
        if has_metrics():
            _check_writable(named)
        yield
        return
    if not has_metrics():
        yield
        return
    with _temporary() as folder:
        os.environ[_FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[_FOLDER]


def _check_writable(named: str) -> None:
    """Check that processes can count in a folder: each of them would end at once, and be begun anew."""
    if not Path(named).is_dir():
        raise CommandError(f"{_FOLDER} names {named!r}, which is no folder: make it, or leave the variable out")
    try:
        with TemporaryFile(dir=named):
            return
    except OSError as error:
        raise CommandError(
            f"{_FOLDER} names {named!r}, which cannot be written to: {error.strerror}. Name another folder"
        ) from None


def _temporary() -> TemporaryDirectory[str]:
    try:
        return TemporaryDirectory(prefix="fsm-orch-metrics-", ignore_cleanup_errors=True)
    except OSError as error:
        raise CommandError(
            f"no folder can be made where the processes count together: {error.strerror}. "
            f"Have {_FOLDER} name one that can be written to"
        ) from None
