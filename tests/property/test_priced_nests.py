"""Machines in machines whose models cost money, with limits of money at any level, under a hostile world."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from msgspec.structs import replace
from support.lanes import in_both_lanes
from support.nests import nest, tape, world

from fsm_orch import Usage
from fsm_orch.amounts import NOTHING, Price
from fsm_orch.define.definition import Definition
from fsm_orch.errors import DefinitionError, StepError
from fsm_orch.kernel import inputs, records
from fsm_orch.kernel.begin import started
from fsm_orch.kernel.configuration import Configuration
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.requests import RunPart
from fsm_orch.testing import Tape, TheoremChecker


def prices(tape: Tape, definition: Definition, around: str = "") -> Iterator[tuple[str, Price]]:
    """Yield a price for each state that makes calls, at every level, many of them no whole numbers."""
    for name, state in definition.states.items():
        if state.spec.calls:
            each = Fraction(1 + tape.below(7), tape.pick([1, 2, 3, 7]))
            yield f"{around}{name}", Price(each, Fraction(tape.below(9), 3), each * tape.below(4) / 4)
        for part in state.spec.parts:
            yield from prices(tape, part.definition, f"{around}{name}.{part.name}.")


def within_its_limits(now: Configuration, compiled: CompiledMachine) -> None:
    """Assert that the books are exact here and in all machines inside, in money as in tokens."""
    ledger, visit = now.ledger, now.visit
    assert ledger.limit.covers(ledger.held - ledger.overrun), now.path
    assert 0 == ledger.overrun.cost or ledger.limit.cost is not None, now.path
    held = NOTHING if visit is None else sum(visit.open.values(), visit.grant)
    for ask in {} if visit is None else visit.asks.values():
        if ask.child is None or not isinstance(ask.request, RunPart):
            continue
        held += ask.share
        inner, given = compiled.parts[now.state][ask.request.part], ask.child.ledger.limit
        most = inner.compiled.limits.cost_micros
        assert given.tokens == ask.share.tokens
        assert given.cost == (None if most is None and ledger.limit.cost is None else ask.share.cost)
        assert most is None or (given.cost is not None and given.cost <= most)
        within_its_limits(ask.child, inner.compiled)
    assert held == ledger.reserved, now.path


def dearer(tape: Tape, event: Input) -> Input:
    """Return an input that tells of more than tokens: of a cache, of output, or of money that came late."""
    if isinstance(event, inputs.Overspent):
        return replace(event, cost=tape.below(50))
    if isinstance(event, inputs.CallSettled) and event.usage and event.usage.input_tokens:
        tokens = event.usage.input_tokens
        told = tape.below(tokens)
        used = Usage(
            requests=1, input_tokens=told, output_tokens=tokens - told, cached_input_tokens=tape.below(told + 1)
        )
        return replace(event, usage=used)
    return event


@in_both_lanes(few=40, many=150, most=1_000)
def test_money_is_exact_at_every_level(examples: int) -> None:
    """T1 to T6 hold, no level passes its limit of money, and what the records tell adds up to what is settled."""
    landed, limited = set[str | None](), 0
    for seed in range(examples):
        choices = tape(seed)
        try:
            machine = nest(choices, is_tight=seed % 3 == 0, is_priced=True)
        except DefinitionError:  # money for a way on is missing
            continue
        compiled = CompiledMachine(machine.definition, prices=dict(prices(choices, machine.definition)))
        checker, charged, at = TheoremChecker(compiled), 0, 0.0
        event: Input = started(compiled, {"count": choices.below(9)}, run_id="r")
        if choices.chance(3):  # as if a thread could move no more to it
            event = replace(event, tokens=choices.below(400), cost=choices.below(400))
        for _ in range(150):
            try:
                made = checker.follow(event).records
            except StepError:
                if checker.now is None:  # its own limits pay no first call at these prices
                    break
                made = ()
            now = checker.now
            assert now is not None
            told = [one for one in made if not one.stamp.path]
            charged += sum(
                one.cost for one in told if isinstance(one, records.CallSettled | records.Answered | records.Overspent)
            )
            within_its_limits(now, compiled)
            assert charged == now.ledger.settled.cost, seed
            if now.status == "finished":
                landed.add(now.landing)
                limited += now.ledger.limit.cost is not None
                break
            at += 0.0 if now.is_waiting else choices.pick([0.0, 0.0, 0.1, 0.5, 2.0])
            event = dearer(choices, world(choices, compiled, now, at))
    assert {None, "budget"} <= landed
    assert limited > examples / 10
