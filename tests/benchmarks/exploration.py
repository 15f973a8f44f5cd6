"""What exploration costs: the walk that decides policies, the one that measures, and the command `check`.

    python tests/benchmarks/exploration.py            every machine, one JSON line each
    python tests/benchmarks/exploration.py ShopFloor 8,3,24 my.py:Desk
    python tests/benchmarks/exploration.py --check ShopFloor

A machine is one of the gallery, `FILE:CLASS`, or `n,v,h`: n states, each to each, of v visits, in h hops. Each is
explored in a process of its own. `seconds` are of CPU time; `peak_mib` is what it held at most. With `--check`,
`fsm-orch check` is timed too, by the wall. Nothing here asserts a time.
"""

from __future__ import annotations

import importlib.util
import json
import resource
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
GALLERY = {
    "ByKeyword": "machines/helpdesk.py",
    "ByModel": "machines/helpdesk.py",
    "Hybrid": "notebooks/figures/desks.py",
    "FrontDesk": "machines/incident.py",
    "ShopFloor": "machines/shop.py",
}
DENSE = ("6,2,12", "8,3,24", "12,3,40", "20,3,60")
CAP = 20_000


def machine(case: str) -> Any:
    """Give a machine of the gallery, of a file, or one whose states lead each to each."""
    if case.count(",") == 2:
        return dense(*map(int, case.split(",")))
    path, _, name = case.rpartition(":")
    spec = importlib.util.spec_from_file_location("measured", path or ROOT / GALLERY[name])
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["measured"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


def dense(states: int, visits: int, hops: int) -> Any:
    """Make a machine whose states lead each to each, so that its runs count the visits of all."""
    from fsm_orch import Context, Final, Limits, LLMAgent, Machine, State, never

    class Nothing(Context):
        text: str

    made = [State(LLMAgent(f"Do {n}.", calls=1), initial=n == 0, max_visits=visits) for n in range(states)]
    parts: dict[str, Any] = {f"s{n}": state for n, state in enumerate(made)}
    parts |= {"done": Final(), "human": Final(fallback=True), "limits": Limits(hops=hops, tokens=10_000_000)}
    for n, source in enumerate(made):
        for other, target in enumerate(made):
            if n != other:
                parts[f"h{n}_{other}"] = source.to(target, f"to {other}")
        parts[f"end{n}"] = source.to(parts["done"], "done")
    parts["policies"] = (never(made[1]).before(made[2]), never(made[1]).after(made[2]))
    return types.new_class("Dense", (Machine[Nothing],), exec_body=lambda body: body.update(parts))


def measure(case: str) -> dict[str, Any]:
    """Decide the policies of a machine, and then measure it."""
    from fsm_orch.proof.explore.exploration import explore

    definition = machine(case).definition
    began = time.process_time()
    found = explore(definition, max_configurations=CAP)
    decided = time.process_time()
    measures = found.measures
    told = {
        "machine": case,
        "configurations": found.configurations,
        "steps": found.steps,
        "is_complete": found.is_complete,
        "verdicts": [judged.verdict for judged in found.policies],
        "seconds": round(decided - began, 3),
        "hops": measures.hops.amount,
        "calls": measures.calls.amount,
        "is_measured": measures.is_complete,
        "is_tight": measures.is_tight,
        "measure_seconds": round(time.process_time() - decided, 3),
    }
    return told | {"peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}


def check(case: str) -> dict[str, Any]:
    """Time `fsm-orch check` of a machine that stands in a file."""
    path, _, name = case.rpartition(":")
    place = f"{path or ROOT / GALLERY[name]}:{name}"
    began = time.perf_counter()
    done = subprocess.run(
        [Path(sys.executable).with_name("fsm-orch"), "check", place], capture_output=True, check=False
    )
    return {"machine": case, "exit": done.returncode, "check_seconds": round(time.perf_counter() - began, 2)}


def main(cases: list[str]) -> None:
    """Measure each case in a process of its own."""
    if cases[:1] == ["--one"]:
        sys.path[:0] = [str(ROOT)]
        print(json.dumps(measure(cases[1])))
        return
    is_checking = cases[:1] == ["--check"]
    for case in cases[is_checking:] or (*GALLERY, *DENSE):
        subprocess.run([sys.executable, __file__, "--one", case], check=True)
        if is_checking and "," not in case:
            print(json.dumps(check(case)))


if __name__ == "__main__":
    main(sys.argv[1:])
