"""What was recorded elsewhere: what other libraries do, and what a real model does.

`tests/benchmarks/incident_peers.py` and `tests/benchmarks/incident_local.py` wrote the files that are read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, json

FOLDER = Path(__file__).parents[1]


class Peer(Struct, forbid_unknown_fields=True, rename={"versions": "with"}):
    """What one version of a library was seen to do."""

    versions: dict[str, str]
    """Of what it was installed with."""
    python: str
    on: str
    """The day, in ISO 8601."""
    cut_off_after: int
    """Calls after which a loop that nothing else ended was cut off."""
    did: dict[str, Any]
    """By the name of what was tried."""


class LocalRun(Struct, forbid_unknown_fields=True):
    """One question that a real model was asked."""

    question: str
    kind: Literal["vague", "clear"]
    setup: Literal["plain loop", "self-handoff refused", "machine"]
    path: list[str]
    calls: int
    tokens: int
    ended: str
    landed: str | None = None
    answer: str | None = None


class Local(Struct, forbid_unknown_fields=True, rename={"versions": "with"}):
    """Every question that a real model was asked, in every setup."""

    model: str
    versions: dict[str, str]
    digest: str
    """Of the machine."""
    on: str
    cut_off_after: int
    runs: list[LocalRun]


def peers() -> Mapping[str, Peer]:
    """Read what other libraries did, by name and version.

    Raises msgspec.ValidationError: if the file is not what its script writes.
    """
    return json.decode((FOLDER / "incident_peers.json").read_bytes(), type=dict[str, Peer])


def local() -> Local:
    """Read what the local model did.

    Raises msgspec.ValidationError: as `peers`.
    """
    return json.decode((FOLDER / "incident_local.json").read_bytes(), type=Local)


def peers_as_text() -> str:
    """Write what became of a self-handoff, and of a handoff that does not exist, as a table of plain text."""
    tried = {
        "itself": "handoff to itself",
        "itself_1000_turns": "... with max_turns=1000",
        "itself_answered_after_4": "... max_turns=4, error_handlers",
        "swarm_itself": "handoff to itself, swarm",
        "unknown_handoff": "handoff that does not exist",
        "unknown_goto": "goto that does not exist",
        "swarm_unknown": "handoff that does not exist, swarm",
    }
    lines: list[str] = []
    for name, peer in peers().items():
        lines.append(f"{name:38}{'calls':>8}  ended")
        for key, what in tried.items():
            if done := peer.did.get(key):
                ended = "cut off by us" if done.get("is_cut_off") else done["ended"]
                lines.append(f"  {what:36}{done['calls']:>8,}  {ended}")
    return "\n".join(lines)


def local_as_text() -> str:
    """Write what the local model did as a table of plain text."""
    head = f"{'':32}{'setup':22}{'calls':>5}{'tokens':>7}  ended"
    lines, before = [head], ""
    for run in local().runs:
        question = "" if run.question == before else run.question
        before = run.question
        lines.append(f"{question:32}{run.setup:22}{run.calls:>5}{run.tokens:>7,}  {run.ended}")
    return "\n".join(lines)
