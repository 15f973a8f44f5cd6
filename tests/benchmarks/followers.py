"""Measure what followers cost that nothing is sent to: `python tests/benchmarks/followers.py [COUNT [HEARTBEAT_S]]`.

A service in a process of its own has one run, which waits, and COUNT clients follow its events over real sockets. Told
are the memory, the open files and the processor time of the service with them, and what is left when all have gone.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.serving import app_of, body, desk

OBSERVED_S = 30.0
"""For how long the processor time is taken."""


def _kept() -> dict[str, Any]:
    """Return what this process holds now."""
    gc.collect()
    status = Path("/proc/self/status").read_text().splitlines()
    rss = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    kinds = Counter(type(each).__name__ for each in gc.get_objects())
    return {
        "rss_mb": round(rss / 1024, 1),
        "files": len(os.listdir("/proc/self/fd")),
        "tasks": len(asyncio.all_tasks()),
        "ears": kinds["Ear"],
        "cpu_s": time.process_time(),
    }


def serve(heartbeat_s: float) -> None:
    """Serve until the process is ended."""
    app: FastAPI = app_of(desk(), heartbeat_s=heartbeat_s)

    @app.get("/kept")
    async def kept() -> dict[str, Any]:
        return _kept()

    config = uvicorn.Config(app, port=0, log_level="error", backlog=8192, timeout_graceful_shutdown=1)
    listening = config.bind_socket()
    listening.listen(8192)
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=[listening])


async def _follow(port: int, path: str) -> asyncio.StreamWriter:
    """Follow a run until its first events have come."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await reader.readuntil(b"visit_started")
    return writer


async def main(count: int, heartbeat_s: float) -> None:
    """Measure, and print it."""
    # each follower is a file here and one there
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 200), hard))
    words = [sys.executable, __file__, "serve", str(heartbeat_s)]
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        port = int(await process.stdout.readline())
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:

            async def kept(when: str) -> dict[str, Any]:
                seen: dict[str, Any] = (await client.get("/kept")).json()
                print(f"{when:>24}: {seen}", flush=True)
                return seen

            began = await client.post("/runs", json=body("hold"), headers={"Prefer": "respond-async"})
            path = f"{began.headers['location']}/events"
            before = await kept("nobody")
            writers = list[asyncio.StreamWriter]()
            while len(writers) < count:
                some = [_follow(port, path) for _ in range(min(100, count - len(writers)))]
                writers += await asyncio.gather(*some)
            here = await kept(f"{count} followers")
            await asyncio.sleep(OBSERVED_S)
            later = await kept(f"after {OBSERVED_S:.0f} s")
            for writer in writers:
                writer.transport.abort()
            while (await client.get("/kept")).json()["ears"]:  # noqa: ASYNC110 - it is in another process
                await asyncio.sleep(0.5)
            await kept("all have left")
        each = (here["rss_mb"] - before["rss_mb"]) * 1024 / count
        beats = (later["cpu_s"] - here["cpu_s"]) * 60 / OBSERVED_S
        print(f"{each:.1f} kB a follower; {beats:.2f} s of CPU a minute, with a beat each {heartbeat_s:.0f} s")
    finally:
        process.kill()
        await process.wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(float(sys.argv[2]))
    else:
        asyncio.run(main(int((sys.argv[1:] or ["5000"])[0]), float((sys.argv[2:] or ["15"])[0])))
