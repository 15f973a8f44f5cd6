"""The pages that are made: findings, notebooks with their outputs, and docstrings as griffe reads them."""

import re
from pathlib import Path

import griffe
import nbformat
import pytest
from support.shown import ROOT
from tools.docstrings import rewritten
from tools.pages import findings, make, moved, notebook

from fsm_orch.define.codes import CODES

v4 = nbformat.v4


def written(folder: Path, *cells: nbformat.NotebookNode) -> tuple[str, dict[str, str]]:
    """Return the page and the pictures of a notebook with a title and these cells."""
    path = folder / "7_trial.ipynb"
    nbformat.write(v4.new_notebook(cells=[v4.new_markdown_cell("# Trial"), *cells]), path)
    return notebook(path)


def output(**data: str) -> nbformat.NotebookNode:
    """Make a cell that displays data, by its kind."""
    kinds = {"svg": "image/svg+xml", "html": "text/html", "text": "text/plain", "png": "image/png"}
    shown = v4.new_output("display_data", data={kinds[kind]: value for kind, value in data.items()})
    return v4.new_code_cell("show()", outputs=[shown])


def test_every_code_has_its_place() -> None:
    """The page of findings has a heading for each code, with its title, and links to it by the code alone."""
    page = findings()

    assert [f"{code}: {CODES[code].title} {{ #{code} }}" for code in CODES] == re.findall(r"^## (.+)$", page, re.M)
    assert sorted(CODES) == sorted(re.findall(r"\]\(#(FSM\d+)\)", page))


def test_all_pages_are_made(tmp_path: Path) -> None:
    """Findings, map and changes are there, and a page for each notebook; what was there before is gone."""
    (tmp_path / "old.md").touch()
    pages = {page.name for page in make(tmp_path)}

    assert pages == {path.name for path in tmp_path.glob("*.md")}
    assert {"findings.md", "architecture.md", "changes.md"} <= pages
    assert {path.stem for path in ROOT.glob("notebooks/[0-9]*_*.ipynb")} == {
        name.removesuffix(".md") for name in pages if name[0].isdigit()
    }


def test_outputs_follow_their_code(tmp_path: Path) -> None:
    """Code, then what it printed, as blocks of their own; a fence in an output does not end its block."""
    said = v4.new_output("stream", text="before\n```\nafter\n")
    page, pictures = written(tmp_path, v4.new_code_cell("print(text)", outputs=[said]))

    assert "```python\nprint(text)\n```\n\n````{ .text .output }\nbefore\n```\nafter\n````" in page
    assert {} == pictures


def test_code_is_shown_as_it_is_typed_without_a_notebook(tmp_path: Path) -> None:
    """A cell that writes a file has the file's name as its title, and commands are blocks for a shell."""
    page, _ = written(
        tmp_path,
        v4.new_code_cell("%%writefile desk.py\na = 1", outputs=[v4.new_output("stream", text="Writing desk.py\n")]),
        v4.new_code_cell("b = 2\n\n!ls\n!pytest -q | tail -1"),
    )

    assert '```python title="desk.py"\na = 1\n```' in page
    assert "```python\nb = 2\n```\n\n```sh\nls\npytest -q | tail -1\n```" in page
    assert "!" not in page
    assert "%%" not in page
    assert "Writing" not in page


def test_a_picture_becomes_a_file(tmp_path: Path) -> None:
    """An SVG is a file beside the page, numbered, and its title is what is read out."""
    svg = "<svg><title>Two\n states</title></svg>"
    page, pictures = written(tmp_path, output(svg=svg, text="Figure"), output(svg="<svg/>"))

    assert {"7_trial-1.svg": svg, "7_trial-2.svg": "<svg/>"} == pictures
    assert "![Two states](7_trial-1.svg){ .output }" in page
    assert "Figure" not in page


def test_html_is_one_block(tmp_path: Path) -> None:
    """HTML is kept as it is, without the empty lines at which Markdown would end it."""
    page, _ = written(tmp_path, output(html="<table>\n\n<tr></tr>\n</table>", text="a table"))

    assert '<div class="output">\n<table>\n<tr></tr>\n</table>\n</div>' in page


def test_what_no_page_can_show_is_refused(tmp_path: Path) -> None:
    """A picture of pixels is refused, with what to give instead."""
    with pytest.raises(ValueError, match="an output of 7_trial is image/png: give it as SVG, HTML, Markdown or text"):
        written(tmp_path, output(png="AA=="))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[next](2_incident.ipynb)", "[next](2_incident.md)"),
        ("[there](2_incident.ipynb#cost)", "[there](2_incident.md#cost)"),
        ("![it](pictures/incident.svg#only-dark)", "![it](../pictures/incident.svg#only-dark)"),
        ("[why](explanation/why.md)", "[why](../explanation/why.md)"),
        ('<img src="pictures/a.svg">', '<img src="../pictures/a.svg">'),
        ("[out](https://example.org/a) [here](#a)", "[out](https://example.org/a) [here](#a)"),
        ("```\n[code](a.md)\n```", "```\n[code](a.md)\n```"),
        ("[a](a.md)\n```\n[b](b.md)\n```\n[c](c.md)", "[a](../a.md)\n```\n[b](b.md)\n```\n[c](../c.md)"),
        ("| `a \\| b` | c \\| d |", "| `a | b` | c \\| d |"),
    ],
)
def test_links_lead_to_the_same(text: str, expected: str) -> None:
    """A link to a notebook leads to its page, any other to the same file from one folder deeper."""

    assert expected == moved(text)


def test_a_notebook_is_offered_as_such(tmp_path: Path) -> None:
    """Below its title each page links to the notebook itself."""
    page, _ = written(tmp_path)

    assert page.startswith("# Trial\n\n[As a notebook](../7_trial.ipynb)")


def test_errors_are_a_section() -> None:
    """Lines that say which errors are raised are parsed as such, with what goes on in the next line."""
    lines = ["Do it.", "", "Args:", "    a, b: two things", "        at once.", ""]
    lines += ["Raises X: if this", "    or that.", "Raises Y.Z: if more."]
    parsed = griffe.Docstring("\n".join(rewritten(lines))).parse("google", warnings=False)
    arguments, errors = (section.value for section in parsed if section.kind.value in ("parameters", "raises"))

    assert [("a", "see `b`."), ("b", "two things\nat once.")] == [(one.name, one.description) for one in arguments]
    assert [("X", "if this\nor that."), ("Y.Z", "if more.")] == [(one.annotation, one.description) for one in errors]


def test_errors_without_a_name_are_prose() -> None:
    """A line that names no class of an error ends the section of errors, and griffe has nothing to complain of."""
    lines = ["Do it.", "", "Raises X: if this.", "Raises what the run raised, such as an error of its store."]
    _, errors, prose = griffe.Docstring("\n".join(rewritten(lines))).parse("google", warnings=False)

    assert ["X"] == [one.annotation for one in errors.value]
    assert lines[-1] == prose.value


def test_other_docstrings_stay_as_they_are() -> None:
    """A docstring without such lines is not touched."""
    lines = ["Do it.", "", "It raises nothing: it returns.", "", "Args:", "    a: one thing."]

    assert lines == list(rewritten(lines))
