"""What pytest collects, which two processes must agree on before they can share the work."""

from collections import Counter
from pathlib import Path

import pytest
from support.lanes import TOGETHER, outdone, unit

ROOT = Path(__file__).parents[1]


def test_ids_have_no_addresses(request: pytest.FixtureRequest) -> None:
    """No test is named after an object whose address differs from process to process."""
    assert [] == [item.nodeid for item in request.session.items if " at 0x" in item.nodeid]


def test_what_is_costly_is_done_by_one_worker() -> None:
    """All tests of a file that shares something costly are one unit, those of any other file are units of their own."""
    assert [] == [file for file in TOGETHER if not (ROOT / file).is_file()]
    assert TOGETHER == {unit(f"{file}::test_it[{number}]") for file in TOGETHER for number in range(2)}
    assert "tests/test_docs.py::test_it[1]" == unit("tests/test_docs.py::test_it[1]")


def test_no_property_is_tried_twice(request: pytest.FixtureRequest) -> None:
    """Where a property is to be tried with many examples, it is not tried with few."""
    assert [] == outdone(request.session.items)


def test_no_two_test_modules_share_a_name() -> None:
    """Each has a name of its own in all folders, since pytest imports a module by its bare name, and a name once."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))

    assert [] == [name for name, count in names.items() if count > 1]
