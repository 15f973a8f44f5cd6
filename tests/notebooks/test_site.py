"""The site of the documentation: it builds without a warning, loads nothing from elsewhere, and has no broken link."""

import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from support.shown import ROOT
from tools.pages import make

pytestmark = pytest.mark.slow

LOADED = {
    "script": "src", "img": "src", "iframe": "src", "source": "srcset", "video": "src", "audio": "src", "embed": "src",
    "object": "data",
}  # fmt: skip
"""Where a tag names what a browser loads with a page. Of `link`, all but the canonical address."""

TRIGGERS = ("mermaid", "glightbox", "pyodide", "mathjax", "asciinema")
"""Classes at which the scripts of the theme would load a library from elsewhere."""


ROOMS = ("agents", "define", "models", "observe", "proof", "resilience", "store", "testing")
FACES = ("fsm_orch", *(f"fsm_orch.{room}" for room in ROOMS))
"""The modules that give names to users."""

FETCHED = re.compile(r"(?:url\(|@import\s+|<image[^>]+href=)[\"']?((?:https?:)?//[^\"')\s]+)")
"""What a style or a picture loads from another host."""


class Page(HTMLParser):
    """What a built page names: its anchors, what it links to, and what it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.classes: set[str] = set()
        self.styles: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        self.classes |= set(given.get("class", "").split())
        self.styles.append(given.get("style", ""))
        if tag == "a" and "href" in given:
            self.links.add(given["href"])
        if tag in LOADED and given.get(LOADED[tag]):
            self.loads.add(given[LOADED[tag]].split()[0])
        if tag == "link" and given.get("rel") not in ("canonical", "next", "prev") and "href" in given:
            self.loads.add(given["href"])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what the site is built from into a folder of its own, with the pages that are made."""
    project = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "notebooks", project / "notebooks", ignore=shutil.ignore_patterns("made", "__pycache__"))
    shutil.copy(ROOT / "mkdocs.yml", project)
    (project / "fsm_orch").symlink_to(ROOT / "fsm_orch")
    make(project / "notebooks" / "made")
    return project


@pytest.fixture(scope="module")
def said(project: Path) -> str:
    """Build the site, and return what was said meanwhile."""
    build = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(build, cwd=project, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def site(project: Path, said: str) -> Path:
    """Return the folder of the built site."""
    assert said
    return project / ".site"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    """Read all built pages. What is not found is shown under any address, so its own links say nothing."""
    return {path: Page(path) for path in sorted(site.rglob("*.html")) if path.name != "404.html"}


def inner(links: set[str]) -> Iterator[str]:
    """Yield the links that lead to the site itself."""
    yield from (link for link in sorted(links) if not urlsplit(link).scheme and not urlsplit(link).netloc)


def led_to(page: Page, link: str) -> tuple[Path, str]:
    """Return the file that a link of a page leads to, and the place in it."""
    parts = urlsplit(link)
    path = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
    return (path / "index.html" if path.is_dir() else path), unquote(parts.fragment)


def test_it_builds_without_a_warning(said: str) -> None:
    """A strict build ends well, and finds nothing to say."""

    assert "No issues found" in said
    assert not re.search(r"warning|error", said, re.IGNORECASE)


def test_every_page_of_ours_is_in_the_menu(project: Path, pages: dict[Path, Page], site: Path) -> None:
    """Each page, written or made, a notebook or not, is built, and the home page leads to it by its menu."""
    written = {path.relative_to(project / "notebooks") for path in (project / "notebooks").rglob("*.md")}
    built = {site / path.with_suffix("") / "index.html" for path in written if path.name != "index.md"}
    home = pages[site / "index.html"]
    menu = {led_to(home, link)[0] for link in inner(home.links)}

    assert {path.stem for path in ROOT.glob("notebooks/[0-9]*_*.ipynb")} <= {path.stem for path in written}
    assert set() == built - set(pages)
    assert set() == built - menu


def test_nothing_is_loaded_from_elsewhere(pages: dict[Path, Page], site: Path) -> None:
    """No page, style or picture loads a font, a script or anything else from another host."""
    foreign = [
        f"{page.path.relative_to(site)}: {load}"
        for page in pages.values()
        for load in sorted(page.loads)
        if urlsplit(load).netloc and not load.startswith("data:")
    ]
    styles = {path: path.read_text(encoding="utf-8") for path in [*site.rglob("*.css"), *site.rglob("*.svg")]}
    styles |= {page.path: " ".join(page.styles) for page in pages.values()}
    imported = [f"{path.relative_to(site)}: {url}" for path, text in styles.items() for url in FETCHED.findall(text)]

    assert [] == foreign
    assert [] == imported


def test_no_page_makes_a_script_load_anything(pages: dict[Path, Page], site: Path) -> None:
    """What the scripts of the theme would fetch a library for is on no page."""
    used = [
        f"{page.path.relative_to(site)}: {name}" for page in pages.values() for name in TRIGGERS if name in page.classes
    ]

    assert [] == used


def test_every_link_leads_somewhere(pages: dict[Path, Page], site: Path) -> None:
    """A link or picture of a page is a file of the site, and the place it names is on that page."""
    broken = []
    for page in pages.values():
        for link in [*inner(page.links), *inner(page.loads)]:
            path, place = led_to(page, link)
            if not path.is_file() or (place and path in pages and place not in pages[path].anchors | {"__top"}):
                broken.append(f"{page.path.relative_to(site)}: {link}")

    assert [] == broken
    assert sum(len(page.links) for page in pages.values()) > 100


def test_every_public_name_is_explained(pages: dict[Path, Page], site: Path) -> None:
    """Each name that a face gives has its place in the reference."""
    missing = [
        f"{face}.{name}"
        for face in FACES
        for page in [pages[site / "reference" / face.rpartition(".")[2] / "index.html"]]
        for name in importlib.import_module(face).__all__
        # a function in a module of its own name is explained by its full name
        if page.anchors.isdisjoint({f"{face}.{name}", f"{face}.{name}.{name}"})
    ]

    assert [] == missing
