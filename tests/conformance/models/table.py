"""Print what every adapter makes of every fault: what the run did, what it was charged, how many requests, how long.

    python tests/conformance/models/table.py [--call] [NAME ...]

With `--call` it prints instead what a single call came to. Names choose adapters; all by default.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[3])]

from conformance.models.adapters import ADAPTERS, TIMEOUT_S, Adapter  # noqa: E402
from conformance.models.drive import HANGING, SCHEMA, drive  # noqa: E402
from support.provider_faults import FAULTS, HONEST, Fault  # noqa: E402

from fsm_orch.errors import CallFailed  # noqa: E402
from fsm_orch.messages import Message  # noqa: E402
from fsm_orch.models.base import Request  # noqa: E402

_ASKED = Request(messages=(Message(role="user", content="Hello"),), schema=SCHEMA, max_output_tokens=50)


async def run_row(adapter: Adapter, fault: Fault) -> list[str]:
    """Drive a run into a fault."""
    with adapter.stage(fault, None) as stage:
        outcome = await drive(stage, fault)
    charges = " + ".join(f"{call.charge} {call.charged:,}/{call.reserved:,}" for call in outcome.calls)
    charged = charges if len(charges) < 60 else charges[:57] + "..."
    return [outcome.summary, charged, str(outcome.requests), f"{outcome.seconds:.3f}"]


async def call_row(adapter: Adapter, fault: Fault) -> list[str]:
    """Make one call into a fault."""
    start = time.perf_counter()
    with adapter.stage(fault, TIMEOUT_S if fault.wire in HANGING else None) as stage:
        try:
            reply = await stage.model.complete(_ASKED)
            said, told = f"replied ({reply.finish})", f"usage {reply.usage and reply.usage.total_tokens}"
        except CallFailed as error:
            said, told = f"failed: {error.reason}", _told(error)
        except Exception as error:
            said, told = f"RAISED {type(error).__name__}", ""
        return [said, told, str(stage.requests()), f"{time.perf_counter() - start:.3f}"]


def _told(error: CallFailed) -> str:
    words = ["unsent" if error.unsent else "sent", "transient" if error.transient else "for good"]
    return ", ".join([*words, *([f"after {error.retry_after_s:.3g} s"] if error.retry_after_s is not None else [])])


def main(arguments: list[str]) -> None:
    """Print the table."""
    row = call_row if "--call" in arguments else run_row
    names = {argument for argument in arguments if not argument.startswith("-")}
    heads = ("call", "told") if row is call_row else ("run", "charged/reserved tokens")
    table = Table("adapter", "fault", *heads, "requests", "seconds", box=None)
    for adapter in ADAPTERS:
        if names and adapter.name not in names:
            continue
        if adapter.skip is not None:
            table.add_row(adapter.name, "-", f"skipped: {adapter.skip}")
            continue
        asyncio.run(run_row(adapter, HONEST))  # so that no row pays for loading
        for name in adapter.expected:
            table.add_row(adapter.name, name, *asyncio.run(row(adapter, FAULTS[name])))
    Console(width=150).print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
