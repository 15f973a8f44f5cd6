"""Coding: a model writes a function, its tests run in a sandbox, and what is wrong goes back, twice at most.

    write      a model writes the function
    test       code calls it in a process of its own, with limits (`machines/sandbox.py`), and compares what it gives
    fix        a model is shown the code, and the first tests that fail
    delivered, by_hand

The pattern is a loop with a judge that cannot be talked round. Use it where code can tell right from wrong: tests, a
schema, a compiler. Do not use it where only a reader can: then a second model judges (`machines/research.py`), or a
human. And not where the tests say little: what passes them is delivered. The local model writes `is_even`, and hardly
more: most of what else it is asked for is cut off, and handed to somebody.

Proved of every run: nothing is delivered whose tests did not pass, and a model tries three times at most.

    fsm-orch check machines.coding
    fsm-orch run machines.coding "Write a function is_even(n) that returns whether n is even."
"""

from __future__ import annotations

import doctest

from fsm_orch import Context, Final, Given, Limits, LLMAgent, Machine, Preset, State, Visit, at_most, guard, never
from fsm_orch.agents import Changes
from machines.sandbox import Ended, Sandbox

EVEN = """
>>> is_even(2)
True
>>> is_even(7)
False
>>> is_even(0)
True
"""


class Task(Context):
    """What is to be written, how it is tested, and how far it is."""

    wanted: str
    tests: Given[str] = EVEN
    """Calls and what they give, as in a docstring."""
    code: str | None = None
    passes: bool = False
    wrong: str | None = None
    """The first tests that fail, for who fixes it."""
    tries: Preset[int] = 0


@guard
def passes(task: Task) -> bool:
    return task.passes


@guard
def may_try_again(task: Task) -> bool:
    return task.tries < 3


def run_tests(visit: Visit[Task, Sandbox]) -> Changes:
    """Call the code in the sandbox, and compare here, where the code cannot reach, what each call gives."""
    tests = doctest.DocTestParser().get_examples(visit.context.tests)
    calls, should = [test.source.strip() for test in tests], [test.want.strip() for test in tests]
    try:
        gave = visit.deps.called(str(visit.context.code), calls)
    except Ended as error:
        wrong = [f"The code was ended: {error}."]
    else:
        wrong = [f"{call} gives {a}, not {b}" for call, a, b in zip(calls, gave, should, strict=True) if a != b]
    tries = visit.context.tries + 1
    return {Task.passes: bool(tests) and not wrong, Task.wrong: "\n".join(wrong[:3]), Task.tries: tries}


class Coding(Machine[Task, Sandbox]):
    """Write a function that passes its tests, or hand it to somebody."""

    write = State(
        LLMAgent(
            "Write the Python function that is wanted, as short as you can. No comments, no examples.",
            does="write functions",
            reads=(Task.wanted, Task.tests),
            writes=Task.code,
        ),
        initial=True,
        timeout_s=60,
    )
    test = State(
        run_tests,
        reads=(Task.code, Task.tests, Task.tries),
        writes=(Task.passes, Task.wrong, Task.tries),
        thread=True,
        repeatable=True,  # what it calls can do nothing outside of the sandbox
    )
    fix = State(
        LLMAgent(
            "The code is wrong. Write it again, so that each call gives what it should.",
            does="mend functions",
            reads=(Task.wanted, Task.tests, Task.code, Task.wrong),
            writes=Task.code,
        ),
        max_visits=2,
        timeout_s=60,
    )
    delivered, by_hand = Final(), Final(fallback=True)

    written = write >> test
    right = test.to(delivered, guard=passes)
    wrong = test.to(fix, guard=may_try_again & ~passes)
    given_up = test.to(by_hand)
    fixed = fix >> test

    limits = Limits(hops=6, tokens=13_824, deadline_s=240)
    policies = (never(delivered).before(right), never(delivered).when(~passes), at_most(2, fix))


def deps() -> Sandbox:
    """Return a sandbox; `fsm-orch` calls this."""
    return Sandbox()
