"""What Prometheus learns. Labels are bounded: clients by issued tokens; models, routes, replicas by what is served."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

TTFT_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160)
REQUEST_BUCKETS = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200)


class GatewayMetrics:
    """The gateway's own figures."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        by_client = ("client", "model")
        where: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter("gateway_requests", "Requests by outcome", (*by_client, "route", "code"), **where)
        self.ttft = Histogram(
            "gateway_ttft_seconds", "To the first byte of the body", by_client, buckets=TTFT_BUCKETS, **where
        )
        self.seconds = Histogram(
            "gateway_request_seconds", "To the last byte", by_client, buckets=REQUEST_BUCKETS, **where
        )
        self.tokens = Counter("gateway_tokens", "Tokens by direction", (*by_client, "direction"), **where)
        self.in_flight = Gauge("gateway_in_flight", "Requests under way", by_client, **where)
        self.replica_requests = Counter("gateway_replica_requests", "Requests given to it", ("replica",), **where)
        self.replica_failures = Counter(
            "gateway_replica_failures", "Not connected, broken off, or answered by 5xx", ("replica",), **where
        )
        self.replica_in_flight = Gauge("gateway_replica_in_flight", "Requests under way", ("replica",), **where)
        self.draining = Gauge("gateway_draining", "1 while the host is being left", registry=self.registry)
        self.auth_failures = Counter("gateway_auth_failures", "Refused callers", ("reason",), **where)
        self.key_set_age = Gauge("gateway_jwks_age_seconds", "Since the key set was looked at", registry=self.registry)
        self.revocations = Gauge("gateway_revocations_loaded", "Revoked tokens and clients", registry=self.registry)
        self.reload_failures = Gauge(
            "gateway_reload_failures_total", "Newer versions that could not be read", ("file",), registry=self.registry
        )
        self.stale = Gauge(
            "gateway_stale", "1 while an old version holds, a newer not being had", ("file",), registry=self.registry
        )

    def text(self) -> bytes:
        """Return the exposition."""
        return generate_latest(self.registry)
