"""What a builder counts."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

_SECONDS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0, 3600.0)


class BuildMetrics:
    """Counters of one process, and what the platform knows of it, on the registry that it is given."""

    def __init__(self, registry: CollectorRegistry) -> None:
        ProcessCollector(registry=registry)
        self.events = Counter("tagway_build_events", "Events built into profiles.", registry=registry)
        self.duplicates = Counter("tagway_build_duplicates", "Events left out as built before.", registry=registry)
        self.forgotten = Counter("tagway_build_forgotten", "Events passed over as of erased people.", registry=registry)
        self.refused = Counter(
            "tagway_build_refused", "Events left out as refused before they came.", registry=registry
        )
        self.buried = Counter("tagway_build_dead_letters", "Records put aside with a reason.", registry=registry)
        self.changes = Counter("tagway_build_segment_changes", "Memberships that began or ended.", registry=registry)
        self.contended = Counter(
            "tagway_build_contended", "Transactions run again for another's sake.", registry=registry
        )
        self.timers = Counter("tagway_build_timers", "Leaves looked at because time had passed.", registry=registry)
        self.published = Counter("tagway_build_published", "Segment changes published.", registry=registry)
        self.swept = Counter("tagway_swept", "What time has taken away.", ["what"], registry=registry)
        self.behind = Histogram(
            "tagway_build_behind_seconds",
            "Age of the oldest event of a batch, from its receipt, when it is built.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.publish_behind = Histogram(
            "tagway_publish_behind_seconds",
            "Age of the oldest segment change of those sent at once, from its instant.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.overdue = Gauge(
            "tagway_build_timers_overdue_seconds",
            "Age of the oldest leaf that should have been looked at because time had passed.",
            registry=registry,
        )
        self.publish_oldest = Gauge(
            "tagway_publish_oldest_seconds",
            "Age of the oldest segment change that has not reached both Redis and the log.",
            registry=registry,
        )
        self.oldest = Gauge(
            "tagway_build_oldest_seconds",
            "Age of the oldest record that is not built; while that cannot be asked, time since all were.",
            registry=registry,
        )
        self.lag = Gauge("tagway_build_lag", "Records on the log that are not built yet.", registry=registry)
