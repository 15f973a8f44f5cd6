"""Sets are written in one order, by every process, in whatever they stand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from pydantic import ConfigDict, Field, computed_field
from support.held import Colour, Row

from fsm_orch import Context, Final, LLMAgent, Machine, Runner, ScriptedModel, State
from fsm_orch.define.changes import journaled, shown, validated
from fsm_orch.define.ordered import in_one_order
from fsm_orch.kernel.codec import to_json

TESTS = Path(__file__).parents[1]


class Aliased(Context):
    words: frozenset[str] = Field(alias="Words")
    others: frozenset[str] = Field(serialization_alias="Others")


class Camel(Context):
    model_config = ConfigDict(alias_generator=str.upper, serialize_by_alias=True)

    words: frozenset[str]


class Bag(Context):
    words: frozenset[str] = frozenset()

    @computed_field
    @property
    def long(self) -> frozenset[str]:
        return frozenset(word for word in self.words if len(word) > 1)


class Sets(Context):
    texts: frozenset[str]
    mixed: frozenset[int | str | float]
    pairs: frozenset[tuple[int, str]]
    kinds: frozenset[Colour | None]
    deep: tuple[frozenset[frozenset[str]], ...]
    bag: Bag
    aliased: Aliased
    camel: Camel
    rows: frozenset[Row] | None


WORDS = ("eu", "new", "vip", "b2b", "us", "old", "x")


FULL = Sets(
    texts=frozenset(WORDS),
    mixed=frozenset({10, 9, 2.5, "b", "a"}),
    pairs=frozenset((n, word) for n in (10, 9) for word in WORDS),
    kinds=frozenset({None, Colour.RED}),
    deep=(frozenset(frozenset(word) for word in WORDS),),
    bag=Bag(words=frozenset(WORDS)),
    aliased=Aliased.model_validate({"Words": WORDS, "others": WORDS}),
    camel=Camel.model_validate({"WORDS": WORDS}),
    rows=frozenset(map(Row, WORDS)),
)


class Sorts(Machine[Sets]):
    """Shows a model sets."""

    ask = State(LLMAgent("Sort.", reads=tuple(getattr(Sets, name) for name in Sets.__pydantic_fields__)), initial=True)
    done, human = Final(), Final(fallback=True)
    yes, no = ask.to(done, "yes"), ask.to(human, "no")


def told_of_sets() -> str:
    """Return what is written of sets: the prompt, the journal and the digest."""
    model = ScriptedModel([{"handoff": "yes"}])
    result = Runner(Sorts, model=model).run_sync(FULL)
    journal = [to_json(event).decode() for event in result.journal[:1]]
    prompt = model.requests[0].messages[-1].content
    return json.dumps([prompt, journal[0].partition("run_id")[0], Sorts.definition.digest, shown(result.context)])


def test_sets_are_written_in_one_order() -> None:
    """Numbers come by size, then texts, then all else; in whatever a set stands, and whatever stands in it."""
    written = journaled(FULL, Sets.__pydantic_fields__)

    assert sorted(WORDS) == written["texts"]
    assert [2.5, 9, 10, "a", "b"] == written["mixed"]
    assert ["red", None] == written["kinds"] or [None, "red"] == sorted(written["kinds"], key=str)
    assert {"words": sorted(WORDS)} == written["bag"]
    assert sorted(sorted(set(word)) for word in WORDS) == written["deep"][0]
    assert FULL == validated(Sets, written)


def test_sets_are_the_same_text_in_every_process() -> None:
    """Prompts, journals and digests do not follow the hashes of a process."""
    program = "from define.test_ordered import told_of_sets; print(told_of_sets())"
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    told = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "123"
    }

    assert 1 == len(told)


def test_what_a_serializer_made_otherwise_stays_as_it_is() -> None:
    """Only lists that were made of sets are sorted."""
    assert [3, 1] == in_one_order((3, 1), [3, 1])
    assert "b,a" == in_one_order(frozenset("ab"), "b,a")
    assert {"x": [2, 1]} == in_one_order(3, {"x": [2, 1]})
    assert [3, 1, 2] == in_one_order(frozenset({1}), [3, 1, 2])
