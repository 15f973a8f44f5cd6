"""What differs from run to run is not in a notebook, and everything else is."""

from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from tools import execute
from tools.execute import ROOT

SHIFTY = """\
# %% [markdown]
# A notebook whose outputs differ from run to run.

# %%
import os, sys, time, warnings
from pathlib import Path

print("first", flush=True)
time.sleep(0.05)
print("second")
print("explored in 0.0417 s", object(), Path.cwd(), Path("made.txt").resolve())

# %%
warnings.warn("look out")

# %%
# !python -c "print('a'); import os; print(os.environ['TERM'], os.environ.get('CI'))"

# %%
{"place": __import__("fsm_orch").__file__, "time": "it took 12.5 s; at most 60 s"}

# %%
import logging

logging.getLogger("matplotlib.font_manager").warning("findfont: Font family 'Inter' not found.")

# %%
# %config InlineBackend.figure_formats = ["svg"]
import matplotlib.pyplot as plt

plt.plot([1, 2], [2, 1], label="a line")
_ = plt.legend()

# %%
import figures_that_are_not_there
"""


def pair(folder: Path, source: str) -> Path:
    """Write a notebook, and return the path of its .py."""
    path = folder / "1_shifty.py"
    path.write_text(source, encoding="utf-8")
    return path


@pytest.mark.slow
def test_an_execution_differs_from_none_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two executions give the same bytes, though cells print the time, addresses, folders, processes and variables."""
    shifty = SHIFTY.replace("import figures_that_are_not_there", "")
    path = pair(tmp_path, shifty)

    first = execute.execute(path)
    monkeypatch.setenv("CI", "true")
    second = execute.execute(path)

    assert first == second
    notebook = nbformat.reads(first, as_version=4)
    nbformat.validate(notebook)
    printed, warned, called, placed, logged, plotted = (cell.outputs for cell in notebook.cells[1:7])
    assert ["first\nsecond\nexplored in … s <object object at 0x…> . made.txt\n"] == [out.text for out in printed]
    assert ['cell:1: UserWarning: look out\n  warnings.warn("look out")\n'] == [out.text for out in warned]
    assert ["a\ndumb None\n"] == [out.text for out in called]
    assert "fsm_orch/__init__.py" in placed[0].data["text/plain"]
    assert "it took 12.5 s; at most 60 s" in placed[0].data["text/plain"]
    assert [] == logged
    assert ">a line</text>" in plotted[0].data["image/svg+xml"]
    assert not any(str(folder) in first for folder in (ROOT, tmp_path, Path.home() / "."))


@pytest.mark.slow
def test_a_cell_that_raises_stops_a_notebook(tmp_path: Path) -> None:
    """A notebook whose cell raises is not written, and the error shows the cell."""
    with pytest.raises(CellExecutionError, match="No module named 'figures_that_are_not_there'"):
        execute.execute(pair(tmp_path, SHIFTY))


def test_cells_keep_their_ids() -> None:
    """The id of a cell depends on its own source, and equal cells have different ids."""

    def ids(*sources: str) -> list[str]:
        return execute.names_of([nbformat.v4.new_code_cell(source) for source in sources])

    first, second = ids("a = 1", "b = 2")

    assert [first, *ids("new"), second] == ids("a = 1", "new", "b = 2")
    assert 3 == len(set(ids("a = 1", "a = 1", "a = 1")))
