"""Properties that are tried a little in the fast lane and a lot in the full one.

The fast lane is `pytest -m "not slow"`; the full lane is all tests.
"""

from __future__ import annotations

import pytest


def in_both_lanes(*, few: int, many: int) -> pytest.MarkDecorator:
    """Give a test its argument `examples` twice: few for the fast lane, and many that only the full lane tries.

    Hypothesis takes the number at a definition, so the property is defined inside the test, and called.
    """
    return pytest.mark.parametrize("examples", [few, pytest.param(many, marks=pytest.mark.slow)])
