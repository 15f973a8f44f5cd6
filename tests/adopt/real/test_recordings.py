"""What was written down of each framework is what the framework that is installed here tells."""

import json

import pytest
from adopt.record import EXAMPLES, RECORDED, record


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_was_recorded_is_what_is_there(name: str) -> None:
    """The graph that the everyday tests read is the one that is read here."""
    if not EXAMPLES[name].is_here:
        pytest.skip(f"{EXAMPLES[name].library} is not installed; nox -s adopt installs it")

    recorded = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))

    assert recorded["graph"] == record(name)["graph"]
