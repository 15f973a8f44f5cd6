"""An environment that holds the peers in pinned versions, and the recording that a script makes in it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

ROOT = Path(__file__).parents[3]

Recording: TypeAlias = dict[str, Any]


def record_with_peers(
    script: str,
    pinned: Sequence[str],
    variable: str,
    file: Path,
    record: Callable[[], Recording],
    table: Callable[[Recording], str],
) -> None:
    """Record in an environment of its own, and print the versions and a table.

    The script is run again by the Python of that environment, as `SCRIPT here`.

    Args:
        script: the file that calls this.
        pinned: what is installed beside this package, each as `name==version`.
        variable: names an environment that is taken instead, if it is set.
        file: where the recording is kept.
        record: returns what is recorded, without the day and the versions.
        table: returns a recording as a table of Markdown.
    """
    if sys.argv[1:] == ["here"]:
        found = _circumstances(pinned) | record()
        file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(table(json.loads(file.read_text(encoding="utf-8"))))
        return
    with tempfile.TemporaryDirectory() as made:
        python = Path(os.environ.get(variable) or made) / "bin" / "python"
        if not os.environ.get(variable):
            subprocess.run([sys.executable, "-m", "venv", made], check=True)
            subprocess.run([python, "-m", "pip", "install", "-q", *pinned, f"{ROOT}[openai,sql]"], check=True)
        subprocess.run([python, script, "here"], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)


def _circumstances(pinned: Sequence[str]) -> Recording:
    """Return the day and the versions; raise AssertionError if what is pinned is not what is here."""
    versions: dict[str, str] = {}
    for pin in pinned:
        name, _, version = pin.partition("==")
        name = name.partition("[")[0]
        here = importlib.metadata.version(name)
        assert here == version, f"{name} is {here} here; {version} is what is recorded"
        print(name, here)
        versions[name] = version
    return {
        "on": datetime.now(UTC).date().isoformat(),
        "python": sys.version.partition(" ")[0],
        "versions": versions,
    }
