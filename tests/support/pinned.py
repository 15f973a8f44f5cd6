"""What a library may change in any release, such as its lists of errors: asked for at its pinned version alone.

At that version what differs is a failure, since somebody moved the pin and did not look. At any other it is a warning,
which pytest shows at its end: the library grew, and nobody is at fault.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest

CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"


class OtherVersion(UserWarning):
    """An installed library is not of its pinned version, and differs from what was written down of that."""


@cache
def pins() -> Mapping[str, str]:
    """Give the pinned version of each distribution, by its name as `constraints.txt` spells it."""
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", CONSTRAINTS.read_text(encoding="utf-8"), re.MULTILINE))


@contextmanager
def pinned(distribution: str) -> Iterator[None]:
    """Check what may change in any release of a distribution; as a decorator it is for tests that do not `await`.

    Raises what the check raised: at the pinned version; at any other it warns.
    """
    pin = pins()[distribution]
    try:
        yield
    except (Exception, pytest.fail.Exception) as error:
        installed = version(distribution)
        if installed == pin:
            raise
        what = f"{type(error).__name__}: {error}"
        warnings.warn(f"{distribution} {installed} differs from {pin}, which is pinned: {what}", OtherVersion, 3)
