"""What the web process counts and times."""

from enum import StrEnum
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from domain.errors import FAILURES

_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Name(StrEnum):
    """Every metric of the web process. Labels are routes, steps, outcomes and codes, never anything of a person."""

    REQUESTS = "tagway_requests_total"
    """Answered requests, by route and status."""
    REQUEST_SECONDS = "tagway_request_seconds"
    """Time from the request's first byte to the answer's last, by route."""
    FAILURES = "tagway_failures_total"
    """Refusals and failures, by code of the error table."""
    EVENTS = "tagway_events_total"
    """Events as they were answered, by outcome."""
    STEP_SECONDS = "tagway_step_seconds"
    """Time of one collect step over one batch, by step."""
    COLLECTING = "tagway_collecting"
    """Collect requests under way."""
    SIGNALS_REFUSED = "tagway_signals_refused_total"
    """Consent signals that could not be read, and so refused, by source and reason."""
    CACHE_FAILURES = "tagway_cache_failures_total"
    """Times that Redis did not answer and Postgres did its work."""
    EVENTS_LIMITED = "tagway_events_limited_total"
    """Events of requests that were refused because their key sends too fast."""
    LIMITS_LOCAL = "tagway_limits_local_total"
    """Times that this gateway counted a key's events for itself, as Redis did not answer."""
    FIELDS_DROPPED = "tagway_fields_dropped_total"
    """Fields left out of events, by the event's part that they stood in and the reason."""
    SPOOL_ENTRIES = "tagway_spool_entries"
    """Requests in the spool, that wait for a store to come back."""
    SPOOL_BYTES = "tagway_spool_bytes"
    """Bytes in the spool, with those of files that were put aside."""
    SPOOL_BYTES_ASIDE = "tagway_spool_bytes_aside"
    """Bytes of the spool's files that were put aside: they count toward its bound until somebody takes them away."""
    SPOOL_OLDEST_SECONDS = "tagway_spool_oldest_seconds"
    """For how long the oldest request of the spool has been waiting."""
    SPOOLED = "tagway_spooled_total"
    """Events that were acknowledged by the spool."""
    SPOOL_DRAINED = "tagway_spool_drained_total"
    """Events that left the spool, by outcome."""
    SPOOL_DAMAGED = "tagway_spool_damaged_total"
    """Requests of the spool that could not be read back, at least so many."""
    SPOOL_REJECTED = "tagway_spool_rejected_total"
    """Files of the spool that were put aside until the next start, as something in them could not be taken."""
    FEED_SKIPPED = "tagway_feed_skipped_total"
    """Batches left out of the live feed, as it fell behind."""
    ANSWERS_KEPT = "tagway_answers_kept_total"
    """Questions about people whose answer may be given again, by what became of them."""
    STREAMS = "tagway_streams"
    """Open sockets and streams, by what they are for: `graphql`, or `events` that are sent."""
    SUBSCRIPTIONS = "tagway_subscriptions"
    """Open subscriptions of GraphQL."""
    OVERFLOWED = "tagway_subscriptions_overflowed_total"
    """Times that a subscriber was too slow for what may wait for it, and was sent to read it from Postgres."""
    CUT = "tagway_connections_cut_total"
    """Connections that were cut because their client took nothing of what was there for it."""
    PUSH_SECONDS = "tagway_push_seconds"
    """Time from the instant of a segment change until it was sent to a subscriber."""


class Metrics:
    """One registry with all metrics of the web process in it, and what the platform knows of the process."""

    content_type: Final = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.requests = Counter(Name.REQUESTS, "Answered requests", ["route", "status"], registry=self._registry)
        self.request_seconds = Histogram(
            Name.REQUEST_SECONDS, "Time of a request", ["route"], buckets=_SECONDS, registry=self._registry
        )
        self._failures = Counter(Name.FAILURES, "Refusals and failures", ["code"], registry=self._registry)
        for code in FAILURES:  # from the beginning, as a rate knows nothing of a counter that begins at more than zero
            self._failures.labels(code)
        self.events = Counter(Name.EVENTS, "Events as they were answered", ["outcome"], registry=self._registry)
        self.step_seconds = Histogram(
            Name.STEP_SECONDS, "Time of a collect step", ["step"], buckets=_SECONDS, registry=self._registry
        )
        self.collecting = Gauge(Name.COLLECTING, "Collect requests under way", registry=self._registry)
        self.signals_refused = Counter(
            Name.SIGNALS_REFUSED, "Unreadable consent signals", ["source", "reason"], registry=self._registry
        )
        self.cache_failures = Counter(Name.CACHE_FAILURES, "Redis did not answer", registry=self._registry)
        self.events_limited = Counter(Name.EVENTS_LIMITED, "Events refused as too fast", registry=self._registry)
        self.limits_local = Counter(Name.LIMITS_LOCAL, "Keys counted without Redis", registry=self._registry)
        self.fields_dropped = Counter(
            Name.FIELDS_DROPPED, "Fields left out of events", ["place", "reason"], registry=self._registry
        )
        self.spool_entries = Gauge(Name.SPOOL_ENTRIES, "Requests in the spool", registry=self._registry)
        self.spool_bytes = Gauge(Name.SPOOL_BYTES, "Bytes in the spool", registry=self._registry)
        self.spool_bytes_aside = Gauge(Name.SPOOL_BYTES_ASIDE, "Bytes that were put aside", registry=self._registry)
        self.spool_oldest = Gauge(Name.SPOOL_OLDEST_SECONDS, "Age of the oldest request", registry=self._registry)
        self.spooled = Counter(Name.SPOOLED, "Events acknowledged by the spool", registry=self._registry)
        self.spool_drained = Counter(
            Name.SPOOL_DRAINED, "Events that left the spool", ["outcome"], registry=self._registry
        )
        self.spool_damaged = Counter(Name.SPOOL_DAMAGED, "Unreadable requests", registry=self._registry)
        self.spool_rejected = Counter(Name.SPOOL_REJECTED, "Files put aside", registry=self._registry)
        self.feed_skipped = Counter(Name.FEED_SKIPPED, "Batches left out of the feed", registry=self._registry)
        self.answers_kept = Counter(
            Name.ANSWERS_KEPT, "Questions whose answer may be given again", ["fate"], registry=self._registry
        )
        self.streams = Gauge(Name.STREAMS, "Open sockets and streams", ["kind"], registry=self._registry)
        self.subscriptions = Gauge(Name.SUBSCRIPTIONS, "Open subscriptions", registry=self._registry)
        self.overflowed = Counter(Name.OVERFLOWED, "Subscribers too slow for their queue", registry=self._registry)
        self.cut = Counter(Name.CUT, "Clients that took nothing", registry=self._registry)
        self.push_seconds = Histogram(
            Name.PUSH_SECONDS, "Time from a change to a subscriber", buckets=_SECONDS, registry=self._registry
        )

    def failed(self, code: str) -> None:
        """Count what a client was refused or could not be answered, by its code of the error table."""
        self._failures.labels(code).inc()

    def expose(self) -> bytes:
        """Write all figures in Prometheus' text format."""
        return generate_latest(self._registry)
