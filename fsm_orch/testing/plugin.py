"""The pytest plug-in: ready tests of machines, and what the runs of a session covered; loaded once it is asked for.

A file with machines is collected as `machines/shop.py::ShopFloor::bounded` and so on, beside tests that it may hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from hypothesis.errors import HypothesisException

from ..define.machine import AnyMachine
from ..errors import DefinitionError, FsmError
from .coverage import Coverage, lines
from .ready import TESTS, Ready
from .targets import TargetError, files, machines

COVERAGE = pytest.StashKey[Coverage]()


def install(config: pytest.Config) -> None:
    """Register what the options of a session ask for.

    Raises pytest.UsageError: if a target is not there.
    """
    options, root = config.option, config.invocation_params.dir
    collector = Machines(root)
    try:
        for target in options.fsm:
            collector.add(target)
        for target in config.getini("fsm"):
            collector.add(target, root=config.rootpath)
    except TargetError as error:
        raise pytest.UsageError(f"--fsm: {error}") from None
    config.pluginmanager.register(collector, "fsm_orch_machines")
    _choose(config, collector)
    if options.fsm_coverage or options.fsm_require_coverage is not None:
        config.pluginmanager.register(Covered(config), "fsm_orch_coverage")


def _choose(config: pytest.Config, collector: Machines) -> None:
    """Add the files to what is collected: to what was named, else to `testpaths`, unless `--fsm` says all."""
    is_named = config.args_source is pytest.Config.ArgsSource.ARGS
    chosen = [str(path) for path in collector.files]
    if config.option.fsm:
        config.args = [*config.args, *chosen] if is_named else chosen
    elif not is_named:
        config.args = [*config.args, *chosen]


class Machines:
    """Collects the machines of files.

    Args:
        root: where targets are looked for.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.files: dict[Path, tuple[list[str], Path]] = {}
        """By file, the machines that were picked, "" for all, and where the file's name starts from."""
        self._hopeful: dict[str, set[Path]] = {}
        """By target, its files that have a machine, or were not looked into yet."""

    def add(self, target: str, *, root: Path | None = None) -> None:
        """Add the files of a target.

        Raises TargetError: if it is not there.
        """
        root = root or self._root
        found = files(target, root)
        self._hopeful[target] = {*found}
        for path, picked in found.items():
            self.files.setdefault(path, ([], root))[0].append(picked)

    def without(self, path: Path) -> list[str]:
        """Take note that a file has no machine, and tell the targets that are now known to have none at all."""
        for left in self._hopeful.values():
            left.discard(path)
        empty = [target for target, left in self._hopeful.items() if not left]
        for target in empty:
            del self._hopeful[target]
        return empty

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> MachineFile | None:
        """Collect a file with machines."""
        if file_path not in self.files:
            return None
        return MachineFile.from_parent(parent, path=file_path, targets=self)

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makemodule(self, module_path: Path, parent: pytest.Collector) -> NoTests | None:
        """Keep pytest from looking for tests in a file that is named for its machines alone."""
        patterns = parent.config.getini("python_files")
        if module_path not in self.files or any(fnmatch(module_path.name, pattern) for pattern in patterns):
            return None
        return NoTests.from_parent(parent, path=module_path)


class NoTests(pytest.Module):
    """A module without tests."""

    def collect(self) -> list[Any]:
        """Give none."""
        return []


class MachineFile(pytest.File):
    """A file that defines machines."""

    def __init__(self, *, targets: Machines, **options: Any) -> None:
        super().__init__(**options)
        self._targets = targets

    def collect(self) -> Iterator[MachineTests | ReadyTest]:
        """Import the file; a machine that does not build is a test that fails.

        Raises CollectError: if a machine that was picked is not there, or a target has turned out to have none.
        """
        picked, root = self._targets.files[self.path]
        try:
            found = {name: machine for one in picked for name, machine in machines(self.path, root, one).items()}
        except DefinitionError as error:
            yield ReadyTest.from_parent(self, name="builds", machine=None, test=_failing(error))
            return
        except TargetError as error:
            raise self.CollectError(f"--fsm: {error}") from None
        empty = [] if found else self._targets.without(self.path)
        if empty:
            raise self.CollectError("\n".join(map(_without, empty)))
        coverage = self.config.stash.get(COVERAGE, None)
        for name, machine in found.items():
            if coverage is not None:
                coverage.expect(machine.definition)
            yield MachineTests.from_parent(self, name=name, machine=machine)


def _without(target: str) -> str:
    do = f"Write one, class X(Machine[...]), or pick one that it imports: {f'{target}:Machine'!r}"
    return f"--fsm: {target!r} defines no machine. {do}"


class MachineTests(pytest.Collector):
    """The ready tests of one machine."""

    def __init__(self, *, machine: AnyMachine, **options: Any) -> None:
        super().__init__(**options)
        self._machine = machine

    def collect(self) -> Iterator[ReadyTest]:
        """Give one item for each thing that is tested."""
        for name, test in TESTS.items():
            yield ReadyTest.from_parent(self, name=name, machine=self._machine, test=test)


class ReadyTest(pytest.Item):
    """One ready test of a machine."""

    def __init__(self, *, machine: AnyMachine | None, test: Ready, **options: Any) -> None:
        super().__init__(**options)
        self._machine = machine
        self._test = test

    def runtest(self) -> None:
        """Test, without counting what its runs cover."""
        with ExitStack() as stack:
            coverage = self.config.stash.get(COVERAGE, None)
            if coverage is not None:
                stack.enter_context(coverage.paused())
            self._test(self._machine)  # type: ignore[arg-type]  # only `builds` has none, and looks at none

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show what was found; a traceback only where something broke that nobody expected."""
        if isinstance(excinfo.value, AssertionError | FsmError | HypothesisException):
            return "\n".join([str(excinfo.value), *getattr(excinfo.value, "__notes__", ())])
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Point to the machine."""
        where = self._machine.definition.where.rpartition(":")[2] if self._machine else ""
        return self.path, int(where) - 1 if where.isdecimal() else None, self.name


def _failing(error: DefinitionError) -> Ready:
    def test(machine: AnyMachine) -> None:  # noqa: ARG001
        raise error

    return test


class Covered:
    """Reports what the runs of a session covered."""

    def __init__(self, config: pytest.Config) -> None:
        self.coverage = config.stash[COVERAGE] = Coverage()
        self._required: float | None = config.option.fsm_require_coverage
        stack = ExitStack()
        stack.enter_context(self.coverage.watching())
        config.add_cleanup(stack.close)

    @property
    def _is_short(self) -> bool:
        return self._required is not None and self.coverage.percent < self._required

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a session that covered too little; a worker of pytest-xdist hands over what it saw."""
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["fsm_coverage"] = self.coverage.dump()
        elif self._is_short and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker of pytest-xdist saw; one that crashed has nothing to hand over."""
        self.coverage.add(getattr(node, "workeroutput", {}).get("fsm_coverage", "{}"))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the report."""
        terminalreporter.section("coverage of edges")
        for line in lines(self.coverage):
            terminalreporter.line(line)
        if not self.coverage.machines:
            terminalreporter.line("no machine was run")
        if self._is_short:
            short = f"{self.coverage.percent:.0f} % of the declared edges were taken, {self._required:g} % are required"
            terminalreporter.line(short, red=True)
