"""How properties are hunted, and which tests need more than the package."""

import asyncio
import os
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

import pytest
from hypothesis import Phase, settings
from support.lanes import unit

from fsm_orch.errors import ModelUnavailable
from fsm_orch.models import weights

settings.register_profile("default", deadline=None, print_blob=True)
settings.register_profile("ci", settings.get_profile("default"), derandomize=True)
settings.register_profile(  # a mutant is dead at the first example that fails, however long that is
    "mutants", settings.get_profile("ci"), phases=[Phase.explicit, Phase.generate], database=None
)
settings.load_profile(os.environ.get("FSM_ORCH_PROFILE") or os.environ.get("HYPOTHESIS_PROFILE") or "default")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let async tests be tests, and say that the main thread has no event loop."""
    # not in pyproject.toml: where pytest-asyncio is not installed, as for `pytest --fsm machines`, no option is known
    config.option.asyncio_mode = "auto"
    asyncio.set_event_loop(None)  # looptime asks for one in sync tests, and would leave it open


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Take the tests of the local model as slow, and skip them where it cannot run, saying what is missing."""
    missing = _missing()
    for item in items:
        if item.get_closest_marker("local"):
            item.add_marker("slow")
            if missing is not None:
                item.add_marker(pytest.mark.skip(reason=missing))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give some files to one worker as a whole, however tests are distributed else."""
    from xdist.scheduler import LoadGroupScheduling

    # not by the mark `xdist_group`: pytest 9.2 ignores it (https://github.com/pytest-dev/pytest-xdist/issues/1386)
    class Scheduling(LoadGroupScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit(nodeid)

    return Scheduling(config, log)


def _missing() -> str | None:
    if find_spec("xllamacpp") is None:
        return "Local models need a package; run: pip install 'fsm_orch[local]'"
    try:
        for name in weights.CATALOGUE:
            weights.locate(name)
    except ModelUnavailable as error:
        return str(error)
    return None
