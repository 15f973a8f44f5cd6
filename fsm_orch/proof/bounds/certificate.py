"""The certificate: what no run of a machine can exceed, with all that is needed to check it.

    certificate = certify(Support.definition)
    Path("support.json").write_text(certificate.dump())          # in CI, where there is a solver
    Runner(Support, certificate=Certificate.load(text))          # at start-up, where there need not be one

For each measure it holds lambda, the *toll* of a visit of each state whose visits can run out: a shadow price, not
money. `tolls` derives the bound from it, and `verifier` refutes a certificate altered in any number. It is bound to
the digest of the definition, the model of each state, the price table and the limits of a run.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, PlainSerializer, PlainValidator, ValidationError

from ...define.definition import Definition
from ...errors import CertificateError
from ...kernel.potential import Potential
from ...limits import Limits
from .skeleton import Measure, skeleton
from .tolls import Tolls

Headroom = Literal["slack", "guarded"]
"""Slack: no run is ever landed for tokens, or for cost. Guarded: the ledger may land one. Both keep the limit."""


def _read(value: object) -> Fraction:
    """Read an exact number, written as an integer or as "7/3" in lowest terms."""
    if isinstance(value, Fraction) or type(value) is int:
        return Fraction(value)
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,99}/[0-9]{1,99}", value) and not value.endswith("/0"):
        number = Fraction(value)
        if str(number) == value:
            return number
    raise ValueError("exact numbers are written 7 or '7/3', in lowest terms")


def _write(number: Fraction) -> int | str:
    return number.numerator if number.denominator == 1 else str(number)


def _plain(number: Fraction) -> Fraction | int:
    return number.numerator if number.denominator == 1 else number


Exact = Annotated[Fraction, PlainValidator(_read), PlainSerializer(_write, return_type=int | str)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)  # or every import builds them


class Witness(_Frozen):
    """A path: what is charged on it at most, its guards and the limits of tokens and cost left aside."""

    states: tuple[str, ...]
    """Its visits, from the initial state on."""
    handoffs: tuple[str, ...]
    """The handoffs or failure edges between them; of several, the first that is declared."""
    amount: int


class Bound(_Frozen):
    """What no run exceeds in one measure, and why."""

    bound: int
    """Its whole point: no run is charged more."""
    is_exact: bool
    """Whether the witness reaches it."""
    witness: Witness
    """The dearest path, or the dearest that was found."""
    total: Exact
    """What the tolls alone prove: worst case of the initial state + `to_come` + the toll of every visit left."""
    to_come: Exact
    """What may follow the first visit, beyond the tolls of visits."""
    per_visit: Mapping[str, Exact]
    """The toll of a visit of each state whose visits can run out: one more visit adds at most so much."""
    per_hop: Exact
    """One more hop adds at most so much."""
    worst_case: Mapping[str, int]
    """What one visit of each state is charged at most."""

    @property
    def gap(self) -> int:
        """How far the bound lies above its witness."""
        return self.bound - self.witness.amount


class Rates(_Frozen):
    """A price, in micro-dollars a token."""

    input: Exact
    output: Exact


class Certificate(_Frozen):
    """Bounds of every run of a machine, and what they are bound to."""

    version: Literal[1] = 1
    machine: str
    definition: str
    """The digest of the definition."""
    limits: Limits
    models: Mapping[str, str | None]
    """The model of each state that makes calls; None if it was not named."""
    prices: Mapping[str, Rates]
    """The price of each state's model, where it was known."""
    parts: Mapping[str, tuple[str, ...]]
    """The digests of the certificates of the machines that a visit of a state runs inside it."""
    bounds: Mapping[Measure, Bound]
    """Without cost, if some price was not known."""
    assumptions: tuple[str, ...]
    """What the bounds hold under."""

    @classmethod
    def load(cls, text: str | bytes) -> Certificate:
        """Read what `dump` wrote.

        Raises CertificateError: if it is not the JSON of a certificate.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"])) or "the text"
            raise CertificateError(f"This is no certificate: {place}: {first['msg']}. Make one with certify") from None

    def dump(self) -> str:
        """Write it as JSON."""
        return self.model_dump_json(indent=2) + "\n"

    @property
    def digest(self) -> str:
        """SHA-256 over its JSON with sorted keys and no spaces, in hex; what a certificate of a whole names it by."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def verdict(self, measure: Literal["tokens", "cost"]) -> Headroom | None:
        """Tell whether the ledger may land a run for tokens or cost; None if there is no limit or no bound."""
        limit = self.limits.tokens if measure == "tokens" else self.limits.cost_micros
        if limit is None or measure not in self.bounds:
            return None
        return "slack" if self.bounds[measure].bound <= limit else "guarded"

    def potential(self, definition: Definition) -> Potential:
        """Give the tables of tokens that a run reads while it is under way.

        Args:
            definition: the one that it was checked on.
        """
        bound = self.bounds["tokens"]
        tolls = Tolls(skeleton(definition, self.limits), bound.worst_case, bound.per_visit)
        return Potential(
            worst_case=bound.worst_case,
            to_come={s: [_plain(tolls.follows(s, h)) for h in range(self.limits.hops)] for s in definition.states},
            per_visit={s: _plain(price) for s, price in bound.per_visit.items() if price},
            max_visits={s: definition.states[s].max_visits or self.limits.hops for s in bound.per_visit},
        )
