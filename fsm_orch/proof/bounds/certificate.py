"""The certificate: what no run of a machine can exceed, with all that is needed to check that claim.

    certificate = certify(Support.definition)
    Path("support.json").write_text(certificate.dump())          # in CI, which needs a solver
    Runner(Support, certificate=Certificate.load(text))          # at start-up, which needs none

For each measure the certificate holds *tolls*: lambda(s), one for each state whose visits can run out. A toll is a
shadow price: by how much the bound rises if one more visit is allowed, in the units of the measure. It is not money.
`tolls` derives the bound from them, and `verifier` refuses a certificate in which any number was altered. A
certificate is valid only for one definition, by its digest, and for the models, prices and limits that it names. It
holds the certificates of the machines that run inside it, so it can be checked as a whole.
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
"""Slack: the worst case fits the limit, so no run is cut short for lack of tokens, or of money. Guarded: it does not
fit, so the ledger may land a run before its limit is passed. No run passes its limit either way."""


def _read(value: object) -> Fraction:
    """Read an exact number, written as an integer or as "7/3" in lowest terms.

    Raises ValueError: if it is written in any other way; pydantic makes a ValidationError of it.
    """
    if isinstance(value, Fraction) or type(value) is int:
        return Fraction(value)
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,99}/[0-9]{1,99}", value) and not value.endswith("/0"):
        number = Fraction(value)
        # Each number has one spelling: the digest of a certificate is taken of its text, and "2/6" would give another.
        if str(number) == value:
            return number
    raise ValueError("exact numbers are written 7 or '7/3', in lowest terms")


def _write(number: Fraction) -> int | str:
    return number.numerator if number.denominator == 1 else str(number)


def _int_if_whole(number: Fraction) -> Fraction | int:
    return number.numerator if number.denominator == 1 else number


Exact = Annotated[Fraction, PlainValidator(_read), PlainSerializer(_write, return_type=int | str)]


class _FrozenModel(BaseModel):
    # Strict, or a bound of "8200" or true would be read as a number that nobody wrote. Built when first used, not at
    # import: most programs that import the library load no certificate.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


class Witness(_FrozenModel):
    """A path that shows how near runs come to a bound; guards and the limits of tokens and cost are ignored."""

    states: tuple[str, ...]
    """The states it visits, one where runs start first."""
    handoffs: tuple[str, ...]
    """The handoffs or failure edges between them, one fewer; where several join two states, the first declared."""
    amount: int
    """The most that its visits are charged together, in the units of the measure."""


class Bound(_FrozenModel):
    """The bound of every run in one measure, and its proof; all amounts are in the units of that measure."""

    bound: int
    """The claim: no run is charged more."""
    is_exact: bool
    """Whether the witness reaches the bound, so that no lower bound exists."""
    witness: Witness
    """The most expensive path if `is_exact`, else the most expensive one that was found."""
    total: Exact
    """The bound that the tolls alone prove: worst case of the first visit + `to_come` + the toll of every visit left;
    `bound` is its whole part, or lower where a search proved more. Of several starts no first visit is sure: all visits
    are left then, and the toll of the first is taken off."""
    to_come: Exact
    """The most that may follow the first visit, of the dearest start, with the toll of each visit made taken off:
    pi(start, 0)."""
    per_visit: Mapping[str, Exact]
    """lambda, by state: allowing one more visit of it raises the bound by at most this much. Only states whose visits
    can run out before the hops do have one."""
    per_hop: Exact
    """Allowing one more hop raises the bound by at most this much."""
    worst_case: Mapping[str, int]
    """The most that one visit is charged, by state."""

    @property
    def gap(self) -> int:
        """How far the bound lies above its witness; 0 if `is_exact`."""
        return self.bound - self.witness.amount


class Rates(_FrozenModel):
    """The price of a model, in micro-dollars a token."""

    input: Exact
    output: Exact


class Certificate(_FrozenModel):
    """Bounds of every run of a machine, and what they were proved for."""

    version: Literal[1] = 1
    machine: str
    definition: str
    """The digest of the definition."""
    limits: Limits
    """The limits that runs have."""
    models: Mapping[str, str | None]
    """The model of each state that makes calls, by state; None if it was not named."""
    prices: Mapping[str, Rates]
    """The price of each state's model, by state, where it was given."""
    parts: Mapping[str, Certificate]
    """By `state.part`, the certificates of the machines that visits run inside them."""
    bounds: Mapping[Measure, Bound]
    """The bound in each measure; cost is left out if the price of some state was not given."""
    assumptions: tuple[str, ...]
    """The sentences under which the bounds hold."""

    @classmethod
    def load(cls, text: str | bytes) -> Certificate:
        """Read a certificate that `dump` wrote. It is not verified here: `verifier.verify` does that.

        Raises CertificateError: if the text is not the JSON of a certificate.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"])) or "the text"
            raise CertificateError(
                f"This is not a certificate: {place}: {first['msg']}. Make one with certify"
            ) from None

    def dump(self) -> str:
        """Write the certificate as indented JSON that ends with a line break."""
        return self.model_dump_json(indent=2) + "\n"

    @property
    def digest(self) -> str:
        """SHA-256 over its JSON with sorted keys and no spaces, in hex: of all that it says, parts included."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def verdict(self, measure: Literal["tokens", "cost"]) -> Headroom | None:
        """Return whether the worst case fits the limit of tokens or cost; None if there is no limit or no bound."""
        limit = self.limits.tokens if measure == "tokens" else self.limits.cost_micros
        if limit is None or measure not in self.bounds:
            return None
        return "slack" if self.bounds[measure].bound <= limit else "guarded"

    def potential(self, definition: Definition) -> Potential:
        """Return the tables of tokens from which a run reads what it may still be charged.

        Args:
            definition: the definition that this certificate was verified for; it is not compared again.
        """
        bound = self.bounds["tokens"]
        tolls = Tolls(skeleton(definition, self.limits), bound.worst_case, bound.per_visit)
        return Potential(
            worst_case=bound.worst_case,
            to_come={s: [_int_if_whole(tolls.pi(s, h)) for h in range(self.limits.hops)] for s in definition.states},
            per_visit={s: _int_if_whole(toll) for s, toll in bound.per_visit.items() if toll},
            max_visits={s: definition.states[s].max_visits or self.limits.hops for s in bound.per_visit},
        )
