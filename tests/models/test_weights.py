"""Weights are where the catalogue says, and are loaded only if they are the right ones."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.tiny_weights import GGUF, SECOND, SECOND_FILE, TINY_FILE, of

from fsm_orch.errors import ModelUnavailable
from fsm_orch.models import weights
from fsm_orch.models.download import get as download
from fsm_orch.models.weights import CATALOGUE, File

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def file(cache: Path) -> Path:
    """Give the path of the right weights."""
    cache.mkdir(exist_ok=True)
    path = cache / "tiny.gguf"
    path.write_bytes(GGUF)
    return path


def test_locate(file: Path) -> None:
    """Weights are located where they are; where they are not, the message names the command."""
    assert ((file,), file) == (weights.paths_of("tiny", "language"), weights.locate("tiny"))
    file.unlink()
    with pytest.raises(ModelUnavailable, match="run: fsm-orch model get tiny"):
        weights.paths_of("tiny", "language")


CHANGED = r"tiny\.gguf is not the file of the catalogue.*fsm-orch model get tiny"


def load(path: Path) -> None:
    """Load weights, as far as a file can be loaded that no library reads."""
    with weights.unchanged("tiny", path):
        pass


def test_right_weights_are_loaded(file: Path) -> None:
    """Weights that are the catalogue's may be loaded, through a link too."""
    link = file.with_name("link")
    link.symlink_to(file)

    load(file)
    load(link)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, len(GGUF) - 1), bit=st.integers(0, 7))
def test_one_bit_is_enough(file: Path, place: int, bit: int) -> None:
    """Weights of which one bit is another, at whatever place, are not loaded."""
    changed = bytearray(GGUF)
    changed[place] ^= 1 << bit
    file.write_bytes(changed)

    with pytest.raises(ModelUnavailable, match=CHANGED):
        load(file)


@pytest.mark.parametrize("content", [b"", GGUF[:-1], GGUF[1:], GGUF + b"\0", GGUF + GGUF], ids=len)
def test_another_size_is_told(file: Path, content: bytes) -> None:
    """Weights that were cut off or went on are not loaded, and are told as changed and not as missing."""
    file.write_bytes(content)

    for ask in (lambda: load(file), lambda: weights.paths_of("tiny", "language")):
        with pytest.raises(ModelUnavailable, match=CHANGED):
            ask()


def rewrite(file: Path) -> None:
    file.write_bytes(bytes(len(GGUF)))


def rewrite_unseen(file: Path) -> None:
    """Write other weights, and set back the time at which the file was modified."""
    was = file.stat()
    file.write_bytes(bytes(len(GGUF)))
    os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))


def replace_file(file: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(bytes(len(GGUF)))
    other.replace(file)


def link_elsewhere(file: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(GGUF)
    file.unlink()
    file.symlink_to(other)


@pytest.mark.parametrize("change", [rewrite, rewrite_unseen, replace_file, link_elsewhere, Path.unlink])
def test_weights_may_not_change_while_they_are_loaded(file: Path, change: Callable[[Path], object]) -> None:
    """Whatever happens to a file between its check and the end of its loading is seen."""
    with pytest.raises(ModelUnavailable, match=CHANGED), weights.unchanged("tiny", file):
        change(file)


def test_missing_weights_are_told(file: Path) -> None:
    """Weights that went away after they were located are told as missing."""
    file.unlink()

    with pytest.raises(ModelUnavailable, match=r"are not at .*run: fsm-orch model get tiny"):
        load(file)


@pytest.mark.parametrize("ask", [weights.find, lambda name: weights.paths_of(name, "language"), download, weights.read])
def test_unknown_name(ask: Callable[[str], object]) -> None:
    """An unknown name is answered with the known ones."""
    with pytest.raises(ModelUnavailable, match=r"No local model 'llama'\. Known: smollm2, minilm, tiny"):
        ask("llama")


def test_cache_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `FSM_ORCH_CACHE`, weights live in the user's cache directory."""
    monkeypatch.delenv("FSM_ORCH_CACHE")

    assert "fsm_orch" in weights.cache_dir().parts


def test_a_model_of_another_kind_is_refused() -> None:
    """Who asks for weights says what for, and is told which there are."""
    with pytest.raises(
        ModelUnavailable, match="'tiny' is a language model, and an embedding model is needed here: minilm"
    ):
        weights.paths_of("tiny", "embedding")


@pytest.mark.parametrize("file", [TINY_FILE, SECOND_FILE], ids=lambda file: file.name)
def test_each_file_is_checked(cache: Path, file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    """One file that is missing or another keeps a model from being read, and says what to do."""
    monkeypatch.setitem(CATALOGUE, "tiny", of(TINY_FILE, SECOND_FILE))
    cache.mkdir()
    TINY_FILE.path.write_bytes(GGUF)
    SECOND_FILE.path.write_bytes(SECOND)

    assert (GGUF, SECOND) == weights.read("tiny")
    file.path.write_bytes(bytes(file.size_bytes))
    with pytest.raises(ModelUnavailable, match=rf"{file.name} is not the file.*fsm-orch model get tiny"):
        weights.read("tiny")
    file.path.unlink()
    for ask in (lambda: weights.read("tiny"), lambda: weights.paths_of("tiny", "language")):
        with pytest.raises(ModelUnavailable, match=rf"not at .*{file.name}; run: fsm-orch model get tiny"):
            ask()
    assert not CATALOGUE["tiny"].is_present
