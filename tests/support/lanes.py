"""Two lanes of tests, and which tests share a worker.

The fast lane is `pytest -m "not slow"`; the full lane is all tests.
"""

from __future__ import annotations

import pytest

TOGETHER = {
    "tests/models/test_local.py",  # loads the weights
    "tests/proof/explore/test_differential.py",  # lets each model checker look once
    "tests/proof/explore/test_differential_tools.py",  # explores its machines once
    "tests/test_typing.py",  # lets each type checker look once
}
"""Files whose tests one worker takes, since two workers would do the same costly work."""


def in_both_lanes(*, few: int, many: int, most: int | None = None) -> pytest.MarkDecorator:
    """Give a test its argument `examples`: few for the fast lane, many for the full one, and most for the long one.

    Hypothesis takes the number at a definition, so the property is defined inside the test, and called.
    """
    slow, long = pytest.mark.slow, pytest.mark.long
    lanes = [few, pytest.param(many, marks=slow)]
    return pytest.mark.parametrize(
        "examples", lanes if most is None else [*lanes, pytest.param(most, marks=(slow, long))]
    )


def unit(nodeid: str) -> str:
    """Return what one worker takes a test with: its file, or the test alone."""
    file = nodeid.partition("::")[0]
    return file if file in TOGETHER else nodeid
