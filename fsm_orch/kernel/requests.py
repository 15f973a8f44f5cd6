"""Requests: what an agent may ask for besides deciding. A round is a tuple of them; each asked, it is an ask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import field

from .tagged import Tagged


class UseTool(Tagged, frozen=True, kw_only=True, omit_defaults=True, tag="use_tool"):
    """Use a tool that the agent declares."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """As JSON, by name; the agent has validated them."""


class RunPart(Tagged, frozen=True, kw_only=True, omit_defaults=True, tag="run_part"):
    """Run a machine that the agent declares as a part, on a share of the ledger."""

    part: str
    context: Mapping[str, Any] = field(default_factory=dict)
    """What it starts with, as JSON, by field: its required and Given fields."""


class AskHuman(Tagged, frozen=True, kw_only=True, omit_defaults=True, tag="ask_human"):
    """Ask a human."""

    question: str
    form: Mapping[str, Any] = field(default_factory=dict)
    """The JSON schema of an answer; empty: any answer will do."""


Request = UseTool | RunPart | AskHuman
"""One thing that is asked for."""
