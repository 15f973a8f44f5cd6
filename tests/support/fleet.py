"""Workers as processes: `fsm-orch worker`, started, stopped and killed by their id, against a server of models."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from support.patience import PATIENCE_S
from support.provider import KEY, Provider, Received

from fsm_orch.kernel import inputs
from fsm_orch.kernel.inputs import Input

SCRIPT = Path(sys.executable).with_name("fsm-orch")


class WorkerProcess:
    """A worker in a process of its own, which ends with its block.

    Args:
        words: further arguments of the command.
    """

    def __init__(
        self, url: str, provider: Provider, folder: Path, *words: str, target: str = "support.errands"
    ) -> None:
        self._log = folder / f"worker{time.monotonic_ns()}.log"
        environment = {
            **os.environ,
            "FSM_ORCH_COMPATIBLE_URL": f"{provider.url}/v1",
            "FSM_ORCH_COMPATIBLE_KEY": KEY,
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        command = [str(SCRIPT), "worker", target, "--store", url, "--model", "compatible:m", *words]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *command], cwd=folder, env=environment, stdout=log, stderr=log
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self.send(signal.SIGKILL)
            self.ended()

    def send(self, what: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(what)

    def ended(self) -> int:
        """Wait until it has ended, and return its exit code."""
        return self._process.wait(PATIENCE_S)

    @property
    def said(self) -> str:
        """All that it has written."""
        return self._log.read_text(encoding="utf-8")

    def events(self) -> Sequence[dict[str, Any]]:
        """Return the lines of its log."""
        return [json.loads(line) for line in self.said.splitlines() if line.startswith("{")]

    def reports(self, words: str) -> Sequence[str]:
        """Return what it has reported that has these words in it."""
        return [line["message"] for line in self.events() if line["event"] == "report" and words in line["message"]]


@contextmanager
def serving(*, takes_s: float = 0.0) -> Iterator[Provider]:
    """Serve models for as long as the block lasts."""
    with Provider(takes_s=takes_s) as provider:
        yield provider


def asked(provider: Provider) -> Counter[str]:
    """Return how often a model was asked for each run, which says its name as `<name>`."""
    return Counter(name for name in map(named, provider.completions) if name)


def named(received: Received) -> str:
    """Return the name of the run that sent a request, which says it as `<name>`; or nothing."""
    return str(received.body).partition("<")[2].partition(">")[0]


def check_calls(journal: Sequence[Input], sent: int) -> int:
    """Check that an errand was sent its two calls, and others for those alone that were lost. Return how many were.

    A call that was reserved when its worker was drained was released: it has never been sent.

    Args:
        journal: of the errand.
        sent: how many of its calls came in.
    """
    reserved = sum(isinstance(event, inputs.CallReserved) for event in journal)
    released = sum(isinstance(event, inputs.CallReleased) for event in journal)
    lost = sum(isinstance(event, inputs.CallSettled) and event.usage is None for event in journal)
    assert 2 + lost == reserved - released  # each settled call is one that the run needed
    assert 2 <= sent <= reserved - released  # and whatever was sent was reserved before
    return lost


def wait_until(holds: Callable[[], Any], why: Callable[[], str] = str) -> Any:
    """Wait until something holds, and return what it came to."""
    until = time.monotonic() + PATIENCE_S
    while not (came := holds()):
        assert time.monotonic() < until, why()
        time.sleep(0.02)
    return came
