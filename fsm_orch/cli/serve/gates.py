"""What stands before the agents and runs of a service, made from its settings: gates, admission and quotas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ...define.definition import Definition
from ...define.wording import did_you_mean, to_install
from ...resilience.admission import Admission
from ...resilience.breaker import Breaker
from ...resilience.gate import Gate
from ...resilience.pace import Pace
from ...resilience.quota import Quota
from ..show import CommandError
from .settings import AdmissionTable, GateTable, QuotaTable

if TYPE_CHECKING:
    from ...resilience.shared import SharedGates

MOST_RUNS = 64
"""How many runs are driven at once if nobody says."""


def shared_at(url: str | None, definition: Definition, stack: ExitStack) -> SharedGates | None:
    """Return what processes share over Redis, open until the stack is closed; None without a URL.

    Raises CommandError: if the URL is none of a Redis, or a package is missing.
    Raises StartError: if Redis lets nobody in.
    """
    if url is None:
        return None
    try:
        from ...resilience.shared import SharedGates  # noqa: PLC0415 - an extra
    except ImportError:
        raise CommandError(f"--redis needs a package: {to_install('redis')}") from None
    try:
        shared = SharedGates(url, namespace=definition.name)
    except ValueError:  # its words may hold a password
        raise CommandError("--redis takes redis://HOST:6379/0, rediss://USER:PASSWORD@HOST/0 or unix:///PATH") from None
    return stack.enter_context(shared)


def gates_in(
    tables: Mapping[str, GateTable], definition: Definition, shared: SharedGates | None, file: object
) -> dict[Any, Gate] | None:
    """Return the gates of a machine, by state; None if there are none.

    Args:
        tables: by the place of a state: its name, and `state.part.state` in machines inside.
        shared: keeps them for all processes; None: each process has its own.
        file: that they are from.

    Raises CommandError: if there is no such state.
    """
    for place in tables:
        if place not in definition.places:
            known = tuple(definition.places)
            raise CommandError(
                f"--settings {file}: gates.{place} is no state of {definition.name}{did_you_mean(place, known) or '.'} "
                f"Expected: {', '.join(known)}"
            )
    return {definition.places[place]: _gate(place, table, shared) for place, table in tables.items()} or None


def _gate(name: str, table: GateTable, shared: SharedGates | None) -> Gate:
    pace = {} if table.pace is None else table.pace.model_dump()
    breaker = {} if table.breaker is None else table.breaker.model_dump()
    if shared is None:
        return Gate(
            pace=Pace(**pace) if pace else None,
            at_once=table.at_once,
            queue=table.queue,
            breaker=Breaker(**breaker) if breaker else None,
        )
    return Gate(
        pace=shared.pace(name, **pace) if pace else None,
        at_once=None if table.at_once is None else shared.places(name, table.at_once, queue=table.queue),
        breaker=shared.breaker(name, **breaker) if breaker else None,
    )


def admission_of(table: AdmissionTable, most: int | None) -> Admission | None:
    """Return who is admitted; None: everybody.

    Args:
        most: how many runs at once, as the command line says; 0: everybody is. None: what the file says.

    Raises CommandError: if the file counts tokens, and nobody says how many.
    """
    if most is None and table.most is None and table.by == "tokens":
        raise CommandError("--settings: admission.by is 'tokens': expected admission.most beside it")
    if not (admitted := next((each for each in (most, table.most) if each is not None), MOST_RUNS)):
        return None
    return Admission(admitted, by=table.by, queue=table.queue, wait_s=table.wait_s, expected_s=table.expected_s)


def quotas_in(tables: Sequence[QuotaTable]) -> list[Quota]:
    """Return what all runs may cost together."""
    return [Quota(tokens=each.tokens, cost_usd=each.cost_usd, per_s=each.per_s, name=each.name) for each in tables]
