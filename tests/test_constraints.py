"""What README's commands install is pinned: every package, exactly, and within what pyproject.toml declares."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.pinned import CONSTRAINTS, pins

ROOT = Path(__file__).parents[1]
ELSEWHERE = {"google-genai 3.6": Requirement("tenacity>=8.2.3,<9.2.0")}
"""What libraries that are used beside this one need of what this one needs too."""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def declared(extra: str) -> Iterator[Requirement]:
    """Give what an extra of the project needs, its extras of the project itself unfolded."""
    for requirement in map(Requirement, PROJECT["optional-dependencies"][extra]):
        if requirement.name == PROJECT["name"]:
            for other in sorted(requirement.extras):
                yield from declared(other)
        else:
            yield requirement


def installed(name: str, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """Give what an installed distribution needs on this machine, and with which extras."""
    for line in distribution(name).requires or ():
        requirement = Requirement(line)
        for extra in extras or {""}:
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                yield canonicalize_name(requirement.name), frozenset(requirement.extras)


def test_the_header_says_how_it_is_renewed() -> None:
    """The first two lines say what the file is, and which command writes it; all others are exact pins."""
    _, command, *lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()

    assert "nox -s constraints" in command
    assert [] == [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; .+)?", line)]
    assert len(lines) == len(pins())  # none is pinned twice, for different platforms


def test_what_is_declared_is_pinned_within_its_bounds() -> None:
    """Each direct dependency is pinned at a version that its own bounds allow."""
    needed = [*map(Requirement, PROJECT["dependencies"]), *declared("local"), *declared("dev")]

    assert [] == [r for r in needed if pins().get(canonicalize_name(r.name), "") not in r.specifier]


def test_the_extra_of_the_site_has_what_its_tools_import() -> None:
    """Whatever makes the pages of the site imports this package, and what `docs` or it declares itself."""
    tools = ROOT / "notebooks" / "tools"
    parsed = [ast.parse((tools / name).read_text(encoding="utf-8")) for name in ("pages.py", "docstrings.py")]
    nodes = [node for tree in parsed for node in ast.walk(tree)]
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    others = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names - {PROJECT["name"]}
    ours = {canonicalize_name(r.name) for r in (*map(Requirement, PROJECT["dependencies"]), *declared("docs"))}
    # griffe is a part of mkdocstrings' handler for Python, whose extension the second tool is
    given = ours | ({"griffe"} if "mkdocstrings" in ours else set())

    assert "nbformat" in others
    assert others - given == set()


@pytest.mark.parametrize("needed", ELSEWHERE.values(), ids=ELSEWHERE)
def test_bounds_leave_room_for_libraries_beside_it(needed: Requirement) -> None:
    """What another library needs of a shared dependency can be had together with what is declared here."""
    (ours,) = (r for r in map(Requirement, PROJECT["dependencies"]) if r.name == needed.name)
    lowest = [bound.version for bound in ours.specifier if bound.operator in (">=", "==")]

    assert lowest
    assert [] == [version for version in lowest if version not in needed.specifier]


def test_what_that_needs_is_pinned_too() -> None:
    """So is everything that those need on this machine, and so on."""
    try:
        found = {(PROJECT["name"], frozenset({"local", "dev"}))}
        wanting = list(found)
        while wanting:
            new = [needed for needed in installed(*wanting.pop()) if needed not in found]
            found.update(new)
            wanting += new
    except PackageNotFoundError as error:
        pytest.skip(f"not all is installed: {error}")

    assert set() == {name for name, _ in found} - pins().keys() - {canonicalize_name(PROJECT["name"]), PROJECT["name"]}


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(line, id=f"{path}:{number}")
        for path in ("README.md", ".ci/run")
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1)
        if re.search(r"pip install .*-e ", line)
    ],
)
def test_installs_are_constrained(line: str) -> None:
    """What README and the checks of a change install for work on the project is what is pinned."""

    assert "-c constraints.txt" in line
