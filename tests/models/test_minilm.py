"""The embedder of the catalogue, with its real weights."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm_orch.agents.centroids import cosine
from fsm_orch.errors import ModelUnavailable
from fsm_orch.models import minilm, registry
from fsm_orch.models.embed import unit
from fsm_orch.models.weights import CATALOGUE

real = pytest.mark.local("minilm")


@given(st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), max_size=8))
def test_a_direction_has_the_length_one(numbers: list[float]) -> None:
    """A vector is scaled to the length 1, whichever it had; one of zeros stays as it is."""
    found = unit(numbers)

    assert math.isclose(math.hypot(*found), 1.0) or not any(numbers) or math.hypot(*numbers) < 1e-150


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_direction_is_of_numbers(bad: float) -> None:
    """What is not finite has no direction."""
    with pytest.raises(ValueError, match="not a finite number"):
        unit([1.0, bad])


def test_a_package_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, the message is what to install; without the weights, what to run."""
    monkeypatch.setenv("FSM_ORCH_CACHE", str(tmp_path))
    with pytest.raises(ModelUnavailable, match="run: fsm-orch model get minilm"):
        registry.embedder("minilm")
    monkeypatch.setattr("fsm_orch.models.weights.paths_of", lambda name, kind: ())
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelUnavailable, match=r"pip install -e '\.\[embed\]'"):
        registry.embedder("minilm")


@real
def test_what_means_alike_is_near() -> None:
    """A question is nearer to another way of asking it than to one about something else, in any letters' case."""
    asked, again, other, shouted = registry.embedder("minilm").embed(
        [
            "how do i get a new card?",
            "i need my card replaced",
            "is there traffic on the way?",
            "HOW DO I GET A NEW CARD?",
        ]
    )

    assert cosine(asked, again) > 0.5
    assert cosine(asked, other) < 0.2
    assert asked == shouted
    assert (384, True) == (len(asked), math.isclose(cosine(asked, asked), 1.0))


@real
@settings(max_examples=15)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=4))
def test_a_text_alone_has_the_vector_that_it_has_among_others(texts: list[str]) -> None:
    """Whatever the texts, and whichever stand beside one: its vector is the same, to the last digit."""
    embedder = registry.embedder("minilm")

    assert list(embedder.embed(texts)) == [embedder.embed([text])[0] for text in texts]


@real
def test_a_long_text_is_its_beginning() -> None:
    """Of a text of more tokens than count, the rest makes no difference; one that is no Unicode has a vector too."""
    embedder = registry.embedder("minilm")
    long = "money " * minilm.MAX_TOKENS
    one, other = embedder.embed([long, f"{long} and then some weather"])

    assert one == other
    assert 384 == len(embedder.embed(["\ud800"])[0])


@real
def test_several_threads_get_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that ask at once, while nothing is loaded, load it once and get the same vectors as one alone."""
    monkeypatch.setattr(minilm, "_network", None)
    loads: list[object] = []
    make = minilm._Network
    monkeypatch.setattr(minilm, "_Network", lambda: loads.append(None) or make())
    found: list[object] = []

    def ask() -> None:
        found.append(registry.embedder("minilm").embed(["pay my bill"]))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (1, 4, 1) == (len(loads), len(found), len({*found}))  # type: ignore[misc]


FORKED = """
import os, sys
from fsm_orch.models import registry

embedder = registry.embedder("minilm")
said = embedder.embed(["hello"])
child = os.fork()
if not child:
    sys.exit(7 if embedder.embed(["hello"]) == said else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), embedder.embed(["hello"]) == said)
"""


@real
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_loads_its_own() -> None:
    """A process that was forked from one with a loaded network loads it anew, and ends as it wants."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED], capture_output=True, text=True, timeout=60, check=True
    )

    assert ("7 True\n", "") == (done.stdout, done.stderr)


@real
def test_weights_that_were_changed_are_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of the right size and other bytes is refused when it is to be loaded."""
    files = CATALOGUE["minilm"].files
    contents = [bytearray(file.path.read_bytes()) for file in files]
    contents[1][1000] ^= 1
    monkeypatch.setenv("FSM_ORCH_CACHE", str(tmp_path))
    for file, content in zip(files, contents, strict=True):
        file.path.write_bytes(content)
    monkeypatch.setattr(minilm, "_network", None)
    with pytest.raises(ModelUnavailable, match=r"tokenizer\.json is not the file.*fsm-orch model get minilm"):
        registry.embedder("minilm").embed(["hello"])
