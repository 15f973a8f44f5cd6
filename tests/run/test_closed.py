"""What a result says of the exits of a state, where a run was landed because none was legal."""

from typing import Literal

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, Runner, ScriptedModel, State, Visit, guard
from fsm_orch.export.display import result_html


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


class Scale(Machine[Parcel]):
    """Code whose guards are asked on what it writes, which is gone once the run was landed."""

    scale = State(weigh, writes=Parcel.kind, initial=True)
    sent, kept = Final(), Final(fallback=True)
    box = scale.to(sent, guard=is_box)
    lorry = scale.to(sent, guard=is_heavy)


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
