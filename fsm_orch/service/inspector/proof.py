"""What is proved of a machine, as the page draws it: bounds with their witness, verdicts, findings, counterexamples.

A counterexample is given as the records of a run, so the page plays it as it plays any other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from msgspec import json

from ...define.definition import Definition
from ...define.wording import number_of
from ...errors import ContextError, StepError
from ...export.table import HEADINGS, rows
from ...kernel.codec import to_json
from ...kernel.engine import CompiledMachine
from ...kernel.step import fold_recorded
from ...proof.bounds.certificate import Certificate
from ...proof.bounds.skeleton import Measure
from ...proof.bounds.words import bound_in_words, most_of, shown, tolls_in_words, verdict_in_words
from ...proof.explore.reality import played
from ...proof.explore.trace import Trace
from ...proof.report import Counterexample, Proof

_MEASURES: tuple[Measure, ...] = ("tokens", "cost", "calls", "hops")


def proof_json(proof: Proof, compiled: CompiledMachine) -> dict[str, Any]:
    """Return what is proved of a machine as JSON.

    Args:
        compiled: the machine, with the limits and prices of its runs.
    """
    explored = proof.exploration
    return {
        "machine": proof.definition.name,
        "is_sound": proof.is_sound(),
        "is_complete": explored.is_complete,
        "configurations": explored.configurations,
        "seconds": proof.bounds.seconds,
        "bounds": list(_bounds(proof.definition, proof.certificate)),
        "cost": _cost(compiled),
        "policies": [{"policy": str(judged.policy), "verdict": judged.verdict} for judged in proof.policies],
        "findings": [asdict(finding) for finding in proof.findings],
        "counterexamples": [_counterexample(proof, each) for each in proof.counterexamples],
        "assumptions": proof.certificate.assumptions,
    }


def _bounds(definition: Definition, certificate: Certificate) -> Iterator[dict[str, Any]]:
    for measure in _MEASURES:
        if measure not in certificate.bounds or (measure == "cost" and not certificate.prices):
            continue
        bound = certificate.bounds[measure]
        yield {
            "measure": measure,
            "most": bound.bound,
            "is_exact": bound.is_exact,
            "states": bound.witness.states,
            "handoffs": bound.witness.handoffs,
            "sum": list(_sum(definition, bound.witness.states)) if measure == "tokens" else [],
            "in_words": bound_in_words(certificate, measure),
            "verdict": verdict_in_words(certificate, measure) if measure in ("tokens", "cost") else None,
            "tolls": list(tolls_in_words(certificate, measure)),
        }


def _sum(definition: Definition, path: Sequence[str]) -> Iterator[str]:
    """Yield what the visits of each state of a path are charged at most: calls, each of input and output, and parts."""
    for name, visits in Counter(path).items():
        spec = definition.states[name].spec
        caps, calls = spec.call_limits, number_of(spec.calls, "call")
        each = f"{calls} x ({caps.max_input_tokens:,} in + {caps.max_output_tokens:,} out)"
        charged = [each] if spec.calls else []
        charged += [f"{part.most} x {part.name} ({part.share.tokens:,})" for part in spec.parts]
        if charged:
            yield f"{name}: {number_of(visits, 'visit')} x {' + '.join(charged)}"


def _cost(compiled: CompiledMachine) -> str:
    """Return the dollars that no run takes more of, or of which states no price is known."""
    definition, prices = compiled.definition, compiled.prices
    if unpriced := [name for name in definition.models() if name not in prices]:
        return f"no price known of the model of {', '.join(unpriced)}"
    most = most_of(definition, limits=compiled.limits, prices=prices).get("cost", 0)
    return f"at most {shown(most, 'cost')}" if most else "no price known, or nothing to pay"


def _counterexample(proof: Proof, example: Counterexample) -> dict[str, Any]:
    return {
        "policy": str(example.policy),
        "verdict": example.verdict,
        "path": str(example.trace),
        "headings": HEADINGS,
        "rows": rows(example.trace),
        "change": None if example.change is None else str(example.change),
        "records": _records(proof, example.trace),
    }


def _records(proof: Proof, trace: Trace) -> list[Any] | None:
    """Return the records of a path, folded by the kernel as those of any run.

    None: it hangs on what guards say of values that are not known, and no run with other values goes there.
    """
    compiled = CompiledMachine(proof.definition)
    try:
        now, records = fold_recorded(compiled, played(compiled, trace))
    except (ContextError, StepError):
        return None
    return [json.decode(to_json(record)) for record in records] if now.state == trace.state else None
