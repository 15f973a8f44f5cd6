"""What exploration costs: kernel steps a second on one core, and memory.

    python tests/benchmarks/exploration.py            every machine, one JSON line each
    python tests/benchmarks/exploration.py shop       some of them

Each machine is explored in a process of its own. `steps_per_s` is by CPU time, `seconds` by the wall; `peak_mib` is
what the process held at most, `before_mib` what it held before the exploration began. Nothing here asserts a time.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CASES = ("helpdesk", "shop", "random")
CAP = 100_000


def definition(case: str) -> tuple[Any, Any]:
    """Give a machine's definition, and limits to explore it in; None: its own."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    from machines.helpdesk import Hybrid
    from machines.shop import ShopFloor

    if case == "random":
        return wide(random.Random(7)), None
    return {"helpdesk": Hybrid, "shop": ShopFloor}[case].definition, None


def wide(chance: random.Random) -> Any:
    """Draw a machine of 9 states, each with 4 ways on, whose runs count the visits of all."""
    from fsm_orch import Context, Final, Limits, LLMAgent, Machine, State, guard

    class Flags(Context):
        a: bool

    @guard
    def is_a(flags: Flags) -> bool:
        return flags.a

    def act(visit: Any) -> None:
        """Do nothing: no agent is called here."""

    states = [
        State(LLMAgent("x", calls=1) if number % 3 == 0 else act, initial=number == 0, max_visits=3)
        if number % 2
        else State(act, writes=(Flags.a,), initial=number == 0, max_visits=3)
        for number in range(9)
    ]
    parts: dict[str, Any] = {f"s{number}": state for number, state in enumerate(states)}
    parts |= {"done": Final(), "human": Final(fallback=True), "limits": Limits(hops=24, tokens=100_000)}
    for number, state in enumerate(states):
        others = chance.sample([other for other in states if other is not state], 3)
        targets = dict.fromkeys([states[(number + 1) % 9], *others])
        for way, target in enumerate(targets):
            parts[f"h{number}_{way}"] = state.to(target, "on", guard=is_a if way == 1 else None)
    parts["end"] = states[-1].to(parts["done"], "end")
    return types.new_class("Wide", (Machine[Flags],), exec_body=lambda body: body.update(parts)).definition


def peak_mib() -> float:
    """Tell the most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(case: str) -> dict[str, Any]:
    """Explore a machine once to warm up, and then again."""
    from fsm_orch.proof.explore.exploration import explore

    explored, limits = definition(case)
    explore(explored, limits=limits, max_configurations=200)
    before, began = peak_mib(), time.process_time()
    found = explore(explored, limits=limits, max_configurations=CAP, clock=time.perf_counter)
    cpu = time.process_time() - began
    return {
        "machine": case,
        "configurations": found.configurations,
        "steps": found.steps,
        "hops": found.measures.hops.amount,
        "is_complete": found.is_complete,
        "seconds": round(found.seconds or 0.0, 3),
        "steps_per_s": round(found.steps / cpu),
        "before_mib": round(before),
        "peak_mib": round(peak_mib()),
    }


def main(cases: list[str]) -> None:
    """Measure each case in a process of its own."""
    if cases[:1] == ["--one"]:
        print(json.dumps(measure(cases[1])))
        return
    for case in cases or CASES:
        subprocess.run([sys.executable, __file__, "--one", case], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
