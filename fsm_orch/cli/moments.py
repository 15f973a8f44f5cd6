"""Moments and spans of time as people read them, and spans as they write them."""

from __future__ import annotations

import re
from datetime import datetime

from .show import CommandError

_UNITS = {"w": 7 * 86_400, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_SHOWN = (("d", 86_400), ("h", 3_600), ("min", 60))


def span(seconds: float) -> str:
    """Return how long something takes, in its largest unit: "3 d", "2 h", "5 min", "0 s"."""
    for name, unit in _SHOWN:
        if seconds >= unit:
            return f"{int(seconds // unit)} {name}"
    return f"{max(0, int(seconds))} s"


def moment(at: float) -> str:
    """Return a moment by the clock of this machine: "2026-11-26 14:05"; of the year 10,000 or later that it is none.

    Args:
        at: seconds of the epoch.
    """
    try:
        return datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M")  # the one on the reader's wall
    except (ValueError, OverflowError, OSError):
        return "a moment that no calendar has"


def until(at: float | None) -> str:
    """Return ", until" a moment, to follow what ends then; empty if it does not end."""
    return "" if at is None else f", until {moment(at)}"


def seconds_of(text: str) -> float:
    """Return the seconds of a span such as `30d`, `12h` or `90m`.

    Raises CommandError: if it is none.
    """
    said = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([wdhms])", text.strip())
    if said is None:
        raise CommandError(f"{text!r} is no span of time: say a number and w, d, h, m or s, such as 30d")
    return float(said[1]) * _UNITS[said[2]]
