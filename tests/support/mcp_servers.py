"""MCP servers for tests: processes of their own, over stdio and over HTTP, and what is pinned of them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.patience import PATIENCE_S

from fsm_orch import MCP
from fsm_orch.agents.pinned import Described, to_text

from . import mcp_server

SCRIPT = Path(mcp_server.__file__)
TOKEN = "sk-token-of-the-shop"
BARE = (sys.executable, str(SCRIPT), "bare")
STDIO = (sys.executable, str(SCRIPT), "stdio")
PINNED = {
    tool["name"]: Described(
        input_schema=tool["inputSchema"], description=tool["description"], output_schema=tool.get("outputSchema")
    )
    for tool in mcp_server.TOOLS
}


def pinned(folder: Path) -> Path:
    """Write what the server says at first, and return the file."""
    file = folder / "shop.tools.json"
    file.write_text(to_text(PINNED), encoding="utf-8")
    return file


def shop(folder: Path, **options: Any) -> MCP:
    """Return the server that is started by a command; the one that starts in no time unless another is given."""
    where = {"command": BARE} if options.keys().isdisjoint({"command", "url"}) else {}
    return MCP("shop", pinned=pinned(folder), **where, **options)


class Served:
    """A server over HTTP, which can be started again at its port."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self.start()

    def start(self, **env: str) -> None:
        """Start it, and wait until it is there."""
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), "http", str(self.port)],
            env={**os.environ, "SHOP_TOKEN": TOKEN, **env},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise RuntimeError("the server does not start")

    def stop(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait(PATIENCE_S)


@contextmanager
def served() -> Iterator[Served]:
    """Yield a server over HTTP while the context lasts."""
    server = Served()
    try:
        yield server
    finally:
        server.stop()
