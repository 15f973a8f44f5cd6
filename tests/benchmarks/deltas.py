"""What an answer costs that is streamed: microseconds of CPU a piece, by its length, and for each event of a provider.

    python tests/benchmarks/deltas.py

One JSON line a figure, each the median of rounds. Nothing here asserts a time.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable

from fsm_orch import Context, Reply
from fsm_orch.agents.decision import form
from fsm_orch.agents.written import Written
from fsm_orch.models.events import Events
from fsm_orch.models.openai.streamed import ChatAssembly, ResponsesAssembly
from fsm_orch.models.wire import member

ROUNDS = 9
PIECE = 5
"""Characters of a piece: about a token."""


class Ticket(Context):
    """What is answered."""

    answer: str = ""


class Listening:
    """A listener that takes everything."""

    def will_stand(self, decision: Reply, field: str) -> bool:
        return True

    def hear(self, field: str, text: str) -> None:
        """Drop it."""


def pieces(length: int) -> list[str]:
    """Cut a decision whose text has so many characters."""
    raw = json.dumps({"handoff": "done", "answer": "word and " * (length // 9)})
    return [raw[start : start + PIECE] for start in range(0, len(raw), PIECE)]


def reading(length: int) -> float:
    """Return microseconds a piece of reading the text of a decision while it comes."""
    asked, parts = form(Ticket, ("answer",), ("done", "other"), ("done", "other")), pieces(length)

    def once() -> None:
        hear = Written("answer", Listening(), lambda: asked).begin()
        for part in parts:
            hear(part)

    return _median_us(once, len(parts))


def events(dialect: str, length: int = 2_000) -> float:
    """Return microseconds an event of a stream that is put together again."""
    parts = pieces(length)
    if dialect == "chat":
        bodies = [{"choices": [{"index": 0, "delta": {"content": part}, "finish_reason": None}]} for part in parts]
    else:
        bodies = [{"type": "response.output_text.delta", "delta": part} for part in parts]
    lines = [f"data: {json.dumps(body)}\n\n".encode() for body in bodies]

    def once() -> None:
        assembly = ChatAssembly(lambda said: member(said, "content")) if dialect == "chat" else ResponsesAssembly()
        heard = Events(assembly, len)
        for line in lines:
            heard.hear(line)

    return _median_us(once, len(lines))


def _median_us(work: Callable[[], None], steps: int) -> float:
    taken = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        taken.append((time.process_time() - began) / steps * 1e6)
    return round(statistics.median(taken), 2)


def main() -> None:
    """Print every figure."""
    for length in (200, 2_000, 20_000):
        print(json.dumps({"figure": "reading", "characters": length, "us_a_piece": reading(length)}))
    for dialect in ("chat", "responses"):
        print(json.dumps({"figure": "events", "dialect": dialect, "us_an_event": events(dialect)}))


if __name__ == "__main__":
    main()
