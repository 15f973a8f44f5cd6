"""The recording of a terminal is of today, and plays by itself wherever a picture is shown."""

import re
import subprocess
from xml.etree import ElementTree

import pytest
from rich.text import Text
from tools import cast

SVG = "{http://www.w3.org/2000/svg}"
README = (cast.ROOT / "README.md").read_text(encoding="utf-8")


def texts(svg: str) -> list[str]:
    """Return the lines of a picture, without the spaces between their parts."""
    rows = ElementTree.fromstring(svg).findall(f"{SVG}text")
    return ["".join(part.text or "" for part in row) for row in rows if len(row)]


@pytest.fixture(scope="module")
def shown() -> str:
    """Return the picture that is committed."""
    return cast.PICTURE.read_text(encoding="utf-8")


@pytest.mark.local
def test_the_recording_is_of_today(shown: str) -> None:
    """Recorded again, the commands give the same bytes; if they should not: python notebooks/tools/cast.py."""
    assert shown == cast.drawn(cast.scenes())


def test_the_recording_is_of_commands_that_the_readme_has(shown: str) -> None:
    """What is typed in the picture stands in the README, so that who sees it can do it."""
    typed = [line.removeprefix("$ ") for line in texts(shown) if line.startswith("$ ")]

    assert 2 == len(typed)
    assert [] == [command for command in typed if command not in README]


def test_the_recording_loads_nothing(shown: str) -> None:
    """It has no script, no link, no font and no picture of elsewhere, and less than 20 kB."""
    root = ElementTree.fromstring(shown)

    assert {"svg", "style", "rect", "path", "circle", "text", "tspan"} >= {
        tag.tag.removeprefix(SVG) for tag in root.iter()
    }
    assert not re.search(r"url\(|@import|@font-face|href|://(?!www\.w3\.org/2000/svg\")", shown)
    assert len(shown.encode()) < 20_000


def test_the_recording_plays_in_order_and_then_stands(shown: str) -> None:
    """Line comes after line, within ten seconds, and nothing is repeated; who wants no motion sees all at once."""
    delays = [float(found) for found in re.findall(r"(?:animation-delay:|\) )(\d+\.\d\d)s", shown)]

    assert delays == sorted(delays)
    assert 0 < delays[-1] < 10
    assert "infinite" not in shown
    assert "@media(prefers-reduced-motion:reduce){*{animation:none!important}}" in shown


def test_the_recording_begins_with_a_command(shown: str) -> None:
    """The first command is there before anything plays, and it alone."""
    rows = [row for row in ElementTree.fromstring(shown).findall(f"{SVG}text") if len(row)]
    covered = {cover.get("y") for cover in ElementTree.fromstring(shown).findall(f"{SVG}rect[@class='c']")}
    still = [row for row in rows if not row.get("class") and f"{float(row.get('y', 0)) - 15:.1f}" not in covered]

    assert ["$ fsm-orch run machines.shop"] == ["".join(part.text or "" for part in row)[:28] for row in still]


def test_what_is_written_is_recorded_as_a_terminal_shows_it() -> None:
    """Texts, colours, bold and dim are kept, empty lines at the end are not, and seconds are left out."""
    scene = cast.record(r"printf 'a\033[1;32mb\033[0m\033[2mc\033[0m in 0.25 s\n\n<&>\n\n'; test -t 1")
    svg = cast.drawn([scene])

    assert ["abc in … s", "", "<&>"] == [line.plain for line in scene.output]
    looks = {span.text: span.attrib for span in ElementTree.fromstring(svg).iter(f"{SVG}tspan")}
    assert "<&>" in looks
    assert ("#7ee787", "700") == (looks["b"]["fill"], looks["b"]["font-weight"])
    assert looks["a"]["fill"] != looks["c"]["fill"]
    assert "font-weight" not in looks["c"]


def test_each_part_stands_in_its_column() -> None:
    """However wide a font is, a part begins where the characters before it end, and is as wide as its own."""
    svg = cast.drawn([cast.Scene("x", (Text.assemble("ab", ("cd", "bold"), "  ", ("e", "red")),))])
    spans = {span.text: span.attrib for span in ElementTree.fromstring(svg).iter(f"{SVG}tspan")}

    begin = float(spans["ab"]["x"])
    assert pytest.approx(begin + 2 * cast.CELL, abs=0.1) == float(spans["cd"]["x"])
    assert pytest.approx(begin + 6 * cast.CELL, abs=0.1) == float(spans["e"]["x"])
    assert pytest.approx(2 * cast.CELL, abs=0.1) == float(spans["ab"]["textLength"])


def test_a_command_that_fails_is_not_recorded() -> None:
    """A failure is raised, with what was written before it."""
    with pytest.raises(subprocess.CalledProcessError) as raised:
        cast.record("echo so far; exit 3")

    assert (3, b"so far\r\n") == (raised.value.returncode, raised.value.output)
