"""Execute notebooks, so that each executed twice is the same file twice.

A notebook is a pair. `1_name.py` is what people edit, in cells after `# %%`, as jupytext reads them. `1_name.ipynb` is
the same with its outputs, which GitHub shows.

    python notebooks/tools/execute.py                   write every .ipynb
    python notebooks/tools/execute.py 1_first_machine   write this one

A notebook runs in an empty folder that is removed afterwards. It may import `figures`, `machines` and `fsm_orch`, and
call what is installed beside this Python, such as `!fsm-orch`. What differs from run to run is taken out of its
outputs: seconds after "in", addresses of objects, folders, and names of files that hold a cell. Anything else that
differs is for the notebook to leave out.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parents[1]
ROOT = NOTEBOOKS.parent

COLUMNS = 80
"""The width of a terminal in a notebook: what the pages of the documentation show without cutting lines off."""

CELL_TIMEOUT_S = 120
"""The longest that a cell may take. A notebook should take less than a minute in all."""

_PREPARE = (
    "import logging, os",
    # ipykernel sets TERM itself, after its environment was read; one that is not dumb draws live and in bold
    "os.environ['TERM'] = 'dumb'",
    # a font that is not installed here is warned of, and which ones are differs from machine to machine
    "logging.getLogger('matplotlib').setLevel('ERROR')",
    "del logging, os",
)
"""What the kernel does before the first cell."""

_KEPT = re.compile(r"(HOME|USERPROFILE|SYSTEMROOT|TMPDIR|TEMP|TMP|LD_LIBRARY_PATH|XDG_\w+|FSM_ORCH_\w+)$")
"""The variables that a kernel is given. Others change what is printed: under CI, for one, pytest shortens no line."""

_PLOTS = """\
svg.fonttype: none
svg.hashsalt: fsm_orch
"""
"""How matplotlib draws: text as text, and ids that are the same in every process."""

_UNSTEADY = (
    (re.compile(r"\r\n"), "\n"),  # of the pseudo-terminal behind `!`
    (re.compile(r"\bin \d+(?:\.\d+)? ?s\b"), "in … s"),
    (re.compile(r"\b0x[0-9a-f]{6,}"), "0x…"),
    (re.compile(r"[^\s'\"(<]*/ipykernel_\d+/\d+\.py"), "cell"),
)


def pairs() -> list[Path]:
    """Return the notebooks, each by its .py, in the order of their numbers."""
    return sorted(NOTEBOOKS.glob("[0-9]*_*.py"))


def execute(path: Path) -> str:
    """Execute a notebook, and return the text of its .ipynb.

    Args:
        path: its .py.

    Raises nbclient.exceptions.CellExecutionError: if a cell raises that has no tag `raises-exception`.
    """
    notebook = jupytext.read(path, fmt="py:percent")
    for cell, name in zip(notebook.cells, names_of(notebook.cells), strict=True):
        cell.id = name
    with tempfile.TemporaryDirectory() as outer:
        scratch = Path(outer).resolve() / "scratch"
        scratch.mkdir()
        Path(outer, "matplotlibrc").write_text(_PLOTS, encoding="utf-8")
        client = NotebookClient(
            notebook,
            timeout=CELL_TIMEOUT_S,
            kernel_name="python3",
            resources={"metadata": {"path": str(scratch)}},
            record_timing=False,
            extra_arguments=[
                f"--IPKernelApp.exec_lines={list(_PREPARE)}",
                "--InteractiveShell.colors=nocolor",
                "--Application.log_level=ERROR",  # or each kernel warns that it talks over a socket of this machine
            ],
        )
        client.execute(env=_environment(Path(outer)))
    folders = {f"{scratch}/": "", str(scratch): ".", f"{ROOT}/": ""}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = list(_steady(cell.outputs, folders))
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    text: str = nbformat.writes(notebook)
    return f"{text.rstrip()}\n"


def names_of(cells: Iterable[Any]) -> list[str]:
    """Return an id for each cell, made of its source: a cell that is put in changes no other's id."""
    seen = Counter[str]()
    names = []
    for cell in cells:
        name = hashlib.sha256(cell.source.encode()).hexdigest()[:8]
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return names


def _environment(folder: Path) -> dict[str, str]:
    """Return the variables of a kernel: of those of this process, only what it needs to work.

    Args:
        folder: where its own files are.
    """
    kept = {name: value for name, value in os.environ.items() if _KEPT.match(name)}
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": f"{NOTEBOOKS}{os.pathsep}{ROOT}",
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "IPYTHONDIR": str(folder / "ipython"),
        "MATPLOTLIBRC": str(folder / "matplotlibrc"),
        "SOURCE_DATE_EPOCH": "0",  # the date that a plot says it is of
        "COLUMNS": str(COLUMNS),
        "NO_COLOR": "1",
        # the extra `test` installs one plug-in of pytest that matters, and nothing is there from a run before
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": "_fsm_orch_pytestplugin",
        "PYTEST_ADDOPTS": "-p no:cacheprovider",
    }


def _steady(outputs: list[Any], folders: Mapping[str, str]) -> Iterator[Any]:
    """Yield outputs without what differs from run to run.

    What was written to one stream is one piece: in which chunks it comes is chance.
    """
    last = None
    for output in outputs:
        if output.output_type == "stream" and last is not None and last.get("name") == output.name:
            last.text += output.text
            continue
        if last is not None:
            yield _mended(last, folders)
        last = output
    if last is not None:
        yield _mended(last, folders)


def _mended(value: Any, folders: Mapping[str, str]) -> Any:
    """Return an output, or a part of one, with each text in it mended."""
    if isinstance(value, str):
        for folder, shown in folders.items():
            value = value.replace(folder, shown)
        for pattern, shown in _UNSTEADY:
            value = pattern.sub(shown, value)
        return value
    if isinstance(value, Mapping):
        return nbformat.from_dict({key: _mended(part, folders) for key, part in value.items()})
    if isinstance(value, list):
        return [_mended(part, folders) for part in value]
    return value


def main() -> None:
    """Execute the notebooks that the command line names, or all, and write each .ipynb."""
    parser = argparse.ArgumentParser(description="Execute notebooks, and write each with its outputs.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="such as 1_first_machine; all, where none is named")
    wanted = {Path(name).stem for name in parser.parse_args().names}
    found = {path.stem: path for path in pairs()}
    if wanted - found.keys():
        parser.error(f"no notebook {', '.join(sorted(wanted - found.keys()))}; there are: {', '.join(found)}")
    for name in sorted(wanted or found):
        begun = time.monotonic()
        text = execute(found[name])
        found[name].with_suffix(".ipynb").write_text(text, encoding="utf-8")
        print(f"{name}: {time.monotonic() - begun:.1f} s, {len(text.encode()) / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
