"""The notebooks show what their code does today: each is executed, and compared with the .ipynb beside it."""

import difflib
from pathlib import Path

import jupytext
import pytest
from tools.execute import NOTEBOOKS, ROOT, execute, pairs


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
    cells = [cell for cell in jupytext.read(path, fmt="py:percent").cells if cell.cell_type == "code"]

    assert [] == [line for cell in cells for line in cell.source.splitlines() if len(line) > 76]
