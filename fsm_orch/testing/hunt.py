"""The hunt for the worst case: how close Hypothesis comes to the bound of a certificate."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, given, settings, target
from hypothesis import strategies as st

from ..amounts import Usage
from ..define.changes import journaled
from ..define.machine import AnyMachine, definition_of
from ..kernel import inputs, records
from ..kernel.begin import started
from ..kernel.configuration import Configuration
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Input
from ..kernel.legal import legal
from ..kernel.reasons import FailureReason, Refusal
from ..kernel.step import step
from ..limits import Limits
from ..proof.bounds.certify import certify
from ..proof.bounds.words import shown
from ..run.outcome import replied
from .strategies import contexts, fitting


@dataclass(frozen=True)
class Hunted:
    """The most expensive run that was found, and the bound that no run exceeds."""

    tokens: int
    """What the run was charged."""
    path: tuple[str, ...]
    """The states that it visited."""
    bound: int
    """Tokens: the certificate's bound, or the machine's limit if that is lower."""

    @property
    def distance(self) -> int:
        """Tokens between the run and the bound."""
        return self.bound - self.tokens

    def __str__(self) -> str:
        found, most = shown(self.tokens, "tokens"), shown(self.bound, "tokens")
        return (
            f"the dearest run that was found takes {found}, by {' -> '.join(self.path)}; no run takes more than {most}"
        )


class _Reached(Exception):
    """The bound is reached: there is nothing more to find."""


def hunt(machine: AnyMachine, *, limits: Limits | None = None, examples: int = 200) -> Hunted:
    """Search for the most expensive run of a machine, with `hypothesis.target`, and return it beside the bound.

    Every call uses all that it reserved. What agents write and choose, and how they fail, is drawn.

    Args:
        machine: the machine.
        limits: instead of the machine's.
        examples: how many runs are tried.

    Raises AssertionError: if a run takes more than the bound, which is then refuted.
    Raises CertificateError: if no run can start, or SciPy is needed and not installed.
    """
    definition = definition_of(machine, "hunt")
    compiled = CompiledMachine(definition, limits=limits)
    bound = min(certify(definition, limits=limits).bounds["tokens"].bound, compiled.limits.tokens)
    best = Hunted(0, (), bound)

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        derandomize=True,
        phases=[Phase.generate, Phase.target],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
    @given(st.data())
    def run(data: st.DataObject) -> None:
        nonlocal best
        tokens, path = _spend(machine, compiled, data)
        target(float(tokens), label="tokens")
        found = Hunted(tokens, path, bound)
        best = max(best, found, key=lambda hunted: hunted.tokens)
        if found.distance == 0:
            raise _Reached

    with suppress(_Reached):
        run()
    assert best.distance >= 0, f"the certificate does not hold: {best}"
    return best


def _spend(machine: AnyMachine, compiled: CompiledMachine, data: st.DataObject) -> tuple[int, tuple[str, ...]]:
    """Take a run to its end, spending as much as possible, and return its tokens and the states that it visited."""
    context = data.draw(contexts(machine))
    start = started(compiled, journaled(context, type(context).__pydantic_fields__), run_id="hunted")
    now, path = step(compiled, None, start).configuration, [machine.definition.initial.name]
    while now.status == "running":
        spec, hops = compiled.definition.states[now.state].spec, now.hops
        caps, calls = spec.call_limits, now.visit.calls if now.visit else 0
        for call in range(calls + 1, spec.calls + 1):
            read, said = caps.max_input_tokens, caps.max_output_tokens
            reserved = step(compiled, now, inputs.CallReserved(call=call, input_tokens=read, output_tokens=said, at=0))
            now = reserved.configuration
            if any(isinstance(record, records.CallReserved) for record in reserved.records):
                used = Usage(requests=1, input_tokens=read, output_tokens=said)
                now = step(compiled, now, inputs.CallSettled(call=call, usage=used, at=0)).configuration
        now = step(compiled, now, _end(machine, compiled, now, data)).configuration
        path += [now.state] if now.hops > hops else []
    return now.ledger.settled.tokens, tuple(path)


def _end(machine: AnyMachine, compiled: CompiledMachine, now: Configuration, data: st.DataObject) -> Input:
    """Draw how an attempt ends: mostly with a reply from the menu, or runs would end too early to be expensive."""
    kinds: Mapping[int, FailureReason] = {6: "error", 7: "timeout"}
    how = data.draw(st.integers(0, 8))
    if how in kinds:
        return inputs.Failed(reason=kinds[how], at=0)
    if how == 8:
        return inputs.Replied(refusal=Refusal("not_json", "unreadable"), at=0)
    said = data.draw(fitting(machine, now, [handoff.name for handoff in legal(compiled, now)]))
    return replied(now, compiled.definition.states[now.state].spec, said, 0)
