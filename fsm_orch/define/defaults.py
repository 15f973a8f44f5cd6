"""What the options of a machine hold where nobody says otherwise: a digest leaves them out.

So an option that is new, with a default that leaves the meaning as it was, is in no digest of the machines that were
there before it, and strands none of their journals and certificates.

**A default that was shipped never changes.** Whoever left the option out would get another meaning under the same
digest, and their runs would be folded by it. Give the other meaning an option of its own instead. Limits stand whole in
a digest, so theirs alone may change: it strands what was begun under them, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEFAULTS: Mapping[str, object] = {
    # of a machine
    "policies": [],
    "model": None,
    # of a state
    "initial": False,
    "entry": False,
    "max_visits": None,
    "timeout_s": None,
    "expires_s": None,
    # of an agent
    "class": None,
    "routes": [],
    "reads": [],
    "writes": [],
    "may_omit": [],
    "calls": 0,
    "settings": {},
    "attempts": 1,
    "parts": [],
    "tools": [],
    "asks_human": False,
    "asks": 0,
    "must_ask": False,
    "proposes": False,
    "does": [],
    "must_not": [],
    "window": [6, 2_000],
    "summary": False,
    # of agents that run parts
    "give": {},
    "take": {},
    "ends": {},
    "join": "all",
    "tolerate": False,
    "merge": {},
    # of a part or a tool
    "most": 1,
    "approval": False,
    "repeatable": False,
    "most_chars": 500,
    "choices": {},
    # of a final state
    "fallback": False,
    "sets": {},
    # of a handoff
    "kind": "handoff",
    "description": "",
    "guard": None,
    # of a policy
    "other": [],
    "times": 0,
    "strict": False,
}
"""By the word of the canonical form, what is left out; one word has one default wherever it stands."""


def said(**options: Any) -> dict[str, Any]:
    """Return the options that do not hold their default."""
    return {name: value for name, value in options.items() if name not in DEFAULTS or value != DEFAULTS[name]}
