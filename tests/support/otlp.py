"""A sink of OTLP over HTTP on this machine, which reads what a real exporter sends; and spans as trees, checked."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import Sampler
from support.patience import PATIENCE_S


class Sink:
    """What has come."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.encodings: list[str] = []
        self.status = 200
        self.answers = threading.Event()
        """Whether it answers at all."""
        self.answers.set()
        self.url = ""


@contextmanager
def sink() -> Iterator[Sink]:
    """Take what exporters send until the block is left."""
    taken = Sink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            encoding = self.headers.get("Content-Encoding", "")
            taken.encodings.append(encoding)
            request = ExportTraceServiceRequest.FromString(gzip.decompress(body) if encoding == "gzip" else body)
            taken.answers.wait(20)
            taken.spans += [span for of in request.resource_spans for each in of.scope_spans for span in each.spans]
            self.send_response(taken.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    taken.url = f"http://127.0.0.1:{server.server_address[1]}/v1/traces"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield taken
    finally:
        taken.answers.set()
        server.shutdown()
        server.server_close()
        thread.join(PATIENCE_S)


def attributes_of(told: Any) -> dict[str, Any]:
    """Return the attributes of a span, or of an event, that came over the wire."""

    def value(one: Any) -> Any:
        kind = one.WhichOneof("value")
        return [value(each) for each in one.array_value.values] if kind == "array_value" else getattr(one, kind)

    return {each.key: value(each.value) for each in told.attributes}


def tree(spans: Iterable[Span]) -> list[Any]:
    """Return the names of spans as a forest, each with what lies under it in the order in which it began."""
    every = sorted(spans, key=lambda span: (span.start_time_unix_nano, -span.end_time_unix_nano))
    ids = {span.span_id for span in every}

    def under(above: bytes | None) -> list[Any]:
        found = [span for span in every if (span.parent_span_id if span.parent_span_id in ids else None) == above]
        return [(span.name, under(span.span_id)) if under(span.span_id) else span.name for span in found]

    return under(None)


class Noted(SpanProcessor):
    """Notes which spans begin and which end."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.ended: list[ReadableSpan] = []

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self.begun.append(span.context.span_id)

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)

    def check(self) -> None:
        """Check that all that began has ended, once, within what it lies in, under an id of its own."""
        by_id = {span.context.span_id: span for span in self.ended}
        assert sorted(self.begun) == sorted(span.context.span_id for span in self.ended)
        assert len(by_id) == len(self.begun)
        for span in self.ended:
            above = None if span.parent is None else by_id.get(span.parent.span_id)
            assert span.start_time <= span.end_time
            assert all(span.start_time <= event.timestamp <= span.end_time for event in span.events)
            # a caller may end before what it began, such as who queues a run
            if above is not None and above.instrumentation_scope.name == "fsm_orch":  # type: ignore[union-attr]
                assert above.context.trace_id == span.context.trace_id
                assert above.start_time <= span.start_time
                assert span.end_time <= above.end_time


def noting(sampler: Sampler | None = None) -> tuple[TracerProvider, Noted]:
    """Return a provider whose spans are noted in this process."""
    provider, noted = TracerProvider(sampler=sampler, shutdown_on_exit=False), Noted()
    provider.add_span_processor(noted)
    return provider, noted


def shape(spans: Sequence[ReadableSpan]) -> list[Any]:
    """Return all of some spans but their ids and times, as a forest."""
    ids = {span.context.span_id for span in spans}
    place = {span.context.span_id: number for number, span in enumerate(spans)}

    def parent(span: ReadableSpan) -> int | None:
        return span.parent.span_id if span.parent is not None and span.parent.span_id in ids else None

    def under(above: int | None) -> list[Any]:
        found = sorted((span for span in spans if parent(span) == above), key=lambda one: place[one.context.span_id])
        return [
            (
                span.name,
                span.kind,
                dict(span.attributes or {}),
                span.status.status_code,
                [(event.name, dict(event.attributes or {})) for event in span.events],
                under(span.context.span_id),
            )
            for span in found
        ]

    return under(None)
