"""The HTTP metrics that vLLM's server exposes next to the engine's, with the names of its FastAPI instrumentation."""

from __future__ import annotations

from time import perf_counter

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry, Counter, Histogram, Summary

from sandbox.vllm_sim import buckets

_UNCOUNTED = frozenset({"/metrics", "/health", "/load", "/ping", "/version", "/server_info"})

_ONLY_HEADER = "Only value of header is respected. Otherwise ignored. No percentile calculated. "


class HttpMetrics:
    """Counts and times every request but those of the probes; duration includes the stream."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "http_requests",
            "Total number of requests by method, status and handler.",
            ("method", "status", "handler"),
            registry=registry,
        )
        self._request_size = Summary(
            "http_request_size_bytes",
            f"Content length of incoming requests by handler. {_ONLY_HEADER}",
            ("handler",),
            registry=registry,
        )
        self._response_size = Summary(
            "http_response_size_bytes",
            f"Content length of outgoing responses by handler. {_ONLY_HEADER}",
            ("handler",),
            registry=registry,
        )
        self._fine = Histogram(
            "http_request_duration_highr_seconds",
            "Latency with many buckets but no API specific labels. Made for more accurate percentile calculations. ",
            buckets=buckets.HTTP_FINE,
            registry=registry,
        )
        self._coarse = Histogram(
            "http_request_duration_seconds",
            "Latency with only few buckets by handler. Made to be only used if aggregation by handler is important. ",
            ("method", "handler"),
            buckets=buckets.HTTP_COARSE,
            registry=registry,
        )

    async def count(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Handle a request and count it. One whose client goes away is not counted."""
        began = perf_counter()
        response = await handler(request)
        route = _route(request)
        if route not in _UNCOUNTED:
            seconds = perf_counter() - began
            self._requests.labels(request.method, f"{response.status // 100}xx", route).inc()
            self._request_size.labels(route).observe(request.content_length or 0)
            self._response_size.labels(route).observe(response.content_length or 0)
            self._fine.observe(seconds)
            self._coarse.labels(request.method, route).observe(seconds)
        return response


def _route(request: web.Request) -> str:
    """Name the route by its pattern, so that unknown paths do not become labels."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "none"
