"""What pytest loads of fsm_orch in every project that has it installed: its options, a hook and a fixture, no more.

Pytest loads a copy of this file, which a wheel holds as `_fsm_orch_pytestplugin`, outside of the package: importing
anything inside the package imports all of `fsm_orch`. The plug-in proper, `fsm_orch.testing.plugin`, is imported only
if an option asks for it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("fsm_orch", "machines of fsm_orch")
    group.addoption(
        "--fsm",
        action="append",
        default=[],
        metavar="MODULE[:Machine]",
        help="Test every machine of a module, such as 'machines.shop', of a file, such as 'machines/shop.py', or of a "
        "package or folder with all modules below it; may be given several times. Without other arguments nothing else "
        "is tested.",
    )
    group.addoption(
        "--fsm-call-agents",
        action="store_true",
        help="For each state whose agent is code, call that agent by itself on generated contexts. What it does is "
        "really done, with the dependencies that the hook pytest_fsm_deps gives.",
    )
    group.addoption(
        "--fsm-call-agent",
        action="append",
        default=[],
        metavar="[Machine.]STATE",
        help="The same for one state, and for the others that are named; may be given several times.",
    )
    group.addoption(
        "--fsm-coverage",
        action="store_true",
        help="Report which edges of which machines the runs of this session took, without those of the ready tests.",
    )
    group.addoption(
        "--fsm-require-coverage",
        type=_percent,
        metavar="PERCENT",
        help="Fail the session if the runs of its own tests took less than PERCENT of the declared edges; also reports "
        "them. The ready tests of --fsm do not count: they take nearly every edge.",
    )
    group.addoption(
        "--fsm-coverage-json",
        type=Path,
        metavar="FILE",
        help="Write how often each edge was taken into a file, as JSON; also reports it.",
    )
    group.addoption(
        "--fsm-record",
        action="store_true",
        help="For tests with the fixture fsm_cassette: send their requests for real, and record their cassettes again.",
    )
    parser.addini("fsm", "Modules, files or folders whose machines are tested along with testpaths.", "args", [])


def _percent(given: str) -> float:
    """Return a percentage.

    Raises argparse.ArgumentTypeError: if it is not a number from 0 to 100.
    """
    try:
        percent = float(given)
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 100:  # also refuses nan
        raise argparse.ArgumentTypeError(f"{given!r} is not a number from 0 to 100")
    return percent


class Hooks:
    """What a conftest.py may say of the machines of its folder."""

    @pytest.hookspec(firstresult=True)
    def pytest_fsm_deps(self, machine: type, state: str) -> object:
        """Return the dependencies for one call of the agent of a state, or a context manager that opens them.

        They are the test's own, since an agent may pay with them. Without any, the agents of a machine that declares
        dependencies are not called.
        """


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Let a conftest.py have the hooks, whether an option asks for the plug-in or not."""
    pluginmanager.add_hookspecs(Hooks)


def pytest_configure(config: pytest.Config) -> None:
    """Load the plug-in if an option asks for it.

    Raises pytest.UsageError: if what it needs is not installed.
    """
    options = config.option
    covers = options.fsm_coverage or options.fsm_require_coverage is not None or options.fsm_coverage_json is not None
    if options.fsm or covers or config.getini("fsm"):
        try:
            from fsm_orch.testing.plugin import install  # noqa: PLC0415 - not for those who do not ask
        except ModuleNotFoundError as error:
            raise pytest.UsageError(_what_is_missing("--fsm", error)) from None
        install(config, covers=covers)


def _what_is_missing(what: str, error: ModuleNotFoundError) -> str:
    """Return what to install; a module that is missing for another reason is raised again."""
    if error.name not in ("hypothesis", "vcr"):
        raise error
    from fsm_orch.define.wording import to_install  # noqa: PLC0415 - not for those who do not ask

    return f"{what} needs {error.name}: {to_install('test')}"


@pytest.fixture
def fsm_cassette(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Replay the traffic of SDKs in a test; with --fsm-record, record it.

    Yields the path of the cassette: cassettes/<module>/<test>.json beside the test's file. <test> has the class and the
    parameters in it.
    """
    try:
        from fsm_orch.testing.cassette import cassette  # noqa: PLC0415 - not for those who do not ask
    except ModuleNotFoundError as error:
        pytest.fail(_what_is_missing("fsm_cassette", error), pytrace=False)
    test = f"{request.cls.__qualname__}.{request.node.name}" if request.cls else request.node.name
    place = request.path.parent / "cassettes" / request.path.stem / f"{quote(test, safe='[], ')}.json"
    with cassette(place, record=request.config.option.fsm_record):
        yield place
