"""The incident against a served desk: which alert fires after how many seconds, with its guards off and on.

    python tests/benchmarks/incident_alerts.py            # two services, 8 minutes each
    python tests/benchmarks/incident_alerts.py 3          # MINUTES

Each is asked one vague question a second. A Prometheus scrapes it every second, with the rules that `fsm-orch ops
export` writes, as they are. Off: triage may name itself, as in the story, and nothing ends a run before 200 visits. On:
the desk of `machines/incident.py`. Then `fsm-orch triage loops` is asked for the log of each.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # for `support`
sys.path.insert(0, str(Path(__file__).parents[2]))  # for `machines`

import structlog
from fastapi import FastAPI
from starlette.routing import Route
from support.servers import own_prometheus
from support.serving import client_of, listening

import fsm_orch
from fsm_orch import Final, Limits, LLMAgent, Machine, MemoryStore, Runner, ScriptedModel, State
from fsm_orch.observe.log import log_records
from fsm_orch.observe.prometheus import Metrics
from fsm_orch.service import router
from machines.incident import FrontDesk, Query

RULES = Path(fsm_orch.__file__).parent / "observe" / "ops" / "fsm_orch.rules.yml"


class NoGuards(Machine[Query]):
    """Route a query, or route it again."""

    triage = State(
        LLMAgent("Route the query.", reads=Query.text, calls=1, max_input_tokens=600, max_output_tokens=40),
        initial=True,
        max_visits=200,
    )
    ask_back = Final(fallback=True, sets={Query.answer: "Gladly! Which product are you looking for?"})
    answered = Final()
    to_triage = triage.to(triage, "route it again")
    done = triage.to(answered, "it is answered")
    unclear = triage.to(ask_back, "it names no product")
    limits = Limits(hops=250, tokens=1_000_000, deadline_s=600)


def never_sure() -> ScriptedModel:
    """Return a model to which everything is somebody else's: triage goes on, and whoever is asked hands back."""

    def answer(request: Any) -> dict[str, Any]:
        schema = str(request.schema)
        for handoff in ("to_triage", "to_inventory"):
            if handoff in schema:
                return {"handoff": handoff}
        return {"handoff": "back", "answer": "no"}

    return ScriptedModel(iter(lambda: answer, None))


async def replayed(machine: type[Machine[Query]], log: Path, seconds: float) -> dict[str, float]:
    """Ask a service for so long; return after how many seconds each alert fired."""
    metrics = Metrics()
    with log.open("w") as file:
        chain = [structlog.processors.TimeStamper(fmt="iso", utc=True), structlog.processors.JSONRenderer()]
        logger = structlog.wrap_logger(structlog.WriteLogger(file), processors=chain)
        observers = [metrics.of(machine), log_records(logger)]
        runner = Runner(machine, model=never_sure(), store=MemoryStore(), observers=observers)
        metrics.watch(runner)
        app = FastAPI()
        app.include_router(router(runner, works=0))
        app.routes.append(Route("/metrics", metrics))
        async with listening(app) as url, client_of(url) as client:
            server = await asyncio.to_thread(own_prometheus, url.removeprefix("http://"), RULES.read_text())
            try:
                await asyncio.sleep(5)  # some scrapes at rest, as there are of any service
                return await asked(client, server, seconds)
            finally:
                server.stop()


async def asked(client: Any, server: Any, seconds: float) -> dict[str, float]:
    began, fired = time.monotonic(), dict[str, float]()
    asking = set[asyncio.Task[Any]]()
    while (now := time.monotonic() - began) < seconds:
        asking.add(asyncio.ensure_future(client.post("/runs", json={"context": {"text": "recommend something"}})))
        asking = {each for each in asking if not each.done()}
        for each in (await asyncio.to_thread(server.asked, "alerts"))["alerts"]:
            if each["state"] == "firing":
                fired.setdefault(each["labels"]["alertname"], round(now))
        await asyncio.sleep(1)
    await asyncio.gather(*asking)
    return fired


async def main(minutes: float) -> None:
    """Replay both, and print what fired."""
    with tempfile.TemporaryDirectory() as folder:
        for name, machine in (("off", NoGuards), ("on", FrontDesk)):
            log = Path(folder, f"{name}.log")
            fired = await replayed(machine, log, minutes * 60)
            told = ", ".join(f"{alert} after {after:.0f} s" for alert, after in fired.items())
            print(f"guards {name}: {told or 'nothing fired'}", flush=True)
            words = ["fsm-orch", "triage", "loops", str(log)]
            where = f"{__file__}:NoGuards" if name == "off" else "machines.incident:FrontDesk"
            print(await asyncio.to_thread(subprocess.check_output, [*words, "--machine", where], text=True))


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 8))
