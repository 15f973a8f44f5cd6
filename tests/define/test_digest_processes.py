"""The digest of a definition is the same in every process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json
from typing import Annotated
from fsm_orch import *

LETTERS = [chr(97 + n) * 3 for n in range(12)]

class Plain(Context):
    query: str
    answer: str | None = None
    level: int = 0

class WithDefault(Context):
    query: str
    tags: frozenset[str] = frozenset(LETTERS)

class WithTags(Context):
    query: str
    tags: frozenset[str] = frozenset()

Wide = type(Context)("Wide", (Context,), {"__annotations__": {name: str for name in LETTERS}, "__module__": __name__})

@guard
def is_high(t: Plain) -> bool:
    return t.level > 3

def work(visit):
    return None

digests = {}

class PlainMachine(Machine[Plain]):
    a = State(LLMAgent("Do it.", reads=(Plain.query,), writes=(Plain.answer, Plain.level)), initial=True)
    done = Final()
    human = Final(fallback=True, sets={Plain.answer: "später", Plain.level: 2})
    high = a.to(human, "when high", guard=is_high | ~is_high)
    end = a.to(done, "when done")

digests["a plain machine"] = PlainMachine.definition.digest

def digest(label, context, agent, sets=None):
    class M(Machine[context]):
        a = State(agent, initial=True)
        done = Final()
        human = Final(fallback=True, sets=sets or {})
        end = a.to(done, "when done")
    digests[label] = M.definition.digest

digest("a frozenset as a default", WithDefault, work)
digest("a frozenset that is set", WithTags, work, {WithTags.tags: frozenset(LETTERS)})
digest("a set of reads", Wide, LLMAgent("Do it.", reads={getattr(Wide, n) for n in LETTERS}))
digest("a set of writes", Wide, LLMAgent("Do it.", writes={getattr(Wide, n) for n in LETTERS}))
digest("a set of phrases", Plain, LLMAgent("Do it.", must_not=set(LETTERS)))

class Keywords(Machine[Plain]):
    done = Final()
    human = Final(fallback=True)
    a = State(KeywordAgent(Plain.query, {done: set(LETTERS)}, otherwise=human), initial=True)
    end = a.to(done)
    give_up = a.to(human)

digests["a set of words"] = Keywords.definition.digest

class Item(Wide):
    line: str
    told: str = ""

class EachItem(Machine[Item]):
    a = State(work, reads=Item.line, writes=Item.told, initial=True)
    done, human = Final(), Final(fallback=True)
    end = a.to(done)

class Items(Wide):
    lines: tuple[str, ...]
    told: tuple[str, ...] = ()

each = Map(EachItem, over=Items.lines, item=Item.line, into=Items.told, result=Item.told)
digest("what each item requires", Items, each)
print(json.dumps(digests))
"""


@pytest.fixture(scope="module")
def digests_of_processes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """Digests as two processes with different hash seeds compute them."""
    path = tmp_path_factory.mktemp("digests") / "machines_apart.py"
    path.write_text(SCRIPT, encoding="utf-8")
    return [
        json.loads(
            subprocess.run(
                [sys.executable, str(path)],
                env={**os.environ, "PYTHONHASHSEED": seed},
                capture_output=True,
                text=True,
                check=True,
                cwd=Path(__file__).parent,
            ).stdout
        )
        for seed in ("1", "2")
    ]


def test_the_digest_is_the_same_in_every_process(digests_of_processes: list[dict[str, str]]) -> None:
    """A machine has one digest, however a process orders its sets: a journal must fold in another process."""
    one, other = digests_of_processes

    assert 8 == len(one)
    assert one == other
