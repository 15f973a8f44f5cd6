"""How a run ended, as the page says it: where and why, which record led there, and what it used of what it may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from ...kernel import records
from ...kernel.engine import CompiledMachine
from ...kernel.reasons import LandingReason
from ...kernel.records import Landed, Record
from ...proof.bounds.words import most_in_words, most_of
from ...run.result import Landing, RunResult, used_in_words
from .drawing import machines_in

_LED_BY: Mapping[LandingReason, tuple[type, ...]] = {
    **dict.fromkeys(("visits", "hops", "budget", "declined", "refusal"), (records.Refused,)),
    **dict.fromkeys(("failure", "timeout", "outcome_unknown"), (records.AttemptFailed,)),
    "shut": (records.Refused, records.GatesSeen),
    "denied": (records.CallDenied,),
    "overrun": (records.CallSettled, records.Overspent),
}
"""By the reason of a landing: which records lead to it. To the others leads what went before, and nothing else."""

_TOLD_BY_DETAIL: frozenset[LandingReason] = frozenset({"visits", "hops", "budget", "shut", "deadline", "cancelled"})
"""Reasons that their detail says in full, if there is one: the general words would say it again."""


def ending_json(compiled: CompiledMachine, result: RunResult[Any]) -> dict[str, Any] | None:
    """Return how a run ended as JSON; None if it has not.

    Args:
        compiled: the machine, with the limits and prices of the run.
    """
    if result.status != "finished":
        return None
    return {
        "state": result.state.name,
        "landing": result.landing and _landing(result, result.landing),
        "used": used_in_words(result),
        "used_before": result.used_before,
        "most": _most(compiled, is_priced=result.cost_usd is not None),
    }


def _landing(result: RunResult[Any], landing: Landing) -> dict[str, Any]:
    told = result.records
    place = next(i for i, each in enumerate(told) if isinstance(each, Landed) and _is_own(each))
    detail = [landing.detail, *result.closed]
    if landing.detail and landing.reason in _TOLD_BY_DETAIL and len(detail) == 1:
        why = landing.detail
    else:
        words = [] if landing.detail.startswith(landing.words) else [landing.words]
        told_why = ": ".join(filter(None, (*words, ", ".join(filter(None, detail)))))
        why = f"{told_why.removesuffix('.')} ({landing.reason})"
    return {"why": why.removesuffix("."), "led_by": led_by(told, place) + 1}


def _is_own(record: Record) -> bool:
    """Return whether a record is of the run itself, and not of what runs inside it."""
    return not record.stamp.path


def led_by(told: Sequence[Record], landed: int) -> int:
    """Return where the record stands that led to the landing of a run itself: the last that says why.

    If none does, as of a run that was cancelled, it is where the machine stood.

    Args:
        told: all records of the run.
        landed: where that of its landing stands.
    """
    why = told[landed]
    assert isinstance(why, Landed)
    own = [i for i in reversed(range(landed)) if _is_own(told[i])]  # what runs inside does not land it
    kinds = _LED_BY.get(why.reason, ())
    says_why = (i for i in own if isinstance(told[i], kinds) and not _is_harmless(told[i]))
    return next(says_why, next(i for i in own if not _is_unneeded(told[i])))


def _is_harmless(record: Record) -> bool:
    """Return whether nothing was wrong in a record of such a kind."""
    match record:
        case records.CallSettled():
            return not record.overrun
        case records.GatesSeen():
            return not record.shut
        case _:
            return False


def _is_unneeded(record: Record) -> bool:
    """Return whether a landing has ended what was asked for, so that it came before only in the list."""
    return isinstance(record, records.Answered) and record.end == "unneeded"


@lru_cache(maxsize=16)  # of the machine as it is run now there is one, and others are those of old runs
def _most(compiled: CompiledMachine, *, is_priced: bool) -> str:
    prices = compiled.prices if is_priced else None
    return most_in_words(compiled.definition, limits=compiled.limits, prices=prices)


@lru_cache(maxsize=16)
def most_json(compiled: CompiledMachine) -> dict[str, dict[str, float]]:
    """Return the tokens and seconds that no run of a machine takes more of, and of all inside it, by place, as JSON.

    Calls that use more than they reserved come on top of it.

    Args:
        compiled: the machine, with the limits of the run; what runs inside has those that it declares.
    """
    found = {
        place: most_of(each, limits=None if place else compiled.limits)
        for place, each in machines_in(compiled.definition)
    }
    return {place: {"tokens": most["tokens"], "seconds": most["milliseconds"] / 1_000} for place, most in found.items()}
