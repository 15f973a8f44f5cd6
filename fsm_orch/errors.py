"""The errors of this library: one class for each phase of the work.

FsmError
├── DefinitionError      a context or machine class breaks a rule; shows every finding
├── DiscoveryError       what a user named is not a module or machine, or cannot be imported
├── Unreadable           an object of another framework has not what is read of it; names its installed version
├── StartError           a run cannot start: limits, prices, models or a certificate do not fit the machine
├── CertificateError     a certificate cannot be made or read, or is refuted
├── ContextError         a field was read, written or named against its declaration
├── StepError            an input does not fit the configuration (a damaged journal, or our mistake)
│   └── Drifted          a journal folds to something else than when it was stored: a guard or other code has changed
├── StoreError           a journal cannot be kept: its run id is taken, or a part of it is missing
│   ├── RunTaken         another run has the id
│   ├── LeaseHeld        another worker drives the run
│   ├── LeaseLost        another worker has claimed the run since; nothing was stored
│   └── TooLittleLeft    an account, such as a thread's, has too little left for what an append takes
├── Drained              the process of a run is to end; nothing is lost, and it goes on elsewhere by `Runner.resume`
├── Withheld             a fork came to an effect that nobody has recorded, and may not begin it; it is stored and free
├── AnswerError          an answer does not fit what a run waits for; nothing has changed
│   └── AnswerLate       its question is not open any more, or another answer came first
├── ForkError            a run cannot be forked there, or not so; carries the `.cuts` where it can be
├── LedgerError          an amount was moved that the ledger does not hold (our mistake)
├── VisitError           raised in an agent that exceeds what its visit allows
│   ├── CallDenied       the kernel refused the reservation of a call; carries `.reason`
│   ├── VisitClosed      the visit has ended; its model is dead
│   ├── PartFailed       a machine that ran inside the visit, and that its agent needs, failed
│   ├── ToolFailed       a tool returned something else than it says, took too long, or failed where it is remote
│   ├── IsFrozen         something of a built machine was assigned to
│   └── WrongType        an agent returned, or asked its model with, what is of a wrong type
└── ModelError
    ├── ModelUnavailable the named model cannot be used: unknown name, missing weights or package
    └── CallFailed       a request failed; carries `.reason` and whether it was provably `.unsent`

A landed run is a result, never an exception.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["error", "warning", "note"]
"""How serious a finding is: an error fails a check, a warning fails a strict one, a note fails none."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem that a check found, and how to fix it."""

    code: str
    """Stable, such as `FSM101`; what each means is in `fsm_orch.define.codes`."""
    where: str
    """`file:line` of the declaration."""
    problem: str
    """What was declared, and what is wrong with it."""
    expected: str
    """What would be accepted."""
    fix: str
    """What to change."""
    level: Level = "error"
    about: str = ""
    """The name of the state or handoff that it is about, or those of several, joined by ", "; empty for all else, and
    if the class does not build."""

    def __str__(self) -> str:
        return f"{self.code} {self.where}\n  {self.problem}\n  expected: {self.expected}\n  fix: {self.fix}"


def how_to_learn_more(findings: Iterable[Finding]) -> str:
    """Return the command that explains findings, each code once; notes, which can be left, are not named.

    Empty if there is nothing but notes.
    """
    codes = dict.fromkeys(finding.code for finding in findings if finding.level != "note")
    return " ".join(["to learn more: fsm-orch explain", *codes]) if codes else ""


class FsmError(Exception):
    """The base class of every error that this library raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        # not by calling the class again, as an exception is copied and pickled otherwise: the message was made of what
        # it was called with, and would be made of the message
        return _again, (type(self), self.args), self.__dict__


def _again(kind: type[FsmError], args: tuple[object, ...]) -> FsmError:
    return kind.__new__(kind, *args)


class DefinitionError(FsmError):
    """A context or a machine class breaks a rule. `findings` holds every finding, not just the first."""

    def __init__(self, subject: str, findings: Sequence[Finding]) -> None:
        self.subject = subject
        self.findings = tuple(findings)
        count = "1 finding" if len(self.findings) == 1 else f"{len(self.findings)} findings"
        lines = [f"{subject} does not build: {count}", *map(str, self.findings), how_to_learn_more(self.findings)]
        super().__init__("\n".join(filter(None, lines)))


class DiscoveryError(FsmError):
    """What a user named is not a module or machine, or cannot be imported; the message says what to do."""


class Unreadable(FsmError):
    """An object of another framework has not what is read of it. The message names the framework's version."""


class StartError(FsmError):
    """A run cannot start: limits, prices, models or a certificate do not fit the machine."""


class NotWarm(StartError):
    """A runner could not be made ready before its first run. The message names all that failed.

    Args:
        transient: True if all that failed are models that may be asked later, such as of a provider that is down. Runs
            may be driven all the same: gates, retries and failure edges are there for that.
    """

    def __init__(self, message: str, *, transient: bool) -> None:
        self.transient = transient
        super().__init__(message)


class CertificateError(FsmError):
    """A certificate cannot be made or read, or is refuted."""


class ContextError(FsmError):
    """A field was read, written or named against its declaration."""


class StepError(FsmError):
    """An input does not fit the configuration it was applied to."""


class Drifted(StepError):
    """A journal folds to something else than when it was stored: a guard or other code has changed."""


class StoreError(FsmError):
    """A journal cannot be kept: its run id is taken, or a part of it is missing."""


class RunTaken(StoreError):
    """Another run has the id. Nothing was stored."""


class LeaseHeld(StoreError):
    """Another worker drives the run, and is alive."""


class LeaseLost(StoreError):
    """Another worker has claimed the run since, or it was released. Nothing was stored."""


class TooLittleLeft(StoreError):
    """An account, such as a thread's, has too little left for what an append takes. Nothing of it was stored."""


class Drained(FsmError):
    """The process that drove a run is to end. The run is stored and free: it goes on elsewhere by `Runner.resume`."""


class Overloaded(FsmError):
    """A run was not admitted: too much is at work here, or its quota is used up.

    Args:
        reason: `queue_full`, `too_long`, `waited_too_long`, or `quota`.
        retry_after_s: whole seconds after which a place is likely to be free, or the window of the quota ends; 1 at
            least.
        detail: what is used up; None: what is at work here.
        run_id: of a run that is stored as it stands, what came for it included, and that `resume` goes on with. None:
            nothing of it is stored.
    """

    def __init__(
        self, reason: str, retry_after_s: int, *, detail: str | None = None, run_id: str | None = None
    ) -> None:
        self.reason, self.retry_after_s, self.detail, self.run_id = reason, retry_after_s, detail, run_id
        kept = f". Run {run_id!r} is kept as it stands: await runner.resume({run_id!r}) goes on with it"
        why = detail or "too much is at work here"
        super().__init__(f"{reason}: {why}. Try again in {retry_after_s} s{kept if run_id is not None else ''}")


class Withheld(FsmError):
    """A fork came to what would have an effect in the world, and nothing is recorded of it. It is stored, and free.

    Args:
        run_id: of the fork.
        state: whose code, or whose tool, would have begun: its place in the tree of machines.
        tool: its name; None: the agent of the state itself.
        fields: the names of those that the state reads, with whose values nothing is recorded.
        others: how many effects beside it were withheld too, in parallel branches.
        lost: a run that the fork comes from and of which it is not known what it did, since it is forgotten or of
            another version: then even a fork that was made with effects begins none unasked; None: all is known.
    """

    def __init__(
        self,
        run_id: str,
        state: str,
        *,
        tool: str | None = None,
        fields: Sequence[str] = (),
        others: int = 0,
        lost: str | None = None,
    ) -> None:
        self.run_id, self.state, self.tool, self.fields, self.others = run_id, state, tool, tuple(fields), others
        self.lost = lost
        what = f"the code of {state!r}" if tool is None else f"the tool {tool!r} of {state!r}"
        given = f" for what it would be given now ({', '.join(fields)})" if fields else ""
        beside = f", nor {others} more beside it" if others else ""
        may = f". Run {lost!r}, from which it comes, is forgotten or of another version, and may have done it"
        super().__init__(
            f"fork {run_id!r} has not begun {what}{beside}: it may have an effect in the world, and the runs that the "
            f"fork comes from have recorded nothing of it{given}{'' if lost is None else may}. It is stored as it "
            f"stands, and free. To let it have effects: await runner.resume({run_id!r}, effects=True), or "
            f"fsm-orch runs resume {run_id} MODULE --effects"
        )


class AnswerError(FsmError):
    """An answer does not fit what a run waits for, or comes too late. Nothing has changed."""


class AnswerLate(AnswerError):
    """The question is not open any more, or another answer came first. No answer to it would do."""


class ForkError(FsmError):
    """A run cannot be forked where, or as, it was asked for. Nothing was stored."""

    def __init__(self, message: str, cuts: Sequence[int] = ()) -> None:
        self.cuts = tuple(cuts)
        """After how many inputs of its journal it can be forked."""
        super().__init__(message)


class LedgerError(FsmError):
    """An amount was moved that the ledger does not hold."""


class VisitError(FsmError):
    """Raised in an agent that exceeds what its visit allows."""


class CallDenied(VisitError):
    """The kernel refused to reserve a call."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"This call was denied: {reason}. Nothing was sent. Return a reply without this call.")


class VisitClosed(VisitError):
    """The visit has ended: its model takes no calls and its reply is ignored."""


class PartFailed(VisitError):
    """A machine that ran inside the visit, and that its agent needs, was landed or ended in its fallback."""


class ToolFailed(VisitError):
    """A tool returned something else than it says, or took longer than it may; or a remote one failed.

    Args:
        why: in words of our own.
        told: what the tool itself says of it, which the model reads; in no log, since it may hold anything.
    """

    def __init__(self, why: str, *, told: str = "") -> None:
        self.told = told
        super().__init__(why)


class IsFrozen(VisitError, AttributeError):
    """Something of a built machine was assigned to or deleted."""


class WrongType(VisitError, TypeError):
    """An agent returned, or asked its model with, something of a wrong type."""


class ModelError(FsmError):
    """The base class of the errors that models raise."""


class ModelUnavailable(ModelError):
    """The named model cannot be used. The message says what to do."""


class CallFailed(ModelError):
    """A request to a model failed.

    Args:
        reason: a short stable word, such as `connection` or `context_overflow`.
        detail: what the provider said, without prompt text or keys.
        unsent: True only if the request provably cost nothing (never sent, or refused with a 4xx);
            only then is its reservation released.
        transient: True if the same request may succeed later.
        retry_after_s: how long the provider asks to wait before it is tried again; None if it does not say.
    """

    def __init__(
        self,
        reason: str,
        detail: str = "",
        *,
        unsent: bool = False,
        transient: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        self.reason = reason
        self.unsent = unsent
        self.transient = transient
        self.retry_after_s = retry_after_s
        super().__init__(f"{reason}: {detail}" if detail else reason)


def is_failure(error: BaseException) -> bool:
    """Return whether what a user's function raised is its own failure; anything else is for whoever called the run.

    An Exception, a SystemExit and a cancellation that nobody asked for are its own, and so is a group of them. An
    interrupt from the keyboard is not, nor is what `pytest.fail` and `pytest.skip` raise.
    """
    # By its class alone, and in a loop: an error is a user's object, which may answer anything, or raise, when it is
    # asked what it is; and groups may be nested more deeply than functions can be.
    asked = [error]
    while asked:
        one = asked.pop()
        if issubclass(type(one), BaseExceptionGroup) and not issubclass(type(one), _FAILURES):
            asked += parts_of(one)
        elif not issubclass(type(one), _FAILURES):
            return False
    return True


# SystemExit would end the process with every other run in it, and a cancellation would end a run nobody cancelled
_FAILURES = (Exception, SystemExit, asyncio.CancelledError)


def parts_of(error: BaseException) -> tuple[BaseException, ...]:
    """Return the exceptions that a group holds, whatever its class says of them; of any other exception, none."""
    if not issubclass(type(error), BaseExceptionGroup):
        return ()
    parts: tuple[BaseException, ...] = vars(BaseExceptionGroup)["exceptions"].__get__(error)
    return parts


def first_of(error: BaseException) -> BaseException:
    """Return an exception, or the first of those that a group holds, however deep."""
    while parts := parts_of(error):
        error = parts[0]
    return error
