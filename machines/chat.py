"""A chat: one run that waits for the next message. Limits, policies and the proof hold of the whole conversation.

    reply      a model answers what was said last, and sees what was said before
    keep       code writes the exchange down, the last six of them
    listen     the run waits for the person, who says more, or goodbye

Proved of every conversation: five answers at most, and none after goodbye. Do not use it where a conversation goes on
for weeks: a thread of runs does that, with a budget of its own.

    fsm-orch check machines.chat
    fsm-orch chat machines.chat
"""

from __future__ import annotations

from fsm_orch import Context, Final, HumanAgent, Limits, LLMAgent, Machine, Preset, State, Visit, at_most, never
from fsm_orch.agents import Changes

KEPT = 6
"""The exchanges that are shown to the model."""


class Talk(Context):
    """What is said."""

    said: str
    earlier: Preset[tuple[str, ...]] = ()
    answer: str | None = None


def keep(visit: Visit[Talk]) -> Changes:
    """Write an exchange down."""
    talk = visit.context
    return {Talk.earlier: (*talk.earlier, f"{talk.said} -> {talk.answer}")[-KEPT:]}


class Chat(Machine[Talk]):
    """Talk with somebody, until they have had enough or five answers were given."""

    reply = State(
        LLMAgent(
            "Answer what was said last, in one short sentence.",
            reads=(Talk.said, Talk.earlier),
            writes=Talk.answer,
            max_input_tokens=1_200,
            max_output_tokens=150,
        ),
        initial=True,
        max_visits=5,
        timeout_s=60,
    )
    keep = State(keep, reads=(Talk.said, Talk.answer, Talk.earlier), writes=Talk.earlier, repeatable=True)
    listen = State(HumanAgent("What else?", reads=Talk.answer, writes=Talk.said))
    ended = Final()
    lost = Final(fallback=True, sets={Talk.answer: "I have to go now. Please come back later."})

    to_keep = reply.to(keep)
    kept = keep.to(listen)
    more = listen.to(reply, "say something more")
    goodbye = listen.to(ended, "end the conversation")

    limits = Limits(hops=16, tokens=13_500, deadline_s=600)
    policies = (at_most(5, reply), never(ended).before(listen), never(reply).after(goodbye))
