"""Examples agents: the nearest centroid decides, and a declared way out where none is near."""

from __future__ import annotations

import asyncio
import math
import re
import threading
import types
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.embedders import Letters

from fsm_orch import (
    Context,
    DefinitionError,
    ExamplesAgent,
    Final,
    Given,
    Machine,
    ModelUnavailable,
    Runner,
    State,
    Visit,
)
from fsm_orch.agents import Centroids, dump_centroids, load_centroids
from fsm_orch.models import registry
from fsm_orch.proof import prove


class Question(Context):
    """A text, and something that is none."""

    text: str | None
    number: Given[int] = 0


def rest(visit: Visit[Question]) -> None:
    """Do nothing."""


def build(**options: Any) -> type[Machine[Question]]:
    """Build a desk of two targets, and let each option change one thing of its agent."""
    first, second, human = State(rest), State(rest), Final(fallback=True)
    examples = options.pop("examples", {"first": ("aab", "abb"), "second": ("xyz",)})
    targets = {"first": first, "second": second}
    agent = ExamplesAgent(
        options.pop("field", Question.text),
        {targets[name]: held for name, held in examples.items()},
        otherwise=human,
        **{"threshold": 0.5, "embedder": Letters(), **options},
    )
    triage = State(agent, initial=True)
    body = {"triage": triage, "first": first, "second": second, "human": human, "done": Final()}
    body |= {"to_first": triage.to(first), "to_second": triage.to(second), "to_human": triage.to(human)}
    body |= {"finish": (first | second).to(body["done"]), "__doc__": "Sends texts where those like them go."}
    return types.new_class("Desk", (Machine[Question],), exec_body=lambda space: space.update(body))


Desk = build()
RUNNER = Runner(Desk)
AGENT: ExamplesAgent = Desk.definition.states["triage"].agent  # type: ignore[assignment]


def reached(text: str | None, machine: type[Machine[Question]] = Desk) -> str:
    return Runner(machine).run_sync(Question(text=text)).path[0].target


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("ab", "first"),
        ("BAAB", "first"),
        ("zyx", "second"),
        ("a q q q q q q", "human"),
        ("qqq", "human"),
        ("", "human"),
        (" \n\u200b", "human"),
        (None, "human"),
        ("42", "human"),
    ],
)
def test_the_nearest_centroid_decides(text: str | None, target: str) -> None:
    """A text goes where its like are; one that is like none of them, is blank or is no text goes to the way out."""
    result = RUNNER.run_sync(Question(text=text))

    assert (target, None) == (result.path[0].target, result.landing)


def test_a_field_that_is_no_text_is_read_as_one() -> None:
    """A number is looked at as it is written, and is no failure."""
    machine = build(field=Question.number, examples={"first": "a", "second": "b"})
    result = Runner(machine).run_sync(Question(text="a", number=12))

    assert ("human", None) == (result.path[0].target, result.landing)


words = st.text(alphabet="abcxyz", min_size=1, max_size=8)
groups = st.dictionaries(words, st.lists(words, min_size=1, max_size=4), min_size=1, max_size=3)


@given(st.lists(words, min_size=1, max_size=4, unique_by=lambda text: "".join(sorted(text))))
def test_a_single_example_routes_to_its_own_target(examples: list[str]) -> None:
    """A text that is the only example of a target goes there, and has the score of what is the same."""
    finals = [Final() for _ in examples]
    agent = ExamplesAgent(
        Question.text, dict(zip(finals, examples, strict=True)), otherwise=Final(), threshold=0, embedder=Letters()
    )
    for final, example in zip(finals, examples, strict=True):
        alike = [other for other in examples if math.isclose(agent_score(other, example), 1.0)]
        target, score = agent.nearest(example)

        assert math.isclose(score, 1.0)
        assert target is final or len(alike) > 1


def agent_score(one: str, other: str) -> float:
    agent = ExamplesAgent(Question.text, {Final(): one}, otherwise=Final(), threshold=0, embedder=Letters())
    return agent.nearest(other).score


@settings(max_examples=25)
@given(words, st.floats(0, 1))
def test_below_the_threshold_nothing_is_taken(text: str, threshold: float) -> None:
    """A score decides against the threshold, and one that just reaches it is taken."""
    target, score = AGENT.nearest(text)
    strict = reached(text, build(threshold=threshold))
    just = reached(text, build(threshold=min(max(score, 0), 1)))

    assert target.name == just
    assert strict == (target.name if score >= threshold else "human")


@settings(max_examples=25)
@given(st.data(), groups)
def test_the_order_of_examples_makes_no_difference(data: st.DataObject, given_groups: dict[str, list[str]]) -> None:
    """Examples in another order, groups in another order and under other names: the same machine, the same scores."""
    shuffled = {
        f"another {name}": data.draw(st.permutations(given_groups[name]))
        for name in data.draw(st.permutations(sorted(given_groups)))
    }
    one, other = (build(examples={"first": held, "second": "q"}) for held in (given_groups, shuffled))
    text = data.draw(words)

    assert one.definition.digest == other.definition.digest
    assert nearest(one, text) == nearest(other, text)


def nearest(machine: type[Machine[Question]], text: str) -> tuple[str, float]:
    agent: Any = machine.definition.states["triage"].agent
    target, score = agent.nearest(text)
    return target.name, score


@given(st.data(), st.lists(st.tuples(*[st.floats(0.01, 1)] * 3), min_size=3, max_size=8))
def test_the_mean_of_directions_has_no_order(data: st.DataObject, vectors: list[tuple[float, ...]]) -> None:
    """A centroid is the same to its last digit, in whatever order the vectors of its examples come."""

    def centroid(made: Sequence[tuple[float, ...]]) -> object:
        embedder = types.SimpleNamespace(name="given", embed=lambda texts: made)
        return Centroids.of({"": ("x",) * len(made)}, embedder)  # type: ignore[arg-type]

    assert centroid(vectors) == centroid(data.draw(st.permutations(vectors)))


def test_a_blank_text_is_not_embedded() -> None:
    """A text of nothing goes to the way out with whatever threshold, and no embedder is asked what it thinks of it."""
    embedder = Letters()
    machine = build(embedder=embedder, threshold=0)

    assert "human" == reached(" \n", machine)
    assert ("human", 0.0) == nearest(machine, "\u200b")
    assert {" \n", "\u200b"}.isdisjoint(embedder.seen)


@pytest.mark.parametrize("text", ["axy", "x"])
def test_two_that_are_as_near_decide_nothing(text: str) -> None:
    """Where the centroids of two targets are equally near, neither is taken, at whatever threshold."""
    machine = build(examples={"first": "xa", "second": {"one": "xa", "two": "bbb"}}, threshold=0)

    assert "human" == reached(text, machine)
    assert "second" == reached("b", machine)


def test_a_target_is_as_near_as_its_nearest_group() -> None:
    """Groups have centroids of their own: what is between two of them is far from both."""
    apart = build(examples={"first": {"a": "a", "z": "z"}, "second": "q"}, threshold=0.9)
    together = build(examples={"first": ("a", "z"), "second": "q"}, threshold=0.9)

    assert ["first", "human"] == [reached(text, apart) for text in ("zz", "az")]
    assert ["human", "first"] == [reached(text, together) for text in ("zz", "az")]


BASE = Desk.definition.digest


@pytest.mark.parametrize(
    "options",
    [
        {"threshold": 0.51},
        {"embedder": types.SimpleNamespace(name="other")},
        {"examples": {"first": ("aab", "abc"), "second": ("xyz",)}},
        {"examples": {"first": ("aab",), "second": ("xyz",)}},
        {"examples": {"first": {"a": "aab", "b": "abb"}, "second": ("xyz",)}},
        {"examples": {"second": ("aab", "abb"), "first": ("xyz",)}},
        {"examples": {"first": Centroids.of({"": ("aab", "abb")}, Letters()), "second": ("xyz",)}},
    ],
)
def test_the_digest_covers_what_decides(options: dict[str, Any]) -> None:
    """A machine with another threshold, embedder or example is another machine, and its agent shows it."""
    other = build(**options)

    assert build().definition.digest == BASE != other.definition.digest
    if {"second", "first"} != {*options.get("examples", ())} or next(iter(options["examples"])) == "first":
        assert repr(AGENT) != repr(other.definition.states["triage"].agent)


def test_what_it_shows_of_itself() -> None:
    """A repr has what decides, and none of the texts, which may be customers' words."""
    assert re.fullmatch(
        r"ExamplesAgent\(text, 2 centroids of 2 targets, sha256 [0-9a-f]{12}, threshold=0.5, embedder='letters'\)",
        repr(AGENT),
    )


def test_a_machine_is_built_and_proved_without_embedding() -> None:
    """Nothing is loaded until a runner is made; a proof takes every target as possible, at no call and no token."""
    embedder = Letters()
    machine = build(embedder=embedder)
    proof = prove(machine)
    untouched = list(embedder.seen)
    Runner(machine)

    assert ([], 0, 0) == (untouched, proof.bounds.tokens, proof.bounds.calls)
    assert {"aab", "abb", "xyz"} < {*embedder.seen}
    assert "examples" == machine.definition.states["triage"].spec.kind


def test_examples_are_embedded_once() -> None:
    """However many runners and runs there are, each example is embedded once, and each query once."""
    embedder = Letters()
    machine = build(embedder=embedder)
    for _ in range(2):
        Runner(machine).run_sync(Question(text="ab"))

    assert [1, 2] == [embedder.seen.count(text) for text in ("aab", "ab")]


async def test_the_event_loop_goes_on() -> None:
    """An embedder that blocks holds no other run: it works in a thread, which ends no sooner than the loop lets it."""
    release = threading.Event()

    class Blocking(Letters):
        def embed(self, texts: Sequence[str]) -> list[list[float]]:
            if "wait" in texts:
                assert release.wait(timeout=30)
            return super().embed(texts)

    runner = Runner(build(embedder=Blocking()))
    waiting = asyncio.create_task(runner.run(Question(text="wait")))
    other = await runner.run(Question(text="ab"))
    was_waiting = not waiting.done()
    release.set()

    assert ("first", True) == (other.path[0].target, was_waiting)
    assert (await waiting).landing is None


def test_weights_that_are_missing_are_told_when_a_runner_is_made(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who lacks weights is told so at the start and not by runs that land; a stand-in needs none."""
    monkeypatch.setenv("FSM_ORCH_CACHE", str(tmp_path))
    machine = build(embedder="minilm")
    with pytest.raises(ModelUnavailable, match="run: fsm-orch model get minilm"):
        Runner(machine)

    assert Runner(machine, agents={machine.definition.states["triage"]: rest})


def test_an_unknown_embedder_is_told() -> None:
    """An embedder that nobody knows is answered with the known ones."""
    with pytest.raises(ModelUnavailable, match=r"No embedder 'max'\. Known: minilm; or give one of your own"):
        registry.embedder("max")


class Odd(Letters):
    """An embedder that does something odd with a query."""

    def __init__(self, odd: Any) -> None:
        super().__init__()
        self.odd = odd

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [self.odd] if texts == ("ab",) else super().embed(texts)


@pytest.mark.parametrize("odd", [[1.0], [math.nan] * 26, [math.inf] * 26, ["a"] * 26])
def test_vectors_that_cannot_be_compared_land_a_run(odd: Any) -> None:
    """A vector of another length, or of no numbers, routes nowhere: the attempt fails, with the reason."""
    result = Runner(build(embedder=Odd(odd))).run_sync(Question(text="ab"))

    assert result.landing is not None
    assert "human" == result.state.name
    assert isinstance(result.error, ValueError)


def test_a_vector_of_zeros_is_like_nothing() -> None:
    """A text of which an embedder knows nothing has the score 0, which no threshold above it takes."""
    assert 0 == AGENT.nearest("!!!").score
    assert "human" == reached("!!!")


@pytest.mark.parametrize("threshold", [-0.1, 1.1, math.nan, True, "0.4", None])
def test_a_threshold_is_a_cosine(threshold: Any) -> None:
    """What cannot be a threshold is refused where it is written."""
    with pytest.raises(ValueError, match=r"a threshold is a cosine from 0 to 1, not .*0\.4 is a good one"):
        build(threshold=threshold)


@pytest.mark.parametrize("held", [(), "", (" ",), ("ok", ""), {}, {"a": ()}, {"a": ("ok", "\u200b")}, (1,)])
def test_blank_examples_are_refused(held: Any) -> None:
    """A target without examples, or with a blank one, would be near to nothing or to chance."""
    with pytest.raises(ValueError, match="give at least one a group, each a text, none blank"):
        build(examples={"first": held, "second": "ok"})


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (({"search": "ok"}, Final()), TypeError, "names states and final states, not 'search'"),
        (({Final(): "ok"}, "human"), TypeError, "names states and final states, not 'human'"),
        ((["ok"], Final()), TypeError, "takes examples by state, not a list"),
        (({}, Final()), ValueError, "has no examples"),
    ],
)
def test_wrong_uses_are_told(arguments: Any, error: type[Exception], said: str) -> None:
    """What is no mapping of states, or empty, is refused with what to write."""
    with pytest.raises(error, match=said):
        ExamplesAgent(Question.text, arguments[0], otherwise=arguments[1], threshold=0.5, embedder=Letters())


def test_each_route_needs_exactly_one_handoff() -> None:
    """A state that it has examples of, without a handoff there, is a finding and not a surprise."""
    done, human = Final(), Final(fallback=True)
    triage = State(ExamplesAgent(Question.text, {done: "ok"}, otherwise=human, threshold=0.5), initial=True)
    body = {"done": done, "human": human, "triage": triage, "finish": triage.to(done), "__doc__": "Routes to nowhere."}
    with pytest.raises(DefinitionError, match="FSM121"):
        types.new_class("Loose", (Machine[Question],), exec_body=lambda space: space.update(body))


STORED = {"first": Centroids.of({"a": ("aab", "abb"), "b": "bbb"}, Letters()), "second": Centroids("letters", {})}


@given(st.dictionaries(st.text(max_size=3), groups, min_size=1, max_size=3))
def test_what_is_stored_comes_back(held: dict[str, dict[str, list[str]]]) -> None:
    """Centroids come back from JSON under the same names, the same text again, and nearly in their directions."""
    made = {label: Centroids.of(each, Letters()) for label, each in held.items()}
    text = dump_centroids(made)
    back = load_centroids(text)

    assert text == dump_centroids(back)
    assert [(label, *each.groups) for label, each in made.items()] == [(k, *each.groups) for k, each in back.items()]
    assert [each.digest for each in made.values()] == [each.digest for each in back.values()]
    for label, each in made.items():
        for name, vector in each.groups.items():
            assert math.isclose(
                1, sum(a * b for a, b in zip(vector, back[label].groups[name], strict=True)), abs_tol=1e-3
            )


@settings(max_examples=25)
@given(words, groups)
def test_stored_centroids_decide_as_their_examples_do(text: str, held: dict[str, list[str]]) -> None:
    """An agent of stored centroids scores a text as that of their examples does, but for eight bits a number."""
    stored = load_centroids(dump_centroids({"first": Centroids.of(held, Letters())}))["first"]
    of_examples, of_stored = (nearest(build(examples={"first": one, "second": "q"}), text) for one in (held, stored))

    assert math.isclose(of_examples[1], of_stored[1], abs_tol=0.02)


def test_centroids_of_another_embedder_are_refused() -> None:
    """Vectors of two embedders are never compared, nor stored together."""
    with pytest.raises(ValueError, match="were made by 'letters', and 'minilm' is to be compared"):
        build(examples={"first": STORED["first"], "second": "ok"}, embedder="minilm")
    with pytest.raises(ValueError, match=r"the centroids of .* are none"):
        build(examples=STORED)
    with pytest.raises(ValueError, match=r"of one embedder, not of \['letters', 'other'\]"):
        dump_centroids({"a": STORED["first"], "b": Centroids("other", {})})


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"embedder": "e"}', '{"embedder": 1, "centroids": {}}',
             '{"embedder": "e", "centroids": []}', '{"embedder": "e", "centroids": {"a": {"g": "?"}}}',
             '{"embedder": "e", "centroids": {"a": {"g": 1}}}'],
)  # fmt: skip
def test_what_is_no_file_of_centroids_is_told(text: str) -> None:
    """A text that holds something else is refused, with who writes the right one."""
    with pytest.raises(ValueError, match="dump_centroids wrote"):
        load_centroids(text)


def test_an_embedder_that_leaves_out_a_text_is_told() -> None:
    """As many vectors as texts, or nobody would know whose they are."""
    with pytest.raises(ValueError, match="made 1 vectors of the 2 examples 'g'"):
        Centroids.of({"g": ("ab", "b")}, types.SimpleNamespace(name="few", embed=lambda texts: [[1.0]]))  # type: ignore[arg-type]
