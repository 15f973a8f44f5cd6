"""Branches in branches that take their time and fail, against a few lines that say what must come of them."""

from __future__ import annotations

import asyncio
import random
import types
from collections.abc import Mapping
from typing import Any, NamedTuple

from support.composed import joined
from support.lanes import in_both_lanes

from fsm_orch import Context, Final, Limits, Machine, Nested, Parallel, Reply, Runner, State, Visit
from fsm_orch.agents import AgentSpec
from fsm_orch.testing import TheoremChecker, virtual_time


class Four(Context):
    """What branches write."""

    a: str | None = None
    b: str | None = None
    c: str | None = None
    d: str | None = None


FIELDS: Mapping[str, Any] = {"a": Four.a, "b": Four.b, "c": Four.c, "d": Four.d}


class End(NamedTuple):
    """When something ends, whether well, and what it has written then."""

    at: float
    ok: bool
    values: dict[str, str]


class Branch:
    """An agent that takes its time, and then writes its fields or fails."""

    def __init__(self, name: str, fields: tuple[str, ...], end: End) -> None:
        self.end = end
        self.spec = AgentSpec(kind="code", name=name, writes=tuple(FIELDS[f] for f in fields), canonical={"name": name})

    async def act(self, visit: Visit[Four]) -> Reply:
        await asyncio.sleep(self.end.at)
        if not self.end.ok:
            raise ValueError
        return Reply(changes={FIELDS[name]: value for name, value in self.end.values.items()})


class Made(NamedTuple):
    """Something that runs beside others, the fields that it writes if it ends well, and how it must end."""

    work: Any
    fields: tuple[str, ...]
    end: End


def leaf(chance: random.Random, fields: tuple[str, ...]) -> Made:
    """Make an agent."""
    name = f"w{chance.randrange(10**9)}"
    end = End(chance.uniform(0.001, 3), chance.random() < 0.7, {field: f"{name}.{field}" for field in fields})
    return Made(Branch(name, fields, end), fields, end)


def machine(chance: random.Random, depth: int, fields: tuple[str, ...]) -> Made:
    """Make a machine of branches, some of which are machines again."""
    count = chance.randint(2, 4)
    need, tolerate = chance.randint(1, count), chance.random() < 0.4
    is_race = need < count and not tolerate
    is_first = is_race and need == 1  # only one is taken, so nothing is to be merged
    branches = []
    for _ in range(count):
        own = fields if is_race or chance.random() < 0.5 else tuple(sorted(chance.sample(fields, 1)))
        is_leaf = depth == 0 or is_first or chance.random() < 0.6
        branches.append(leaf(chance, own) if is_leaf else machine(chance, depth - 1, own))
    written = sorted({field for branch in branches for field in branch.fields})
    shared = [field for field in written if sum(field in branch.fields for branch in branches) > 1]
    merged = () if is_first else tuple(shared)
    body: dict[str, Any] = {
        "__doc__": "Branches.",
        "fan": State(
            Parallel(
                join=need,
                tolerate=tolerate,
                merge={FIELDS[field]: joined for field in merged},
                **{
                    f"x{number}": branch.work
                    if isinstance(branch.work, Branch)
                    else Nested(branch.work, writes=tuple(FIELDS[field] for field in branch.fields))
                    for number, branch in enumerate(branches)
                },
            ),
            initial=True,
        ),
        "done": Final(),
        "human": Final(fallback=True),
        "limits": Limits(deadline_s=60, visit_s=20),
    }
    body["on"] = body["fan"].to(body["done"])
    made = types.new_class("Branches", (Machine[Four],), exec_body=lambda namespace: namespace.update(body))
    sure = tuple(field for field in written if sum(field not in branch.fields for branch in branches) < need)
    return Made(made, sure, expected(branches, need, is_race=is_race, tolerate=tolerate, merged=merged))


def expected(branches: list[Made], need: int, *, is_race: bool, tolerate: bool, merged: tuple[str, ...]) -> End:
    """Return how branches must end together: what this file is about, without a line of the library's."""
    well, at, failed = list[Made](), 0.0, 0
    for branch in sorted(branches, key=lambda one: one.end.at):
        at = branch.end.at
        if branch.end.ok:
            well.append(branch)
        else:
            failed += 1
        is_lost = not tolerate and len(branches) - failed < need
        if is_lost or (is_race and len(well) == need):
            break
    if len(well) < need:
        return End(at, ok=False, values={})
    values: dict[str, str] = {}
    for branch in [branch for branch in branches if branch in well]:
        for field in branch.fields:
            value = branch.end.values[field]
            values[field] = f"{values[field]} {value}" if field in merged and field in values else value
    return End(at, ok=True, values=values)


@in_both_lanes(few=25, many=100, most=400)
def test_branches_come_together_as_they_must(examples: int) -> None:
    """Whoever fails or is late, as many as must end well, no more is waited for than is said, and T1 to T6 hold."""
    ends = set[bool]()
    for seed in range(examples):
        made = machine(random.Random(seed), 2, ("a", "b", "c", "d"))
        runner = Runner(made.work)
        with virtual_time() as loop:
            result = loop.run(runner.run(Four()))
        held = {name: value for name in FIELDS if (value := getattr(result.context, name)) is not None}

        assert (made.end.ok, made.end.values) == (result.state.name == "done", held), seed
        assert abs(made.end.at - result.seconds) < 1e-6, seed
        TheoremChecker(runner.compiled).follow_all(result.journal)
        ends.add(made.end.ok)
    assert {True, False} == ends
