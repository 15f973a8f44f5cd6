"""A command that can be interrupted."""

import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path


def begun(*command: str, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Start a command that Ctrl-C reaches, even where this process ignores it, as a job in the background does."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a handler is not inherited, "ignore" would be
    try:
        return subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
