"""`fsm-orch` in a process of its own, whose models follow a script: `python -m support.stubbed SCRIPT WORDS...`.

The script is a JSON list of replies, or `hang`, for models that never answer.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fsm_orch import ScriptedModel

HANG = "hang"
_ROOT = Path(__file__).parents[2]


def command(script: Sequence[Any] | str, *words: str) -> list[str]:
    """Return the words that start it."""
    told = script if isinstance(script, str) else json.dumps(script)
    return [sys.executable, "-m", "support.stubbed", told, *words]


def environment() -> dict[str, str]:
    """Return the environment in which it finds the tests and the gallery."""
    paths = [str(_ROOT), str(_ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def main() -> None:
    """Do what the words say."""
    from fsm_orch.cli import app
    from fsm_orch.models import registry

    script, *words = sys.argv[1:]
    lines: list[Any] = [{}] * 99 if script == HANG else json.loads(script)
    registry.resolve = lambda name: ScriptedModel(lines, name=name, delay_s=600.0 * (script == HANG))
    sys.argv = ["fsm-orch", *words]
    app()


if __name__ == "__main__":
    main()
