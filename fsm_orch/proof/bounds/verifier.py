"""The verifier of certificates: exact, without a solver, and without any code of the maker.

A mistake in shared code would be made twice and noticed by nobody, so even a formula that the maker has too is written
out once more here. Only data is shared: limits, prices, and the sentences of `assumptions`.

A whole is checked with the certificates of its parts, which it holds: each is verified for the machine that the
definition names as the part, and only then is its bound believed. A visit is charged its calls, and for each of its
parts as many runs as the definition allows, each within its bound and its own limits; or its share, the tokens that the
kernel moves to it, where that is more. Shares are facts of a run, as limits and prices are.

It reads two JSON documents, the certificate and the canonical form of the definition (the text that its digest is
taken of, without what holds its default), and a price table. Of the certificate it uses the tolls lambda, which may be
any numbers of at least 0, and computes every other number again. For every state s, the most that may follow a visit of
s when n more visits can be made is

    pi(s, 0) = 0    pi(s, n) = max(0, max over s -> t of c(t) - lambda(t) + pi(t, n - 1))

Here c(t) is the worst case of a visit of t. So c(t) <= pi(s, n) - pi(t, n - 1) + lambda(t) on every edge. Added up
along a run the potentials cancel, and no run is charged more than

    c(initial) + pi(initial, H - 1) + sum left(s) * lambda(s)

where H is the hop limit and left(s) the visits of s that remain once the run has begun (see `tolls`). Where runs start
in several states, no first visit is sure, so left(s) counts all visits of s, and the bound is

    max over starts s of (c(s) - lambda(s) + pi(s, H - 1)) + sum left(s) * lambda(s)

The witness is walked edge by edge. A bound lower than that sum is accepted if it is what the witness is charged, and no
path that the tolls leave possible is charged more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil, floor, lcm
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from ...amounts import Amount, Price
from ...define.definition import Definition
from ...define.worst import shares_of
from ...errors import CertificateError
from ...limits import Limits
from .assumptions import assumed

_MOST_OPEN = 512
"""The most paths of one length that are followed; keep in sync with `search.WIDEST`, or true certificates fail."""

_SINGLE = frozenset({"version", "machine", "definition"})
"""What a certificate is made for one of; of the rest, such as limits, it is made for several."""

Json = Mapping[str, Any]


def verify(
    certificate: BaseModel,
    definition: Definition,
    *,
    limits: Limits | None = None,
    prices: Mapping[str, Price] | None = None,
    models: Mapping[str, str] | None = None,
) -> None:
    """Check a certificate against what runs will really use; return if every number of it, and of its parts, holds.

    Args:
        certificate: a `Certificate`; only its JSON is read.
        limits: the limits of runs; None: the definition's.
        prices: by state, and inside parts by `state.part.state`, the price of its model; cost is bounded only if every
            state that makes calls has one.
        models: named likewise, the name of its model; None: as declared.

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
    claim = {**claim, "limits": _limits(claim["limits"]), "parts": sorted(inner)}
    for what, fact in _facts(definition, limits, prices, models).items():
        if claim[what] != fact:
            other = "another" if what in _SINGLE else "other"
            raise CertificateError(f"This certificate was made for {other} {what}: {claim[what]!r}, not {fact!r}")
    for name, state in definition.states.items():
        for part in state.spec.parts:  # named by the digest of the definition, as the canonical form has it
            place = f"{name}.{part.name}"
            own = None if models is None else _inside(models, place)
            try:
                _verify(inner[place], part.definition, part.definition.limits, _inside(prices, place), own)
            except CertificateError as error:
                raise CertificateError(f"In the part {place!r}: {error}") from None
    graph = _graph(canonical, limits.hops)
    costs = _costs(canonical, limits, prices, inner, shares_of(definition, prices))
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
    places = sorted(f"{n}.{p['name']}" for n, s in canonical["states"].items() for p in s["agent"].get("parts", ()))
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
        "parts": places,
        "assumptions": list(assumed(is_whole=bool(places))),
    }


def _inside(named: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return what is named inside a part, by its names there."""
    return {name[len(place) + 1 :]: of for name, of in named.items() if name.startswith(f"{place}.")}


def _limits(claimed: object) -> object:
    """Parse limits so that $0.05 equals $0.050; return anything else unchanged."""
    try:
        return Limits.model_validate(claimed)
    except ValidationError:
        return claimed


def _written(number: Fraction) -> int | str:
    return number.numerator if number.denominator == 1 else str(number)


class _Graph(NamedTuple):
    """The states that runs can visit, and how often."""

    starts: Sequence[str]
    hops: int
    left: Mapping[str, int]
    """By state, how often it can be entered: of a single start, once the run has begun."""
    onward: Mapping[str, Sequence[str]]
    """By state, the states that its edges lead to; final states, and states that cannot be entered, are left out."""

    @property
    def has_one_start(self) -> bool:
        """Whether all runs begin in one state, whose first visit is not among those left, and pays no toll."""
        return len(self.starts) == 1


def _graph(canonical: Json, hops: int) -> _Graph:
    states = canonical["states"]
    starts = [name for name, state in states.items() if state.get("initial") or state.get("entry")]
    visits = {name: state.get("max_visits") for name, state in states.items()}
    left = {name: hops if most is None else most - (starts == [name]) for name, most in visits.items()}
    onward: dict[str, list[str]] = {name: [] for name in states}
    for handoff in canonical["handoffs"]:  # of every kind: failure edges too
        for source in handoff["sources"]:
            if left.get(handoff["target"], 0) > 0:
                onward[source].append(handoff["target"])
    return _Graph(starts, hops, left, onward)


def _costs(
    canonical: Json,
    limits: Limits,
    prices: Mapping[str, Price],
    inner: Mapping[str, Json],
    shares: Mapping[str, Amount],
) -> dict[str, dict[str, int]]:
    """Return the most that one visit is charged, by measure and state.

    Args:
        inner: the certificates of the parts, which have been verified.
        shares: what the kernel moves to a run of each part.
    """
    costs: dict[str, dict[str, int]] = {m: {} for m in ("tokens", "cost", "hops", "calls", "milliseconds")}
    for name, state in canonical["states"].items():
        agent, price = state["agent"], prices.get(name)
        calls, given, made = (
            agent.get("calls", 0),
            agent["call_limits"]["max_input_tokens"],
            agent["call_limits"]["max_output_tokens"],
        )
        places = {f"{name}.{part['name']}": part.get("most", 1) for part in agent.get("parts", ())}
        parts = [(most, inner[place]) for place, most in places.items()]
        held = {m: sum(n * _held(inner[p], m, shares[p]) for p, n in places.items()) for m in ("tokens", "cost")}
        costs["tokens"][name] = calls * (given + made) + held["tokens"]
        costs["hops"][name] = 1
        costs["calls"][name] = calls + sum(most * part["bounds"]["calls"]["bound"] for most, part in parts)
        costs["milliseconds"][name] = _time(state, limits, [part for _, part in parts])
        if (calls == 0 or price is not None) and all("cost" in part["bounds"] for _, part in parts):
            call = ceil(given * price.input + made * price.output) if price is not None else 0
            costs["cost"][name] = calls * call + held["cost"]
    return {measure: cost for measure, cost in costs.items() if len(cost) == len(canonical["states"])}


def _held(part: Json, measure: str, share: Amount) -> int:
    """Return the most that a run of a part holds or is charged; its own ledger stops it at its limit."""
    limits, bound = Limits.model_validate(part["limits"]), part["bounds"].get(measure)
    limit, moved = (limits.tokens, share.tokens) if measure == "tokens" else (limits.cost_micros, share.cost)
    most = 0 if bound is None else int(bound["bound"])
    return max(moved, most if limit is None else min(most, limit))


def _time(state: Json, limits: Limits, parts: Sequence[Json]) -> int:
    """Return the milliseconds of a visit: as declared, else as long as the longest of its parts may take."""
    seconds = state.get("timeout_s") or limits.visit_s
    if parts and not state.get("timeout_s"):
        seconds = min(max(seconds, *(part["limits"]["deadline_s"] for part in parts)), limits.deadline_s)
    # Through its text: the float 0.1 is a little more than 0.1, and would be rounded up to 101 milliseconds.
    return ceil(1_000 * Fraction(str(seconds)))


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
    paid = sum(graph.left[state] * of for state, of in toll.items())
    begun = {s: cost[s] * unit if graph.has_one_start else gain[s] for s in graph.starts}
    reach = {
        n: max((begun[s] + layers[n][s], layers[n][s]) for s in graph.starts) for n in (graph.hops - 1, graph.hops)
    }
    most, of_most = reach[graph.hops - 1]
    to_come, total = Fraction(of_most, unit), paid + Fraction(most, unit)
    after_one_more = paid + Fraction(reach[graph.hops][0], unit)
    # A witness that no run can take would make a bound look exact that is not, so its edges and visits are looked up.
    reached = _walk(bound["witness"], canonical, graph, cost)
    if reached is None:
        return f"no run can take its witness: {bound['witness']}"
    is_exact = reached == floor(total) or (
        bound["is_exact"] and _is_dearest(reached, graph, cost, gain, layers, unit, paid, begun)
    )
    # Every number is computed here and compared, the ones for readers too: a certificate is right in all or refused.
    facts = {
        "worst_case": cost,
        "to_come": _written(to_come),
        "total": _written(total),
        "per_hop": _written(after_one_more - total),
        "witness": {**bound["witness"], "amount": reached},
        "is_exact": is_exact,
        "bound": reached if is_exact else floor(total),
    }
    return next((f"{k} is {fact}, not {bound[k]}" for k, fact in facts.items() if bound[k] != fact), None)


def _walk(witness: Json, canonical: Json, graph: _Graph, cost: Mapping[str, int]) -> int | None:
    """Return what a path is charged, or None if it is not a path of this graph within the limits of hops and visits."""
    states, handoffs = witness["states"], witness["handoffs"]
    counted = states[1:] if graph.has_one_start else states
    edges = {(h["name"], source, h["target"]) for h in canonical["handoffs"] for source in h["sources"]}
    is_path = (
        bool(states)
        and states[0] in graph.starts
        and len(states) == len(handoffs) + 1 <= graph.hops
        and edges.issuperset(zip(handoffs, states, states[1:], strict=False))
        and all(counted.count(state) <= graph.left.get(state, 0) for state in counted)
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
    paid: Fraction | int,
    begun: Mapping[str, int],
) -> bool:
    """Search for a path that is charged more than `reached`; return True only if there surely is none.

    Args:
        gain: by state, its worst case less its toll, times the unit.
        layers: pi times the unit, by the number of visits that may follow.
        paid: the toll of every visit that is left.
        begun: by start, what its visit adds to that, times the unit.
    """
    # Of paths that stand in the same state after the same visits, the most expensive is enough: whatever can follow one
    # can follow the others. Visits are counted only where they can run out.
    last = graph.hops - graph.has_one_start
    paths: _Paths = {
        (s, (s,) if graph.left[s] < last and not graph.has_one_start else ()): (cost[s], of) for s, of in begun.items()
    }
    for n in range(graph.hops - 2, -1, -1):
        longer: _Paths = {}
        for (state, seen), (charged, gained) in paths.items():
            for t in graph.onward[state]:
                path = charged + cost[t], gained + gain[t]
                key = t, tuple(sorted((*seen, t))) if graph.left[t] < last else seen
                if seen.count(t) < graph.left[t] and floor(paid + Fraction(path[1] + layers[n][t], unit)) > reached:
                    longer[key] = max(longer.get(key, path), path)
        # Giving up is safe: the bound is then held to be inexact, and a certificate that says otherwise is refused.
        if len(longer) > _MOST_OPEN or any(charged > reached for charged, _ in longer.values()):
            return False
        paths = longer
    return True
