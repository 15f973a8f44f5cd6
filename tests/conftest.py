"""How properties are hunted, and which tests need more than the package."""

import asyncio
import os
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from typing import Any

import pytest
from hypothesis import Phase, settings
from support.lanes import outdone, unit

from fsm_orch.define.wording import to_install
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


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Take the tests of local models as slow, leave out what is long unless `-m` names that, and run none twice."""
    _mark_local(items)
    for item in items:
        if "chromium" in getattr(item, "fixturenames", ()):  # one browser for a module, and so one event loop
            item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)
    if "long" not in config.option.markexpr:  # not in pyproject.toml: any other `-m`, such as `-m slow`, would undo it
        _leave_out(config, items, [item for item in items if item.get_closest_marker("long")])
    yield  # `-m` and `-k` take their share
    _leave_out(config, items, outdone(items))


def _leave_out(config: pytest.Config, items: list[pytest.Item], out: Iterable[pytest.Item]) -> None:
    left = set(out)
    config.hook.pytest_deselected(items=list(left))
    items[:] = [item for item in items if item not in left]


def _mark_local(items: Iterable[pytest.Item]) -> None:
    """Mark the tests of local models slow, and skip them where those cannot run, saying what is missing."""
    for item in items:
        for mark in item.iter_markers("local"):
            item.add_marker("slow")
            for missing in filter(None, map(_missing, mark.args or ("smollm2",))):
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


@cache
def _missing(name: str) -> str | None:
    """Return what keeps a local model from running, and what to do; None if nothing does."""
    kind = weights.find(name).kind
    extra, packages = {"language": ("local", ["xllamacpp"]), "embedding": ("embed", ["onnxruntime", "tokenizers"])}[
        kind
    ]
    if not all(map(find_spec, packages)):
        return f"Local models need some packages: {to_install(extra)}"
    try:
        weights.paths_of(name, kind)
    except ModelUnavailable as error:
        return str(error)
    return None
