"""Traces by OpenTelemetry, for those who have installed `tagway[traces]`."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from domain.tracing import HEADER, Span, Told

_LAST_SECONDS: Final = 5.0
_TRIED_SECONDS: Final = 5.0
_FORMAT: Final = TraceContextTextMapPropagator()


class _Kept:
    """A span of OpenTelemetry."""

    __slots__ = ("_span",)

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def traceparent(self) -> str | None:
        """Name it, if it was chosen to be kept."""
        context = self._span.get_span_context()
        if not context.trace_flags.sampled:
            return None
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"

    def rename(self, name: str) -> None:
        """Give it another name."""
        self._span.update_name(name)

    def tell(self, told: Mapping[str, Told]) -> None:
        """Set attributes."""
        self._span.set_attributes(told)

    def end(self, fault: str | None = None) -> None:
        """End it; OpenTelemetry ignores a second time."""
        if fault is not None:
            self._span.set_status(Status(StatusCode.ERROR, fault))
        self._span.end()


class OpenTelemetry:
    """Makes spans that an exporter sends on.

    Which traces are kept is decided where they begin, by `OTEL_TRACES_SAMPLER`; the other spans follow that.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("tagway")

    @contextmanager
    def span(self, name: str, parent: str | None = None) -> Iterator[Span]:
        """Span a block. Of what is raised in it only the kind is told, as messages may quote."""
        kind = SpanKind.SERVER if name == "request" else SpanKind.INTERNAL
        with self._tracer.start_as_current_span(
            name,
            _context(parent),
            kind,
            record_exception=False,
            set_status_on_exception=False,
        ) as made:
            try:
                yield _Kept(made)
            except Exception as error:
                made.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise

    def begin(self, name: str, parent: str) -> Span:
        """Begin a span under a parent."""
        return _Kept(self._tracer.start_span(name, _context(parent), SpanKind.CONSUMER))

    def here(self) -> str | None:
        """Return the current span's traceparent."""
        return _Kept(trace.get_current_span()).traceparent


@asynccontextmanager
async def open_telemetry(process: str, exporter: SpanExporter | None = None) -> AsyncIterator[OpenTelemetry]:
    """Send spans by OTLP over HTTP to where `OTEL_EXPORTER_OTLP_ENDPOINT` says, from a thread, dropping what it cannot.

    `process` names the service, as `tagway-serve`, unless `OTEL_SERVICE_NAME` does.
    """
    provider = TracerProvider(resource=_resource(process), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
    try:
        yield OpenTelemetry(provider)
    finally:
        closing = asyncio.create_task(asyncio.to_thread(provider.shutdown))
        await asyncio.wait([closing], timeout=_LAST_SECONDS)


def try_collector() -> bool:
    """Tell whether the collector takes what it is sent. Blocks for some seconds at most."""
    exporter = OTLPSpanExporter(timeout=_TRIED_SECONDS)
    try:
        return exporter.export(()) is SpanExportResult.SUCCESS
    finally:
        exporter.shutdown()  # type: ignore[no-untyped-call]  # theirs says nothing of types


def _resource(process: str) -> Resource:
    found = Resource.create()
    unnamed = str(found.attributes[SERVICE_NAME]).startswith("unknown_service")
    return found.merge(Resource({SERVICE_NAME: process})) if unnamed else found


def _context(parent: str | None) -> Context | None:
    return None if parent is None else _FORMAT.extract({HEADER: parent})
