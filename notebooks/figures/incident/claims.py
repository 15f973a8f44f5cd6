"""Whether the figures of the story agree with each other, and with what the rebuilt system takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from . import story
from .bill import Bill
from .table import story_rows

_ROUGHLY = 1.5
"""Two figures agree if neither is more than this many times the other: prompts and tools of the story are not known."""


@dataclass(frozen=True)
class Claim:
    """A figure of the story, beside what we get."""

    what: str
    told: float
    found: float

    @property
    def agrees(self) -> bool:
        """Whether the two are about the same."""
        return self.times <= _ROUGHLY

    @property
    def times(self) -> float:
        """How many times the larger is the smaller."""
        return max(self.told / self.found, self.found / self.told)


def claims() -> Iterator[Claim]:
    """Yield every figure of the story but two, of which it was rebuilt: tokens and seconds of a request that loops."""
    healthy, looping = (row.bill for row in story_rows())
    requests = story.REQUESTS_A_DAY
    in_some_hours = requests * story.LOOPING_HOURS / 24
    yield Claim("healthy, $ a day", story.HEALTHY_USD_A_DAY, float(healthy.usd_a_day))
    yield Claim("looping, $ a day", story.LOOPING_USD_A_DAY, float(looping.usd_a_day))
    yield Claim("healthy, tokens a day", story.HEALTHY_TOKENS_A_DAY, healthy.tokens * requests)
    yield Claim(f"looping, tokens in {story.LOOPING_HOURS} h", story.LOOPING_TOKENS, looping.tokens * in_some_hours)
    yield Claim("$ a call", story.USD_A_CALL, usd_a_call(healthy))


def usd_a_call(bill: Bill) -> float:
    """Return what a call of a request costs on average."""
    return float(bill.usd / len(bill.calls))


def as_text() -> str:
    """Write the claims as a table of plain text."""
    lines = [f"{'':28}{'story':>12}{'rebuilt':>16}"]
    for claim in claims():
        verdict = "agrees" if claim.agrees else f"{claim.times:,.0f} times off"
        told, found = (_plain(value) for value in (claim.told, claim.found))
        lines.append(f"{claim.what:28}{told:>12}{found:>16}  {verdict}")
    return "\n".join(lines)


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:.5f}".rstrip("0")
