"""What a result says of the exits of a state, where a run was landed because none was legal."""

from typing import Literal

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, Nested, Runner, ScriptedModel, State, Visit, guard
from fsm_orch.export.display import result_html
from fsm_orch.kernel.records import GuardRaised
from fsm_orch.resilience import Breaker, Gate


class Parcel(Context):
    kind: Literal["box", "tube", "bag"] = "box"
    label: str | None = None


@guard
def is_box(parcel: Parcel) -> bool:
    return parcel.kind == "box"


@guard
def is_labelled(parcel: Parcel) -> bool:
    return parcel.label is not None


@guard
def is_odd(parcel: Parcel) -> bool:
    return {"tube": True, "bag": False}[parcel.kind]


@guard
def is_heavy(parcel: Parcel) -> bool:
    return parcel.weight > 1  # type: ignore[attr-defined, no-any-return]


def weigh(visit: Visit[Parcel]) -> dict[object, object]:
    return {Parcel.kind: "bag"}


class Post(Machine[Parcel]):
    """Its clerk may only send boxes."""

    sort = State(LLMAgent("Sort it.", does="sort", writes=Parcel.kind), initial=True, max_visits=1)
    clerk = State(LLMAgent("Send it."))
    sent, kept = Final(), Final(fallback=True, sets={Parcel.label: "kept"})
    on = sort.to(clerk)
    send = clerk.to(sent, "send it", guard=is_box)
    label = clerk.to(sent, "label it", guard=is_labelled)
    heavy = clerk.to(sent, "by lorry", guard=is_heavy)
    back = clerk.to(sort, "sort it again")
    limits = Limits(tokens=20_000)


def test_each_exit_that_was_closed_is_told_with_what_closed_it() -> None:
    """A guard, one that raised, and a limit; nothing of a guard that reads what the landing itself has set."""
    result = Runner(Post, model=ScriptedModel([{"kind": "bag"}])).run_sync(Parcel())

    assert result.landing is not None
    assert result.landing.detail == "nothing is legal in 'clerk'"
    assert result.closed == (
        "'heavy' since its guard raised AttributeError in is_heavy",
        "'send' since its guard does not hold",
        "'back' since 'sort' has been visited 1 times, which is its limit",
    )
    assert str(result).splitlines()[0] == "Landed in kept (no_handoff): nothing is legal in 'clerk'; " + "; ".join(
        result.closed
    )


class Round(Machine[Parcel]):
    """A clerk who comes back once, with another parcel."""

    clerk = State(LLMAgent("Send it."), initial=True)
    sort = State(LLMAgent("Sort it.", does="sort", writes=Parcel.kind), max_visits=1)
    sent, kept = Final(), Final(fallback=True)
    odd = clerk.to(sent, "it is odd", guard=is_odd)
    back = clerk.to(sort, "sort it again")
    on = sort.to(clerk)
    limits = Limits(tokens=20_000)


def test_what_raised_in_a_visit_before_is_not_told() -> None:
    """In the last one the guard answers, and closes its exit."""
    result = Runner(Round, model=ScriptedModel([{"handoff": "back"}, {"kind": "bag"}])).run_sync(Parcel())

    assert ["odd"] == [each.handoff for each in result.records if isinstance(each, GuardRaised)]
    assert result.closed == (
        "'odd' since its guard does not hold",
        "'back' since 'sort' has been visited 1 times, which is its limit",
    )


class Scale(Machine[Parcel]):
    """Code whose guards are asked on what it writes, which is gone once the run was landed, and so is one hop more."""

    scale = State(weigh, writes=Parcel.kind, initial=True)
    pack = State(weigh, writes=Parcel.kind)
    sent, kept = Final(), Final(fallback=True)
    box = scale.to(pack, guard=is_box)
    lorry = scale.to(sent, guard=is_heavy)
    on = pack.to(sent)
    limits = Limits(hops=2, tokens=20_000)


class Drop(Machine[Parcel]):
    """A clerk who may give a parcel to a van, or label it."""

    clerk = State(LLMAgent("Send it."), initial=True)
    van = State(weigh, writes=Parcel.kind)
    sent, kept = Final(), Final(fallback=True)
    by_van = clerk.to(van, "send it")
    label = clerk.to(sent, "label it", guard=is_labelled)
    on = van.to(sent)


class Labels(Machine[Parcel]):
    """A scale that gives each parcel a label."""

    scale = State(weigh, writes=Parcel.kind, initial=True)
    sent, kept = Final(sets={Parcel.label: "sent"}), Final(fallback=True)
    lorry = scale.to(sent, guard=is_heavy)
    on_foot = scale.to(sent)


class Depot(Machine[Parcel]):
    """A scale inside, with a guard that raises there."""

    scale = State(Nested(Labels, writes=Parcel.label), initial=True)
    sent, kept = Final(), Final(fallback=True)
    bare = scale.to(sent, guard=~is_labelled)
    other = scale.to(sent, guard=~is_box)


class Late(Machine[Parcel]):
    """A parcel that may be weighed once more is not, and is a bag once the run was landed."""

    scale = State(LLMAgent("Weigh it."), initial=True, max_visits=1)
    sent, kept = Final(), Final(fallback=True, sets={Parcel.kind: "bag"})
    again = scale.to(scale, "weigh it again", guard=is_box)
    label = scale.to(sent, "label it", guard=is_labelled)


def test_of_a_guard_that_reads_what_the_landing_has_set_nothing_is_told() -> None:
    """Before, it held, and a limit closed its exit; now it does not hold."""
    result = Runner(Late, model=ScriptedModel([])).run_sync(Parcel())

    assert result.closed == ("'label' since its guard does not hold",)
    for shown in (str(result), result_html(result)):
        assert "since its guard does not hold" in shown


async def test_a_run_landed_for_what_is_shut_is_told_of_each_exit_too() -> None:
    """A breaker that is open stands against one, a guard against the other."""
    gate = Gate(breaker=Breaker(failures=1))
    async with gate.entered(1) as tell:
        await tell("error")
    result = await Runner(Drop, model=ScriptedModel([]), gates={Drop.van: gate}).run(Parcel())

    assert result.landing is not None
    assert "shut" == result.landing.reason
    assert result.closed == (
        "'by_van' since the agent of 'van' is not available now",
        "'label' since its guard does not hold",
    )


def test_nothing_is_told_of_exits_inside() -> None:
    """A guard that raised in a run inside of this one is none of its own."""
    result = Runner(Depot).run_sync(Parcel())

    assert result.landing is not None
    assert "lorry" in [each.handoff for each in result.records if isinstance(each, GuardRaised)]
    assert "no_handoff" == result.landing.reason
    assert result.closed == ("'other' since its guard does not hold",)


def test_of_code_nothing_is_told_of_a_guard_that_reads_what_it_wrote() -> None:
    """The context is the one before it wrote, on which that guard would answer otherwise."""
    result = Runner(Scale).run_sync(Parcel())

    assert result.landing is not None
    assert result.landing.detail == "no guard of 'scale' holds"
    assert result.closed == ("'lorry' since its guard raised AttributeError in is_heavy",)


def test_a_run_that_was_not_landed_for_it_has_no_exit_that_was_closed() -> None:
    """It chose, or was landed for something else."""
    sent = Runner(Post, model=ScriptedModel([{"kind": "box"}, {"handoff": "send"}])).run_sync(Parcel())
    refused = Runner(Post, model=ScriptedModel([{"kind": "box"}, {"handoff": "x"}, {"handoff": "x"}])).run_sync(
        Parcel()
    )

    assert [sent.closed, refused.closed] == [(), ()]
    assert refused.landing is not None
