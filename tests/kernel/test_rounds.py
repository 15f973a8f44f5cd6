"""Rounds: what an agent may ask for, what becomes of it, and when the agent acts again."""

from __future__ import annotations

import pytest
from support.handfed import (
    ASKING,
    ERRANDS,
    MANAGER,
    MAP,
    PARENT,
    Play,
    Row,
    answer,
    ask,
    cancel,
    case,
    fail,
    inside,
    key,
    release,
    reply,
    reserve,
    run,
    use,
    wrong,
)

from fsm_orch import Limits
from fsm_orch.kernel import inputs
from fsm_orch.kernel.effects import Act, AskHuman, UseTool
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.requests import AskHuman as AskRequest

NOTHING = inputs.Asked(requests=(), at=0)


@pytest.mark.parametrize(
    "row",
    [
        case(
            "a human is asked, and the agent is not at work meanwhile",
            ASKING,
            ask(),
            due=(AskHuman((), 0, "ask", 1, 1),),
            kinds=["asked"],
            is_waiting=True,
        ),
        case(
            "the same visit goes on with the answer",
            ASKING,
            ask(),
            answer(value={"ok": True}),
            due=(Act((), 0, "ask", 2),),
            values=[{"ok": True}],
            kinds=["answered"],
            is_waiting=False,
        ),
        case(
            "what was answered stands in the visit through all its rounds",
            ASKING,
            ask(),
            answer(value=1),
            ask(),
            answer(2, value=2),
            values=[1, 2],
            attempt=3,
        ),
        case(
            "an agent that declares two requests does not get a third",
            ASKING,
            *(ask(), answer(), ask(), answer(2)),
            ask(),
            refused="undeclared_ask",
            why="it would be 3 requests in this visit, and 2 is the most",
            landing="refusal",
        ),
        case("an agent that asks too late has timed out", ASKING, ask(at=5.5), failed="timeout", landing="timeout"),
        case(
            "whatever it asks for: it is late before it is wrong",
            ASKING,
            ask(use("rm"), at=5.5),
            kinds=["attempt_failed", "landed", "run_finished"],
            landing="timeout",
        ),
        case(
            "nothing of a round begins that comes too late",
            ASKING,
            ask(at=5.5),
            kinds=["attempt_failed", "landed", "run_finished"],
        ),
        case(
            "so has one whose answer comes too late", ASKING, ask(), answer(at=5), failed="timeout", landing="timeout"
        ),
        case(
            "of a run whose time is over no agent acts again",
            CompiledMachine(ASKING.definition, limits=Limits(deadline_s=4)),
            ask(),
            answer(at=4),
            landing="deadline",
            due=(),
        ),
        case(
            "a round ends with its visit's time, whatever is open",
            PARENT,
            ask(use("look_up"), use("look_up")),
            answer(1, at=20, id=key(1)),
            failed="timeout",
            taken="over",
        ),
        case("a question that expires is a timeout", ASKING, ask(), fail("timeout"), failed="timeout"),
        case("a human who never answers keeps no run from landing", ASKING, ask(), cancel(), landing="cancelled"),
        case(
            "a tool is used under the number of its ask",
            PARENT,
            ask(use("look_up"), use("look_up")),
            due=(UseTool((), 0, "fan", 1, 1), UseTool((), 0, "fan", 1, 2)),
            is_waiting=False,
        ),
        case(
            "a tool that fails is a result",
            PARENT,
            ask(use("look_up")),
            answer(1, "no such order", ok=False, id=key(1)),
            due=(Act((), 0, "fan", 2),),
            values=["no such order"],
        ),
        case(
            "a tool that needs approval is a human's first",
            PARENT,
            ask(use("pay"), use("look_up")),
            due=(AskHuman((), 0, "fan", 1, 1), UseTool((), 0, "fan", 1, 2)),
        ),
        case(
            "approved, it is due",
            PARENT,
            ask(use("pay")),
            answer(1, True),
            kinds=["approved"],
            due=(UseTool((), 0, "fan", 1, 1),),
        ),
        *(
            case(
                f"anything but True declines it: {value!r}, {ok}",
                PARENT,
                ask(use("pay")),
                answer(1, value, ok=ok),
                asks=["declined"],
                values=["a human declined it"],
                due=(Act((), 0, "fan", 2),),
            )
            for value, ok in ((False, True), ("yes", True), (1, True), (True, False), (None, True))
        ),
        case(
            "parts, tools and humans are due together, by number",
            PARENT,
            ask(run("approval"), use("look_up"), AskRequest(question="?")),
            due=(Act((1,), 0, "ask", 1), UseTool((), 0, "fan", 1, 2), AskHuman((), 0, "fan", 1, 3)),
            is_waiting=False,
        ),
        case(
            "a machine waits if all that its parts are due is a human's",
            PARENT,
            ask(run("approval"), AskRequest(question="?")),
            inside(1, ask()),
            due=(AskHuman((1,), 0, "ask", 1, 1), AskHuman((), 0, "fan", 1, 2)),
            is_waiting=True,
        ),
    ],
)
def test_what_is_asked(row: Row) -> None:
    """An agent asks; it acts again when all that it asked for has come to its end."""
    row()


@pytest.mark.parametrize(
    "row",
    [
        case(
            "a tool that is not declared", PARENT, ask(use("rm")), why="tool 'rm' is not declared here", taken="failed"
        ),
        case("a part that is not declared", PARENT, ask(run("desk")), why="part 'desk' is not declared here"),
        case("a human where none is to be asked", MANAGER, ask(), refused="undeclared_ask", is_repaired=True),
        case("nothing, where it is no map", PARENT, NOTHING, why="nothing is asked for: ask for something, or reply"),
        case("more successes than requests", PARENT, ask(use("look_up"), need=2), refused="undeclared_ask"),
        case("of a map, more items than it declares", MAP, ask(*[run("errand")] * 3), refused="undeclared_ask"),
        case("of a map, nothing a second time", MAP, NOTHING, NOTHING, refused="undeclared_ask", landing="refusal"),
        case("a race that nobody can win", PARENT, ask(use("look_up"), race=True), refused="undeclared_ask"),
        case(
            "a part more often than it may run, in one round",
            PARENT,
            ask(*[run("errand")] * 4),
            why="'errand' would run 4 times in this visit, and 3 is the most",
        ),
        case(
            "a part more often than it may run, in two rounds",
            MANAGER,
            ask(run("errand"), run("errand")),
            *(inside(n, cancel()) for n in (1, 2)),
            ask(run("errand")),
            why="'errand' would run 3 times in this visit, and 2 is the most",
        ),
        case(
            "a part on a context that it does not take",
            PARENT,
            ask(run("errand", count="many")),
            refused="wrong_type",
            why="'errand' cannot start on this: count: Input should be a valid integer, unable to parse string as an "
            "integer",
        ),
        case(
            "a part with a field set that only its agents write",
            PARENT,
            ask(run("errand", answer="done")),
            refused="wrong_type",
        ),
        case(
            "a decision before anything was asked for", MANAGER, reply("finish"), refused="must_ask", is_repaired=True
        ),
        case(
            "a decision where an ask was refused",
            MANAGER,
            ask(use("rm")),
            reply("finish"),
            refused="must_ask",
        ),
        case(
            "none of these is said at any time", MANAGER, reply("none_of_these"), refused="declined", landing="declined"
        ),
        case(
            "a decision after a tool failed",
            MANAGER,
            ask(use("look_up")),
            answer(ok=False, id=key(1)),
            reply("finish"),
            taken="finish",
        ),
        case(
            "a decision after a human said no",
            MANAGER,
            ask(use("pay")),
            answer(value=False),
            reply("finish"),
            taken="finish",
        ),
        case(
            "a decision after a part failed",
            MANAGER,
            ask(run("errand")),
            inside(1, cancel()),
            reply("finish"),
            taken="finish",
        ),
    ],
)
def test_what_is_refused(row: Row) -> None:
    """What an agent does not declare is refused like a reply, and nothing has begun."""
    row()


@pytest.mark.parametrize(
    "row",
    [
        wrong("an agent decides while its round is open", "whose agent is not at work", ASKING, ask(), reply("onward")),
        wrong("or asks again", "whose agent is not at work", ASKING, ask(), ask()),
        wrong("or makes a call", "whose agent is not at work", MANAGER, ask(use("look_up")), reserve(1, 9, 9)),
        wrong("or fails", "none has failed", ASKING, ask(), fail()),
        wrong(
            "a call that was charged is released",
            "is not open",
            MANAGER,
            reserve(1, 9, 9),
            ask(use("look_up")),
            release(1),
        ),
        wrong("an answer that nobody asked for", "ask 1 is not open for an answer", ASKING, answer()),
        wrong(
            "a second answer",
            "ask 1 is not open",
            PARENT,
            ask(use("pay"), use("pay")),
            answer(1, False),
            answer(1, True),
        ),
        wrong("an answer without an id", "does not answer it", ASKING, ask(), answer(id="")),
        wrong(
            "a second approval, for what the tool came to",
            "is for its tool, under 'r:0:1'",
            PARENT,
            ask(use("pay")),
            answer(1, True, id="one"),
            answer(1, True, id="two"),
        ),
        wrong("a tool before it is approved", "is for a human", PARENT, ask(use("pay")), answer(1, "paid", id=key(1))),
        wrong("an answer in the place of a part", "ask 1 is not open", PARENT, ask(run("errand")), answer(1)),
        wrong("an input for a part that is not there", "which is not running", PARENT, inside(1, cancel())),
        wrong("or has ended", "which is not running", PARENT, ERRANDS, *[inside(1, cancel())] * 2),
        wrong("or for one in a tool", "which is not running", PARENT, ask(use("look_up")), inside((1, 1), cancel())),
    ],
)
def test_what_does_not_fit(row: Row) -> None:
    """An input that does not fit what a round is doing is an error, and nothing changes."""
    row()


def test_a_map_over_nothing_is_over_at_once() -> None:
    """It counts as answered, and the agent acts again."""
    play = Play(MAP, NOTHING)

    assert (Act((), 0, "each", 2),) == play.seen("due")
    play.feed(reply("finish"))
    assert "finish" == play.seen("taken")
