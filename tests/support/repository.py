"""A repository of git in a folder, with modules of users in it."""

from __future__ import annotations

import subprocess
import textwrap
from pathlib import Path

from support.patience import PATIENCE_S


class Repository:
    """A repository that was just made.

    Args:
        top: its folder.
    """

    def __init__(self, top: Path) -> None:
        self.top = top
        self._git("init", "-q", "-b", "main")

    def _git(self, *words: str) -> str:
        who = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
        command = ["git", "-C", str(self.top), *who, *words]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE_S)
        return done.stdout.strip()

    def write(self, **files: str | None) -> None:
        """Write modules, by their dotted names with `__` for a dot; None: delete it."""
        for name, source in files.items():
            path = self.top.joinpath(*name.split("__")).with_suffix(".py")
            if source is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(source), encoding="utf-8")

    def commit(self, *, tag: str | None = None, **files: str | None) -> str:
        """Write modules, and commit all that is there. Return the commit."""
        self.write(**files)
        self._git("add", "-A")
        self._git("commit", "-q", "-m", "x")
        if tag is not None:
            self._git("tag", tag)
        return self._git("rev-parse", "HEAD")

    @property
    def state(self) -> str:
        """What the repository and its tree are, in words."""
        return self._git("status", "--porcelain") + self._git("worktree", "list") + self._git("stash", "list")
