"""The table of all metrics: their names, labels and buckets, each said once, and known without the library for them.

A label holds names of a definition and fixed words alone, so that the number of series is known before anything runs:
never a run, a thread, a tenant or a text. A state of a machine inside another is named by its place, `fly.fares.find`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ..kernel.reasons import CallCause, FailureReason, LandingReason, RefusalReason

Kind = Literal["counter", "gauge", "histogram"]
Outcome = Literal["settled", "unknown", "released", "denied"]
"""What a call came to: charged what it used; charged all that it had reserved; cost nothing; was not sent."""

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
CAUSES: tuple[CallCause, ...] = get_args(CallCause)
FAILURES: tuple[FailureReason, ...] = get_args(FailureReason)
LANDINGS: tuple[LandingReason, ...] = get_args(LandingReason)
REFUSALS: tuple[RefusalReason, ...] = get_args(RefusalReason)

MOST_MODELS = 50
"""Names of models that are labels in one process: each makes a histogram for each machine, and whoever chooses models
at run time, such as by tenant, could make any number."""
OTHER = "other"
"""The model of whatever comes after these."""

LANDING = "landing"
"""The handoff of a run that is landed."""


@dataclass(frozen=True, slots=True)
class MetricName:
    """A metric, as it is exposed."""

    name: str
    """Without what Prometheus adds: `_total` of a counter, `_bucket`, `_sum` and `_count` of a histogram."""
    kind: Kind
    help: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...] = ()
    """The upper bounds of a histogram; each threshold of an alert is one of them."""
    across: Literal["livesum", "livemax", "livemostrecent"] = "livesum"
    """What a gauge is over several processes: their sum, the largest of them, or what was found last."""

    @property
    def series(self) -> frozenset[str]:
        """The names by which queries know it."""
        suffixes = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
        return frozenset(self.name + suffix for suffix in suffixes[self.kind])


_SECONDS = tuple(0.01 * 2**n for n in range(14))
"""Those of OpenTelemetry's conventions for GenAI: 10 ms to 82 s."""

_EDGE, _AGENT = ("machine", "source", "handoff", "target"), ("machine", "agent")

HANDOFFS = MetricName("agent_handoff_count", "counter", "Handoffs that were taken; `landing` is one too.", _EDGE)
VISITS = MetricName("agent_visits", "counter", "Visits of agents.", _AGENT)
ERRORS = MetricName("agent_errors", "counter", "Attempts of agents that failed.", (*_AGENT, "reason"))
REFUSED = MetricName("agent_refusals", "counter", "Replies that were refused.", (*_AGENT, "reason"))
GUARDS = MetricName("agent_guard_errors", "counter", "Guards that raised, which counts as false.", (*_AGENT, "handoff"))
CALLS = MetricName("agent_calls", "counter", "Calls of models, by what they came to.", (*_AGENT, "outcome"))
CALL_FAILURES = MetricName(
    "agent_call_failures", "counter", "Calls of models that brought no answer, by why.", (*_AGENT, "cause")
)
TOKENS = MetricName("agent_tokens", "counter", "Tokens that were charged.", _AGENT)
COST = MetricName("agent_cost_usd", "counter", "Dollars that were charged.", _AGENT)
LANDED = MetricName("agent_landings", "counter", "Runs that were landed, by why.", ("machine", "source", "reason"))
QUESTIONS = MetricName("agent_questions", "counter", "Questions to humans.", _AGENT)
ANSWERS = MetricName("agent_answers", "counter", "Answers of humans.", _AGENT)

REQUEST_TOKENS = MetricName(
    "agent_request_tokens", "histogram", "Tokens that a run was charged.", ("machine",),
    (100, 250, 500, 1_000, 2_500, 5_000, 7_500, 10_000, 15_000, 25_000, 50_000, 100_000, 250_000),
)  # fmt: skip
REQUEST_HANDOFFS = MetricName(
    "agent_request_handoffs", "histogram", "Handoffs that a run took.", ("machine",),
    (1, 2, 3, 4, 5, 6, 8, 10, 15, 25, 50, 100),
)  # fmt: skip
REQUEST_SECONDS = MetricName(
    "agent_request_seconds", "histogram", "Seconds that a run was active, without waits for humans.", ("machine",),
    _SECONDS,
)  # fmt: skip
CALL_SECONDS = MetricName(
    "agent_call_seconds", "histogram", "Seconds that a call took, by the name of its model.", ("machine", "model"),
    _SECONDS,
)  # fmt: skip
WAIT_SECONDS = MetricName(
    "agent_wait_seconds", "histogram", "Seconds that an attempt or a call waited, and at what.", (*_AGENT, "why"),
    _SECONDS,
)  # fmt: skip

ACTIVE = MetricName("agent_runs_active", "gauge", "Runs that are driven now.", ("machine",))
QUEUED = MetricName(
    "agent_runs_queued",
    "gauge",
    "Runs that wait to be admitted, of all machines behind its Admission.",
    ("machine",),
)
GATE_QUEUED = MetricName("agent_gate_queued", "gauge", "Attempts that wait for a place at a gate.", _AGENT)
GATE_SHUT = MetricName(
    "agent_gate_shut", "gauge", "Whether nobody may enter now: 1, or else 0.", _AGENT, across="livemax"
)
# each process sees all runs of a store, and one that is not asked does not look: what it saw may be long over
WAITING = MetricName(
    "agent_runs_waiting", "gauge", "Runs in the store that wait for humans.", _AGENT, across="livemostrecent"
)
WAITING_SECONDS = MetricName(
    "agent_runs_waiting_seconds",
    "gauge",
    "Seconds since the run was stored that has waited for humans longest.",
    _AGENT,
    across="livemostrecent",
)

METRICS = (
    HANDOFFS, VISITS, ERRORS, REFUSED, GUARDS, CALLS, CALL_FAILURES, TOKENS, COST, LANDED, QUESTIONS, ANSWERS,
    REQUEST_TOKENS, REQUEST_HANDOFFS, REQUEST_SECONDS, CALL_SECONDS, WAIT_SECONDS,
    ACTIVE, QUEUED, GATE_QUEUED, GATE_SHUT, WAITING, WAITING_SECONDS,
)  # fmt: skip
"""All of them."""
