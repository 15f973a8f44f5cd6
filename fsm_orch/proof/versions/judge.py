"""One stored run under a new version of its machine: `judge(old, new, journal)` says what becomes of it, exactly.

It *continues* if the new version folds the same journal, rebound to it, and the run is the same to the world after each
of its inputs. Then the whole journal is one of the new version's, so all that is proved of that one holds of the run.
Else it can only stand in it as a *snapshot*, which nothing proves, or it is *stranded*.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...define.definition import Definition
from ...define.policies import Policy
from ...errors import StepError
from ...kernel.begin import compiled_as
from ...kernel.configuration import Configuration
from ...kernel.engine import CompiledMachine
from ...kernel.inputs import Input, Replied, Started
from ...kernel.rebinding import rebound
from ...kernel.records import Record, VisitStarted
from ...kernel.renames import NO_RENAMES, Renames
from ...kernel.step import step
from ...messages import REDACTED
from .alike import difference
from .contexts import may_look_at
from .kept import loosened, unpriced
from .owed import why_not_due
from .standing import why_not
from .trail import Tracker, Trail
from .verdicts import Judged, Verdict, has_broken


def judge(
    old: CompiledMachine, new: CompiledMachine, journal: Sequence[Input], *, renames: Renames = NO_RENAMES
) -> Judged:
    """Return what becomes of a stored run in a new version of its machine.

    It keeps its limits, prices and shares, whatever those of the versions are. A run that has ended strands nobody: it
    continues, or is a snapshot if the new version would tell of it otherwise.

    Nobody knows what becomes of one of which the new version may look at a text that was redacted.

    What was said before it, where it follows another run, is not in its journal: judge that one too.

    Args:
        old: what it was started on.
        new: what it is to go on with.
        journal: all of its inputs.
        renames: what is called otherwise in the new version.

    Raises StepError: if the old version does not fold it: it is another machine's, damaged, or code has changed.
    """
    case = _Case(old.definition, new.definition, journal, renames)
    for number, event in enumerate(journal, start=1):
        case.take(number, event)
    return case.judged()


class _Case:
    """A run while both versions fold it."""

    def __init__(self, old: Definition, new: Definition, journal: Sequence[Input], renames: Renames) -> None:
        first = journal[0] if journal else None
        if not isinstance(first, Started):
            raise StepError("the journal has no beginning: it begins with 'started'")
        self._old, self._new, self._renames = compiled_as(old, first), new, renames
        self._first = first
        self._was: Configuration | None = None
        self._tracker = Tracker(new, renames)
        self._trail: Trail = {}
        self._path: list[str] = []
        self._redacted = set[str]()
        self._compiled: CompiledMachine | None = None
        self._now: Configuration | None = None
        """Where the new version has it; it is not followed once that is elsewhere."""
        self._why = ""
        self._at: int | None = None

    def take(self, number: int, event: Input) -> None:
        """Fold an input in both versions, as long as the run is the same in both."""
        self._redacted.update(_redacted_in(event))
        stepped = step(self._old, self._was, event)
        self._trail = self._tracker.after(self._trail, self._was, stepped.configuration, stepped.records)
        self._was = stepped.configuration
        self._path += [each.stamp.state for each in stepped.records if _is_entered(each)]
        if not self._why and (why := self._differs(event)):
            self._why, self._at = f"input {number}, {event.kind!r}: {why}", number

    def _differs(self, event: Input) -> str | None:
        """Return in what the run is not the same once the new version has folded an input; None if it is."""
        assert self._was is not None
        try:
            read = rebound(self._new, event, self._renames)
            if self._compiled is None:
                assert isinstance(read, Started)  # the journal begins with it
                self._compiled = compiled_as(self._new, read)
            self._now = step(self._compiled, self._now, read).configuration
        except StepError as error:
            return str(error)
        found = difference(self._was, self._now, self._renames)
        return None if found is None else str(found)

    def judged(self) -> Judged:
        """Return what becomes of the run, now that all of its inputs were taken."""
        assert self._was is not None
        path = tuple(self._path)
        if self._was.status == "finished":
            verdict: Verdict = "snapshot" if self._why else "continues"
            return Judged(verdict=verdict, why=self._why, path=path, at=self._at)
        broken = self._tracker.broken(self._trail, self._was)
        why = self._why or self._loses(broken)
        if not why:
            doubt = may_look_at(self._new, sorted(self._redacted)) or loosened(self._new, self._first.limits)
            return Judged(verdict="possible" if doubt else "continues", why=doubt or "", path=path)
        gone = why_not(self._was, self._trail, self._new, self._renames)
        if gone is None and broken is not None:
            gone = has_broken(broken)
        verdict = "snapshot" if gone is None else "stranded"
        return Judged(verdict=verdict, why=why if gone in (None, why) else f"{gone}; {why}", path=path, at=self._at)

    def _loses(self, broken: Policy | None) -> str | None:
        """Return what a run loses that stands in the same place in both versions; None if it continues."""
        assert self._was is not None
        assert self._compiled is not None
        assert self._now is not None
        if broken is not None:
            return has_broken(broken)
        why = unpriced(self._old.definition, self._new, self._first.limits, self._renames)
        return why or why_not_due(self._old, self._was, self._compiled, self._now, self._renames)


def _redacted_in(event: Input) -> Iterator[str]:
    """Yield the fields of a run of which an input holds no text; those of machines inside it are stored as they are."""
    values = event.context if isinstance(event, Started) else event.changes if isinstance(event, Replied) else {}
    if not event.path:
        yield from (name for name, value in values.items() if value == REDACTED)


def _is_entered(record: Record) -> bool:
    return isinstance(record, VisitStarted) and not record.stamp.path
