"""The pytest plug-in: ready tests of machines, and what the runs of a session covered; loaded once it is asked for.

A file with machines is collected as `machines/shop.py::ShopFloor::bounded` and so on, beside tests that it may hold.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis.errors import HypothesisException

from ..define.machine import AnyMachine
from ..define.states import State
from ..discover import Module, modules, none_defined
from ..errors import DefinitionError, DiscoveryError, FsmError
from .called import code_states
from .coverage import Coverage, lines
from .ready import TESTS, Ready, agents_act

COVERAGE = pytest.StashKey[Coverage]()


def install(config: pytest.Config, *, covers: bool) -> None:
    """Register what the options of a session ask for.

    Args:
        config: of the session.
        covers: whether one of them asks for the coverage of edges.

    Raises pytest.UsageError: if a target is not there.
    """
    options = config.option
    collector = Machines()
    try:
        for target in options.fsm:
            collector.add(target, config.invocation_params.dir)
        for target in config.getini("fsm"):
            collector.add(target, config.rootpath)
    except DiscoveryError as error:
        raise pytest.UsageError(f"--fsm: {error}") from None
    config.pluginmanager.register(collector, "fsm_orch_machines")
    _choose(config, collector)
    if options.fsm_call_agents or options.fsm_call_agent:
        config.pluginmanager.register(Called(config), "fsm_orch_called")
    if covers:
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
    """Collects the machines of files."""

    def __init__(self) -> None:
        self.files: dict[Path, list[Module]] = {}
        """By file, the module that it is, once for each target that means it."""
        self._targets: dict[str, Sequence[Module]] = {}
        self._empty: set[Path] = set()
        """The files that turned out to have no machine."""

    def add(self, target: str, root: Path) -> None:
        """Add the files of a target.

        Raises DiscoveryError: if it is not there.
        """
        self._targets[target] = modules(target, root)
        for module in self._targets[target]:
            self.files.setdefault(module.path, []).append(module)

    def without(self, path: Path) -> list[DiscoveryError]:
        """Take note that a file has no machine, and return an error for each target that is now known to have none."""
        self._empty.add(path)
        found = ((target, named, {module.path for module in named}) for target, named in self._targets.items())
        return [none_defined(target, named) for target, named, paths in found if path in paths <= self._empty]

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


class Called:
    """Which agents are called by themselves: all, or those of the states that were named."""

    def __init__(self, config: pytest.Config) -> None:
        self._all: bool = config.option.fsm_call_agents
        self._named: list[str] = config.option.fsm_call_agent
        self._found: set[str] = set()

    def chosen(self, machine: AnyMachine) -> Iterator[State]:
        """Yield the states of a machine whose agents are called."""
        for state in code_states(machine.definition):
            names = {state.name, f"{machine.__name__}.{state.name}"} & {*self._named}
            self._found |= names
            if self._all or names:
                yield state

    def pytest_collection_modifyitems(self) -> None:
        """Check that every state that was named is there.

        Raises pytest.UsageError: if one is not.
        """
        missing = [name for name in self._named if name not in self._found]
        if missing:
            raise pytest.UsageError(
                f"--fsm-call-agent: no machine that was collected has a state {missing[0]!r} whose agent is code. "
                "Name the machines with --fsm, and the state as STATE or Machine.STATE"
            )


class NoTests(pytest.Module):
    """A module without tests."""

    def collect(self) -> list[Any]:
        """Return none."""
        return []


class MachineFile(pytest.File):
    """A file that defines machines."""

    def __init__(self, *, targets: Machines, **options: Any) -> None:
        super().__init__(**options)
        self._targets = targets

    def collect(self) -> Iterator[MachineTests | ReadyTest]:
        """Import the file; a machine that does not build is a test that fails.

        Raises CollectError: if the file cannot be imported, a machine that was picked is not there, or a target has
            turned out to have none.
        """
        try:
            every = [module.machines() for module in self._targets.files[self.path]]
        except DefinitionError as error:
            yield ReadyTest.from_parent(self, name="builds", machine=None, test=_failing(error))
            return
        except DiscoveryError as error:
            raise self.CollectError(f"--fsm: {error}") from None
        found = {name: machine for machines in every for name, machine in machines.items()}
        empty = [] if found else self._targets.without(self.path)
        if empty:
            raise self.CollectError("\n".join(f"--fsm: {error}" for error in empty))
        coverage = self.config.stash.get(COVERAGE, None)
        for name, machine in found.items():
            if coverage is not None:
                coverage.expect(machine.definition)
            yield MachineTests.from_parent(self, name=name, machine=machine)


class MachineTests(pytest.Collector):
    """The ready tests of one machine."""

    def __init__(self, *, machine: AnyMachine, **options: Any) -> None:
        super().__init__(**options)
        self._machine = machine

    def collect(self) -> Iterator[ReadyTest]:
        """Yield one item for each thing that is tested."""
        for name, test in TESTS.items():
            yield ReadyTest.from_parent(self, name=name, machine=self._machine, test=test)
        called = self.config.pluginmanager.get_plugin("fsm_orch_called")
        for state in called.chosen(self._machine) if called else ():
            yield ReadyTest.from_parent(self, name=f"act[{state.name}]", machine=self._machine, test=self._act(state))

    def _act(self, state: State) -> Ready:
        def deps() -> object:
            return self.ihook.pytest_fsm_deps(machine=self._machine, state=state.name)

        return partial(agents_act, state=state, deps=deps)


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


def _nothing_counted(config: pytest.Config, coverage: Coverage) -> Iterator[str]:
    """Yield why nothing was counted, what counts, and how to have it counted."""
    name = next(iter(coverage.machines), "Desk").partition(" ")[0]
    yield f"no test of yours ran a machine; each run that one begins counts, as Runner({name}, ...).run_sync(...) does"
    if coverage.machines:
        yield "the ready tests of --fsm do not count: they take nearly every edge, however little your own tests do"
    if config.option.fsm and config.args_source is not pytest.Config.ArgsSource.ARGS:
        targets = "".join(f" --fsm {shlex.quote(target)}" for target in config.option.fsm)
        yield f"--fsm alone collects no other tests, so name yours too: pytest tests{targets} --fsm-coverage"


class Covered:
    """Reports what the runs of a session covered."""

    def __init__(self, config: pytest.Config) -> None:
        self.coverage = config.stash[COVERAGE] = Coverage()
        self._required: float | None = config.option.fsm_require_coverage
        self._file: Path | None = config.option.fsm_coverage_json
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
        """Print the report, and write the file that was asked for."""
        terminalreporter.section("coverage of edges")
        for line in lines(self.coverage):
            terminalreporter.line(line)
        if self._file is not None:
            self._write(self._file, terminalreporter)
        if not any(taken.runs for taken in self.coverage.machines.values()):
            for line in _nothing_counted(terminalreporter.config, self.coverage):
                terminalreporter.line(line)
        if self._is_short:
            short = f"{self.coverage.percent:.0f} % of the declared edges were taken, {self._required:g} % are required"
            terminalreporter.line(short, red=True)

    def _write(self, file: Path, reporter: pytest.TerminalReporter) -> None:
        try:
            file.write_text(self.coverage.dump(), encoding="utf-8")
        except OSError as error:
            reporter.line(f"--fsm-coverage-json: {file} cannot be written: {error.strerror or error}", red=True)
