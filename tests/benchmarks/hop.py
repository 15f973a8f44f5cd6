"""What one hop of an LLM agent goes through: functions entered, files, moves between files, and calls.

    python tests/benchmarks/hop.py            the hop, in figures
    python tests/benchmarks/hop.py --trail    and every move

The hop is from one visit to the next: prompt, request, reply, firing. Only functions of this package are counted.
"""

from __future__ import annotations

import asyncio
import sys
from itertools import pairwise
from pathlib import Path
from types import FrameType

from speed import Handoff2, Query, Stub

import fsm_orch
from fsm_orch import Runner

PACKAGE = str(Path(fsm_orch.__file__).parent)


def trail() -> list[tuple[str, str]]:
    """Return the functions of the package that one hop enters, in order, each with its file."""
    entered: list[tuple[str, str]] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(PACKAGE):
            entered.append((code.co_filename.removeprefix(PACKAGE + "/"), code.co_qualname))

    runner = Runner(Handoff2, model=Stub())
    asyncio.run(runner.run(Query(text="warm up")))
    sys.setprofile(note)
    try:
        asyncio.run(runner.run(Query(text="hi")))
    finally:
        sys.setprofile(None)
    first, second = (place for place, (_, name) in enumerate(entered) if name.endswith(".enter"))
    return entered[first:second]


def main() -> None:
    """Print the figures."""
    entered = trail()
    moves = sum(one[0] != other[0] for one, other in pairwise(entered))
    print(f"calls {len(entered)}, functions {len(set(entered))}, files {len({f for f, _ in entered})}, moves {moves}")
    if "--trail" in sys.argv:
        before = ""
        for file, name in entered:
            print(f"{file if file != before else '':<28} {name}")
            before = file


if __name__ == "__main__":
    main()
