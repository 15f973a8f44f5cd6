"""Recorded runs against limits: what the notebook shows is what the runs give, and what the kernel does with them."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from figures.plot import PICTURES
from figures.recorded.figures import figures, read
from figures.recorded.guards import GUARDS, effect, first_stop
from figures.recorded.kernel import machine_of, played, stopped_at
from figures.recorded.picture import draw
from figures.recorded.runs import Message, Recorded, load
from hypothesis import given, settings
from hypothesis import strategies as st
from support.data import data
from support.lanes import in_both_lanes

from fsm_orch.proof import prove

CHAT = {"agent": "Ann", "tokens": 5}
NOTE = {"agent": "Orchestrator (thought)", "tokens": 7, "ledger": {"in_loop": False, "progress": True}}


@pytest.fixture(scope="module")
def runs() -> list[Recorded]:
    """Read the recorded runs, where they are."""
    return load(data("recorded_handoffs.jsonl"))


def recorded(agents: str, *, mistake: int = 0, tokens: int = 10, stalls: str = "") -> Recorded:
    """Return a run of agents with names of one letter, whose notes say y for a stall, n for none, - for no note."""
    notes = stalls or "-" * len(agents)
    said = {"y": True, "n": False, "-": None}
    messages = tuple(Message(agent, tokens, said[note]) for agent, note in zip(agents, notes, strict=True))
    return Recorded(name=agents, messages=messages, mistake=mistake, culprit=agents[mistake])


@st.composite
def drawn_runs(draw: st.DrawFn) -> Recorded:
    """Draw a run of up to four agents, each of whose messages has another length."""
    agents = draw(st.text("ABCD", min_size=1, max_size=24))
    messages = tuple(Message(agent, draw(st.integers(1, 500)), draw(st.none() | st.booleans())) for agent in agents)
    return Recorded("drawn", messages, draw(st.integers(0, len(agents) - 1)), "A")


def written(folder: Path, **changed: Any) -> Path:
    """Write a file of one run, in which these keys are changed."""
    run = {
        "id": "1",
        "mistake_agent": "Ann",
        "mistake_step": "1",
        "steps": [{"agent": "human", "tokens": 3}, CHAT, NOTE],
    }
    path = folder / "runs.jsonl"
    path.write_text(json.dumps({**run, **changed}) + "\n", encoding="utf-8")
    return path


def test_a_run_is_read(tmp_path: Path) -> None:
    """A run has its messages, whom each is of without what that agent does in it, and its mistake."""
    (run,) = load(written(tmp_path))

    assert (Message("human", 3, None), Message("Ann", 5, None), Message("Orchestrator", 7, False)) == run.messages
    assert (1, "Ann", 15, 7) == (run.mistake, run.culprit, run.tokens(), run.wasted)


@pytest.mark.parametrize(
    ("in_loop", "progress", "is_stalled"), [(True, True, True), (False, False, True), (False, True, False)]
)
def test_a_note_of_no_progress_is_a_stall(tmp_path: Path, in_loop: bool, progress: bool, is_stalled: bool) -> None:
    """An orchestrator that sees a loop, or no progress, sees a stall."""
    (run,) = load(written(tmp_path, steps=[CHAT, {**CHAT, "ledger": {"in_loop": in_loop, "progress": progress}}]))

    assert is_stalled is run.messages[1].is_stalled


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"mistake_step": "3"}, "line 1: the mistake is message 3, and there are 3"),
        ({"mistake_step": "late"}, "line 1 is no recorded run"),
        ({"steps": [{"agent": "Ann"}]}, "line 1 is no recorded run.*'tokens'"),
    ],
)
def test_a_line_that_is_no_run_is_refused(tmp_path: Path, changed: dict[str, Any], problem: str) -> None:
    """What is no recorded run is refused by the number of its line."""
    with pytest.raises(ValueError, match=problem):
        load(written(tmp_path, **changed))


def test_messages_in_a_row_are_one_visit() -> None:
    """An agent that speaks again before any other is still in its visit; the question is no visit."""
    messages = (Message("human", 9, None), *recorded("AABAB").messages)
    run = Recorded("asked", messages, 0, "human")

    assert [("A", 1, 20), ("B", 3, 10), ("A", 4, 10), ("B", 5, 10)] == [
        (visit.agent, visit.first, visit.tokens) for visit in run.visits
    ]


@pytest.mark.parametrize(
    ("guard", "setting", "run", "stop"),
    [
        ("handoffs", 2, recorded("ABBC"), None),
        ("handoffs", 2, recorded("ABBCA"), 4),
        ("visits", 2, recorded("ABAAB"), None),
        ("visits", 2, recorded("ABAABBA"), 6),
        ("cycle", 3, recorded("ABABA"), None),
        ("cycle", 3, recorded("ABABAB"), 5),
        ("cycle", 3, recorded("CABBABAB"), 7),
        ("cycle", 2, recorded("ABCABC"), 5),
        ("cycle", 2, recorded("ABCDABCD"), 7),
        ("cycle", 2, recorded("ABCABD"), None),
        ("tokens", 30, recorded("ABC"), None),
        ("tokens", 29, recorded("ABC"), 2),
        ("tokens", 29, recorded("ABB"), 1),
        ("orchestrator", 2, recorded("AAAAAA", stalls="yny--y"), None),
        ("orchestrator", 2, recorded("AAAAAA", stalls="yn-y-y"), None),
        ("orchestrator", 2, recorded("AAAAAAA", stalls="yn-y-y-"), 6),
    ],
)
def test_where_a_guard_stops(guard: str, setting: int, run: Recorded, stop: int | None) -> None:
    """A guard lets happen what it allows, and stops the first message beyond."""
    assert stop == GUARDS[guard].stop(run, setting)


@pytest.mark.parametrize(
    ("mistake", "early", "cut", "lost"),
    [(1, 0, 20, 0), (2, 0, 20, 0), (3, 1, 10, 10), (4, 1, 0, 20)],
)
def test_what_a_stop_saves_and_costs(mistake: int, early: int, cut: int, lost: int) -> None:
    """Of what is stopped, messages after the mistake are waste that is cut, those up to it good work that is lost."""
    found = effect([recorded("ABABA", mistake=mistake), recorded("AB")], GUARDS["handoffs"], 2)

    assert (1, early, cut, lost) == (found.stopped, found.early, found.cut, found.lost)


@given(drawn_runs())
def test_a_stricter_setting_stops_no_later(run: Recorded) -> None:
    """Whatever a guard stops is stopped as early, or earlier, by the same guard with a lower number."""
    for guard in GUARDS.values():
        stops = [len(run.messages) if (stop := guard.stop(run, most)) is None else stop for most in guard.settings]

        assert sorted(stops) == stops


@given(drawn_runs())
def test_nothing_is_counted_twice(run: Recorded) -> None:
    """What a guard leaves, saves and loses adds up to the tokens of the run."""
    for guard in GUARDS.values():
        for most in guard.settings:
            stop, found = guard.stop(run, most), effect([run], guard, most)

            assert run.tokens() == run.tokens(end=stop) + found.cut + found.lost


@in_both_lanes(few=15, many=100)
def test_the_kernel_stops_where_arithmetic_does(examples: int) -> None:
    """Under a cap on visits, or on hops, a run lands just where its replay stops, and has paid for what came before."""

    @settings(max_examples=examples)
    @given(drawn_runs(), st.integers(1, 6), st.integers(1, 12))
    def agree(run: Recorded, visits: int, handoffs: int) -> None:
        for guard, most, result in [
            ("visits", visits, played(run, max_visits=visits)),
            ("handoffs", handoffs, played(run, handoffs=handoffs)),
        ]:
            stop = GUARDS[guard].stop(run, most)

            assert stop == stopped_at(run, result)
            assert run.tokens(end=stop) == result.charged_tokens

    agree()


def test_a_machine_of_a_run_has_its_handoffs_and_no_others() -> None:
    """The machine of a recorded run declares what its recording shows, and that any agent may end the work."""
    machine = machine_of(recorded("ABBCA"), max_visits=2)

    assert {("agent_0", "agent_1"), ("agent_1", "agent_2"), ("agent_2", "agent_0")} | {
        (f"agent_{number}", "done") for number in range(3)
    } == {(source.name, way.target.name) for way in machine.definition.handoffs for source in way.sources}
    assert prove(machine).bounds.calls == 6


def test_a_message_that_comes_first_is_stopped_first() -> None:
    """Of several guards, the one that stops a run earliest decides."""
    run = recorded("ABABAB")

    assert 2 == first_stop(run, {"visits": 1, "cycle": 3})
    assert 5 == first_stop(run, {"visits": 3, "cycle": 3})
    assert None is first_stop(run, {"visits": 3, "handoffs": 5})


@pytest.mark.slow
def test_the_figures_are_those_of_the_runs(runs: list[Recorded]) -> None:
    """Computed again, the figures that are committed come out, the verdicts of the kernel included."""
    assert read() == figures(runs)


def test_the_kernel_agrees_on_every_recorded_run() -> None:
    """Under each cap on visits and handoffs that was tried, the kernel says the same of all runs."""
    found = read()

    assert {"visits", "handoffs"} == found.kernel.keys()
    for name, judged in found.kernel.items():
        assert [(e.setting, e.stopped, found.runs) for e in found.guards[name]] == [
            (a.setting, a.landed, a.agreed) for a in judged
        ]


def test_a_cap_on_visits_beats_what_is_cleverer() -> None:
    """Some cap on visits saves as much and loses no more than each setting of what is cleverer, but for two of them: a
    budget that loses half of the good work, and six rounds of a cycle, which come within 50 tokens of a cap."""
    found = read()
    unbeaten = [
        (name, effect.setting)
        for name in ("cycle", "tokens", "orchestrator")
        for effect in found.guards[name]
        if found.beating(effect) is None
    ]

    assert [("cycle", 6), ("tokens", 2_000)] == unbeaten
    cycle, budget, cap = found.guards["cycle"][4], found.guards["tokens"][0], found.guards["visits"][4]
    assert (6, 2_000, 6) == (cycle.setting, budget.setting, cap.setting)
    assert found.lost(budget) > 0.5
    assert cap.cut > cycle.cut
    assert cap.lost - cycle.lost < 50


def test_what_the_text_says_of_the_figures() -> None:
    """The figures that the notebook's text tells in words are those that are committed."""
    found = read()

    assert (92, 28) == (found.runs, found.magentic.runs)
    assert "63%" == f"{found.magentic.tokens / found.tokens:.0%}"
    assert "57%" == f"{found.wasted / found.tokens:.0%}"
    assert (56, 97_899) == (found.together.missed, found.together.missed_wasted)


def test_the_pictures_are_those_of_the_figures(tmp_path: Path) -> None:
    """Drawn again, each picture has the same bytes; its text is text, and nothing is loaded from elsewhere."""
    drawn = draw(read(), tmp_path)

    assert ["recorded.svg", "recorded-dark.svg"] == [path.name for path in drawn]
    for path in drawn:
        assert (PICTURES / path.name).read_bytes() == path.read_bytes()
        texts = [element.text for element in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]
        assert "Limits buy their savings with good work" in texts
        assert "56 stopped by none of them" in texts
        assert "<image" not in path.read_text(encoding="utf-8")
