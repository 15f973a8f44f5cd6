"""Random names: of runs, of answers, and of claims."""

from __future__ import annotations

import secrets


def random_id() -> str:
    """Return an id of a run or an answer: as long as a UUID, and made in a fifth of its time."""
    return secrets.token_hex(16)


def new_epoch() -> int:
    """Return the epoch of a run that begins: no other start under its id, here or elsewhere, has the same."""
    return secrets.randbits(48)
