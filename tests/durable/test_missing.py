"""Engines whose packages are missing."""

from __future__ import annotations

import sys
from importlib import import_module

import pytest

from fsm_orch.errors import StartError


@pytest.mark.parametrize(("engine", "package"), [("dbos", "dbos")])
def test_it_is_said_what_to_install(engine: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine is an extra; without one of its packages, its module names the extra."""
    for name in [name for name in sys.modules if name.startswith("fsm_orch.durable")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(StartError, match=f"install the extra `{engine}` of fsm_orch"):
        import_module(f"fsm_orch.durable.{engine}")
