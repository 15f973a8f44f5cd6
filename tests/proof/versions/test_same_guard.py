"""Guards of two versions that are sure to answer the same."""

from __future__ import annotations

from typing import Any

import pytest

from fsm_orch import Context, guard
from fsm_orch.proof.versions.same_guard import aliases

SOURCE = """
LIMIT = {limit}
def enough(cents): return cents {sign} LIMIT
class Claim(Context):
    cents: int
    text: str = ""
    @property
    def is_big(self): return self.cents > {big}
@guard
def plain(c): return c.cents > 10 and c.text.startswith("a")
@guard
def by_helper(c): return enough(c.cents)
@guard
def by_property(c): return c.is_big
@guard
def by_constant(c): return c.cents == {constant}
@guard
def by_name(c): return bool(getattr(c, "cents"))
"""


def module(**changes: Any) -> dict[str, Any]:
    """Return the names of a module, imported anew."""
    names: dict[str, Any] = {"Context": Context, "guard": guard, "__name__": "claims"}
    exec(SOURCE.format(**{"limit": 5, "sign": ">", "big": 9, "constant": 1} | changes), names)
    return names


@pytest.mark.parametrize(
    ("name", "changes", "is_same"),
    [
        *((name, {}, True) for name in ("plain", "by_helper", "by_property", "by_constant")),
        ("by_name", {}, False),  # it may come to anything
        ("by_helper", {"limit": 6}, False),
        ("by_helper", {"sign": "<"}, False),
        ("by_property", {"big": 8}, False),
        ("by_constant", {"constant": "True"}, False),
        ("plain", {"limit": 6, "big": 8}, True),
    ],
)
def test_guards_are_the_same_if_all_that_they_name_is(name: str, changes: dict[str, Any], is_same: bool) -> None:
    """Their code, helpers, constants and properties of the context decide; where they stand does not."""
    old, new = module(), module(**changes)

    assert is_same == bool(aliases([old[name]], [new[name]], (old["Claim"], new["Claim"])))
