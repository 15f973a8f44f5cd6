"""All that is proved of a machine before any run: `prove(machine)`.

proof = prove(Support, model="openai:gpt-5-mini")
proof.bounds.tokens, proof.policies, proof.findings, proof.certificate.dump()
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from ..amounts import Amount, Price
from ..define.definition import Definition
from ..define.machine import AnyMachine, definition_of
from ..define.policies import Policy
from ..define.rules.start import start_objection
from ..define.wording import number_of
from ..define.worst import shares_of, within
from ..errors import Finding, StartError
from ..limits import Limits
from ..models.base import Model, objection
from ..models.refused import not_taken_by
from ..models.registry import checked, given
from .bounds.certificate import Certificate
from .bounds.certify import certify
from .bounds.verifier import verify
from .explore.automata import Verdict
from .explore.exploration import Exploration, PolicyVerdict, explore
from .explore.trace import Trace
from .explore.walk import OnProgress
from .findings import findings
from .findings.verdicts import OF_VERDICTS, hanging_on
from .repair.change import Change, to_keep, to_slacken

__all__ = ["Bounds", "Certificate", "Counterexample", "Proof", "certify", "prove", "verify"]


@dataclass(frozen=True, kw_only=True)
class Counterexample:
    """A path that breaks a policy, and what would close it."""

    policy: Policy
    verdict: Verdict
    trace: Trace
    change: Change | None
    """The smallest change after which the policy holds; None if none was found."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What no run of a machine exceeds."""

    tokens: int
    cost_usd: Decimal | None
    """Dollars, to the micro-dollar; None if the price of some model is not known."""
    calls: int
    hops: int
    seconds: float
    """Active seconds: the deadline, or the time of all visits if that is less."""


@dataclass(frozen=True, kw_only=True)
class PartProof:
    """What is proved of a machine by itself that runs inside another, on a ledger no larger than its share."""

    definition: Definition
    exploration: Exploration

    @property
    def is_sound(self) -> bool:
        """Whether every theorem and every policy of its own holds."""
        return _is_shown(self.exploration)


@dataclass(frozen=True, kw_only=True, repr=False)
class Proof:
    """All that is proved of a machine, and of the machines that run inside it."""

    definition: Definition
    certificate: Certificate
    exploration: Exploration
    findings: tuple[Finding, ...]
    """Errors first."""
    counterexamples: tuple[Counterexample, ...]
    slackening: tuple[Change, ...]
    """What would make the worst case fit the limit of tokens; empty if it fits."""
    parts: Mapping[str, PartProof]
    """By `state.part`, and inside parts by `state.part.state.part`, what was proved of what runs inside."""

    @property
    def bounds(self) -> Bounds:
        """What no run exceeds; `certificate.bounds` has the path and the proof of each number."""
        proved = {measure: bound.bound for measure, bound in self.certificate.bounds.items()}
        cost = proved.get("cost")
        return Bounds(
            tokens=proved["tokens"],
            cost_usd=None if cost is None else Decimal(cost) / 1_000_000,
            calls=proved["calls"],
            hops=proved["hops"],
            seconds=min(proved["milliseconds"] / 1_000, self.definition.limits.deadline_s),
        )

    @property
    def policies(self) -> tuple[PolicyVerdict, ...]:
        """The verdict on each policy, in the order of their declaration."""
        return self.exploration.policies

    def is_sound(self, *, strict: bool = False) -> bool:
        """Return whether a check passes: every policy and theorem holds, inside parts too, and no finding is an error.

        Args:
            strict: warnings fail a check too.
        """
        # "possible" and "unknown" are not "holds": a pipeline that reads no more than this must not take them for it
        is_shown = _is_shown(self.exploration) and all(part.is_sound for part in self.parts.values())
        failing = {"error", "warning"} if strict else {"error"}
        return is_shown and not any(finding.level in failing for finding in self.findings)

    def __str__(self) -> str:
        """Return the bounds, each verdict with its counterexample and what closes it, and the findings, in lines."""
        sound = "is sound" if self.is_sound() else "has something to mend"
        cost = f"${self.bounds.cost_usd:f}, " if self.bounds.cost_usd else ""
        verdicts = (line for judged in self.policies for line in self._verdict(judged))
        return "\n".join([f"{self.definition.name} {sound}: {self._bounds(cost)}", *verdicts, *self._others()])

    def _bounds(self, cost: str = "") -> str:
        bounds = self.bounds
        counts = f"{cost}{number_of(bounds.calls, 'call')}, {number_of(bounds.hops, 'hop')}"
        return f"at most {bounds.tokens:,} tokens, {counts}, {bounds.seconds:g} s"

    def _verdict(self, judged: PolicyVerdict) -> Iterator[str]:
        yield f"  {judged.verdict:<9} {judged.policy}"
        for example in self.counterexamples:
            if example.policy is judged.policy:
                yield f"            {example.trace}{hanging_on(judged)}"
                change = f"the smallest change: {example.change}" if example.change else "no small change closes it"
                yield f"            {change}"

    def _others(self) -> Iterator[str]:
        """Yield the findings that are not about verdicts, and what would make the worst case fit."""
        for finding in self.findings:
            if finding.code not in OF_VERDICTS:
                yield f"  {finding.level:<9} {finding.code} {finding.problem}"
                yield f"            fix: {finding.fix}"
        for change in self.slackening:
            yield f"  to make it fit: {change}"

    def __repr__(self) -> str:
        verdicts = "".join(f"; {judged.policy} {judged.verdict}" for judged in self.policies)
        return f"<Proof {self.definition.name}: {self._bounds()}{verdicts}; findings: {len(self.findings)}>"


def _is_shown(explored: Exploration) -> bool:
    return all(judged.verdict == "holds" for judged in explored.policies) and not explored.broken


def prove(
    machine: AnyMachine | Definition,
    *,
    model: str | Model | None = None,
    require_slack: bool = False,
    max_configurations: int = 100_000,
    on_progress: OnProgress | None = None,
    clock: Callable[[], float] | None = None,
) -> Proof:
    """Prove what can be proved of a machine that builds; no model is called.

    Args:
        machine: its class, or its definition.
        model: for agents that name none: `provider:model` or a model. None: the machine's. Cost is bounded if the price
            of every model is known.
        require_slack: a worst case above the limits is an error.
        max_configurations: where the exploration stops.
        on_progress: told now and then how far the exploration is.
        clock: seconds, to time the exploration.

    Raises StartError: if no run can start within the limits at these prices.
    Raises TypeError: if it is not a machine, such as a context.
    Raises ModelUnavailable: if no model can have such a name.
    Raises CertificateError: if SciPy is needed and not installed; or the certificate is refuted, which is our mistake.
    """
    definition = machine if isinstance(machine, Definition) else definition_of(machine, "prove")
    models, prices, refused = _looked_up(definition, model)
    reason = start_objection(definition, definition.limits, prices)
    if reason is not None:
        raise StartError(f"{definition.name} cannot start: {reason}")
    certificate = certify(definition, prices=prices, models=models)
    verify(certificate, definition, prices=prices, models=models)
    explored = explore(
        definition, prices=prices, max_configurations=max_configurations, on_progress=on_progress, clock=clock
    )
    return Proof(
        definition=definition,
        certificate=certificate,
        exploration=explored,
        findings=findings(
            definition,
            certificate,
            explored,
            prices=prices,
            models=models,
            refused=refused,
            require_slack=require_slack,
        ),
        counterexamples=tuple(_counterexamples(definition, explored)),
        slackening=to_slacken(definition, certificate),
        parts=dict(_parts(definition, prices, shares_of(definition, prices), max_configurations, {})),
    )


_Known = dict[tuple[str, Amount, tuple[tuple[str, Price], ...]], PartProof]
"""What was proved already: a machine that runs in several places is explored once, if its share and prices are one."""


def _parts(
    definition: Definition,
    prices: Mapping[str, Price],
    shares: Mapping[str, Amount],
    room: int,
    known: _Known,
) -> Iterator[tuple[str, PartProof]]:
    """Yield what is proved of each part by itself, with its place."""
    for state in definition.states.values():
        for part in state.spec.parts:
            place = f"{state.name}.{part.name}"
            share, own = shares[place], within(prices, place)
            key = part.definition.digest, share, tuple(sorted(own.items(), key=lambda item: item[0]))
            if key not in known:
                explored = explore(
                    part.definition, limits=_on_share(part.definition, share), prices=own, max_configurations=room
                )
                known[key] = PartProof(definition=part.definition, exploration=explored)
            yield place, known[key]
            for deeper, proof in _parts(part.definition, own, within(shares, place), room, known):
                yield f"{place}.{deeper}", proof


def _on_share(definition: Definition, share: Amount) -> Limits:
    """Return the limits of a run on a share: a smaller budget may open failure edges that a larger one does not."""
    limits = definition.limits
    cost = limits.cost_usd if limits.cost_micros is None else Decimal(share.cost) / 1_000_000
    return limits.model_copy(update={"tokens": share.tokens, "cost_usd": cost})


class _LookedUp(NamedTuple):
    """What is known of the model of each state that calls one, by place: `state`, or `state.part.state` inside."""

    names: dict[str, str]
    prices: dict[str, Price]
    """Those that are known."""
    refused: dict[str, str]
    """Which settings it does not take, and why; where it takes all, nothing."""


def _looked_up(definition: Definition, default: str | Model | None, around: str | None = None) -> _LookedUp:
    """Return what is known of each model, as a runner would. States for which none is named are left out.

    Args:
        around: the model of the machine that runs it, for one that names none.
    """
    found = _LookedUp({}, {}, {})
    own = definition.model or around
    for state, model in definition.models(default or own).items():
        if model is None:
            continue
        settings = definition.states[state].spec.settings
        if isinstance(model, str):
            name = checked(model)
            price, why = _price(name), not_taken_by(name, settings)
        else:
            name, price, why = given(model).name, model.price, objection(model, settings)
        found.names[state] = name
        if price is not None:
            found.prices[state] = price
        if why is not None:
            found.refused[state] = f"{name!r} does not take ({why})"
    for name, holder in definition.states.items():
        for part in holder.spec.parts:
            inner, place = _looked_up(part.definition, default, own), f"{name}.{part.name}"
            found.names.update({f"{place}.{state}": model for state, model in inner.names.items()})
            found.prices.update({f"{place}.{state}": price for state, price in inner.prices.items()})
            found.refused.update({f"{place}.{state}": why for state, why in inner.refused.items()})
    return found


def _price(model: str) -> Price | None:
    from ..models.prices import price_by_name  # noqa: PLC0415 - the price table loads an HTTP client

    return price_by_name(model)


def _counterexamples(definition: Definition, explored: Exploration) -> Iterator[Counterexample]:
    found = [(judged, judged.trace) for judged in explored.policies if judged.trace]
    for judged, trace in found:
        change = to_keep(definition, judged.policy, trace, explored)
        yield Counterexample(policy=judged.policy, verdict=judged.verdict, trace=trace, change=change)
