"""What the service counts, in Prometheus' text format."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The counters of one service.

    Args:
        release: tells the version that answers come from.
        taken: tells how many requests are being served.
    """

    def __init__(self, release: Callable[[], int], taken: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "image_search_requests", "Searches by HTTP status.", ["status"], registry=self._registry
        )
        self.seconds = Histogram(
            "image_search_seconds",
            "Seconds of a search that was answered, waiting included.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._show("image_search_release", "Version that answers come from.", release)
        self._show("image_search_in_flight", "Searches being served.", taken)

    def _show(self, name: str, what: str, read: Callable[[], int]) -> None:
        Gauge(name, what, registry=self._registry).set_function(read)

    def text(self) -> bytes:
        """Returns all of it."""
        return generate_latest(self._registry)
