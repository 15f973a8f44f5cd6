"""What is at its default is in no digest, and a default is what users get."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from support.changed import (
    BASE,
    CHANGES,
    OPTIONS_OF_AGENTS,
    SPECIFIED,
    build,
    routed_machine,
    shown,
    specified,
    with_ends,
)

from fsm_orch import Final, Limits, LLMAgent, Machine, ModelSettings, State, Tool, Window, never
from fsm_orch.define import Policy
from fsm_orch.define.agent_spec import AgentSpec
from fsm_orch.define.defaults import DEFAULTS, said
from fsm_orch.define.parts import Part, ToolSpec
from fsm_orch.limits import CallLimits


@pytest.mark.parametrize(
    "option",
    [
        {"does": ()},
        {"must_not": ()},
        {"calls": 2},
        {"max_input_tokens": 2_048},
        {"max_output_tokens": 256},
        {"model": None},
        {"settings": ModelSettings()},
        {"window": None},
        {"window": Window()},
        {"window": Window(messages=6, chars=2_000, summary=False)},
        {"tools": ()},
        {"tool_first": False},
        {"code_options": {"attempts": 1}},
        {"code_options": {"reads": ()}},
        {"code_options": {"writes": ()}},
        {"state_options": {"initial": False}},
        {"state_options": {"entry": False}},
        {"state_options": {"timeout_s": None}},
        {"state_options": {"expires_s": None}},
        {"sets": {}},
        {"limits": Limits()},
        {"limits": Limits(hops=8, tokens=10_000, cost_usd=None, deadline_s=60, visit_s=10)},
        {"limits": Limits(thread_tokens=None, thread_cost_usd=None)},
        {"machine_model": None},
        {"policy": None},
        {"doc": "Help otherwise."},
    ],
    ids=shown,
)
def test_an_option_at_its_default_is_not_in_the_digest(option: dict[str, Any]) -> None:
    """An option that holds its default, or is for people only, makes the same machine as if it were left out."""
    assert BASE == build(**option).digest


def test_an_agents_option_at_its_default_is_not_in_the_digest() -> None:
    """What an agent of a user's own leaves out, and what it says as it is anyway, make the same machine."""
    usual = {"reads": (), "writes": (), "calls": 0, "attempts": 1, "proposes": False, "model": None}
    asks = {"parts": (), "tools": (), "asks_human": False, "asks": 0, "must_ask": False}

    assert SPECIFIED == specified(**usual, **asks, call_limits=CallLimits()).digest


def words_in(part: Any) -> set[str]:
    """Return every key of a JSON value."""
    if isinstance(part, dict):
        return set(part).union(*map(words_in, part.values()))
    return set().union(*map(words_in, part)) if isinstance(part, list) else set()


def test_every_default_is_tried() -> None:
    """Whatever a digest leaves out at its default is in the canonical form of some machine above."""
    told = words_in(routed_machine("a", "b", "c").canonical)
    told |= words_in(with_ends().canonical)
    for change in CHANGES:
        told |= words_in(build(**change).canonical)
    for option in OPTIONS_OF_AGENTS:
        told |= words_in(specified(**option).canonical)

    assert set() == DEFAULTS.keys() - told


@pytest.mark.parametrize(
    ("way", "options"),
    [
        (Machine, "policies model"),
        (State, "initial entry max_visits timeout_s expires_s reads writes attempts repeatable"),
        (LLMAgent, "does must_not reads writes tools model window"),
        (Tool, "approval timeout_s most_chars attempts choices repeatable most"),
        (AgentSpec, "routes reads writes calls attempts parts tools asks_human asks must_ask proposes model"),
        (Part, "most"),
        (ToolSpec, "approval repeatable timeout_s"),
        (Final, "fallback sets"),
        (State.to, "description guard"),
        (Policy, "other times strict"),
        (never, "strict"),
    ],
    ids=lambda it: str(getattr(it, "__qualname__", it)),
)
def test_what_is_left_out_is_what_users_get(way: Any, options: str) -> None:
    """A default in the table of digests is that of the signature: neither changes once it was shipped."""
    filled_in = {"window": [Window().messages, Window().chars], "sets": {}, "choices": {}}  # for None
    for option in options.split():
        usual = getattr(way, option) if way is Machine else inspect.signature(way).parameters[option].default
        written = filled_in[option] if option in filled_in and usual is None else usual

        assert said(**{option: list(written) if isinstance(written, tuple) else written}) == {}
