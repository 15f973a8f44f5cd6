"""What was written down stays true: stored journals fold as they did, and digests are what they were."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from itertools import zip_longest
from pathlib import Path
from typing import Any, get_args

import pytest
from journals.recordings import RECORDINGS, STORED, digests, read, recorded, told
from support.contexts import CONTEXTS, lines

from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.reasons import AskEnd, DenialReason, FailureReason, LandingReason, RefusalReason
from fsm_orch.kernel.records import Record, RequestKind
from fsm_orch.kernel.requests import Request

TESTS = Path(__file__).parent

TO_DO = (
    "{what}: what users have stored would be stranded too.\n"
    "If this was not meant, mend it. If it was, raise `fsm_orch.kernel.VERSION` and record anew, in the same commit:\n"
    "    python tests/journals/record.py\n"
    "(If only a machine of the gallery or of the tests was edited, record anew and leave the version. If records\n"
    "have only gained a field, leave it too, and fold again: python tests/journals/record.py folded)"
)


DIALECTS = lines()


def stored(name: str) -> str:
    return (STORED / name).read_text(encoding="utf-8")


def assert_same(was: str, now: str, what: str) -> None:
    """Compare two texts line by line, and say of the first that differs what to do."""
    for number, (before, after) in enumerate(zip_longest(was.splitlines(), now.splitlines()), start=1):
        if before != after:
            pytest.fail(f"{TO_DO.format(what=what)}\nline {number} was: {before}\nand is now: {after}", pytrace=False)


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_stored_journal_folds_as_it_did(name: str) -> None:
    """A stored journal gives the records it gave, byte for byte, and ends where it ended."""
    text = stored(f"{name}.journal")

    try:
        now = told(*read(text))
    except Exception as error:
        now = f"{type(error).__name__}: {error}"

    assert_same(text, now, f"The stored journal {name!r} no longer folds as it did")


@pytest.mark.parametrize("machine", digests())
def test_a_machine_has_the_digest_it_had(machine: str) -> None:
    """The digest of a machine that nobody edited is what it was."""
    was = json.loads(stored("digests.json")).get(machine)

    assert_same(str(was), digests()[machine], f"The digest of {machine} has changed")


@pytest.mark.parametrize("number", range(len(CONTEXTS)), ids=[*CONTEXTS])
def test_a_context_is_told_as_it_was(number: int) -> None:
    """The dialect of a context, and the digest of a machine on it, are what they were with any version of pydantic."""
    was = dict(enumerate(stored("dialects.jsonl").splitlines()))

    assert_same(str(was.get(number)), DIALECTS[number], "The dialect of a context has changed")


def test_nothing_else_is_stored() -> None:
    """What is stored is what would be recorded: no journal is left of a recording that is gone."""
    names = {*(f"{name}.journal" for name in RECORDINGS), "digests.json", "dialects.jsonl"}

    assert names == {path.name for path in STORED.iterdir()}
    assert digests().keys() == json.loads(stored("digests.json")).keys()
    assert len(CONTEXTS) == len(stored("dialects.jsonl").splitlines())


def kinds(union: Any) -> set[str]:
    return {member.__struct_config__.tag for member in get_args(union)}


def found(sign: str, key: str) -> set[str]:
    """Return what a key holds in any line of a sign, of all that is stored."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in STORED.glob("*.journal"))
    return set(re.findall(rf'"{key}":"(\w+)"', "\n".join(re.findall(rf"^{sign} .*$", text, re.MULTILINE))))


def test_stored_journals_have_everything_in_them() -> None:
    """There is every kind of input and record in them, every end, and every reason why something did not go well."""
    reasons = found("<", "reason")

    assert found(">", "kind") == kinds(Input) | kinds(Request)
    assert found("<", "kind") == kinds(Record) | set(get_args(RequestKind))
    assert found("<", "end") == set(get_args(AskEnd))
    assert found("<", "landing") == set(get_args(LandingReason))
    assert reasons >= set(get_args(FailureReason)) | set(get_args(DenialReason))
    # a reply after the deadline lands before it is judged, so no reply is refused for it
    assert reasons >= set(get_args(RefusalReason)) - {"deadline"}
    assert {json.loads(stored(f"{name}.journal").splitlines()[-1][2:])["status"] for name in RECORDINGS} == {
        "finished",
        "running",
    }


@pytest.mark.parametrize("seed", ["1", "2"])
def test_recording_is_the_same_in_every_process(seed: str) -> None:
    """A recording depends on no clock, no chance and no order of sets."""
    program = "import json; from journals.recordings import recorded; print(json.dumps(recorded()))"
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, encoding="utf-8"
    )

    assert recorded() == json.loads(done.stdout)
