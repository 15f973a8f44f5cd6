"""The notebooks show what their code does today: each is executed, and compared with the .ipynb beside it."""

import ast
import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupytext
import pytest
from tools.execute import NOTEBOOKS, ROOT, execute, pairs

import fsm_orch
from fsm_orch import Machine
from fsm_orch.testing.asserts import check_policies


def notebooks() -> list[object]:
    """Return the notebooks; one that names a local model needs its weights."""
    return [pytest.param(path, id=path.stem, marks=marks(path.read_text("utf-8"))) for path in pairs()]


def marks(source: str) -> list[pytest.MarkDecorator]:
    """Return the marks of a notebook: by the local models that it names, `local:smollm2` and `get minilm`."""
    models = [name for name, sign in (("smollm2", "local:"), ("minilm", "model get minilm")) if sign in source]
    return [pytest.mark.local(*models)] if models else []


def difference(shown: str, made: str, name: str) -> str:
    """Return the lines in which a notebook that is shown differs from one that was made now; none if it does not."""
    old, new = (text.splitlines() for text in (shown, made))
    return "\n".join(difflib.unified_diff(old, new, f"{name}, as committed", f"{name}, executed now", lineterm="", n=2))


@pytest.mark.slow
@pytest.mark.parametrize("path", notebooks())
def test_a_notebook_shows_what_it_does(path: Path) -> None:
    """Executed again, a notebook has the sources and outputs that are committed."""
    shown = path.with_suffix(".ipynb")
    found = difference(shown.read_text(encoding="utf-8"), execute(path), shown.name)

    if found:
        how = f"python {Path('notebooks', 'tools', 'execute.py')} {path.stem}"
        pytest.fail(f"{shown.relative_to(ROOT)} is not what its code makes; if it should be: {how}\n{found}", False)


@pytest.mark.parametrize("path", pairs(), ids=lambda path: path.stem)
def test_a_spoilt_output_is_seen(path: Path) -> None:
    """A notebook in which one character of one output was changed differs, and the difference shows that line."""
    shown = path.with_suffix(".ipynb").read_text(encoding="utf-8")
    place = shown.index('"text": [\n') + len('"text": [\n')
    spoilt = shown[:place] + shown[place:].replace("e", "3", 1)

    found = difference(shown, spoilt, path.name).splitlines()

    assert "" == difference(shown, shown, path.name)
    assert 1 == sum(line.startswith("-") for line in found[2:])
    assert 1 == sum(line.startswith("+") for line in found[2:])


def test_every_notebook_has_its_outputs() -> None:
    """Each .py has its .ipynb, and no .ipynb is without its .py."""
    sources = {path.stem for path in pairs()}

    assert sources == {path.stem for path in NOTEBOOKS.glob("*.ipynb")}


@pytest.mark.parametrize("path", pairs(), ids=lambda path: path.stem)
def test_code_is_narrow(path: Path) -> None:
    """No line of code is longer than 76 characters, which is what a page shows without cutting it off."""
    assert [] == [line for cell in cells(path, "code") for line in cell.splitlines() if len(line) > 76]


def cells(path: Path, kind: str) -> list[str]:
    """Return the cells of a kind of a notebook, `code` or `markdown`."""
    return [cell.source for cell in jupytext.read(path, fmt="py:percent").cells if cell.cell_type == kind]


def calls_in_prose(path: Path) -> Iterator[str]:
    """Yield the Python between backticks that calls something with arguments, and leaves nothing out by `...`."""
    for text in cells(path, "markdown"):
        for found in re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)):
            shown = " ".join(found.split())
            try:
                parts = list(ast.walk(ast.parse(shown)))
            except SyntaxError:
                continue
            with_arguments = any(isinstance(part, ast.Call) and (part.args or part.keywords) for part in parts)
            if with_arguments and not any(isinstance(part, ast.Constant) and part.value is ... for part in parts):
                yield shown


def machines_in(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the names of each file with machines that a notebook writes, those in the bodies of its classes too."""
    for cell in cells(path, "code"):
        name, _, source = cell.partition("\n")
        if not re.fullmatch(r"%%writefile \w+\.py", name) or "(Machine[" not in source:
            continue
        names: dict[str, Any] = {"__name__": name.split()[1].removesuffix(".py")}
        exec(compile(source, name, "exec", dont_inherit=True), names)
        (machine,) = (one for one in names.values() if isinstance(one, type) and Machine in one.__bases__)
        yield {**{name: getattr(fsm_orch, name) for name in fsm_orch.__all__}, **names, **vars(machine), "": machine}


def builds(policy: str, names: dict[str, Any]) -> bool:
    """Return whether a policy can be written in the class that has these names."""
    try:
        check_policies(names[""], eval(policy, dict(names)))
    except NameError:
        return False
    return True


@pytest.mark.parametrize("path", pairs(), ids=lambda path: path.stem)
def test_what_prose_shows_works(path: Path) -> None:
    """Python in a sentence stands in a cell too, which is executed, or is a policy that a machine there builds with."""
    executed = " ".join("\n".join(cells(path, "code")).split())
    others = [shown for shown in calls_in_prose(path) if shown not in executed]
    machines = list(machines_in(path)) if others else []

    assert [] == [shown for shown in others if shown.partition(" = ")[1]]  # a part of a machine, built by nobody
    assert [] == [shown for shown in others if not any(builds(shown, names) for names in machines)]
