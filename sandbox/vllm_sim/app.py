"""The server put together: engine, metrics, routes, guard, and the shapes of errors."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from sandbox.vllm_sim import NAME
from sandbox.vllm_sim.auth import ApiKey
from sandbox.vllm_sim.clock import Clock
from sandbox.vllm_sim.engine import Engine
from sandbox.vllm_sim.engine_metrics import EngineMetrics
from sandbox.vllm_sim.errors import ApiError
from sandbox.vllm_sim.faults import FaultFile
from sandbox.vllm_sim.generation import Generator
from sandbox.vllm_sim.http_metrics import HttpMetrics
from sandbox.vllm_sim.options import Options
from sandbox.vllm_sim.routes import Routes
from sandbox.vllm_sim.wire import json_response

_LARGEST_BODY = 64 * 2**20
"""Bytes of a request. vLLM has no such limit; a test server should not run out of memory."""


def build_app(options: Options, clock: Clock) -> web.Application:
    """Make a server; its engine runs while the application does."""
    registry = CollectorRegistry()
    for collector in (GCCollector, PlatformCollector, ProcessCollector):
        collector(registry=registry)
    engine_metrics = EngineMetrics(registry, options.models[0], options.max_model_len)
    faults = FaultFile(options.fault_file)
    engine = Engine(options.engine, options.queue, clock, engine_metrics, stalled=lambda: faults.current().hang)
    guard = _guard(ApiKey(options.api_key))
    # As in vLLM: a refused key is not counted among the requests.
    app = web.Application(
        middlewares=[guard, _count(HttpMetrics(registry)), _tell_errors], client_max_size=_LARGEST_BODY
    )
    Routes(options, engine, Generator(options, engine, faults), registry).add_to(app)
    app.on_response_prepare.append(_label(request_ids=options.request_id_headers))
    app.cleanup_ctx.append(_running(engine))
    return app


def _running(engine: Engine) -> Callable[[web.Application], AsyncIterator[None]]:
    async def run(_: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(engine.run())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)  # a failure of the loop is in the log already

    return run


def _guard(key: ApiKey) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not key.allows(request.method, request.path, request.headers.get("Authorization")):
            return json_response({"error": "Unauthorized"}, 401)
        return await handler(request)

    return guard


def _count(metrics: HttpMetrics) -> Middleware:
    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await metrics.count(request, handler)

    return count


@web.middleware
async def _tell_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Shape errors: vLLM's own as vLLM does, those of routing as FastAPI does."""
    try:
        return await handler(request)
    except ApiError as error:
        return json_response(error.body, error.status)
    except web.HTTPMethodNotAllowed as error:
        response = json_response({"detail": "Method Not Allowed"}, error.status)
        response.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
        return response
    except web.HTTPException as error:
        return json_response({"detail": error.reason}, error.status)


def _label(*, request_ids: bool) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    async def label(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Server"] = NAME
        response.headers["X-Served-By"] = NAME
        if request_ids:
            response.headers["X-Request-Id"] = request.headers.get("X-Request-Id") or uuid.uuid4().hex

    return label
