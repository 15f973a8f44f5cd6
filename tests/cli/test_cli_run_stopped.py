"""`fsm-orch run` that a signal stops: the run is landed, or left to another process."""

import asyncio
import json
import signal

import pytest
from cli.test_cli_run import DEPS, SCRIPT
from support.interrupted import begun

from fsm_orch.store import store_at


def test_an_interrupted_run_is_landed(write, tmp_path):
    """Ctrl-C lands the run, closes its dependencies, says one line and exits with 130."""
    module = write(
        DEPS.replace("def look(", "async def look(").replace(
            "return {Ticket.answer", "await __import__('asyncio').sleep(60)\n        return {Ticket.answer"
        )
        + """
    @contextmanager
    def deps() -> Iterator[Shop]:
        try:
            yield Shop()
        finally:
            print("closed")
"""
    )
    running = begun(SCRIPT, "run", module, "x", "--json", "--events", cwd=tmp_path)
    with running:
        assert running.stderr is not None
        while "visit_started" not in (line := running.stderr.readline()):
            assert line, "it ended before its first visit"
        running.send_signal(signal.SIGINT)
        stdout, stderr = running.communicate(timeout=60)

    *logged, said, closed = stderr.splitlines()
    assert (running.returncode, stdout) == (130, "")
    assert [json.loads(line)["event"] for line in logged] == ["landed", "run_finished"]
    assert (said, closed) == ("fsm-orch: Interrupted: the run was landed", "closed")


@pytest.mark.parametrize(
    ("number", "code", "why"),
    [
        (signal.SIGINT, 130, "Interrupted: the run is stored, and goes on by fsm-orch runs resume"),
        (signal.SIGTERM, 143, "Terminated: the run is stored, and goes on by fsm-orch runs resume"),
    ],
)
def test_a_run_in_a_store_is_left_to_another_process(write, tmp_path, number, code, why):
    """With --store a signal releases the run instead of landing it, and says where it goes on."""
    module = write(SLOW)
    running = begun(SCRIPT, "run", module, "x", "--json", "--events", "--store", "sqlite:///runs.db", cwd=tmp_path)
    with running:
        assert running.stderr is not None
        while '"handed_off"' not in (line := running.stderr.readline()):
            assert line, "it ended before its first hop"
        running.send_signal(number)
        stdout, stderr = running.communicate(timeout=60)
    store = store_at(f"sqlite:///{tmp_path}/runs.db")
    (row,) = asyncio.run(store.list())

    assert (code, "") == (running.returncode, stdout)
    assert why in " ".join(stderr.split())
    assert (None, "running", "second") == (row.owner, row.head.status, row.head.state)


SLOW = """
    import asyncio
    from fsm_orch import *

    class Ticket(Context):
        query: str

    def begin(visit: Visit[Ticket]) -> None:
        pass

    async def wait(visit: Visit[Ticket]) -> Reply:
        await asyncio.sleep(0.2)
        return Reply(Desk.again)

    class Desk(Machine[Ticket]):
        '''Wait.'''

        first = State(begin, initial=True)
        second = State(wait, max_visits=900)
        done, human = Final(), Final(fallback=True)
        on = first.to(second)
        again, end = second.to(second), second.to(done)
        limits = Limits(hops=1_000, deadline_s=600)
"""
