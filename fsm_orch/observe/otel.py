"""Runs as traces of OpenTelemetry: spans that are made of records. The SDK and the exporter are the application's.

A span is *open* between the records that begin and end it. What is open when a run is left here, because it waits or
goes on elsewhere, is ended then; who has it next opens it anew, in a trace of its own that links to the run's caller.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import msgspec

from ..define.wording import to_install
from ..errors import StartError
from ..kernel.effects import Act, Effect
from ..kernel.inputs import Started
from ..kernel.records import Record
from ..messages import Message
from . import otel_names as of
from .base import Trace, Tracer
from .otel_names import Names
from .prompted import OnPrompt, Prompted
from .spans import Attributes, Change, Ends, Happens, Key, Opens, changes

try:
    from opentelemetry import context as contexts
    from opentelemetry import trace
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, SpanContext, SpanKind, Status, StatusCode, TracerProvider
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ModuleNotFoundError as error:
    raise StartError(f"Traces need a package: {to_install('otel')}") from error

_W3C = TraceContextTextMapPropagator()
_HEADER = "traceparent"
_ROOT: Key = ((), "run", 0)
_AT_FIRST = frozenset({"run_started", "visit_started", "guard_raised"})
"""The records that the first input of a run makes."""


def trace_runs(
    provider: TracerProvider | None = None, *, tenants: bool = False, clock_ns: Callable[[], int] = time.time_ns
) -> Tracer:
    """Make what traces runs: `Runner(..., observers=[trace_runs()])`.

    Spans hold names, numbers and reasons, and no text that a user or a model wrote; see `trace_prompts` for these. A
    run whose caller's span is not sampled makes no spans. Which names spans bear is said by the environment variable
    `OTEL_SEMCONV_STABILITY_OPT_IN`, which is read now.

    Args:
        provider: makes the tracer. None: the application's global one, be it set later.
        tenants: whether the span of a run says for whom it runs.
        clock_ns: nanoseconds of the epoch, at which spans start and end.
    """
    return _Tracer(trace.get_tracer("fsm_orch", tracer_provider=provider), of.names_of(os.environ), clock_ns, tenants)


def trace_prompts() -> OnPrompt:
    """Make what puts the texts of each call on its span: `Runner(..., on_prompt=trace_prompts())`.

    It does nothing unless the environment variable `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`, which is read
    now, is `true`, `span_only` or `span_and_event`; nor for a runner that redacts fields. The texts are whatever users
    and models said: whoever reads the traces reads them.
    """
    return _tell_prompt if of.is_captured(os.environ) else _tell_nothing


class _Tracer(Tracer):
    def __init__(self, tracer: trace.Tracer, names: Names, clock_ns: Callable[[], int], tenants: bool) -> None:
        self._tracer, self._names, self._clock_ns, self._tenants = tracer, names, clock_ns, tenants

    def caller(self) -> str | None:
        carrier = dict[str, str]()
        _W3C.inject(carrier)
        return carrier.get(_HEADER)

    def trace(self, first: Started, made: Sequence[Record], *, is_stored: bool) -> Trace:
        tenant = first.tenant if self._tenants else None
        above = _above(first, is_begun=any(record.kind not in _AT_FIRST for record in made), is_here=not is_stored)
        return _Trace(self._tracer, self._names, self._clock_ns, above, tenant, made)


class _Above(NamedTuple):
    """What the spans of a run lie under."""

    context: Context
    links: tuple[SpanContext, ...] = ()
    """Of a run that goes on: the caller's span, and that of who lets it go on."""
    goes_on: bool = False


def _above(first: Started, *, is_begun: bool, is_here: bool) -> _Above:
    """Return what the spans of a run lie under.

    Args:
        is_begun: whether more than its beginning is stored.
        is_here: whether its caller is.
    """
    now = contexts.get_current()
    here = trace.get_current_span(now).get_span_context()
    # what the caller's context holds besides its span, such as baggage and the trace state, is kept where it is at hand
    if is_here and (here.is_valid or first.trace_parent is None):
        return _Above(now)
    carrier = {} if first.trace_parent is None else {_HEADER: first.trace_parent}
    caller = _W3C.extract(carrier, Context())
    if not is_begun:
        return _Above(caller)
    beside = trace.get_current_span(caller).get_span_context()
    if beside.is_valid and not beside.trace_flags.sampled:
        return _Above(caller)  # its first part was not sampled, so this one is not either
    return _Above(Context(), tuple(each for each in (beside, here) if each.is_valid), goes_on=True)


class _Trace(Trace):
    """The spans of one run."""

    def __init__(
        self,
        tracer: trace.Tracer,
        names: Names,
        clock_ns: Callable[[], int],
        above: _Above,
        tenant: str | None,
        made: Sequence[Record],
    ) -> None:
        self._tracer, self._names, self._clock_ns = tracer, names, clock_ns
        self._above, self._tenant = above, tenant
        self._open = dict[Key, Span]()
        """In the order in which they were opened."""
        self._outside = dict[Key, Context]()
        """What the context of an agent was before its call."""
        self._unsampled: Span | None = None
        """The span of the run if it is not recorded; None: it is, or has not begun."""
        self._at = 0
        self._made: Sequence[Record] | None = made
        """What was made of it before; None: what was open then is open again."""

    def __call__(self, record: Record) -> None:
        self._awake()
        if self._unsampled is None:
            self._at = max(self._at, self._clock_ns())  # a clock that is set back turns no span around
            for change in changes(record, self._names):
                self._apply(change)

    def enter(self, effect: Effect) -> None:
        self._awake()
        place: Key = (effect.path, "visit", 0) if isinstance(effect, Act) else (effect.path, "ask", effect.ask)
        span = self._open.get(place, self._unsampled)
        if span is not None and span.get_span_context().is_valid:
            # never detached: the context is the work's own, and ends with it
            contexts.attach(trace.set_span_in_context(span))

    def leave(self) -> None:
        self._at = max(self._at, self._clock_ns())
        if (root := self._open.get(_ROOT)) is not None:
            root.set_attribute("fsm.left", True)
        with ExitStack() as closing:  # the last first, and all of them, whatever an exporter raises at one
            for key in tuple(self._open):
                closing.callback(self._close, key)

    def _awake(self) -> None:
        """Open again what was open when the run was left, once anything happens here."""
        made, self._made = self._made, None
        if not made:
            return
        self._at = self._clock_ns()
        for opens in _still_open(made, self._names):
            if self._unsampled is None:
                self._start(opens, is_again=True)

    def _apply(self, change: Change) -> None:
        match change:
            case Opens():
                self._start(change)
            case Ends(key=key, attributes=attributes, error=why):
                self._end(key, attributes, why)
            case Happens(key=key, name=name, attributes=attributes, error=why):
                span = self._open.get(key) or self._open.get((key[0], "run", 0))
                if span is not None:
                    span.add_event(name, dict(attributes), self._at)
                    _fail(span, why)

    def _start(self, opens: Opens, *, is_again: bool = False) -> None:
        key, above = opens.key, None if opens.above is None else self._open.get(opens.above)
        attributes = dict(opens.attributes)
        if key == _ROOT and self._tenant is not None:
            attributes["fsm.tenant"] = self._tenant
        links = self._above.links if is_again else ()
        if is_again and self._above.goes_on:
            attributes["fsm.resumed"] = True
        span = self._tracer.start_span(
            opens.name,
            self._above.context if above is None else trace.set_span_in_context(above, self._above.context),
            SpanKind.CLIENT if opens.is_client else SpanKind.INTERNAL,
            attributes,
            [trace.Link(each) for each in links],
            self._at,
        )
        if key == _ROOT and not span.is_recording():
            self._unsampled = span
            return
        self._open[key] = span
        if opens.is_client and not is_again:  # in the context of its agent: what its HTTP client traces lies under it
            self._outside[key] = now = contexts.get_current()
            contexts.attach(trace.set_span_in_context(span, now))

    def _end(self, key: Key, attributes: Attributes, why: str | None) -> None:
        span = self._open.get(key)
        if span is None:
            return
        span.set_attributes(attributes)
        _fail(span, why)
        self._close(key)

    def _close(self, key: Key) -> None:
        span, outside = self._open.pop(key), self._outside.pop(key, None)
        try:
            span.end(self._at)
        finally:
            # not `detach`: its end may be told in another context than its agent's, where that would log an error
            if outside is not None and trace.get_current_span() is span:
                contexts.attach(outside)


def _still_open(made: Sequence[Record], names: Names) -> Sequence[Opens]:
    """Return what is open after some records, in order."""
    found = dict[Key, Opens]()
    for record in made:
        for change in changes(record, names):
            if isinstance(change, Opens):
                found[change.key] = change
            elif isinstance(change, Ends):
                found.pop(change.key, None)
    return tuple(found.values())


def _fail(span: Span, why: str | None) -> None:
    if why is not None:
        span.set_attribute(of.ERROR, why)
        span.set_status(Status(StatusCode.ERROR))


def _tell_nothing(prompted: Prompted) -> None:
    pass


def _tell_prompt(prompted: Prompted) -> None:
    span = trace.get_current_span()
    if prompted.is_redacted or not span.is_recording():
        return
    span.set_attribute(of.INPUT_MESSAGES, _json([_said(each) for each in prompted.request.messages]))
    if prompted.response is not None:
        answer = {
            "role": "assistant",
            "parts": [_text(prompted.response.text)],
            "finish_reason": prompted.response.finish,
        }
        span.set_attribute(of.OUTPUT_MESSAGES, _json([answer]))


def _said(message: Message) -> dict[str, object]:
    role = "user" if message.role == "summary" else message.role
    return {"role": role, "parts": [_text(message.content)]}


def _text(content: str) -> dict[str, str]:
    return {"type": "text", "content": content}


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
