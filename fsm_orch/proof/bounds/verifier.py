"""The verifier of certificates: exact, without a solver, and without a line in common with what finds them.

It reads two JSON documents, the certificate and the canonical form that the definition's digest is taken of, and the
numbers of a price table. With lambda from the certificate it computes, for every state s, what may follow a visit of
it when n visits may still be made:

    pi(s, 0) = 0    pi(s, n) = max(0, max over s -> t of c(t) - lambda(t) + pi(t, n - 1))

Then c(t) <= pi(s, n) - pi(t, n - 1) + lambda(t) on every edge, and by telescoping no run is charged more than
c(initial) + pi(initial, H - 1) + sum left(s) * lambda(s), with left(s) the visits that remain once the run has begun.
The witness is walked edge by edge. A bound lower than that sum is believed if no path that these numbers leave open
is dearer than the witness.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil, floor, lcm
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from ...amounts import FREE, Price
from ...define.definition import Definition
from ...errors import CertificateError
from ...limits import Limits
from .assumptions import assumed

_MOST_OPEN = 512
"""Paths of one length that are followed at most; keep in sync with `search.WIDEST`."""

Json = Mapping[str, Any]


def verify(
    certificate: BaseModel,
    definition: Definition,
    *,
    limits: Limits | None = None,
    prices: Mapping[str, Price] | None = None,
    models: Mapping[str, str] | None = None,
    parts: Mapping[str, Sequence[BaseModel]] | None = None,
) -> None:
    """Refute a certificate, or return.

    Args:
        certificate: a `Certificate`; only its JSON is looked at.
        limits: of the runs; None: the definition's.
        prices: of each state's model; the price of a state that is not named is not known.
        models: the name of each state's model; None: as declared.
        parts: by state, certificates of the machines that its visits run. Each is to be checked on its own too.

    Raises CertificateError: if it is of other things than these, or says what does not follow from them.
    """
    claim, canonical, limits = certificate.model_dump(mode="json"), definition.canonical, limits or definition.limits
    claim["limits"] = _limits(claim["limits"])
    inner = {state: [part.model_dump(mode="json") for part in own] for state, own in (parts or {}).items()}
    for what, fact in _facts(definition, limits, prices or {}, models, inner).items():
        if claim[what] != fact:
            raise CertificateError(f"This certificate was made for other {what}: {claim[what]!r}, and here is {fact!r}")
    graph, costs = _graph(canonical, limits.hops), _costs(canonical, limits, prices or {}, inner)
    if claim["bounds"].keys() != costs.keys():
        raise CertificateError(f"This certificate bounds {sorted(claim['bounds'])}; it could bound {sorted(costs)}")
    for measure, bound in claim["bounds"].items():
        objection = _objection(bound, canonical, graph, costs[measure])
        if objection is not None:
            raise CertificateError(f"This certificate is refuted: in {measure}, {objection}")


def _facts(
    definition: Definition,
    limits: Limits,
    prices: Mapping[str, Price],
    models: Mapping[str, str] | None,
    inner: Mapping[str, Sequence[Json]],
) -> dict[str, Any]:
    """Give what a certificate is bound to, as its JSON says it."""
    canonical = definition.canonical
    agents = {name: state["agent"] for name, state in canonical["states"].items() if state["agent"]["calls"]}
    if models is None:
        models = {name: agent["model"] or canonical["model"] for name, agent in agents.items()}
    return {
        "version": 1,
        "machine": canonical["machine"],
        "definition": definition.digest,
        "limits": limits,
        "models": {name: models.get(name) for name in agents},
        "prices": {
            name: {"input": _written(prices[name].input), "output": _written(prices[name].output)}
            for name in agents
            if name in prices
        },
        "parts": {state: [_digest(part) for part in own] for state, own in inner.items()},
        "assumptions": list(assumed(inner)),
    }


def _limits(claimed: object) -> object:
    """Read limits, so that $0.05 is $0.050; what are none stay as they are."""
    try:
        return Limits.model_validate(claimed)
    except ValidationError:
        return claimed


def _written(number: Fraction) -> int | str:
    return number.numerator if number.denominator == 1 else str(number)


def _digest(part: Json) -> str:
    text = json.dumps(part, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class _Graph(NamedTuple):
    """Where runs can go."""

    initial: str
    hops: int
    left: Mapping[str, int]
    """How often each state can be entered once the run has begun."""
    onward: Mapping[str, Sequence[str]]


def _graph(canonical: Json, hops: int) -> _Graph:
    states = canonical["states"]
    initial = next(name for name, state in states.items() if state["initial"])
    visits = {name: state["max_visits"] for name, state in states.items()}
    left = {name: hops if most is None else most - (name == initial) for name, most in visits.items()}
    onward: dict[str, list[str]] = {name: [] for name in states}
    for handoff in canonical["handoffs"]:  # of every kind: failure edges too
        for source in handoff["sources"]:
            if left.get(handoff["target"], 0) > 0:
                onward[source].append(handoff["target"])
    return _Graph(initial, hops, left, onward)


def _costs(
    canonical: Json, limits: Limits, prices: Mapping[str, Price], inner: Mapping[str, Sequence[Json]]
) -> dict[str, dict[str, int]]:
    """Give what a visit of each state is charged at most, by measure; a part takes the place of one call."""
    if strange := inner.keys() - canonical["states"].keys():
        raise CertificateError(f"There is no state {min(strange)!r} to run parts in. States: {[*canonical['states']]}")
    costs: dict[str, dict[str, int]] = {m: {} for m in ("tokens", "cost", "hops", "calls", "milliseconds")}
    for name, state in canonical["states"].items():
        bounds = [{m: b["bound"] for m, b in part["bounds"].items()} for part in inner.get(name, ())]
        agent, calls = state["agent"], state["agent"]["calls"] - len(bounds)
        if calls < 0:
            raise CertificateError(f"{name!r} makes {agent['calls']} calls, and cannot run {len(bounds)} parts in them")
        given, made = agent["call_limits"]["max_input_tokens"], agent["call_limits"]["max_output_tokens"]
        costs["tokens"][name] = calls * (given + made) + sum(min(given + made, b["tokens"]) for b in bounds)
        costs["hops"][name] = 1
        costs["calls"][name] = calls + sum(b["calls"] for b in bounds)
        costs["milliseconds"][name] = ceil(1_000 * Fraction(str(state["timeout_s"] or limits.visit_s)))
        if (calls == 0 or name in prices) and all("cost" in b for b in bounds):
            price = prices.get(name, FREE)
            call = ceil(given * price.input + made * price.output)
            costs["cost"][name] = calls * call + sum(b["cost"] for b in bounds)
    return {measure: cost for measure, cost in costs.items() if len(cost) == len(canonical["states"])}


def _objection(bound: Json, canonical: Json, graph: _Graph, cost: Mapping[str, int]) -> str | None:
    """Say what is wrong with a bound; None if it holds."""
    toll = {state: Fraction(of) for state, of in bound["per_visit"].items()}
    if any(of < 0 or graph.left.get(state, 0) < 1 for state, of in toll.items()):
        return f"a toll is negative, or of a state that cannot be entered: {bound['per_visit']}"
    unit = lcm(*(of.denominator for of in toll.values()))
    gain = {state: int((c - toll.get(state, 0)) * unit) for state, c in cost.items()}  # whole, in parts of a unit
    layers = [dict.fromkeys(cost, 0)]
    for _ in range(graph.hops):
        layers.append({s: max([0, *(gain[t] + layers[-1][t] for t in ways)]) for s, ways in graph.onward.items()})
    to_come, after_one_more = (Fraction(layers[n][graph.initial], unit) for n in (graph.hops - 1, graph.hops))
    paid = sum(graph.left[state] * of for state, of in toll.items())
    total = cost[graph.initial] + to_come + paid
    reached = _walk(bound["witness"], canonical, graph, cost)
    if reached is None:
        return f"no run can take its witness: {bound['witness']}"
    is_exact = reached == floor(total) or (
        bound["is_exact"] and _is_dearest(reached, graph, cost, gain, layers, unit, cost[graph.initial] + paid)
    )
    facts = {
        "worst_case": cost,
        "to_come": _written(to_come),
        "total": _written(total),
        "per_hop": _written(after_one_more - to_come),
        "witness": {**bound["witness"], "amount": reached},
        "is_exact": is_exact,
        "bound": reached if is_exact else floor(total),
    }
    return next((f"{k} is {fact}, not {bound[k]}" for k, fact in facts.items() if bound[k] != fact), None)


def _walk(witness: Json, canonical: Json, graph: _Graph, cost: Mapping[str, int]) -> int | None:
    """Add up what a path is charged; None if no run can take it."""
    states, handoffs = witness["states"], witness["handoffs"]
    edges = {(h["name"], source, h["target"]) for h in canonical["handoffs"] for source in h["sources"]}
    is_path = (
        states[:1] == [graph.initial]
        and len(states) == len(handoffs) + 1 <= graph.hops
        and edges.issuperset(zip(handoffs, states, states[1:], strict=False))
        and all(states[1:].count(state) <= graph.left.get(state, 0) for state in states[1:])
    )
    return sum(cost[state] for state in states) if is_path else None


_Paths = dict[tuple[str, tuple[str, ...]], tuple[int, int]]
"""By the state where it stands and its visits so far: what a path is charged, and what it has gained on the bound."""


def _is_dearest(
    reached: int,
    graph: _Graph,
    cost: Mapping[str, int],
    gain: Mapping[str, int],
    layers: Sequence[Mapping[str, int]],
    unit: int,
    start: Fraction | int,
) -> bool:
    """Search what the bounds leave open for a dearer path than one that was reached; True if there surely is none."""
    # Of the paths to a state after the same visits (of states where they can run out) the dearest is enough.
    paths: _Paths = {(graph.initial, ()): (cost[graph.initial], 0)}
    for n in range(graph.hops - 2, -1, -1):
        longer: _Paths = {}
        for (state, seen), (charged, gained) in paths.items():
            for t in graph.onward[state]:
                path = charged + cost[t], gained + gain[t]
                key = t, tuple(sorted((*seen, t))) if graph.left[t] < graph.hops - 1 else seen
                if seen.count(t) < graph.left[t] and floor(start + Fraction(path[1] + layers[n][t], unit)) > reached:
                    longer[key] = max(longer.get(key, path), path)
        if len(longer) > _MOST_OPEN or any(charged > reached for charged, _ in longer.values()):
            return False
        paths = longer
    return True
