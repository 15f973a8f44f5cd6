"""What the library itself costs: CPU time a hop and a run, against a bare asyncio loop over the same stub.

    python tests/benchmarks/speed.py                 every figure, one JSON line each
    python tests/benchmarks/speed.py chain50_llm     some of them

Each figure is the median of rounds in which the library and the bare loop take turns, in one process, with the
garbage collector as it comes. `ratio` is to the bare loop of that round. Nothing here asserts a time.
"""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, Response, Runner, State, Usage, Visit, Window
from fsm_orch.amounts import FREE
from fsm_orch.models import Request

sys.path.insert(0, str(Path(__file__).parents[1]))  # for `support`, when run alone

ROUNDS = 15


class Query(Context):
    """What runs carry."""

    text: str
    answer: str | None = None


class Stub:
    """A model that answers at once, or after a sleep, by a script of its own for each run."""

    name = "stub:stub"
    price = FREE

    def __init__(self, *, delay_s: float = 0.0) -> None:
        self._delay_s = delay_s

    async def count(self, request: Request) -> int:
        return 60

    async def complete(self, request: Request) -> Response:
        if self._delay_s:
            await asyncio.sleep(self._delay_s)
        return Response(text=self.reply(request), usage=Usage(requests=1, input_tokens=50, output_tokens=8))

    def reply(self, request: Request) -> str:
        """Choose the first handoff on the menu, and write what is asked for."""
        properties = request.schema["properties"] if request.schema else {}
        return json.dumps({name: part["enum"][0] if "enum" in part else "fine" for name, part in properties.items()})


def agent(name: str, **options: Any) -> LLMAgent:
    return LLMAgent(f"You are {name}. Do your part.", reads=(Query.text,), window=Window(messages=2), **options)


class Handoff2(Machine[Query]):
    """Triage chooses a specialist, who answers: two calls."""

    triage = State(agent("triage"), initial=True)
    sales = State(agent("sales", writes=(Query.answer,)))
    support = State(agent("support", writes=(Query.answer,)))
    answered = Final()
    human = Final(fallback=True)
    to_sales = triage.to(sales, "wants to buy")
    to_support = triage.to(support, "needs help")
    done = (sales | support).to(answered, "it is answered")


class Ring(Machine[Query]):
    """Fifty handoffs round five agents, each with the whole model layer."""

    a = State(agent("a"), initial=True, max_visits=11)
    b = State(agent("b"), max_visits=10)
    c = State(agent("c"), max_visits=10)
    d = State(agent("d"), max_visits=10)
    e = State(agent("e"), max_visits=10)
    done = Final()
    human = Final(fallback=True)
    to_b = a.to(b, "next")
    to_c = b.to(c, "next")
    to_d = c.to(d, "next")
    to_e = d.to(e, "next")
    to_a = e.to(a, "next")
    stop = (a | b | c | d | e).to(done, "enough")
    limits = Limits(hops=52, tokens=1_000_000)


def work(visit: Visit[Query]) -> None:
    """Do nothing."""


class CodeRing(Machine[Query]):
    """Fifty handoffs round five functions."""

    a = State(work, initial=True, max_visits=11)
    b = State(work, max_visits=10)
    c = State(work, max_visits=10)
    d = State(work, max_visits=10)
    e = State(work, max_visits=10)
    done = Final()
    human = Final(fallback=True)
    to_b = a.to(b)
    to_c = b.to(c)
    to_d = c.to(d)
    to_e = d.to(e)
    to_a = e.to(a)
    stop = (a | b | c | d | e).to(done)
    limits = Limits(hops=51)


@dataclass(frozen=True, slots=True, kw_only=True)
class BareUsage:
    """What a call used, in the bare loop: types of its own, so that the yardstick stands still as the library moves."""

    requests: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BareResponse:
    """A reply in the bare loop."""

    text: str
    usage: BareUsage | None
    finish: str = "stop"


async def bare_call(delay_s: float, properties: dict[str, Any]) -> BareResponse:
    """Answer as the stub does."""
    if delay_s:
        await asyncio.sleep(delay_s)
    text = json.dumps({name: part["enum"][0] if "enum" in part else "fine" for name, part in properties.items()})
    return BareResponse(text=text, usage=BareUsage(requests=1, input_tokens=50, output_tokens=8))


async def bare(hops: int, delay_s: float = 0.0) -> None:
    """Call a stub so many times in a loop, and read its replies."""
    for _ in range(hops):
        json.loads((await bare_call(delay_s, {"handoff": {"enum": ["next"]}})).text)


async def cpu(play: Callable[[], Awaitable[Any]], times: int) -> float:
    """Give the CPU seconds of one play."""
    began = time.process_time()
    for _ in range(times):
        await play()
    return (time.process_time() - began) / times


async def compare(
    play: Callable[[], Awaitable[Any]], plain: Callable[[], Awaitable[Any]], times: int
) -> tuple[float, float]:
    """Give the median CPU seconds of a play and of its bare loop, in turns."""
    rounds = [(await cpu(play, times), await cpu(plain, times)) for _ in range(ROUNDS)]
    return statistics.median(r[0] for r in rounds), statistics.median(r[1] for r in rounds)


def report(name: str, **figures: float | int | str) -> None:
    """Print a figure."""
    rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in figures.items()}
    print(json.dumps({"figure": name, **rounded}), flush=True)


def per(name: str, unit: str, hops: int, seconds: float, plain: float) -> None:
    report(
        name, **{f"us_a_{unit}": seconds / hops * 1e6, f"bare_us_a_{unit}": plain / hops * 1e6}, ratio=seconds / plain
    )


def handoff2() -> None:
    """One run of two model calls."""
    runner = Runner(Handoff2, model=Stub())
    seconds, plain = asyncio.run(compare(lambda: runner.run(Query(text="hi")), lambda: bare(2), 50))
    per("handoff2", "run", 1, seconds, plain)


def chain50_llm() -> None:
    """Fifty handoffs with the whole model layer."""
    runner = Runner(Ring, model=Stub())
    assert len(asyncio.run(runner.run(Query(text="hi"))).path) == 51
    seconds, plain = asyncio.run(compare(lambda: runner.run(Query(text="hi")), lambda: bare(51), 4))
    per("chain50_llm", "hop", 51, seconds, plain)


def chain50_code() -> None:
    """Fifty handoffs between plain functions."""
    runner = Runner(CodeRing)
    assert len(asyncio.run(runner.run(Query(text="hi"))).path) == 51
    seconds, plain = asyncio.run(compare(lambda: runner.run(Query(text="hi")), lambda: bare(51), 6))
    per("chain50_code", "hop", 51, seconds, plain)


def concurrent(runs: int) -> None:
    """So many runs of two calls at once, each call sleeping 50 ms; time on the wall, since sleep is what is shared."""
    runner = Runner(Handoff2, model=Stub(delay_s=0.05))

    async def at_once(play: Callable[[], Awaitable[Any]]) -> tuple[float, float]:
        began, began_cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(play() for _ in range(runs)))
        return time.perf_counter() - began, time.process_time() - began_cpu

    async def rounds() -> list[tuple[tuple[float, float], tuple[float, float]]]:
        count = 7 if runs <= 1_000 else 3
        return [
            (await at_once(lambda: runner.run(Query(text="hi"))), await at_once(lambda: bare(2, 0.05)))
            for _ in range(count)
        ]

    measured = asyncio.run(rounds())
    wall = statistics.median(ours[0] for ours, _ in measured)
    used = statistics.median(ours[1] for ours, _ in measured)
    plain = statistics.median(theirs[0] for _, theirs in measured)
    report(
        f"concurrent{runs}", seconds=wall, bare_seconds=plain, ratio=wall / plain,
        cpu_us_a_run=used / runs * 1e6, kb_a_run=asyncio.run(memory(runner, min(runs, 1_000))) / 1_000,
    )  # fmt: skip


async def memory(runner: Runner[Query, None], runs: int) -> float:
    """Give the bytes that a run under way holds, while all of them wait in their second call."""
    await runner.run(Query(text="hi"))
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tasks = [asyncio.create_task(runner.run(Query(text="hi"))) for _ in range(runs)]
    await asyncio.sleep(0.075)
    held = (tracemalloc.get_traced_memory()[0] - before) / runs
    tracemalloc.stop()
    await asyncio.gather(*tasks)
    return held


def crowd() -> None:
    """What a run costs in a crowd of 10,000 against one of 100."""
    costs = {}
    for runs in (100, 10_000):
        runner = Runner(Handoff2, model=Stub(delay_s=0.05))

        async def at_once(runner: Runner[Query, None] = runner, runs: int = runs) -> float:
            began = time.process_time()
            await asyncio.gather(*(runner.run(Query(text="hi")) for _ in range(runs)))
            return (time.process_time() - began) / runs

        costs[runs] = statistics.median(asyncio.run(at_once()) for _ in range(5 if runs > 100 else 15))
    report("crowd", us_a_run_100=costs[100] * 1e6, us_a_run_10000=costs[10_000] * 1e6, ratio=costs[10_000] / costs[100])


def over_http() -> None:
    """One run of two calls through each SDK to a server on loopback, against bare requests to the same server.

    CPU time of the calling thread alone, without the server's.
    """
    import httpx2
    from support.provider import KEY, Provider

    from fsm_orch.models.anthropic import MessagesModel
    from fsm_orch.models.openai import ChatModel, ResponsesModel

    async def timed(play: Callable[[], Awaitable[Any]], times: int = 40) -> float:
        await play()
        began = time.thread_time()
        for _ in range(times):
            await play()
        return (time.thread_time() - began) / times

    async def plain(url: str, body: bytes) -> float:
        async with httpx2.AsyncClient(headers={"authorization": f"Bearer {KEY}"}) as client:

            async def twice() -> None:
                for _ in range(2):
                    (await client.post(f"{url}/v1/chat/completions", content=body)).json()

            return await timed(twice)

    with Provider() as provider:
        url = provider.url
        models = {
            "responses": ResponsesModel("gpt-5-mini", api_key=KEY, base_url=f"{url}/v1", price=FREE),
            "chat": ChatModel("gpt-5-mini", api_key=KEY, base_url=f"{url}/v1", price=FREE),
            "messages": MessagesModel("claude-haiku-4-5", api_key=KEY, base_url=url, price=FREE),
        }
        for name, model in models.items():
            runner = Runner(Handoff2, model=model)

            async def both(runner: Runner[Query, None] = runner) -> tuple[float, float]:
                body = json.dumps({"model": "gpt-5-mini", "messages": [{"role": "user", "content": "hi"}]})
                return await timed(lambda: runner.run(Query(text="hi"))), await plain(url, body.encode())

            ours, bare_s = asyncio.run(both())
            report(f"over_http_{name}", us_a_run=ours * 1e6, bare_us_a_run=bare_s * 1e6, ratio=ours / bare_s)


def imports() -> None:
    """CPU time of `import fsm_orch` in a fresh process, and of pydantic alone."""

    def spent(statement: str) -> float:
        code = f"import time; t = time.process_time(); {statement}; print(time.process_time() - t)"
        return float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout)

    taken = [(spent("import fsm_orch"), spent("import pydantic; pydantic.BaseModel")) for _ in range(ROUNDS)]
    ours, theirs = statistics.median(t[0] for t in taken), statistics.median(t[1] for t in taken)
    report("import", ms=ours * 1e3, pydantic_ms=theirs * 1e3, ratio=ours / theirs)


FIGURES: dict[str, Callable[[], None]] = {
    "handoff2": handoff2,
    "chain50_llm": chain50_llm,
    "chain50_code": chain50_code,
    "concurrent1000": lambda: concurrent(1_000),
    "concurrent10000": lambda: concurrent(10_000),
    "crowd": crowd,
    "over_http": over_http,
    "import": imports,
}


def main(wanted: list[str]) -> None:
    """Print the figures wanted, or all of them.

    Raises SystemExit: if one is not known.
    """
    unknown = sorted(set(wanted) - set(FIGURES))
    if unknown:
        raise SystemExit(f"no figure {', '.join(unknown)}. Figures: {', '.join(FIGURES)}")
    for name in wanted or FIGURES:
        FIGURES[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
