"""What is said where an object of another framework was named instead of a machine."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from .. import discover
from ..errors import DiscoveryError, FsmError
from .show import CommandError

T = TypeVar("T")


def or_hint(found: Callable[[], T], targets: Iterable[str]) -> T:
    """Return what was found.

    Raises CommandError: if it was not, and a target is an object of another framework; says how to import it.
    """
    try:
        return found()
    except DiscoveryError:
        for target in targets:
            what = _what(target)
            if what is not None:
                raise CommandError(f"{target!r} is no machine, it is {what}: fsm-orch import {target}") from None
        raise


def _what(target: str) -> str | None:
    from ..adopt import detect  # noqa: PLC0415 - slow to import, as few commands need it

    with suppress(FsmError):
        thing = discover.thing(target, Path.cwd())
        if inspect.iscoroutine(thing):
            thing.close()
        return detect.what_is(thing)
    return None
