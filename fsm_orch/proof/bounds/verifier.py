"""The verifier of certificates: exact, without a solver, and without any code of the maker.

A mistake in shared code would be made twice and noticed by nobody, so even a formula that the maker has too is written
out once more here. Only data is shared: limits, prices, and the sentences of `assumptions`.

It reads two JSON documents, the certificate and the canonical form of the definition (the text that its digest is
taken of, without what holds its default), and a price table. Of the certificate it uses the tolls lambda, which may be
any numbers of at least 0, and computes every other number again. For every state s, the most that may follow a visit of
s when n more visits can be made is

    pi(s, 0) = 0    pi(s, n) = max(0, max over s -> t of c(t) - lambda(t) + pi(t, n - 1))

Here c(t) is the worst case of a visit of t. So c(t) <= pi(s, n) - pi(t, n - 1) + lambda(t) on every edge. Added up
along a run the potentials cancel, and no run is charged more than

    c(initial) + pi(initial, H - 1) + sum left(s) * lambda(s)

where H is the hop limit and left(s) the visits of s that remain once the run has begun (see `tolls`).

The witness is walked edge by edge. A bound lower than that sum is accepted if it is what the witness is charged, and no
path that the tolls leave possible is charged more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil, floor, lcm
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from ...amounts import FREE, Price
from ...define.definition import Definition
from ...errors import CertificateError
from ...limits import Limits
from .assumptions import ASSUMPTIONS

_MOST_OPEN = 512
"""The most paths of one length that are followed; keep in sync with `search.WIDEST`, or true certificates fail."""

Json = Mapping[str, Any]
T = TypeVar("T")


def verify(
    certificate: BaseModel,
    definition: Definition,
    *,
    limits: Limits | None = None,
    prices: Mapping[str, Price] | None = None,
    models: Mapping[str, str] | None = None,
) -> None:
    """Check a certificate against what runs will really use; return if every number of it holds.

    Args:
        certificate: a `Certificate`; only its JSON is read.
        limits: the limits of runs; None: the definition's.
        prices: by state, the price of its model, inside parts by `state.part.state`; cost is bounded only if every
            state that makes calls has one.
        models: by state, and inside parts alike, the name of its model; None: as declared.

    Raises CertificateError: if it was made for another definition, or for other limits, models, prices, parts or
        assumptions; or if a number in it is wrong.
    """
    _verify(certificate.model_dump(mode="json"), definition, limits or definition.limits, prices or {}, models)


def _verify(
    claim: dict[str, Any],
    definition: Definition,
    limits: Limits,
    prices: Mapping[str, Price],
    models: Mapping[str, str] | None,
) -> None:
    canonical, inner = definition.canonical, claim["parts"]
    claim["limits"] = _limits(claim["limits"])
    for what, fact in _facts(definition, limits, prices, models).items():
        if claim[what] != fact:
            raise CertificateError(f"This certificate was made for other {what}: {claim[what]!r}, not {fact!r}")
    parts = {f"{name}.{part.name}": part for name, state in definition.states.items() for part in state.spec.parts}
    if inner.keys() != parts.keys():
        raise CertificateError(f"This certificate was made for other parts: {[*inner]}, not {[*parts]}")
    for place, part in parts.items():  # first: a bound that was not verified is no bound
        own = part.definition
        _verify(inner[place], own, own.limits, _inside(prices, place), models and _inside(models, place))
    graph, costs = _graph(canonical, limits.hops), _costs(canonical, limits, prices, inner)
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
) -> dict[str, Any]:
    """Return what the certificate must have been made for, as its JSON would show it."""
    canonical = definition.canonical
    agents = {name: state["agent"] for name, state in canonical["states"].items() if "calls" in state["agent"]}
    if models is None:
        of_machine: Any = canonical.get("model")
        models = {name: agent.get("model", of_machine) for name, agent in agents.items()}
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
        "assumptions": list(ASSUMPTIONS),
    }


def _limits(claimed: object) -> object:
    """Parse limits so that $0.05 equals $0.050; return anything else unchanged."""
    try:
        return Limits.model_validate(claimed)
    except ValidationError:
        return claimed


def _written(number: Fraction) -> int | str:
    return number.numerator if number.denominator == 1 else str(number)


def _inside(named: Mapping[str, T], place: str) -> dict[str, T]:
    """Return what is named inside a part, by its names there."""
    return {name[len(place) + 1 :]: value for name, value in named.items() if name.startswith(f"{place}.")}


class _Graph(NamedTuple):
    """The states that runs can visit, and how often."""

    initial: str
    hops: int
    left: Mapping[str, int]
    """By state, how often it can be entered once the run has begun."""
    onward: Mapping[str, Sequence[str]]
    """By state, the states that its edges lead to; final states, and states that cannot be entered, are left out."""


def _graph(canonical: Json, hops: int) -> _Graph:
    states = canonical["states"]
    initial = next(name for name, state in states.items() if state.get("initial"))
    visits = {name: state.get("max_visits") for name, state in states.items()}
    left = {name: hops if most is None else most - (name == initial) for name, most in visits.items()}
    onward: dict[str, list[str]] = {name: [] for name in states}
    for handoff in canonical["handoffs"]:  # of every kind: failure edges too
        for source in handoff["sources"]:
            if left.get(handoff["target"], 0) > 0:
                onward[source].append(handoff["target"])
    return _Graph(initial, hops, left, onward)


class _Runs(NamedTuple):
    """The runs of a part that a visit may make."""

    most: int
    certificate: Json

    @property
    def bounds(self) -> Json:
        found: Json = self.certificate["bounds"]
        return found

    @property
    def limits(self) -> Limits:
        """The limits of each, which `_verify` has read."""
        read: Limits = self.certificate["limits"]
        return read

    def charged(self, measure: str) -> int:
        """Return the most that they are charged together: each no more than its bound, and than its own limit."""
        limit = {"tokens": self.limits.tokens, "cost": self.limits.cost_micros}.get(measure)
        bound: int = self.bounds[measure]["bound"]
        return self.most * (bound if limit is None else min(bound, limit))


def _costs(
    canonical: Json, limits: Limits, prices: Mapping[str, Price], inner: Mapping[str, Json]
) -> dict[str, dict[str, int]]:
    """Return the most that one visit is charged, by measure and state: its calls, and every run of its parts."""
    costs: dict[str, dict[str, int]] = {m: {} for m in ("tokens", "cost", "hops", "calls", "milliseconds")}
    for name, state in canonical["states"].items():
        agent, calls = state["agent"], state["agent"].get("calls", 0)
        runs = [_Runs(part.get("most", 1), inner[f"{name}.{part['name']}"]) for part in agent.get("parts", ())]
        given, made = agent["call_limits"]["max_input_tokens"], agent["call_limits"]["max_output_tokens"]
        costs["tokens"][name] = calls * (given + made) + sum(run.charged("tokens") for run in runs)
        costs["hops"][name] = 1
        costs["calls"][name] = calls + sum(run.charged("calls") for run in runs)
        longest = max([limits.visit_s, *(run.limits.deadline_s for run in runs)])
        seconds = state.get("timeout_s") or (min(longest, limits.deadline_s) if runs else limits.visit_s)
        # Through its text: the float 0.1 is a little more than 0.1, and would be rounded up to 101 milliseconds.
        costs["milliseconds"][name] = ceil(1_000 * Fraction(str(seconds)))
        if (calls == 0 or name in prices) and all("cost" in run.bounds for run in runs):
            price = prices.get(name, FREE)
            call = ceil(given * price.input + made * price.output)
            costs["cost"][name] = calls * call + sum(run.charged("cost") for run in runs)
    return {measure: cost for measure, cost in costs.items() if len(cost) == len(canonical["states"])}


def _objection(bound: Json, canonical: Json, graph: _Graph, cost: Mapping[str, int]) -> str | None:
    """Return what is wrong with a bound; None if every number of it is right."""
    toll = {state: Fraction(of) for state, of in bound["per_visit"].items()}
    # A negative toll would lower the bound for visits that a run need not make, and prove nothing. A state that cannot
    # be entered has no visit to pay for.
    if any(of < 0 or graph.left.get(state, 0) < 1 for state, of in toll.items()):
        return f"a toll is negative, or of a state that cannot be entered: {bound['per_visit']}"
    unit = lcm(*(of.denominator for of in toll.values()))
    # Whole numbers, times the unit: exact, where a float that is rounded down would not be a bound, and quicker to add
    # than fractions.
    gain = {state: int((c - toll.get(state, 0)) * unit) for state, c in cost.items()}
    layers = [dict.fromkeys(cost, 0)]
    for _ in range(graph.hops):
        # 0 because a run may end here: any run can be landed after any visit.
        layers.append({s: max([0, *(gain[t] + layers[-1][t] for t in ways)]) for s, ways in graph.onward.items()})
    to_come, after_one_more = (Fraction(layers[n][graph.initial], unit) for n in (graph.hops - 1, graph.hops))
    paid = sum(graph.left[state] * of for state, of in toll.items())
    total = cost[graph.initial] + to_come + paid
    # A witness that no run can take would make a bound look exact that is not, so its edges and visits are looked up.
    reached = _walk(bound["witness"], canonical, graph, cost)
    if reached is None:
        return f"no run can take its witness: {bound['witness']}"
    is_exact = reached == floor(total) or (
        bound["is_exact"] and _is_dearest(reached, graph, cost, gain, layers, unit, cost[graph.initial] + paid)
    )
    # Every number is computed here and compared, the ones for readers too: a certificate is right in all or refused.
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
    """Return what a path is charged, or None if it is not a path of this graph within the limits of hops and visits."""
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
"""By the state where a path stands and its counted visits: what it is charged, and the sum of its gains."""


def _is_dearest(
    reached: int,
    graph: _Graph,
    cost: Mapping[str, int],
    gain: Mapping[str, int],
    layers: Sequence[Mapping[str, int]],
    unit: int,
    start: Fraction | int,
) -> bool:
    """Search for a path that is charged more than `reached`; return True only if there surely is none.

    Args:
        gain: by state, its worst case less its toll, times the unit.
        layers: pi times the unit, by the number of visits that may follow.
        start: the worst case of the first visit and the toll of every visit that is left after it.
    """
    # Of paths that stand in the same state after the same visits, the most expensive is enough: whatever can follow one
    # can follow the others. Visits are counted only where they can run out.
    paths: _Paths = {(graph.initial, ()): (cost[graph.initial], 0)}
    for n in range(graph.hops - 2, -1, -1):
        longer: _Paths = {}
        for (state, seen), (charged, gained) in paths.items():
            for t in graph.onward[state]:
                path = charged + cost[t], gained + gain[t]
                key = t, tuple(sorted((*seen, t))) if graph.left[t] < graph.hops - 1 else seen
                if seen.count(t) < graph.left[t] and floor(start + Fraction(path[1] + layers[n][t], unit)) > reached:
                    longer[key] = max(longer.get(key, path), path)
        # Giving up is safe: the bound is then held to be inexact, and a certificate that says otherwise is refused.
        if len(longer) > _MOST_OPEN or any(charged > reached for charged, _ in longer.values()):
            return False
        paths = longer
    return True
