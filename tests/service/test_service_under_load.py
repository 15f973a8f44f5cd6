"""The service under ten times the load that it can do, of real clients over sockets, as wrk has them."""

from __future__ import annotations

import shutil

import pytest
from support.fleet import wait_until
from support.served import served
from support.servers import missing

PLACES, QUEUE, TAKES_S, SECONDS = 8, 40, 0.4, 10
BODY = '{"context": {"text": "COUNT"}}'
LEAST = 0.7
"""How much of what its places allow is done at least, be the machine as busy as it is."""


@pytest.mark.slow
def test_ten_times_the_load_is_answered_or_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing else is said, nothing is lost, its places stay at work, and afterwards it answers as before."""
    if shutil.which("wrk") is None:
        missing("wrk is not installed: in Debian it is the package `wrk`")
    with served(PLACES, QUEUE, str(TAKES_S), "service", WAIT_S="2") as server:
        came = server.loaded(clients=215, seconds=SECONDS, pause_ms=1_000, body=BODY)
        wait_until(lambda: set(server.state()["stored"].values()) == {"finished"})
        wait_until(lambda: 0 == server.state()["running"] == server.state()["waiting"])
        stored = server.state()["stored"]
        after = server.client.post("/runs", json={"context": {"text": "afterwards"}})
    able = PLACES / TAKES_S * came["seconds"]
    with capsys.disabled():
        print(
            f"\n{came['answered']} answered ({came['answered'] / able:.0%} of what {PLACES} places allow), "
            f"{came['refused']} refused, CPU {came['cpu_s']:.2f} s, of wrk {came['wrk_s']:.2f} s"
        )

    assert (0, 0) == (came["others"], came["lost"])
    assert 0 == came["unsaid"]
    assert came["refused"] > came["answered"] > LEAST * able
    assert came["answered"] == len(set(came["runs"]))
    assert set(came["runs"]) <= stored.keys()
    assert (200, "answered") == (after.status_code, after.json()["state"])
