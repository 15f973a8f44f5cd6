"""What guards have answered stands until what they may read is written, and no run is lost by that."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from functools import cached_property
from typing import Any, Literal

import pytest
from support.finite import OPAQUE, Traits, drawn
from support.lanes import in_both_lanes

from fsm_orch import Context, Final, Given, LLMAgent, Machine, Preset, State, guard, never
from fsm_orch.define.definition import Definition
from fsm_orch.kernel import inputs, records
from fsm_orch.kernel.begin import started
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.step import step
from fsm_orch.proof.explore.exploration import Exploration, explore
from fsm_orch.proof.explore.reality import breaks


def verdicts(found: Exploration) -> list[str]:
    return [judged.verdict for judged in found.policies]


# --- machines whose text is listed, and the same machines where it is not ---

TEXTS = (None, "short", "default", "a b", "a b c d e f", "long enough text", "extraordinary")
"""Every combination of answers that the guards below give to some text, and what final states set."""


class Listed(Context):
    """The same fields as `Traits`; the text has so few values that all are tried."""

    a: Given[bool] = False
    b: bool = False
    mood: Given[Literal["calm", "cross"] | None] = None
    answer: Literal["short", "default", "a b", "a b c d e f", "long enough text", "extraordinary"] | None = None

    is_wordy = Traits.is_wordy


@guard
def is_hidden(traits: Traits) -> bool:
    """Read a finite field first, and then one of two others."""
    return traits.b if traits.a else len(traits.answer or "") > 9


@guard
def is_wordy(traits: Traits) -> bool:
    """Read by a property."""
    return traits.is_wordy


@guard
def has_long_words(traits: Traits) -> bool:
    """Read in a comprehension, and beside a field that it does not ask first."""
    return any(len(word) > 5 and not traits.b for word in (traits.answer or "").split())


GUARDS = (*OPAQUE, is_hidden, ~is_hidden, is_wordy, ~is_wordy, has_long_words)


def listed(definition: Definition) -> Definition:
    return dataclasses.replace(definition, context=Listed)


@in_both_lanes(few=6, many=15, most=80)
def test_no_verdict_is_unsound(examples: int) -> None:
    """Where all values of a text are listed, what was said without them is as it was, or was only called possible."""
    said: Counter[tuple[str, str]] = Counter()
    for seed in range(examples):
        definition = drawn(seed, opaque=GUARDS, most=1).definition
        blind, exact = explore(definition), explore(listed(definition))

        assert exact.reached.keys() <= blind.reached.keys()
        assert exact.taken <= blind.taken
        for one, other in zip(verdicts(blind), verdicts(exact), strict=True):
            assert one in ("possible", other), seed
            said[one, other] += 1

    assert said["holds", "holds"] > examples
    assert said["violated", "violated"] > examples
    assert sum(said[key] for key in said if key[0] == "possible") < sum(said.values()) / 20


@pytest.mark.slow
def test_the_machines_are_worth_it() -> None:
    """Many of them ask guards over a text; a memory that never forgot would lose runs of theirs."""
    notes = [note for seed in range(30) for note in explore(drawn(seed, opaque=GUARDS, most=1).definition).abstracted]

    assert sum(note.startswith("opaque guards") for note in notes) > 15


# --- against real runs ---


def real_journal(compiled: CompiledMachine, chance: random.Random) -> list[Input]:
    """Make a run of the real machine, whose agents do anything."""
    start = {"a": chance.random() < 0.5, "mood": chance.choice([None, "calm", "cross"])}
    journal: list[Input] = [started(compiled, start, run_id="real")]
    now = step(compiled, None, journal[0]).configuration
    while now.status != "finished":
        state = compiled.states[now.state]
        values = {
            "a": chance.random() < 0.5,
            "b": chance.random() < 0.5,
            "mood": chance.choice([None, "calm", "cross"]),
        }
        values["answer"] = chance.choice(TEXTS)
        changes = {name: values[name] for name in state.spec.written_names}
        assert now.visit is not None
        event: Input = inputs.Replied(handoff=chance.choice([h.name for h in state.exits]), changes=changes, at=0.0)
        if chance.random() < 0.2:
            reasons = ["error", "denied", "outcome_unknown", *(["timeout"] if state.may_time_out else [])]
            event = inputs.Failed(reason=chance.choice(reasons), at=0.0)  # type: ignore[arg-type]
        elif now.visit.calls < state.spec.calls and now.visit.denied is None and chance.random() < 0.5:
            caps = state.spec.call_limits
            event = inputs.CallReserved(
                call=now.visit.calls + 1,
                input_tokens=caps.max_input_tokens,
                output_tokens=caps.max_output_tokens,
                at=0.0,
            )
        journal.append(event)
        now = step(compiled, now, event).configuration
        if now.status != "finished" and now.visit is not None and now.visit.open:
            journal.append(inputs.CallSettled(call=now.visit.calls, usage=None, at=0.0))
            now = step(compiled, now, journal[-1]).configuration
    return journal


@in_both_lanes(few=3, many=15, most=40)
def test_no_real_run_refutes_a_proof(examples: int) -> None:
    """No run breaks a policy that holds, or enters or takes what no run was said to; a hundred runs of each machine."""
    for seed in range(examples):
        definition = drawn(seed, opaque=GUARDS, most=1).definition
        found, compiled, chance = explore(definition), CompiledMachine(definition), random.Random(seed)
        kept = [judged.policy for judged in found.policies if judged.verdict == "holds"]
        for _ in range(100):
            journal = real_journal(compiled, chance)
            now = None
            for event in journal:
                stepped = step(compiled, now, event)
                now, made = stepped.configuration, stepped.records
                taken = {record.handoff for record in made if isinstance(record, records.HandedOff)}
                assert taken <= found.taken, seed
                assert now.state in found.reached, seed
            assert not any(breaks(compiled, policy, journal) for policy in kept), seed


# --- what is remembered ---


class Order(Context):
    text: str
    other: str = ""
    note: Preset[str] = ""


@guard
def is_long(order: Order) -> bool:
    return len(order.text) > 10


@guard
def is_noted(order: Order) -> bool:
    return len(order.note) > 10


def act(visit: Any) -> None:
    """Do nothing: no agent is called here."""


def twice(first: Any, second: Any, *, writes: tuple[Any, ...] = ()) -> Exploration:
    """Explore a machine that asks one guard, may write, and asks another; its policy is that nobody gets to the end."""

    class Twice(Machine[Order]):
        """Ask twice."""

        one, two, three = State(act, initial=True), State(act, writes=writes), State(act)
        done, human = Final(), Final(fallback=True)
        on, off = one.to(two, guard=first), one.to(human)
        again, stop = two.to(three, guard=second), two.to(human)
        end = three.to(done)
        policies = (never(three),)

    return explore(Twice.definition)


@pytest.mark.parametrize(
    ("first", "second", "writes", "verdict"),
    [
        (is_long, is_long, (), "violated"),
        (is_long, ~is_long, (), "holds"),
        (~is_long, is_long, (), "holds"),
        (is_long, ~is_long, (Order.text,), "violated"),
        (is_long, ~is_long, (Order.other,), "holds"),
        (is_long, ~is_long, (Order.other, Order.text), "violated"),
        # a default that nobody has written over is known
        (is_noted, is_long, (), "holds"),
        (~is_noted, is_noted, (), "holds"),
        (~is_noted, is_noted, (Order.note,), "violated"),
        (~is_noted, is_noted, (Order.other,), "holds"),
    ],
)
def test_an_answer_stands_until_what_it_read_is_written(
    first: Any, second: Any, writes: tuple[Any, ...], verdict: str
) -> None:
    """A guard changes its answer only after a write of a field that it may read; then it may."""
    assert [verdict] == verdicts(twice(first, second, writes=writes))


class Mood(Context):
    mood: Literal["calm", "cross", "sad"]
    note: Preset[str] = ""


@guard
def is_calm(mood: Mood) -> bool:
    return mood.mood == "calm"


@guard
def is_sad_unless_noted(mood: Mood) -> bool:
    """Read a finite field only behind one whose values are not listed."""
    return not mood.note and mood.mood == "sad"


def test_what_is_read_behind_a_default_is_told_apart() -> None:
    """A guard that reads on where a default stands decides by values that no other guard tells apart."""

    class Behind(Machine[Mood]):
        """Leave out the calm, and then look for the sad."""

        one, two = State(act, initial=True), State(act)
        done, sad, human = Final(), Final(), Final(fallback=True)
        calm, other = one.to(done, guard=is_calm), one.to(two)
        down, rest = two.to(sad, guard=is_sad_unless_noted), two.to(human)
        policies = (never(down),)

    found = explore(Behind.definition)

    assert ["violated"] == verdicts(found)
    assert "sad" in found.reached


def test_what_is_read_behind_a_default_is_alive() -> None:
    """A field that only such a guard reads is kept apart until it is asked."""

    class Kept(Machine[Mood]):
        """Write a mood, and ask for it a state later."""

        one, two, three = State(act, writes=Mood.mood, initial=True), State(act), State(act)
        sad, human = Final(), Final(fallback=True)
        on, off = one.to(two, guard=is_calm), one.to(three)
        early = two.to(three)
        down, rest = three.to(sad, guard=is_sad_unless_noted), three.to(human)
        policies = (never(down),)

    assert ["violated"] == verdicts(explore(Kept.definition))


class Named(Context):
    name: str
    note: str = ""

    @cached_property
    def is_long(self) -> bool:
        return len(self.name) > 3


@guard
def has_long_name(named: Named) -> bool:
    return named.is_long


def test_what_the_kernel_takes_for_read_may_be_read() -> None:
    """A guard with a cached property may open after any write, so a visit that writes is begun though it is closed."""

    class Cached(Machine[Named]):
        """Write a note where the only way on is closed, and fail."""

        one, two = State(act, initial=True), State(act, writes=Named.note)
        done, lost, human = Final(), Final(), Final(fallback=True)
        short, rest = one.to(two, guard=~has_long_name), one.to(human)
        on, off = two.to(done, guard=has_long_name), two.on_failure(lost)
        policies = (never(lost),)

    assert ["violated"] == verdicts(explore(Cached.definition))


@pytest.mark.parametrize("closed", [is_long & ~is_long, ~(is_long | ~is_long), is_noted & ~is_noted])
def test_a_guard_that_reads_ahead_is_on_the_menu(closed: Any) -> None:
    """A visit is begun if its guard reads what it is to write, though no answer would open it; then it may fail."""

    class Ahead(Machine[Order]):
        """Write what a contradiction reads."""

        one, two = State(act, initial=True), State(act, writes=(Order.text, Order.note))
        done, lost, human = Final(), Final(), Final(fallback=True)
        on = one.to(two)
        never_on, failed = two.to(done, guard=closed), two.on_failure(lost)
        policies = (never(lost),)

    found = explore(Ahead.definition)

    assert ["violated"] == verdicts(found)
    assert "lost" in found.reached


def test_a_failure_writes_nothing() -> None:
    """An edge of a failure keeps the context of entry, and with it what guards have answered."""

    class Failing(Machine[Order]):
        """Ask, fail, and ask again."""

        one, two, three = State(act, initial=True), State(act, writes=Order.text), State(act)
        done, human = Final(), Final(fallback=True)
        on, off = one.to(two, guard=is_long), one.to(human)
        written, lost = two.to(done), two.on_failure(three)
        short, rest = three.to(done, guard=~is_long), three.to(human)
        policies = (never(short),)

    assert ["holds"] == verdicts(explore(Failing.definition))


def test_a_menu_binds_nothing() -> None:
    """Before an agent writes what a guard may read, the guard is asked for the menu alone."""

    class Menu(Machine[Order]):
        """Write, and leave by what was written."""

        one = State(LLMAgent("Write.", writes=Order.text, calls=1), initial=True)
        done, other, human = Final(), Final(), Final(fallback=True)
        long, short = one.to(done, "long", guard=is_long), one.to(other, "short", guard=~is_long)
        policies = (never(long), never(short))

    assert ["violated", "violated"] == verdicts(explore(Menu.definition))


# --- a run that has spent less can do no less ---


def as_by_all(definition: Definition) -> bool:
    """Return whether the adversary that spends nothing decides what the full one does."""
    from fsm_orch.proof.explore.play import Play
    from fsm_orch.proof.explore.walk import walk

    found = explore(definition)
    whole = walk(Play(definition, definition.limits, {}, definition.policies), 20_000)
    assert whole.is_complete
    broken = [seen.first is not None for seen in whole.breaks]
    same = broken == [judged.verdict != "holds" for judged in found.policies]
    return same and whole.entered.keys() == found.reached.keys() and whole.taken == found.taken


@in_both_lanes(few=6, many=18, most=60)
def test_whoever_spends_nothing_can_do_all(examples: int) -> None:
    """Policies, states and handoffs are those of the full adversary, with its calls, repairs and failures."""
    for seed in range(examples):
        assert as_by_all(drawn(seed).definition), seed


@pytest.mark.slow
def test_a_rule_that_opens_what_exhaustion_closes_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a kernel where a state can be entered only once another is used up, spending nothing decides too little."""
    from fsm_orch.kernel import legal

    real = legal._cannot_enter

    def planted(compiled: Any, now: Any, target: Any, holding: Any) -> Any:
        against = real(compiled, now, target, holding)
        used = any(s.max_visits is not None and now.visits.get(n, 0) >= s.max_visits for n, s in _states(compiled))
        if against is None and target.name == "s2" and not used:
            return legal.Objection("visits", "nothing is used up yet")
        return against

    monkeypatch.setattr(legal, "_cannot_enter", planted)

    assert not all(as_by_all(drawn(seed).definition) for seed in range(60))


def _states(compiled: CompiledMachine) -> Any:
    return compiled.definition.states.items()
