"""A model may take none of its exits, and is told so where one is used up: a closed exit forces no yes."""

from __future__ import annotations

from typing import Any

import pytest

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, Response, Runner, ScriptedModel, State, guard
from fsm_orch.models import Request


class Draft(Context):
    text: str
    draft: str | None = None
    is_urgent: bool = False


@guard
def is_urgent(draft: Draft) -> bool:
    return draft.is_urgent


class Desk(Machine[Draft]):
    """Write, and have it reviewed; a critic may send back once."""

    write = State(LLMAgent("Write.", writes=Draft.draft, calls=1), max_visits=2, initial=True)
    critic = State(LLMAgent("Review.", reads=Draft.draft, calls=2))
    printed, human = Final(), Final(fallback=True)
    written = write.to(critic, "it is written")
    again = critic.to(write, "it is not good")
    accept = critic.to(printed, "it is good")
    rush = critic.to(printed, "it is urgent", guard=is_urgent)
    limits = Limits(hops=9, tokens=100_000)


class Guarded(Machine[Draft]):
    """The same, where a refusal leads somewhere."""

    write = State(LLMAgent("Write.", writes=Draft.draft, calls=1), max_visits=2, initial=True)
    critic = State(LLMAgent("Review.", reads=Draft.draft, calls=2))
    printed, dropped, human = Final(), Final(), Final(fallback=True)
    written = write.to(critic, "it is written")
    again = critic.to(write, "it is not good")
    accept = critic.to(printed, "it is good")
    no = critic.on_refusal(dropped)
    limits = Limits(hops=9, tokens=100_000)


ROUND: list[dict[str, Any]] = [{"draft": "x"}, {"handoff": "again"}, {"draft": "y"}]


class Wordy(ScriptedModel):
    """A model whose requests may all be of 2,000 tokens."""

    async def count(self, request: Request) -> int:
        return 2_000


def menu(request: Request) -> list[str]:
    assert request.schema is not None
    names: list[str] = request.schema["properties"]["handoff"]["enum"]
    told = [line[2:].split(":")[0] for line in request.messages[0].content.splitlines() if line.startswith("- ")]
    assert told == names  # the prompt says what the schema does
    return names


@pytest.mark.parametrize(
    ("machine", "state", "reason"), [(Desk, Desk.human, "declined"), (Guarded, Guarded.dropped, None)]
)
async def test_a_critic_out_of_rounds_may_say_no(machine: Any, state: Final, reason: str | None) -> None:
    """It is offered to, in schema and prompt, only once its other exit is used up; the run then ends without a yes."""
    model = ScriptedModel([*ROUND, {"handoff": "none_of_these"}])

    result = await Runner(machine, model=model).run(Draft(text="?"))

    assert [menu(model.requests[number]) for number in (1, 3)] == [["again", "accept"], ["accept", "none_of_these"]]
    assert result.state is state
    assert (result.landing and result.landing.reason) == reason
    assert len(model.requests) == 4  # whoever says no is not asked again


async def test_it_is_heard_where_it_was_not_offered() -> None:
    """A model may say no at any time, though its menu did not say so."""
    model = ScriptedModel([{"draft": "x"}, {"handoff": "none_of_these", "more": 1}])

    result = await Runner(Desk, model=model).run(Draft(text="?"))

    assert menu(model.requests[1]) == ["again", "accept"]
    assert result.landing is not None
    assert (result.state, result.landing.reason) == (Desk.human, "declined")


async def test_hops_and_money_close_exits_too() -> None:
    """Whatever is used up makes the offer; a guard that is closed does not, as the first menu of each run shows."""
    costly = Response(text='{"draft": "x"}', usage=None)  # charged in full
    for limits in (Limits(hops=2, tokens=100_000), Limits(hops=9, tokens=6_000)):
        model = Wordy([costly, {"handoff": "none_of_these"}])
        await Runner(Desk, model=model, limits=limits).run(Draft(text="?"))
        assert menu(model.requests[1]) == ["accept", "none_of_these"]


async def test_no_request_is_longer_than_it_was_counted() -> None:
    """What it is offered to say no with was counted before, also where an exit closes only between two tries."""
    counted: list[int] = []
    menus: set[tuple[str, ...]] = set()

    class Lossy(ScriptedModel):
        async def count(self, request: Request) -> int:
            counted.append(_length(request))
            return 2_000

        async def complete(self, request: Request) -> Response:
            assert _length(request) <= max(counted[-2:])  # a repair is counted with the refused reply, or without it
            if "handoff" in str(request.schema):
                menus.add(tuple(menu(request)))
            return await super().complete(request)

    replies = [{"draft": "x"}, Response(text="no JSON", usage=None), {"handoff": "accept"}]
    for tokens in range(6_500, 12_000, 500):
        await Runner(Desk, model=Lossy(replies), limits=Limits(hops=9, tokens=tokens)).run(Draft(text="?"))

    assert menus == {("again", "accept"), ("accept", "none_of_these")}


def _length(request: Request) -> int:
    return sum(len(message.content) for message in request.messages) + len(str(request.schema))
