"""Everything that the pages of the site show is executed: their Python, with what it prints, and their commands."""

import tomllib
from itertools import zip_longest
from pathlib import Path

import pytest
import typer
from support.servers import postgres, redis, temporal
from support.shown import ROOT, Block, blocks, commands, execute, parse

NOTEBOOKS = ROOT / "notebooks"
PAGES = sorted(path for path in NOTEBOOKS.rglob("*.md") if NOTEBOOKS / "made" not in path.parents)
PRINTED = {"text", "json", "output"}
"""The language of a block that shows what the Python above it prints."""


def called(page: Path) -> str:
    """Return the name of a page, for the ids of tests."""
    return page.relative_to(NOTEBOOKS).with_suffix("").as_posix()


def shown(page: Path) -> list[tuple[Block, str | None]]:
    """Return the blocks of Python, each with what is shown right below it as printed."""
    found = blocks(page)
    return [
        (block, after.text if after and after.language in PRINTED and is_next(block, after) else None)
        for block, after in zip_longest(found, found[1:])
        if block.language == "python"
    ]


def is_next(block: Block, after: Block) -> bool:
    """Return whether nothing but an empty line is between two blocks."""
    return after.line - (block.line + block.text.count("\n")) <= 3


@pytest.mark.parametrize("page", [page for page in PAGES if shown(page)], ids=called)
def test_the_python_of_a_page_runs(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The blocks of a page run one after the other, as a reader would type them, and print what stands below them."""
    monkeypatch.chdir(tmp_path)
    if "TEMPORAL_URL" in page.read_text(encoding="utf-8"):
        monkeypatch.setenv("TEMPORAL_URL", temporal().url)
    if "DATABASE_URL" in page.read_text(encoding="utf-8"):
        monkeypatch.setenv("DATABASE_URL", postgres().database("page"))
    if "REDIS_URL" in page.read_text(encoding="utf-8"):
        monkeypatch.setenv("REDIS_URL", redis().url)
    names: dict[str, object] = {"__name__": "__main__"}
    for block, printed in shown(page):
        said = execute(block, names)
        if printed is not None:
            assert lines_of(printed) == lines_of(said), f"line {block.line} of {called(page)}"


def lines_of(text: str) -> list[str]:
    """Return lines without what nobody sees at their ends: a table fills up its cells."""
    return [line.rstrip() for line in text.rstrip().splitlines()]


@pytest.mark.parametrize("page", [page for page in PAGES if shown(page)], ids=called)
def test_the_python_of_a_page_fits(page: Path) -> None:
    """No line of Python is longer than the site shows: 88 columns beside its two menus, 120 on a page without them."""
    lines = [line for block, _ in shown(page) for line in block.text.splitlines()]
    columns = 120 if "hide: [navigation, toc]" in page.read_text(encoding="utf-8") else 88

    assert [] == [line for line in lines if len(line) > columns]


def test_the_home_page_shows_the_machine_of_readme() -> None:
    """The machine and what it prints are the same on both, so that nobody reads two."""
    (home, printed), *_ = shown(NOTEBOOKS / "index.md")
    readme = [block.text for block in blocks(ROOT / "README.md")]

    assert "class Desk" in home.text
    assert home.text in readme
    assert printed in readme


@pytest.mark.parametrize(
    ("page", "words"),
    [
        pytest.param(page, words, id=f"{called(page)} {' '.join(words)}")
        for page in PAGES
        for words in commands(page, "fsm-orch")
    ],
)
def test_the_commands_of_a_page_exist(page: Path, words: tuple[str, ...]) -> None:
    """A call of `fsm-orch` on a page names commands, options and arguments that there are."""
    from fsm_orch.cli import app

    parse(typer.main.get_command(app), words)


def test_the_extras_of_the_pages_exist() -> None:
    """An extra that a page installs is declared."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    wanted = {
        extra.strip("].'")
        for page in PAGES
        for words in commands(page, "pip")
        for word in words
        if "[" in word
        for extra in word.partition("[")[2].split(",")
    }

    assert wanted
    assert set() == wanted - set(declared)


def test_there_are_pages() -> None:
    """The pages of the site are found, and most of them show Python."""

    assert {"index", "how-to/tests", "explanation/why", "reference/glossary"} <= set(map(called, PAGES))
    assert len([page for page in PAGES if shown(page)]) >= 8
