"""Results made of runs of one machine: of those that were driven, and of those that are folded from a journal."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Generic, cast

from ..define.definition import Definition
from ..define.machine import C
from ..kernel.configuration import Configuration
from ..kernel.course import Step
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Input, Started
from ..kernel.records import Record
from ..kernel.step import fold_recorded
from ..messages import Message
from .closed import why_closed
from .conversation import asked
from .head import status_of
from .result import RunResult, place
from .waiting import questions
from .writer import Run


class Results(Generic[C]):
    """Makes the results of the runs of a machine.

    Args:
        has_prices: whether all its models have a price; else nothing is said of what runs cost.
    """

    def __init__(self, definition: Definition, *, has_prices: bool) -> None:
        self._definition, self._has_prices, self._words = definition, has_prices, asked(definition)

    def of(self, run: Run) -> RunResult[C]:
        """Return what a run came to, or where it waits."""
        return self._made(run.compiled, run.now, run.records, run.journal, error=run.error, heard=run.heard_before)

    def folded(self, compiled: CompiledMachine, journal: Sequence[Input]) -> RunResult[C]:
        """Return what a run came to, folded from its journal.

        Raises StepError: if it is empty, damaged, or of another machine or kernel.
        """
        return self._replayed(compiled, journal, *fold_recorded(compiled, journal))

    def stepped(self, compiled: CompiledMachine, journal: Sequence[Input], steps: Sequence[Step]) -> RunResult[C]:
        """Return what a run came to, of the steps to which its journal was folded, input by input."""
        records = [record for each in steps for record in each.records]
        return self._replayed(compiled, journal, steps[-1].configuration, records)

    def _replayed(
        self, compiled: CompiledMachine, journal: Sequence[Input], now: Configuration, records: Sequence[Record]
    ) -> RunResult[C]:
        first = journal[0]
        heard = None if isinstance(first, Started) and first.heard else ()
        return self._made(compiled, now, records, journal, error=None, heard=heard)

    def _made(
        self,
        compiled: CompiledMachine,
        now: Configuration,
        records: Sequence[Record],
        journal: Sequence[Input],
        *,
        error: BaseException | None,
        heard: tuple[Message, ...] | None,
    ) -> RunResult[C]:
        return RunResult(
            run_id=now.run_id,
            thread_id=now.thread_id,
            status=status_of(now),
            state=place(self._definition, now),
            context=cast("C", now.context),  # it was started on a C, and every change keeps its class
            usage=now.usage,
            charged_tokens=now.ledger.settled.tokens,
            cost_usd=Decimal(now.ledger.settled.cost) / 1_000_000 if self._has_prices else None,
            seconds=now.at,
            records=tuple(records),
            journal=tuple(journal),
            waiting=questions(compiled, now),
            closed=why_closed(compiled, now, records),
            error=error,
            heard=heard,
            said=now.messages,
            words=self._words,
        )
