"""An agent's error as parts that another process can put together again.

An exception is the user's. It may hold a lock, be of a class that stands in a function, or take other arguments than it
keeps; sent as it is, it would take the whole result with it.
"""

from __future__ import annotations

import sys
import traceback
from functools import reduce
from typing import Any, NamedTuple

from ..errors import FsmError

_PLAIN = (type(None), bool, int, float, str, bytes)


class Parts(NamedTuple):
    """What an error is made of: nothing but plain values, and a class that can be imported."""

    kind: type[BaseException]
    args: tuple[Any, ...]
    held: dict[str, Any]


def apart(error: BaseException | None) -> Parts | None:
    """Return the parts of an error; those of an `FsmError` with its class and text if it cannot be made of parts."""
    if error is None:
        return None
    parts = Parts(type(error), error.args, {k: held for k, held in vars(error).items() if type(held) in _PLAIN})
    if _is_known(parts.kind) and all(type(arg) in _PLAIN for arg in parts.args):
        try:
            if _text(together(parts)) == _text(error):
                return parts
        except Exception:  # noqa: S110 - the user's class may do anything when it is made; then its text is sent
            pass
    return Parts(FsmError, (_text(error),), {})


def together(parts: Parts | None) -> BaseException | None:
    """Return the error of which these are the parts."""
    if parts is None:
        return None
    # without `__init__`, which may want other arguments than the error keeps
    error = parts.kind.__new__(parts.kind, *parts.args)
    vars(error).update(parts.held)
    return error


def _text(error: BaseException | None) -> str:
    return "".join(traceback.format_exception_only(error)).strip()


def _is_known(kind: type) -> bool:
    """Return whether another process finds a class by its name."""
    try:
        return reduce(getattr, kind.__qualname__.split("."), sys.modules[kind.__module__]) is kind  # type: ignore[comparison-overlap]
    except (AttributeError, KeyError):
        return False
