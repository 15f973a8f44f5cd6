"""How properties are hunted, and which tests need more than the package."""

import asyncio
import os
from collections.abc import Iterable
from importlib.util import find_spec

import pytest
from hypothesis import Phase, settings

from fsm_orch.errors import ModelUnavailable
from fsm_orch.models import weights

settings.register_profile("default", deadline=None, print_blob=True)
settings.register_profile("ci", settings.get_profile("default"), derandomize=True)
settings.register_profile(  # a mutant is dead at the first example that fails, however long that is
    "mutants", settings.get_profile("ci"), phases=[Phase.explicit, Phase.generate], database=None
)
settings.load_profile(os.environ.get("FSM_ORCH_PROFILE") or os.environ.get("HYPOTHESIS_PROFILE") or "default")


def pytest_configure() -> None:
    """Say that the main thread has no event loop: looptime asks for one in sync tests, and would leave it open."""
    asyncio.set_event_loop(None)


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Take the tests of the local model as slow, and for one process: two would load the weights twice.

    Where it cannot run they are skipped, and what is missing is said.
    """
    missing = _missing()
    for item in items:
        if item.get_closest_marker("local"):
            item.add_marker("slow")
            item.add_marker(pytest.mark.xdist_group("local"))
            if missing is not None:
                item.add_marker(pytest.mark.skip(reason=missing))


def _missing() -> str | None:
    if find_spec("xllamacpp") is None:
        return "Local models need a package; run: pip install 'fsm_orch[local]'"
    try:
        for name in weights.CATALOGUE:
            weights.locate(name)
    except ModelUnavailable as error:
        return str(error)
    return None
