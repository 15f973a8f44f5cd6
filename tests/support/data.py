"""Data that tests read and the project does not hold: recorded runs, and labelled queries of real users."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("FSM_ORCH_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
"""Where the data is: the folder that `FSM_ORCH_DATA` names, else `shared/data` beside the clone."""


def data(name: str) -> Path:
    """Return the path of a file of data; a test that needs it is skipped where it is not."""
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"{name} is not here; put it into a folder, and name that in FSM_ORCH_DATA")
    return path
