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


def in_both_lanes(*, few: int, many: int) -> pytest.MarkDecorator:
    """Give a test its argument `examples` twice: few for the fast lane, and many that only the full lane tries.

    Hypothesis takes the number at a definition, so the property is defined inside the test, and called.
    """
    return pytest.mark.parametrize("examples", [few, pytest.param(many, marks=pytest.mark.slow)])


def unit(nodeid: str) -> str:
    """Return what one worker takes a test with: its file, or the test alone."""
    file = nodeid.partition("::")[0]
    return file if file in TOGETHER else nodeid
