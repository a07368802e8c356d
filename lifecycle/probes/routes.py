"""Routes of the engine that no client may reach, with a valid token or without."""

from __future__ import annotations

from collections.abc import Iterator

import httpx

from lifecycle.probes.base import Check, Subject

CLOSED = (
    "/",
    "/abort_requests",
    "/detokenize",
    "/docs",
    "/forward-auth",
    "/generative_scoring",
    "/health",
    "/inference/v1/generate",
    "/invocations",
    "/is_scaling_elastic_ep",
    "/kv_event_sources",
    "/load",
    "/metrics",
    "/openapi.json",
    "/ping",
    "/pooling",
    "/redoc",
    "/rerank",
    "/scale_elastic_ep",
    "/score",
    "/tokenize",
    "/v1/chat/completions/batch",
    "/v1/chat/completions/render",
    "/v1/embeddings",
    "/v1/load_lora_adapter",
    "/v1/completions",
    "/v1/chat/completions",
    "/v1/messages",
    "/v1/responses",
    "/v1/systemone",
    "/version",
    # ways around an allow-list
    "//tokenize",
    "/v1/../tokenize",
    "/v1/models/../../metrics",
    "/v1/%2e%2e/metrics",
    "/v1%2fmodels",
    "/V1/MODELS",
    "/v1/models/",
    "/v1/models;a=b",
)
"""What vLLM 0.32 and 0.33 register, most of it outside the reach of the engine's own key; but for what is published."""


def probe(subject: Subject) -> Iterator[Check]:
    """Yield one check for strangers and one for clients."""
    yield _closed(subject, "routes.closed_to_strangers", None)
    if token := subject.token():
        yield _closed(subject, "routes.closed_to_clients", token)
    else:
        yield Check(id="routes.closed_to_clients", ok=None, detail="no token to try with")


def _closed(subject: Subject, check: str, token: str | None) -> Check:
    """Ask for each path by GET and POST: nothing but a refusal may come back."""
    open_routes = []
    published = {route.path for route in subject.plan.gateway.routes}
    closed = [path for path in CLOSED if path not in published]
    with subject.client(token) as client:
        for path in closed:
            for method in ("GET", "POST"):
                # The URL is given as bytes on the wire: a client library would tidy up the very tricks that are tried.
                url = httpx.URL(scheme="https", host=subject.host, port=subject.port, raw_path=path.encode())
                try:
                    status = client.request(method, url, content=b"{}" if method == "POST" else None).status_code
                except httpx.HTTPError:
                    continue  # the connection was refused or closed: nothing was served
                if status not in {400, 401, 403, 404, 405}:
                    open_routes.append(f"{method} {path} -> {status}")
    detail = "; ".join(open_routes) if open_routes else f"{len(closed)} paths, GET and POST, none served"
    return Check(id=check, ok=not open_routes, detail=detail)
