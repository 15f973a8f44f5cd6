"""A sandbox: code that nobody has read is called in a process of its own, with limits.

    Sandbox().called("def double(x): return 2 * x", ["double(2)", "double('a')"])  ->  ("4", "'aa'")

**Kept**, on Linux:

- at most so many seconds, on the clock and of CPU, so much memory, and so many bytes in each file;
- no further process, and no thread: nothing can multiply, or be left behind;
- no network, and no signal to any process outside, since it sees none: it is the first of its own namespace;
- nothing of the environment and of what is open here; an empty folder, which is removed; what it prints goes nowhere;
- what comes back is a text for each call, of so many characters at most. What each should be is compared outside: code
  that ends its process early, or prints a verdict of its own, has not passed.

**Not kept**: it reads what its user may read, and writes where its user may write, as many files as time allows. Run by
root it is nobody, and so it may do little; else give it a user, or a container, of its own. A hole in the kernel of
Linux is a hole here.

Where the system allows no namespaces it refuses to run. `Sandbox(is_isolated=False)` runs then, with a network and with
the rights of its user, who may read the environment of other processes, and end them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from typing import IO

NOBODY = 65_534
NAMESPACES = ("unshare", "--user", "--net", "--pid", "--ipc", "--fork", "--kill-child")

INSIDE = """
import json, os, resource as r, sys
given, out = json.load(sys.stdin), os.dup(1)
os.dup2(2, 1)
mb = 1 << 20
for kind, most in (
    (r.RLIMIT_CPU, given["cpu_s"]), (r.RLIMIT_AS, given["memory_mb"] * mb), (r.RLIMIT_FSIZE, given["file_mb"] * mb),
    (r.RLIMIT_NOFILE, 32), (r.RLIMIT_CORE, 0), (r.RLIMIT_NPROC, 0),
):
    r.setrlimit(kind, (most, most))

def came(run):
    try:
        return repr(run())[:given["most_chars"]]
    except BaseException as error:
        return f"{type(error).__name__}: {error}"[:given["most_chars"]]

names = {"__name__": "code"}
failed = came(lambda: exec(given["code"], names))
told = [came(lambda: eval(call, names)) if failed == "None" else failed for call in given["calls"]]
os.write(out, json.dumps(told).encode())
os._exit(0)
"""
"""What the process runs: it limits itself, for good, before it looks at the code."""


class Ended(Exception):
    """The code was ended before it had answered every call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """Calls code in a process of its own."""

    wall_s: float = 5.0
    """Seconds at most on the clock."""
    cpu_s: int = 2
    """Seconds at most of CPU."""
    memory_mb: int = 256
    file_mb: int = 1
    """Size of each file at most."""
    most_chars: int = 200
    """Characters of what a call gives at most."""
    is_isolated: bool = True
    """Whether to refuse to run where the system allows no namespaces."""

    def called(self, code: str, calls: Sequence[str]) -> tuple[str, ...]:
        """Run code, and return what each call of it gives: its `repr`, or the error that it raised.

        Args:
            code: Python, which sees the standard library alone.
            calls: expressions over the names of the code.

        Raises Ended: if it took too long or too much, or ended itself; says which as far as that is known.
        Raises OSError: if no sandbox can be made here.
        """
        given = json.dumps(asdict(self) | {"code": code, "calls": list(calls)}).encode()
        with _own_folder() as folder, tempfile.TemporaryFile() as out:
            try:
                ended = self._ended(given, folder, out)
            except subprocess.TimeoutExpired:
                raise Ended(f"it took longer than {self.wall_s:g} s") from None
            out.seek(0)
            told = out.read((self.most_chars * 12 + 8) * (len(calls) + 1))  # a character is 12 in JSON at most
        try:
            came = json.loads(told)
        except (ValueError, RecursionError):
            came = None
        if not isinstance(came, list) or len(came) != len(calls) or not all(isinstance(each, str) for each in came):
            raise Ended(f"its process ended with {ended}, with no more than {self.cpu_s} s and {self.memory_mb} MB")
        # an error may say half of a surrogate pair, which no journal can hold
        return tuple(each[: self.most_chars].encode(errors="replace").decode() for each in came)

    def _ended(self, given: bytes, folder: str, out: IO[bytes]) -> int:
        """Run the process to its end, and return its exit code."""
        if self.is_isolated and not _has_namespaces():
            raise OSError("this system allows no namespaces of users: machines/sandbox.py says what is lost without")
        return subprocess.run(  # noqa: S603 - what is run is ours; what it is given is code, on purpose
            [*(NAMESPACES if self.is_isolated else ()), _python(), "-I", "-S", "-c", INSIDE],
            input=given,
            stdout=out,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={"TMPDIR": folder},
            timeout=self.wall_s,
            check=False,
            user=_user(),
            group=_user(),
            extra_groups=None if _user() is None else (),
        ).returncode


def _user() -> int | None:
    """Return whose the process is, if root starts it: the limit of processes does not hold for root."""
    return NOBODY if os.geteuid() == 0 else None


def _python() -> str:
    """Return an interpreter that the user of the process may read: that of root may be in a folder of root.

    Raises OSError: if there is none.
    """
    found = sys.executable if _user() is None else shutil.which("python3", path=os.defpath)
    if found is None:
        raise OSError(f"root runs code as nobody, who needs a python3 in {os.defpath}")
    return found


@cache
def _has_namespaces() -> bool:
    """Return whether this system lets a user make namespaces, once looked at."""
    try:
        looked = subprocess.run([*NAMESPACES, "true"], user=_user(), stderr=subprocess.DEVNULL, check=False)  # noqa: S603
    except OSError:  # as where there is no unshare
        return False
    return looked.returncode == 0


@contextmanager
def _own_folder() -> Iterator[str]:
    """Yield an empty folder of the process, and remove it."""
    folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    if (user := _user()) is not None:
        os.chown(folder.name, user, user)
    try:
        yield folder.name
    finally:
        try:
            folder.cleanup()
        except RecursionError:  # as of a thousand folders inside each other
            subprocess.run(["/bin/rm", "-rf", "--", folder.name], stderr=subprocess.DEVNULL, check=False)  # noqa: S603
