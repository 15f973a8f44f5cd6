"""Two lanes of tests, and which tests share a worker.

The fast lane is `pytest -m "not slow"`; the full lane is all tests.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

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
    lanes = [pytest.param(few, marks=pytest.mark.few), pytest.param(many, marks=slow)]
    return pytest.mark.parametrize(
        "examples", lanes if most is None else [*lanes, pytest.param(most, marks=(slow, long))]
    )


def outdone(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Return the tests with few examples which are to run with many too: what few examples show, many show."""
    alike = defaultdict[object, list[pytest.Item]](list)
    for item in items:
        given = dict(item.callspec.params) if hasattr(item, "callspec") else {}
        if isinstance(item, pytest.Function) and given.pop("examples", None) is not None:
            # of the other values, which may be anything, each is one object in all of its tests
            alike[item.parent, item.originalname, *map(id, given.values())].append(item)
    return [item for same in alike.values() if len(same) > 1 for item in same if item.get_closest_marker("few")]


def unit(nodeid: str) -> str:
    """Return what one worker takes a test with: its file, or the test alone."""
    file = nodeid.partition("::")[0]
    return file if file in TOGETHER else nodeid
