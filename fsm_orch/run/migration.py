"""The runs of an old version that have not ended: each is judged by its journal, and moved, landed or left alone.

They are looked at page by page, one after the other, so that no more than a page of them is in memory, and their ids.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from msgspec.structs import replace

from ..define.definition import Definition
from ..errors import FsmError, StepError
from ..kernel.begin import beginning, compiled_as
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Input
from ..kernel.rebinding import rebound_all
from ..kernel.renames import Renames, renamed
from ..kernel.step import fold
from ..kernel.terms import Terms
from ..proof.versions.judge import judge
from ..proof.versions.verdicts import Judged
from ..store.base import Store
from ..store.rebound import as_rebound
from ..store.values import Listed, Rebound, RunStatus
from .follows import heard_before
from .head import check_head
from .runner import Runner
from .unread import check_unread

Way = Literal["pin", "land", "apply"]
"""What is done with runs: nothing, those that are stranded are landed, or those that continue are rebound."""

_PAGE = 200
_PASSES: tuple[RunStatus, ...] = ("running", "waiting", "running")
"""Those that run come again at the end: what waited before may have been answered since."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A run that was judged."""

    run: Listed
    judged: Judged
    done: Literal["", "rebound", "landed", "asked to land"] = ""
    problem: str = ""
    """Why nothing could be done with it; empty if it could, or nothing was to be."""

    @property
    def is_left(self) -> bool:
        """Whether it needs the old version from now on."""
        return bool(self.problem) or (self.judged.verdict != "continues" and not self.done)


@dataclass(frozen=True, kw_only=True)
class Migration:
    """The way from one version to another.

    Args:
        landing: a runner of the old version, which lands runs; None: none is landed. What was held of a quota that it
            does not have stays held until the window ends.
    """

    store: Store
    old: Definition
    new: Definition
    renames: Renames
    way: Way
    landing: Runner[Any, Any] | None = None

    @cached_property
    def _versions(self) -> tuple[CompiledMachine, CompiledMachine]:
        return CompiledMachine(self.old), CompiledMachine(self.new)

    async def cases(self) -> AsyncIterator[Case]:
        """Yield the runs of the old version that have not ended, each once it is judged and dealt with."""
        seen = set[str]()
        for status in _PASSES:
            last = None
            while page := await self._page(status, last):
                for run in page:
                    if run.run_id not in seen:
                        seen.add(run.run_id)
                        yield await self._case(run)
                last = page[-1].run_id

    async def _page(self, status: RunStatus, last: str | None) -> Sequence[Listed]:
        return await self.store.list(status=status, digest=self.old.digest, after=last, limit=_PAGE)

    async def _case(self, run: Listed) -> Case:
        journal = (await self.store.load(run.run_id))[: run.inputs]
        case = Case(run=run, judged=await self._judged(run, journal))
        try:
            if self.way == "apply" and case.judged.verdict == "continues" and self.old.digest != self.new.digest:
                await self.store.rebind(run.run_id, self._binding(run, journal))
                return Case(run=run, judged=case.judged, done="rebound")
            if self.landing is not None and case.judged.verdict == "stranded":
                result = await self.landing.cancel(run.run_id)
                return Case(run=run, judged=case.judged, done="landed" if result else "asked to land")
        except FsmError as error:
            return Case(run=run, judged=case.judged, problem=str(error))
        return case

    async def _judged(self, run: Listed, journal: tuple[Input, ...]) -> Judged:
        try:
            found = judge(*self._versions, journal, renames=self.renames)
            why = await self._against(run, journal) if found.verdict in ("continues", "possible") else None
        except StepError as error:  # the code of the old version is not what it was run with
            return Judged(verdict="stranded", why=f"the old version does not fold it: {error}", path=())
        return found if why is None else Judged(verdict="stranded", why=why, path=found.path)

    async def _against(self, run: Listed, journal: tuple[Input, ...]) -> str | None:
        """Return why a run could not be resumed in the new version after all; None if it could.

        It is folded as it will be, and held against what is stored beside its journal, which no judge sees.
        """
        to = self._binding(run, journal)
        as_new = as_rebound(journal, (to,))
        first, first_as_new = beginning(journal), beginning(as_new)
        compiled = compiled_as(self.new, first_as_new)
        try:
            now = fold(compiled, as_new)
            check_head(compiled, now, replace(run.head, state=self.renames.state(run.head.state)))
            check_unread(compiled, now)
            heard = await heard_before(self.store, compiled_as(self.old, first), first, run.rebound)
            hears = await heard_before(self.store, compiled, first_as_new, (*run.rebound, to))
        except FsmError as error:
            return str(error)
        return (
            None
            if self.renames.said(heard) == hears
            else "what was said before it is told otherwise in the new version"
        )

    def _binding(self, run: Listed, journal: tuple[Input, ...]) -> Rebound:
        first = beginning([renamed(journal[0], self.renames)])
        read = beginning(rebound_all(self.new, journal[:1], self.renames))
        was, now = Terms({**first.prices}, {**first.shares}), Terms({**read.prices}, {**read.shares})
        return Rebound(
            was=self.old.digest,
            digest=self.new.digest,
            inputs=run.inputs,
            renames=self.renames,
            terms=None if was == now else now,
        )
