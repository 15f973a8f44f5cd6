"""Where tests write a module of the user's."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of a module that its classes are found in while it is imported."""
    path = tmp_path / "declared.py"
    monkeypatch.setitem(sys.modules, "declared", SimpleNamespace(__file__=str(path)))
    return path
