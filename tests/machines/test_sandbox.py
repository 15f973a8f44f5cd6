"""The sandbox: what hostile code tries, and what it comes to."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from machines import sandbox
from machines.sandbox import Ended, Sandbox

isolated = pytest.mark.skipif(not sandbox._has_namespaces(), reason="this system allows no namespaces")
WEAK = Sandbox(is_isolated=False)
BOTH = [pytest.param(Sandbox(), id="isolated", marks=isolated), pytest.param(WEAK, id="weak")]
both = pytest.mark.parametrize("box", BOTH)


@both
def test_each_call_gives_a_text(box: Sandbox) -> None:
    """What a call returns, or what it raises; what is printed between is lost."""
    code = "def double(x):\n    print('hello')\n    return 2 * x"

    assert box.called(code, ["double(2)", "double('a')", "double()"])[:2] == ("4", "'aa'")
    assert box.called(code, ["double()", "1/0"])[1] == "ZeroDivisionError: division by zero"
    assert box.called(code, []) == ()


@both
@pytest.mark.parametrize(
    ("code", "told"), [("def f(:", "SyntaxError"), ("1/0", "ZeroDivisionError"), ("exit(0)", "NameError")]
)
def test_code_that_does_not_run_says_so_for_each_call(box: Sandbox, code: str, told: str) -> None:
    """The error of the code is what every call gives."""
    assert all(each.startswith(told) for each in box.called(code, ["1", "2"]))


@both
def test_a_long_result_is_cut(box: Sandbox) -> None:
    """A result, and an error, has so many characters at most, whatever they are in JSON."""
    code = "def f(): raise ValueError('x' * 10_000)\ndef half(): raise ValueError(chr(0xD800))"

    assert [len(each) for each in box.called(code, ["'x' * 10**6", "chr(0x1F600) * 10**5", "f()"])] == [200] * 3
    assert box.called(code, ["half()"]) == ("ValueError: ?",)


@both
@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import os; os._exit(0)", id="ends itself as if all were well"),
        pytest.param("import os; os.kill(os.getpid(), 9)", id="kills itself"),
        pytest.param(
            'import os\nfor fd in range(9):\n    try: os.write(fd, b\'["1", "1", "1"]\')\n    except OSError: pass',
            id="prints",
        ),
        pytest.param("import os; os.write(3, b'[' * 10**5); os._exit(0)", id="answers in brackets"),
        pytest.param("import os; os.closerange(0, 99)", id="closes all"),
        pytest.param("class E(Exception):\n    def __str__(self): raise self\nraise E()", id="raises what raises"),
        pytest.param("import ctypes; ctypes.string_at(0)", id="crashes"),
    ],
)
def test_what_answers_no_call_has_ended(box: Sandbox, code: str) -> None:
    """Nothing that code does to its own process passes as an answer."""
    try:
        came = box.called(code, ["7"])
    except Ended:
        return
    assert came != ("1",)


@both
@pytest.mark.parametrize("code", ["while True: pass", "x = 9 ** 9 ** 9", "import re; re.match('(a*)*b', 'a' * 99)"])
def test_a_loop_without_end_is_ended_by_its_time_of_cpu(box: Sandbox, code: str) -> None:
    """Its limit of CPU ends it."""
    with pytest.raises(Ended, match="ended with"):
        Sandbox(cpu_s=1, wall_s=60, is_isolated=box.is_isolated).called(code, ["1"])


@both
@pytest.mark.parametrize("code", ["import time; time.sleep(99)", "import signal; signal.pause()", "input()"])
def test_what_waits_is_ended_by_the_clock(box: Sandbox, code: str) -> None:
    """Its time on the clock ends it, though it ignores all signals that it may."""
    ignore = "import signal\nfor s in (1, 2, 3, 15, 14): signal.signal(s, signal.SIG_IGN)\n"
    short = Sandbox(wall_s=1, is_isolated=box.is_isolated)
    if code == "input()":  # nothing is left to read
        assert short.called(code, ["1"])[0].startswith("EOFError")
    else:
        with pytest.raises(Ended, match="longer than 1 s"):
            short.called(ignore + code, ["1"])


@both
def test_memory_is_bounded(box: Sandbox) -> None:
    """A bomb is an error of the code, or its end."""
    assert box.called("x = bytearray(10**10)", ["1"]) == ("MemoryError: ",)
    try:
        came = box.called("x = []\nwhile True: x.append(bytearray(4096))", ["1"])
    except Ended:  # no memory may be left to say so
        came = ("MemoryError: ",)
    assert came == ("MemoryError: ",)


@both
@pytest.mark.parametrize(
    "start",
    [
        "os.fork()",
        "subprocess.Popen(['sleep', '99'])",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "threading.Thread(target=print).start()",
        "multiprocessing.Process(target=print).start()",
    ],
)
def test_nothing_can_multiply_or_be_left_behind(box: Sandbox, start: str) -> None:
    """No process and no thread can be started: neither a bomb nor one in the background."""
    code = f"import os, subprocess, threading, multiprocessing\nwhile True: {start}"
    (told,) = box.called(code, ["1"])

    assert told.startswith(("BlockingIOError", "RuntimeError: can't start new thread"))


@both
def test_limits_cannot_be_raised(box: Sandbox) -> None:
    """They are hard, and the process has no right to raise them."""
    code = "import resource as r\nfor k in (r.RLIMIT_NPROC, r.RLIMIT_CPU, r.RLIMIT_AS): r.setrlimit(k, (10**9, 10**9))"

    assert box.called(code, ["1"])[0].startswith(("ValueError", "PermissionError"))


@both
def test_the_environment_stays_outside(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of ours is in the process, in no way of asking."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    code = (
        "import os, subprocess\nout = repr(dict(os.environ))\n"
        f"for pid in ('self', {os.getpid()}, os.getppid()):\n"
        "    try: out += open(f'/proc/{pid}/environ').read()\n"
        "    except OSError: pass\n"
    )
    if not box.is_isolated and os.geteuid() != 0:
        pytest.skip("what is not kept without namespaces: see the module")
    told = Sandbox(most_chars=9_999, is_isolated=box.is_isolated).called(code, ["out"])[0]

    assert "TMPDIR" in told
    assert "secret" not in told


@both
def test_big_files_are_not_written_and_small_ones_are_gone_after(box: Sandbox) -> None:
    """A file has so many bytes at most; the folder is empty at first, and removed with all that is in it."""
    code = "import os\ndef big():\n    with open('big', 'wb', 0) as f:\n        while True: f.write(bytes(1 << 16))\n"
    calls = ["os.listdir()", "big()", "os.path.getsize('big')", "os.getcwd()"]
    found, big, size, folder = box.called(code, calls)

    assert (found, size) == ("[]", str(1 << 20))
    assert big == "OSError: [Errno 27] File too large"
    assert not Path(folder.strip("'")).exists()


@both
def test_a_folder_that_resists_is_removed(box: Sandbox) -> None:
    """Folders without rights, and a thousand inside each other, are removed too."""
    shut = "import os\nthere = os.getcwd()\nos.mkdir('shut'); open('shut/f', 'w'); os.chmod('shut', 0)\n"
    deep = "for _ in range(1_500): os.mkdir('d'); os.chdir('d')"
    (there,) = box.called(shut + deep, ["there"])

    assert "/" in there
    assert not Path(there.strip("'")).exists()


@both
def test_megabytes_printed_go_nowhere(box: Sandbox) -> None:
    """What is printed is neither kept nor waited for."""
    code = "import os, sys\nfor _ in range(150): print('x' * 10**6); os.write(2, b'x' * 10**6); sys.stderr.write('x')"

    assert box.called(code, ["1"]) == ("1",)


@both
def test_its_parent_lives_on(box: Sandbox) -> None:
    """It cannot signal the process that started it, nor all processes of a group."""
    if not box.is_isolated and os.geteuid() != 0:
        pytest.skip("what is not kept without namespaces: see the module")
    told: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda *_: told.append(1))
    sigusr1 = int(signal.SIGUSR1)
    code = f"import os\ndef shoot(pid):\n    try: os.kill(pid, {sigusr1})\n    except OSError as e: return e.errno\n"
    try:
        came = box.called(code, [f"shoot({os.getpid()})"])
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert came[0] in ("1", "3")  # not permitted, or no such process
    assert told == []


@isolated
def test_nothing_is_reached_over_the_network() -> None:
    """Not even a server on this machine."""
    listening = socket.create_server(("127.0.0.1", 0))
    code = (
        "import socket\n"
        f"def reach(): return bool(socket.create_connection(('127.0.0.1', {listening.getsockname()[1]}), timeout=1))"
    )
    with listening:
        assert WEAK.called(code, ["reach()"]) == ("True",)
        assert Sandbox().called(code, ["reach()"])[0].startswith("OSError: [Errno 101]")


def test_where_there_are_no_namespaces_it_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """It never runs with less than it says."""
    monkeypatch.setattr(sandbox, "_has_namespaces", lambda: False)

    with pytest.raises(OSError, match="no namespaces"):
        Sandbox().called("", ["1"])
    assert WEAK.called("", ["1"]) == ("1",)
