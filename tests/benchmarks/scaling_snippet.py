"""What holds back 60 calls that come at once: the snippet that the field writes, and a gate. On virtual time.

    python tests/benchmarks/scaling_snippet.py

The snippet is a token bucket, a semaphore and a time-out. Buckets like this one are in many public repositories, with
a lock that is held while one sleeps. The time-out stands around the call, or around all of it. All have the same
limits: 60 calls a minute and 10 of them at once, 8 at work at once, 10 s for a visit; a call takes 1.75 s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path

if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1]))

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, Runner, ScriptedModel, State
from fsm_orch.kernel import records
from fsm_orch.models import Request, Response
from fsm_orch.resilience import Gate, Pace
from fsm_orch.testing import virtual_time

CALLS, A_MINUTE, BURST, AT_ONCE, VISIT_S, TAKES_S = 60, 60, 10, 8, 10.0, 1.75


class TokenBucket:
    """As it is written: it sleeps with its lock held."""

    def __init__(self, rate: float, capacity: float) -> None:
        self.rate, self.capacity, self.tokens = rate, capacity, capacity
        self.lock = asyncio.Lock()
        self.refilled = asyncio.get_running_loop().time()  # time.monotonic() elsewhere: here time is virtual

    async def acquire(self) -> None:
        async with self.lock:
            while True:
                now = asyncio.get_running_loop().time()
                self.tokens = min(self.capacity, self.tokens + (now - self.refilled) * self.rate)
                self.refilled = now
                if self.tokens >= 1:
                    self.tokens -= 1
                    return
                await asyncio.sleep((1 - self.tokens) / self.rate)


@dataclass
class Seen:
    """What came of the calls: the moment of each, by its number."""

    asked: dict[int, float] = field(default_factory=dict)
    answered: dict[int, float] = field(default_factory=dict)
    denied: dict[int, float] = field(default_factory=dict)
    charged: int | None = None
    """Tokens that were charged to calls which have no answer; None: it keeps no books."""
    held_s: float | None = None
    """For how long money was held before its call was sent, at most; None: it holds none."""


Call = Callable[[int], Awaitable[None]]


async def _all(call: Call, seen: Seen, calls: int = CALLS) -> None:
    async def one(n: int) -> None:
        try:
            await call(n)
        except TimeoutError:
            seen.denied[n] = asyncio.get_running_loop().time()

    await asyncio.gather(*(one(n) for n in range(calls)))


def _snippet(seen: Seen, *, is_around_all: bool) -> Call:
    bucket, semaphore = TokenBucket(A_MINUTE / 60, BURST), asyncio.Semaphore(AT_ONCE)
    loop = asyncio.get_running_loop()

    async def model(n: int) -> None:
        seen.asked[n] = loop.time()
        await asyncio.sleep(TAKES_S)
        seen.answered[n] = loop.time()

    async def around_the_call(n: int) -> None:
        async with semaphore:
            await bucket.acquire()
            await asyncio.wait_for(model(n), timeout=VISIT_S)

    async def whole(n: int) -> None:
        async with semaphore:
            await bucket.acquire()
            await model(n)

    async def around_all(n: int) -> None:
        await asyncio.wait_for(whole(n), timeout=VISIT_S)

    return around_all if is_around_all else around_the_call


class Question(Context):
    """A question with a number."""

    text: str
    answer: str | None = None


class Desk(Machine[Question]):
    """Ask a model."""

    ask = State(
        LLMAgent("Answer.", reads=Question.text, writes=Question.answer, max_input_tokens=500, max_output_tokens=100),
        initial=True,
    )
    answered = Final()
    human = Final(fallback=True, sets={Question.answer: "Ask a colleague."})
    done = ask.to(answered)
    limits = Limits(visit_s=VISIT_S)


class _Watched(ScriptedModel):
    def __init__(self, seen: Seen) -> None:
        super().__init__(repeat({"answer": "yes"}), delay_s=TAKES_S)
        self._seen = seen

    async def complete(self, request: Request) -> Response:
        number = int(request.messages[-1].content.partition("no. ")[2].split()[0].strip('"},'))
        self._seen.asked[number] = asyncio.get_running_loop().time()
        return await super().complete(request)


def _gated(seen: Seen, *, queue: int) -> Call:
    gate = Gate(pace=Pace(A_MINUTE, per_s=60, burst=BURST), at_once=AT_ONCE, queue=queue)
    runner, loop = Runner(Desk, model=_Watched(seen), gates={Desk.ask: gate}), asyncio.get_running_loop()
    seen.charged, seen.held_s = 0, 0.0

    async def run(n: int) -> None:
        result = await runner.run(Question(text=f"no. {n}"))
        if result.landing is None:
            seen.answered[n] = loop.time()
        else:
            seen.denied[n] = loop.time()
            seen.charged = (seen.charged or 0) + result.charged_tokens
        for record in result.records:
            if isinstance(record, records.CallReserved):
                # moments of records are seconds since the run began, and all began at second 0
                seen.held_s = max(seen.held_s or 0.0, seen.asked[n] - record.stamp.at)

    return run


def came_of(made: Callable[[Seen], Call]) -> Seen:
    """Return what came of all calls."""
    seen = Seen()

    async def all_of_them() -> None:
        await _all(made(seen), seen)

    with virtual_time() as loop:
        loop.run(all_of_them())
    return seen


def _lost(made: Callable[[Seen], Call]) -> tuple[int, int]:
    """Return how many places are lost, and how many turns, when 6 of 24 that wait are cancelled."""
    seen = Seen()

    async def cancel() -> tuple[int, int]:
        call = made(seen)
        first = [asyncio.ensure_future(call(n)) for n in range(24)]
        await asyncio.sleep(4.5)
        for task in [each for n, each in enumerate(first) if n not in seen.asked][:6]:
            task.cancel()
        await asyncio.gather(*first, return_exceptions=True)
        turns = sum(moment < 8.5 for moment in seen.asked.values())  # 10 at once, and 8 more by then
        await asyncio.sleep(120)
        seen.asked.clear()
        again = asyncio.get_running_loop().time()
        await _all(call, seen, AT_ONCE)
        at_once = sum(moment == again for moment in seen.asked.values())
        return AT_ONCE - at_once, 18 - turns

    with virtual_time() as loop:
        return loop.run(cancel())


WAYS: dict[str, Callable[[Seen], Call]] = {
    "`wait_for` around the call": lambda seen: _snippet(seen, is_around_all=False),
    "`wait_for` around all": lambda seen: _snippet(seen, is_around_all=True),
    "`Gate`, `queue=10`": lambda seen: _gated(seen, queue=10),
    "`Gate`, `queue=52`": lambda seen: _gated(seen, queue=52),
}


def table() -> str:
    """Return what came, as a table in Markdown."""
    columns = {name: (came_of(made), _lost(made)) for name, made in WAYS.items()}
    lines = [("60 calls at once", *columns), ("---",) * (len(columns) + 1)]
    lines += [(what, *(tell(*each) for each in columns.values())) for what, tell in _ROWS.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _span(moments: Sequence[float]) -> str:
    if not moments:
        return "0"
    low, high = min(moments), max(moments)
    return f"{len(moments)}, in second {low:.1f}" + ("" if high - low < 0.05 else f" to {high:.1f}")


_ROWS: dict[str, Callable[[Seen, tuple[int, int]], str]] = {
    "asked": lambda seen, _: _span([*seen.asked.values()]),
    "answered": lambda seen, _: _span([*seen.answered.values()]),
    "later than 10 s": lambda seen, _: str(sum(each > VISIT_S for each in seen.answered.values())),
    "denied at once": lambda seen, _: str(sum(each < 0.05 for each in seen.denied.values())),
    "denied after a wait": lambda seen, _: _span([each for each in seen.denied.values() if each >= 0.05]),
    "asked, and its answer thrown away": lambda seen, _: str(len(seen.asked.keys() - seen.answered.keys())),
    "tokens charged without an answer": lambda seen, _: "not known" if seen.charged is None else str(seen.charged),
    "money held while it waits": lambda seen, _: "none is" if seen.held_s is None else f"{seen.held_s:.1f} s",
    "in the order in which they came": lambda seen, _: "yes" if [*seen.asked] == sorted(seen.asked) else "no",
    "places lost by 6 cancellations": lambda _, lost: str(lost[0]),
    "turns lost by 6 cancellations": lambda _, lost: str(lost[1]),
}


if __name__ == "__main__":
    print(table())
