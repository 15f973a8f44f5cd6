"""What a user gives as options: of the right kind and within bounds, or an error that names the option."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .wording import kind_of, quoted


def whole(name: str, given: object, *, least: int = 1) -> int:
    """Return a whole number as it is given.

    Args:
        name: of the option, and what it belongs to: `burst= of a Pace`.
        least: the smallest that it may be.

    Raises TypeError: if it is no int, such as a text, a bool or a float.
    Raises ValueError: if it is less.
    """
    what = f"{name} takes a whole number of {least} or more"
    if not isinstance(given, int) or isinstance(given, bool):
        raise TypeError(f"{what}, not {given if isinstance(given, float) else kind_of(given)}")
    if given < least:
        raise ValueError(f"{what}, not {_shown(given)}")
    return given


def positive(name: str, given: object, *, or_zero: bool = False, or_endless: bool = False) -> float:
    """Return a number of more than 0, of seconds or of anything else that has parts.

    Args:
        name: of the option, and what it belongs to: `per_s= of a Pace`.
        or_zero: whether it may be 0.
        or_endless: whether it may be infinite.

    Raises TypeError: if it is no int and no float, such as a text or a bool.
    Raises ValueError: if it is less, or no finite number.
    """
    what = f"{name} takes a {'' if or_endless else 'finite '}number of {'0 or more' if or_zero else 'more than 0'}"
    if not isinstance(given, int | float) or isinstance(given, bool):
        raise TypeError(f"{what}, not {kind_of(given)}")
    try:
        number = float(given)
    except OverflowError:
        number = math.nan
    is_in = number >= 0 if or_zero else number > 0  # not for NaN
    if not is_in or (number == math.inf and not or_endless):
        raise ValueError(f"{what}, not {_shown(given)}")
    return number


def one_of(name: str, given: object, words: Sequence[str]) -> None:
    """Check that an option is one of some words.

    Args:
        name: of the option, and what it belongs to: `by= of an Admission`.

    Raises ValueError: if it is not.
    """
    if given not in words:
        told = repr(given) if isinstance(given, str) else kind_of(given)
        raise ValueError(f"{name} takes one of {quoted(words)}, not {told}")


def _shown(number: int | float) -> str:
    """Return a number as messages show it: Python writes no int of thousands of digits."""
    return str(number) if isinstance(number, float) or number.bit_length() <= 64 else "one beyond all measure"
