"""Whether traces reach anybody. No process starts without what it needs for them; a collector none of them misses."""

from gateway.doctor.finding import Finding
from gateway.settings import Settings
from gateway.tracing import collector_takes_spans


async def check_traces(settings: Settings) -> str:
    """Ask the collector that OpenTelemetry's own names lead to."""
    if settings.traces == "off":
        return "off"
    if not await collector_takes_spans():
        raise Finding("no collector takes spans: see OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_HEADERS")
    return "a collector takes them"
