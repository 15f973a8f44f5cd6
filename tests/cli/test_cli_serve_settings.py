"""The file of settings of `fsm-orch serve`: whatever is wrong in it is refused, with the file and the key."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from pydantic import BaseModel
from support.shown import ROOT, blocks, parse

from fsm_orch.cli import app
from fsm_orch.cli.serve import settings as tables
from fsm_orch.cli.serve.settings import settings_in
from fsm_orch.cli.show import CommandError

PAGE = ROOT / "notebooks/how-to/serve.md"

TABLES: dict[str, tuple[type[BaseModel], str, dict[str, str]]] = {
    "service": (tables.ServiceTable, "[service]", {}),
    "admission": (tables.AdmissionTable, "[admission]", {}),
    "gates.router": (tables.GateTable, "[gates.router]", {"at_once": "3"}),
    "gates.router.pace": (tables.PaceTable, "[gates.router.pace]", {"calls": "3"}),
    "gates.router.breaker": (tables.BreakerTable, "[gates.router.breaker]", {}),
    "quotas[0]": (tables.QuotaTable, "[[quotas]]", {"tokens": "3"}),
}
"""By their places: the model of each, how it is begun in a file, and what it needs."""

WRONG = ["-1", "nan", "inf", "1e300", "1" + 18 * "0", "'a b'", "''", "[]", "[3]", "{ x = 1 }", "1979-05-27"]
"""What is right for no key."""

WRONG_FOR = {
    "int": ["true", "1.5", "'3'"],
    "float": ["true", "'3'"],
    "str": ["true", "3", "1.5"],
    "bool": ["1", "'true'"],
}
"""What is right for some keys, and not for those of a type."""


def keys() -> Iterator[tuple[str, str, str]]:
    """Yield each key of each table with its place, and a value that is wrong for it."""
    for place, (model, _, _) in TABLES.items():
        for key, field in model.model_fields.items():
            words = str(field.annotation)
            kinds = [kind for kind in WRONG_FOR if kind in words]
            anything = [each for each in WRONG if not (key == "host" and each == "'a b'")]
            for value in [*anything, *(wrong for kind in kinds[:1] for wrong in WRONG_FOR[kind])]:
                yield place, key, value


def written(folder: Path, place: str, key: str, value: str) -> Path:
    """Write a file in which one key has a value, and all is there that its table needs."""
    _, header, needed = TABLES[place]
    lines = [header, *(f"{name} = {each}" for name, each in {**needed, key: value}.items())]
    file = folder / "shop.toml"
    file.write_text("\n".join(lines))
    return file


def test_each_wrong_value_of_each_key_is_refused_by_name(tmp_path: Path) -> None:
    """One line has the file, the key in its table, and what is expected, and of texts no word."""
    tried = list(keys())
    for place, key, value in tried:
        file = written(tmp_path, place, key, value)
        with pytest.raises(CommandError) as refused:
            settings_in(file)
        said = str(refused.value)
        assert f"--settings {file}: {place}.{key}" in said, (said, value)
        assert "xpected" in said
        assert "a b" not in said.replace("a boolean", "")
        assert "\n" not in said
    assert len(tried) > 300


@pytest.mark.parametrize("place", TABLES)
def test_each_key_that_is_misspelt_is_refused_with_the_ones_there_are(place: str, tmp_path: Path) -> None:
    """With the one that was meant; so are tables that nobody knows."""
    for key in TABLES[place][0].model_fields:
        file = written(tmp_path, place, f"{key}x", "1")
        with pytest.raises(CommandError) as refused:
            settings_in(file)
        assert f"{place}.{key}x is unknown: did you mean '{key}'? Expected: " in str(refused.value)
    (tmp_path / "shop.toml").write_text("[servic]\n")
    with pytest.raises(CommandError, match=r"servic is unknown: did you mean 'service'\?"):
        settings_in(tmp_path / "shop.toml")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("gates = 3", "gates: expected a table, not 3"),
        ("quotas = [3]", r"quotas\[0\]: expected a table, not 3"),
        ("[gates.a]", "gates.a holds nothing back: expected pace, at_once or breaker"),
        ("[gates.a]\nqueue = 3\n[gates.a.breaker]", "gates.a.queue waits for a place: expected gates.a.at_once"),
        ("[gates.a.pace]\nburst = 3", "gates.a.pace.calls is missing: expected a value"),
        ("[[quotas]]", r"quotas\[0\] limits nothing: expected tokens, or cost_usd"),
        ("[[quotas]]\ntokens=1\n[[quotas]]\ntokens=1", r"quotas\[1\].name is that of another"),
        ("[[quotas]]\ncost_usd = 5.0", "cost_usd: expected an exact number in quotes, such as '5.00', not 5.0"),
        ("[service", "is no TOML: "),
        ("x = '\udcff'", "is no TOML: "),
        (f"x = {'[' * 20_000}", "is nested too deeply: expected tables of keys"),
    ],
)
def test_what_does_not_go_together_is_refused(text: str, why: str, tmp_path: Path) -> None:
    """Likewise."""
    file = tmp_path / "shop.toml"
    file.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(CommandError, match=why):
        settings_in(file)


def test_a_mark_of_the_editor_is_no_key(tmp_path: Path) -> None:
    """Some begin a file with a mark that says it is UTF-8, and end lines in two characters."""
    file = tmp_path / "shop.toml"
    file.write_bytes(b"\xef\xbb\xbf[service]\r\nport = 81\r\n")

    assert 81 == settings_in(file).service.port


def shown(language: str) -> str:
    """Return what the page shows in a language."""
    (block,) = (block for block in blocks(PAGE) if block.language == language)
    return block.text


def test_a_file_with_all_keys_is_read(tmp_path: Path) -> None:
    """That of the page, which leaves none out; and no file is the defaults."""
    file = tmp_path / "shop.toml"
    file.write_text(shown("toml"))
    read = settings_in(file)

    assert {"service", "admission", "gates", "quotas"} == read.model_fields_set
    for table in (read.service, read.admission, *read.gates.values()):
        assert set(type(table).model_fields) == table.model_fields_set
    assert tables.Settings() == settings_in(None)


def test_the_unit_of_the_page_is_one(tmp_path: Path) -> None:
    """Its keys are known to systemd, and what it begins is a command with options that there are."""
    unit = configparser.ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(shown("ini"))
    _, *words = shlex.split(unit["Service"]["ExecStart"])
    parse(typer.main.get_command(app), tuple(words))
    if (program := shutil.which("systemd-analyze")) is not None:
        file = tmp_path / "shop.service"
        text = shown("ini").replace("/srv/shop/.venv/bin/fsm-orch", "/bin/true").replace("User=yes", "User=no")
        file.write_text(text)
        done = subprocess.run([program, "verify", str(file)], capture_output=True, text=True, check=False)
        assert [] == [line for line in done.stderr.splitlines() if "shop.service" in line]

    assert unit["Service"].getint("TimeoutStopSec") > 10 + 5  # what runs and connections may take


def test_the_front_of_the_page_holds_no_stream_back() -> None:
    """It does not buffer, and is as patient as a run is long; its braces match."""
    text = shown("nginx")

    assert text.count("{") == text.count("}") == 3
    assert "proxy_buffering off;" in text
    assert int(re.findall(r"proxy_read_timeout (\d+)s;", text)[0]) > 60
