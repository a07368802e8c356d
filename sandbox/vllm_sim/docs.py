"""The documentation routes that FastAPI gives vLLM; here they only say what this server is and which routes it has."""

from __future__ import annotations

from aiohttp import web

from sandbox.vllm_sim import IMITATED_VERSION, NAME
from sandbox.vllm_sim.wire import json_response

_PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head><title>{NAME}</title></head>
<body>
<p>{NAME}, an imitation of vLLM {IMITATED_VERSION}. Its routes: <a href="/openapi.json">/openapi.json</a></p>
</body>
</html>
"""

_PAGES = ("/docs", "/docs/oauth2-redirect", "/redoc")


def add_docs(app: web.Application) -> None:
    """Add the documentation routes."""
    for path in _PAGES:
        app.router.add_get(path, _page)
    app.router.add_get("/openapi.json", _openapi)


async def _page(_: web.Request) -> web.Response:
    return web.Response(text=_PAGE, content_type="text/html")


async def _openapi(request: web.Request) -> web.Response:
    paths: dict[str, dict[str, object]] = {}
    for route in request.app.router.routes():
        path = route.resource.canonical if route.resource is not None else ""
        if path not in {*_PAGES, "/openapi.json"}:
            responses = {"200": {"description": "Successful Response"}}
            paths.setdefault(path, {})[route.method.lower()] = {"responses": responses}
    return json_response({"openapi": "3.1.0", "info": {"title": NAME, "version": IMITATED_VERSION}, "paths": paths})
