"""Ten machines that are unsafe, each in another way: each is found, and what the page says to do mends it."""

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fsm_orch.cli import app

PLANTED = sorted((Path(__file__).parents[2] / "support" / "planted").glob("[a-z]*.py"))


def constant(path, name):
    """Read a constant of a module that may not be importable."""
    (node,) = (
        node
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name
    )
    return ast.literal_eval(node.value)


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Check a planted machine, mended or not, from a directory of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    written = []

    def run(path, *options, mended):
        source, (old, new) = path.read_text(encoding="utf-8"), constant(path, "MENDED")
        assert source.partition("\nFOUND")[0].count(old) == 1
        module = f"{path.stem}_{'mended' if mended else 'planted'}"
        (tmp_path / f"{module}.py").write_text(source.replace(old, new, 1) if mended else source, encoding="utf-8")
        written.append(module)
        importlib.invalidate_caches()
        return CliRunner().invoke(app, ["check", module, *options])

    yield run
    for name in written:
        sys.modules.pop(name, None)


def test_there_are_ten():
    """As many as the issue lists."""
    assert len(PLANTED) == 10


@pytest.mark.parametrize("path", PLANTED, ids=lambda path: path.stem)
def test_a_planted_machine_is_found(path, check):
    """Its finding is on the page, with the line it is about."""
    result = check(path, "--strict", mended=False)

    assert result.exit_code == 1, result.output
    assert f"\n{constant(path, 'FOUND')}" in result.stdout
    assert f"{path.stem}_planted.py:" in result.stdout


@pytest.mark.parametrize("path", PLANTED, ids=lambda path: path.stem)
def test_a_mended_machine_is_clean(path, check):
    """What the finding says to do leaves no error and no warning."""
    result = check(path, "--strict", mended=True)

    assert result.exit_code == 0, result.output
    assert "warning" not in result.stdout


VIOLATED = [path for path in PLANTED if "policies" in path.read_text(encoding="utf-8")]


@pytest.mark.slow
@pytest.mark.parametrize("path", VIOLATED, ids=lambda path: path.stem)
def test_the_generated_test_fails_until_the_machine_is_mended(path, check):
    """The counterexample of a violated policy is red on the machine, and green on the mended one if it still plays."""
    check(path, "--counterexample", "test_found.py", mended=False)
    check(path, mended=True)
    source = Path("test_found.py").read_text(encoding="utf-8")
    mended = source.replace(f"{path.stem}_planted", f"{path.stem}_mended")
    Path("test_mended.py").write_text(mended, encoding="utf-8")

    program = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_found.py", "test_mended.py"]
    places = os.pathsep.join([".", os.environ.get("PYTHONPATH", "")])  # the package that is tested, wherever it lies
    done = subprocess.run(program, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": places})
    is_removed = constant(path, "MENDED")[1] == ""
    assert ("2 failed" if is_removed else "1 failed, 1 passed") in done.stdout, done.stdout
    assert ("Remove this test too then" in source) == is_removed
    assert "is broken:" in done.stdout
    assert "FAILED test_found.py" in done.stdout


@pytest.mark.parametrize("path", VIOLATED, ids=lambda path: path.stem)
def test_the_page_suggests_what_mends_it(path, check):
    """The smallest change is the one that the mended machine made."""
    page = check(path, mended=False).stdout

    assert constant(path, "SUGGESTED") in page
