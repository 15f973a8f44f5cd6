"""Make the pages of the site that are not written by hand: `python notebooks/tools/pages.py`.

They go into notebooks/made, which git ignores: all findings, the map of the modules, what has changed, and each
notebook as Markdown with its outputs. What builds the site afterwards runs nothing of this (see mkdocs.yml).
"""

from __future__ import annotations

import html
import re
import shutil
import textwrap
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import nbformat

from fsm_orch.define.codes import CODES
from fsm_orch.export.findings_page import findings_page

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
MADE = NOTEBOOKS / "made"

_CODE = re.compile(r"^## (FSM\d+)\n\n\*\*(.+?)\*\* \((.+?)\)$", re.MULTILINE)
_LINK = re.compile(r"(?P<before>\]\()(?![a-z]+:|/|#)(?P<target>[^)\s]+)")
_SOURCE = re.compile(r"(?P<before>(?:src|srcset|href)=\")(?![a-z]+:|/|#)(?P<target>[^\"]+)")
_FENCE = re.compile(r"(^```.*?^```\s*$)", re.MULTILINE | re.DOTALL)
_WRITTEN = re.compile(r"%%writefile (?P<file>\S+)\n")
_ROW = re.compile(r"^\|.*$", re.MULTILINE)
_PIPED = re.compile(r"`[^`\n]+`")


def make(to: Path = MADE) -> list[Path]:
    """Write all pages into a folder, which is emptied first, and return them."""
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    pages = {
        "findings.md": findings(),
        "architecture.md": (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"),
        "changes.md": (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
    }
    for path in sorted(NOTEBOOKS.glob("[0-9]*_*.ipynb")):
        pages[f"{path.stem}.md"], pictures = notebook(path)
        for name, picture in pictures.items():
            (to / name).write_text(picture, encoding="utf-8")
    for name, text in pages.items():
        (to / name).write_text(text, encoding="utf-8")
    return [to / name for name in pages]


def findings() -> str:
    """Return the page of all findings; each heading has the title too, and is still linked by the code alone."""
    return _CODE.sub(r"## \1: \2 { #\1 }\n\n*\3*", findings_page(CODES.values())).replace("](#fsm", "](#FSM")


def notebook(path: Path) -> tuple[str, dict[str, str]]:
    """Return a notebook, which begins with its title, as Markdown, and its pictures, by the names of their files."""
    pictures: dict[str, str] = {}
    cells = nbformat.read(path, 4).cells
    parts = [part for cell in cells for part in _cell(cell, path.stem, pictures)]
    title, _, text = "\n\n".join(parts).partition("\n")
    return f"{title}\n\n[As a notebook](../{path.name}){{ .as-notebook }}\n{text}\n", pictures


def _cell(cell: Any, stem: str, pictures: dict[str, str]) -> Iterator[str]:
    """Yield the parts of a cell: its text, or its code and each output."""
    if cell.cell_type == "markdown":
        yield moved(cell.source)
    elif cell.cell_type == "code":
        tags = cell.metadata.get("tags", ())
        if "hide-input" not in tags:
            yield from _code(cell.source)
        is_told = "hide-output" not in tags and not _WRITTEN.match(cell.source)  # which prints "Writing ..."
        for output in cell.outputs if is_told else ():
            yield _output(output, stem, pictures)


def _code(source: str) -> Iterator[str]:
    """Yield code as it is typed without a notebook: a file with its name, commands for a shell, or Python."""
    if written := _WRITTEN.match(source):
        yield _fenced(source[written.end() :], "python", title=written["file"])
        return
    for is_command, lines in groupby(source.splitlines(), lambda line: line.startswith("!")):
        text = "\n".join(line.removeprefix("!") for line in lines).strip("\n")
        if text.strip():
            yield _fenced(text, "sh" if is_command else "python")


def _output(output: Any, stem: str, pictures: dict[str, str]) -> str:
    """Return an output in its richest form; an SVG becomes a file, so that a page stays small.

    Raises ValueError: if it has no form that a page can show.
    """
    if output.output_type == "stream":
        return _fenced(output.text, "text", ".output")
    if output.output_type == "error":
        return _fenced("\n".join(output.traceback), "text", ".output")
    data = output.data
    if "image/svg+xml" in data:
        name = f"{stem}-{len(pictures) + 1}.svg"
        pictures[name] = data["image/svg+xml"]
        return f"![{html.escape(_said(data))}]({name}){{ .output }}"
    if "text/html" in data:
        return f'<div class="output">\n{_in_one_block(data["text/html"])}\n</div>'
    if "text/markdown" in data:
        return moved(data["text/markdown"])
    if "text/plain" in data:
        return _fenced(data["text/plain"], "text", ".output")
    raise ValueError(f"an output of {stem} is {', '.join(data)}: give it as SVG, HTML, Markdown or text")


def _said(data: Any) -> str:
    """Return what is said of a picture to those who do not see it: its title, if it has one."""
    title = re.search(r"<title>(.*?)</title>", data["image/svg+xml"], re.DOTALL)
    return " ".join(html.unescape(title[1]).split()) if title else "The output of the cell above"


def _in_one_block(page: str) -> str:
    """Return HTML without empty lines, at which Markdown would end it."""
    return "\n".join(line for line in textwrap.dedent(page).splitlines() if line.strip())


def _fenced(text: str, language: str, *classes: str, title: str = "") -> str:
    """Return text as a fenced block, by a fence that the text does not have.

    Args:
        title: the file that the text is; empty: none.
    """
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall(r"`{3,}", text))])
    head = f"{{ .{language} {' '.join(classes)} }}" if classes else language
    head += f' title="{title}"' if title else ""
    return f"{fence}{head}\n{text.rstrip()}\n{fence}"


def moved(text: str) -> str:
    """Return Markdown of notebooks/ as it is read in notebooks/made: links lead on, those to notebooks to their pages.

    What stands in a fenced block is left as it is.
    """
    parts = _FENCE.split(text)
    return "".join(part if place % 2 else _moved(part) for place, part in enumerate(parts))


def _moved(text: str) -> str:
    for link in (_LINK, _SOURCE):
        text = link.sub(lambda found: found["before"] + _target(found["target"]), text)
    # a pipe in code is escaped in a table, or GitHub would begin a cell there; the site would show the backslash
    return _ROW.sub(lambda row: _PIPED.sub(lambda code: code[0].replace("\\|", "|"), row[0]), text)


def _target(target: str) -> str:
    path, mark, place = target.partition("#")
    if re.fullmatch(r"\d+_\w+\.ipynb", path):
        return f"{path.removesuffix('.ipynb')}.md{mark}{place}"
    return f"../{path}{mark}{place}"


if __name__ == "__main__":
    for page in make():
        print(page.relative_to(ROOT))
