"""What a record does to the spans of a run: they open, something happens in them, and they end. Pure, of no library.

invoke_workflow Shop                 a machine; of a part it lies under the visit that runs it
  invoke_agent billing               a visit
    chat gpt-5-mini                  a call
    execute_tool invoice_of          a use of a tool
    ask_human                        a question to a human
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from ..kernel import records
from ..kernel.effects import Path
from ..kernel.records import Record
from . import otel_names as of
from .otel_names import Names

Key = tuple[Path, Literal["run", "visit", "call", "ask"], int]
"""Which span of a run, while it is open: the machine in the tree, what it is of, and the number of the call or ask."""

Attributes = Mapping[str, str | int | float | bool | tuple[str, ...]]

_WANTED_LANDINGS = frozenset({"no_handoff", "cancelled"})
"""Landings that are no errors: the machine or the caller says so."""

_OF_DECLARED = frozenset({"guard", "shut", "visits", "hops", "budget", "deadline"})
"""Why a handoff that exists is refused; after other reasons its name may be any text that a model has written."""


class Opens(NamedTuple):
    """A span opens."""

    key: Key
    above: Key | None
    """The span that it lies in; None: that of the caller."""
    name: str
    attributes: Attributes
    is_client: bool = False
    """Whether a request leaves the process in it."""


class Happens(NamedTuple):
    """Something happens in a span."""

    key: Key
    name: str
    attributes: Attributes
    error: str | None = None
    """Why the span has failed by it."""


class Ends(NamedTuple):
    """A span ends; what lay in it has ended before, since the kernel says the end of all that it begins."""

    key: Key
    attributes: Attributes
    error: str | None = None


Change = Opens | Happens | Ends


def changes(record: Record, names: Names) -> Iterator[Change]:
    """Yield what a record does, in order."""
    return _BY_RECORD[type(record)](record, names)


def _said(attributes: Mapping[str, Any]) -> Attributes:
    return {name: value for name, value in attributes.items() if value is not None}


def _run(record: Record) -> Key:
    return record.stamp.path, "run", 0


def _visit(record: Record) -> Key:
    return record.stamp.path, "visit", 0


def _run_started(record: records.RunStarted, names: Names) -> Iterator[Change]:
    stamp, limits = record.stamp, record.limits
    above: Key | None = (stamp.path[:-1], "visit", 0) if stamp.path else None
    attributes = {
        of.OPERATION: of.INVOKE_WORKFLOW,
        of.AGENT: record.machine,
        names.workflow: record.machine,
        of.CONVERSATION: stamp.thread_id,
        "fsm.run.id": stamp.run_id,
        "fsm.trace.id": None if stamp.trace_id == stamp.run_id or stamp.path else stamp.trace_id,
        "fsm.definition.digest": record.digest,
        "fsm.limits.hops": limits.hops,
        "fsm.limits.tokens": limits.tokens,
        "fsm.limits.cost_usd": None if limits.cost_usd is None else float(limits.cost_usd),
        "fsm.limits.deadline_s": limits.deadline_s,
    }
    yield Opens(_run(record), above, f"{of.INVOKE_WORKFLOW} {record.machine}", _said(attributes))


def _visit_started(record: records.VisitStarted, _: Names) -> Iterator[Change]:
    state = record.stamp.state
    attributes: Attributes = {
        of.OPERATION: of.INVOKE_AGENT,
        of.AGENT: state,
        "fsm.visit": record.visits,
        "fsm.legal": record.legal,
    }
    if record.is_frequent:
        attributes = {**attributes, "fsm.looping": True}
    yield Opens(_visit(record), _run(record), f"{of.INVOKE_AGENT} {state}", attributes)


def _call_reserved(record: records.CallReserved, names: Names) -> Iterator[Change]:
    model = record.model
    if model is not None and record.provider is not None:
        model = model.removeprefix(f"{record.provider}:")
    attributes = {
        of.OPERATION: of.CHAT,
        names.provider: record.provider,
        of.MODEL: model,
        of.MAX_TOKENS: record.output_tokens,
        "fsm.call": record.call,
        "fsm.reserved_tokens": record.input_tokens + record.output_tokens,
        "fsm.waited_s": record.waited_s or None,
    }
    key: Key = (record.stamp.path, "call", record.call)
    yield Opens(key, _visit(record), f"{of.CHAT} {model}" if model else of.CHAT, _said(attributes), is_client=True)


def _call_settled(record: records.CallSettled, names: Names) -> Iterator[Change]:
    usage = record.usage
    attributes: dict[str, Any] = {
        "fsm.tokens": record.tokens,
        "fsm.cost_usd": record.cost / 1e6 if record.cost else None,
        "fsm.overrun": record.overrun or None,
    }
    if usage is not None:
        attributes |= {of.INPUT_TOKENS: usage.input_tokens, of.OUTPUT_TOKENS: usage.output_tokens}
        attributes[names.cached_tokens] = usage.cached_input_tokens or None
    error = "usage_unknown" if usage is None else None
    yield Ends((record.stamp.path, "call", record.call), _said(attributes), error)


def _call_released(record: records.CallReleased, _: Names) -> Iterator[Change]:
    yield Ends((record.stamp.path, "call", record.call), {"fsm.tokens": 0}, "unsent")


def _call_denied(record: records.CallDenied, _: Names) -> Iterator[Change]:
    yield Happens(_visit(record), "fsm.call_denied", {"fsm.call": record.call, "fsm.reason": record.reason})


def _overspent(record: records.Overspent, _: Names) -> Iterator[Change]:
    attributes: Attributes = {"fsm.source": record.source, "fsm.call": record.call, "fsm.overrun": record.tokens}
    yield Happens(_run(record), "fsm.overspent", attributes, "overspent")


def _refused(record: records.Refused, _: Names) -> Iterator[Change]:
    handoff = record.handoff if record.reason in _OF_DECLARED else None
    attributes = {"fsm.handoff": handoff, "fsm.reason": record.reason, "fsm.repaired": record.is_repaired}
    yield Happens(_visit(record), "fsm.refused", _said(attributes), None if record.is_repaired else record.reason)


def _guard_raised(record: records.GuardRaised, _: Names) -> Iterator[Change]:
    yield Happens(_visit(record), "fsm.guard_raised", {"fsm.handoff": record.handoff})


def _attempt_failed(record: records.AttemptFailed, _: Names) -> Iterator[Change]:
    attributes: Attributes = {"fsm.reason": record.reason, "fsm.retried": record.is_retried}
    yield Happens(_visit(record), "fsm.failed", attributes, None if record.is_retried else record.reason)


def _moved(record: records.HandedOff | records.Landed, handoff: str, **more: str) -> Iterator[Change]:
    stamp = record.stamp
    attributes: Attributes = {
        "fsm.source": record.source,
        "fsm.target": record.target,
        "fsm.handoff": handoff,
        "fsm.settled_tokens": stamp.settled,
        "fsm.remaining_tokens": stamp.remaining,
        **more,
    }
    is_landing = isinstance(record, records.Landed)
    yield Ends(_visit(record), {"fsm.handoff": handoff, "fsm.target": record.target})
    yield Happens(_run(record), "fsm.landing" if is_landing else "fsm.handoff", attributes)


def _handed_off(record: records.HandedOff, _: Names) -> Iterator[Change]:
    return _moved(record, record.handoff)


def _landed(record: records.Landed, _: Names) -> Iterator[Change]:
    return _moved(record, "landing", **{"fsm.reason": record.reason})


def _asked(record: records.Asked, _: Names) -> Iterator[Change]:
    for wanted in record.asks:
        key: Key = (record.stamp.path, "ask", wanted.ask)
        if wanted.kind == "tool":
            # the idempotency key of this use
            use = f"{record.stamp.run_id}:{record.stamp.hops}:{wanted.ask}"
            attributes: Attributes = {
                of.OPERATION: of.EXECUTE_TOOL, of.TOOL: wanted.name, of.TOOL_TYPE: "function", of.TOOL_CALL: use
            }  # fmt: skip
            yield Opens(key, _visit(record), f"{of.EXECUTE_TOOL} {wanted.name}", attributes)
        elif wanted.kind == "human":
            yield Opens(key, _visit(record), of.ASK_HUMAN, {of.OPERATION: of.ASK_HUMAN, "fsm.ask": wanted.ask})


def _approved(record: records.Approved, _: Names) -> Iterator[Change]:
    yield Happens((record.stamp.path, "ask", record.ask), "fsm.approved", {})


def _answered(record: records.Answered, _: Names) -> Iterator[Change]:
    has_failed = record.end == "answered" and not record.ok
    attributes: Attributes = {"fsm.end": record.end, "fsm.ok": record.ok}
    yield Ends((record.stamp.path, "ask", record.ask), attributes, "tool_failed" if has_failed else None)


def _gates_seen(record: records.GatesSeen, _: Names) -> Iterator[Change]:
    yield Happens(_run(record), "fsm.gates", {"fsm.shut": record.shut})


def _run_finished(record: records.RunFinished, _: Names) -> Iterator[Change]:
    stamp, landing = record.stamp, record.landing
    attributes = {
        "fsm.state": stamp.state,
        "fsm.hops": stamp.hops,
        "fsm.settled_tokens": stamp.settled,
        "fsm.landing.reason": landing,
    }
    yield Ends(_run(record), _said(attributes), None if landing in _WANTED_LANDINGS else landing)


_BY_RECORD: Mapping[type, Callable[[Any, Names], Iterator[Change]]] = {
    records.RunStarted: _run_started,
    records.VisitStarted: _visit_started,
    records.CallReserved: _call_reserved,
    records.CallDenied: _call_denied,
    records.CallSettled: _call_settled,
    records.CallReleased: _call_released,
    records.Overspent: _overspent,
    records.Refused: _refused,
    records.GuardRaised: _guard_raised,
    records.AttemptFailed: _attempt_failed,
    records.HandedOff: _handed_off,
    records.Landed: _landed,
    records.Asked: _asked,
    records.Approved: _approved,
    records.Answered: _answered,
    records.GatesSeen: _gates_seen,
    records.RunFinished: _run_finished,
}
