"""A machine three deep, with a model at each level."""

from __future__ import annotations

import asyncio

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, Nested, Parallel, Preset, Reply, State, Visit, guard


class Text(Context):
    """What crosses."""

    query: str
    low: str | None = None
    middle: str | None = None
    high: str | None = None


class Low(Machine[Text]):
    """The innermost machine."""

    find = State(LLMAgent("Find it.", reads=Text.query, writes=Text.low), initial=True)
    done, human = Final(), Final(fallback=True)
    on = find.to(done)
    model = "low:model"


class Middle(Machine[Text]):
    """The machine around it."""

    low = State(Nested(Low, writes=Text.low), initial=True)
    weigh = State(LLMAgent("Weigh it.", reads=Text.low, writes=Text.middle))
    done, human = Final(), Final(fallback=True)
    weighs, on = low.to(weigh), weigh.to(done)
    limits = Limits(tokens=20_000)


class High(Machine[Text]):
    """The machine around both."""

    first = State(Nested(Middle, writes=(Text.low, Text.middle)), initial=True)
    tell = State(LLMAgent("Tell it.", reads=Text.middle, writes=Text.high))
    done, human = Final(), Final(fallback=True)
    tells, on = first.to(tell), tell.to(done)
    limits = Limits(tokens=40_000)


async def slowly(visit: Visit[Text]) -> Reply:
    """Take 20 s."""
    await asyncio.sleep(20)
    return Reply(changes={Text.low: "slowly"})


class Twice(Machine[Text]):
    """A model that has 2 s, and code in its place that takes long."""

    find = State(LLMAgent("Find it.", reads=Text.query, writes=Text.low), initial=True, timeout_s=2)
    code = State(slowly, writes=Text.low, timeout_s=30)
    done, human = Final(), Final(fallback=True)
    on, late = (find | code).to(done), find.on_timeout(code)


class Around(Machine[Text]):
    """The machine around it, whose model it uses."""

    inside = State(Nested(Twice, writes=Text.low), initial=True)
    tell = State(LLMAgent("Tell it.", reads=Text.low, writes=Text.high))
    done, human = Final(), Final(fallback=True)
    flow = inside >> tell >> done
    limits = Limits(tokens=20_000)
    model = "around:model"


def last(values: tuple[str | None, ...]) -> str | None:
    """Take the last value."""
    return values[-1]


class Mixed(Machine[Text]):
    """A model that has 2 s, beside code that takes long."""

    fan = State(
        Parallel(
            low=State(LLMAgent("Find it.", reads=Text.query, writes=Text.low), timeout_s=2),
            code=State(slowly, writes=Text.low, timeout_s=30),
            join="first",
            tolerate=True,
            merge={Text.low: last},
        ),
        initial=True,
        timeout_s=50,
    )
    done, human = Final(), Final(fallback=True)
    on = fan.to(done)


class Two(Machine[Text]):
    """Two models at once."""

    fan = State(
        Parallel(
            low=LLMAgent("Find the low.", reads=Text.query, writes=Text.low),
            middle=LLMAgent("Find the middle.", reads=Text.query, writes=Text.middle),
        ),
        initial=True,
    )
    done, human = Final(), Final(fallback=True)
    on = fan.to(done)


class Lap(Context):
    """How often it went round."""

    query: str
    laps: Preset[int] = 0
    low: str | None = None


async def quickly(visit: Visit[Lap]) -> Reply:
    """Take a second."""
    await asyncio.sleep(1)
    return Reply(changes={Lap.low: "quickly"})


def count(visit: Visit[Lap]) -> Reply:
    """Count the laps."""
    return Reply(changes={Lap.laps: visit.context.laps + 1})


@guard
def is_second(lap: Lap) -> bool:
    return lap.laps >= 2


class Laps(Machine[Lap]):
    """A race, twice: its model is always the slower one."""

    fan = State(
        Parallel(
            code=State(quickly, writes=Lap.low),
            low=LLMAgent("Find it.", reads=Lap.query, writes=Lap.low),
            join="first",
        ),
        initial=True,
        max_visits=2,
    )
    lap = State(count, reads=Lap.laps, writes=Lap.laps)
    done, human = Final(), Final(fallback=True)
    on = fan.to(lap)
    end, again = lap.to(done, guard=is_second), lap.to(fan)
    limits = Limits(tokens=30_000)
