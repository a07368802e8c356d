"""Passing a request on and its answer back, piece by piece as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

import aiohttp
from aiohttp import HttpVersion11, web
from multidict import CIMultiDict

from gateway.config import Config, Route
from gateway.draining import Draining
from gateway.errors import RefusalError, too_large, upstream_failed
from gateway.jwt_verifier import Caller
from gateway.metrics import GatewayMetrics
from gateway.upstreams import Upstreams
from gateway.usage import UsageReader

CONNECT_TIMEOUT_S = 5.0
PASSED_ON = ("Content-Type", "Accept", "User-Agent", "OpenAI-Organization", "OpenAI-Project")
"""Request headers that the engine gets; credentials, claimed identities and hop-by-hop ones are not among them."""
PASSED_BACK = ("Content-Type", "Retry-After", "OpenAI-Processing-Ms", "X-Served-By")
"""Response headers that the client gets; a cookie or a redirect of the engine is not among them."""
MAX_MODELS = 64
"""Most model names that metrics tell apart."""
JSON_TYPES = ("application/json", "text/event-stream")
LAST_WORD_S = 1.0
"""How long a client that does not read may hold up the end of an answer that broke off."""


class Proxy:
    """Serves one request at a time for many callers."""

    def __init__(
        self, config: Config, session: aiohttp.ClientSession, metrics: GatewayMetrics, draining: Draining
    ) -> None:
        self._config = config
        self._metrics = metrics
        self._draining = draining
        self._upstreams = Upstreams(config.upstream, session, metrics)
        key_file = config.upstream.api_key_file
        self._key = Path(key_file).read_text(encoding="utf-8").strip() if key_file else ""
        self._models: set[str] = set()

    async def serve(self, request: web.Request, route: Route, caller: Caller) -> web.StreamResponse:
        """Ask the engine, and stream its answer.

        Raises:
            RefusalError: the request is too large, or the engine gives no answer that can be passed on.

        """
        started = time.monotonic()
        request_id = str(uuid.uuid4())
        body = await self._body(request)
        response, reader = None, UsageReader(streamed=False)
        try:
            async with (
                self._draining.within(self._config.limits.request_timeout_s),
                self._upstreams.ask(
                    request.method, route.path, body, self._headers(request, caller, request_id)
                ) as answer,
            ):
                _check_answer(answer)
                reader = UsageReader(streamed=answer.content_type == "text/event-stream")
                response = _begin(answer, request_id)
                first_after = await _pass_on(request, response, answer, reader, started)
                self._count(caller, route, answer.status, reader)
                model = self._model_label(reader, answer.status)
                self._metrics.ttft.labels(caller.client, model).observe(first_after)
                self._metrics.seconds.labels(caller.client, model).observe(time.monotonic() - started)
                return response
        except (aiohttp.ClientError, TimeoutError) as error:
            refusal = self._failure(error)
            if response is not None and response.prepared:
                await _break_off(request, response, reader, refusal)
            raise refusal from None

    def _failure(self, error: Exception) -> RefusalError:
        if isinstance(error, aiohttp.ServerTimeoutError):
            return upstream_failed(504, "could not be connected to in time")
        if isinstance(error, TimeoutError) and self._draining.active:
            return upstream_failed(504, "is on a host that is taken away before the answer could end")
        if isinstance(error, TimeoutError):
            return upstream_failed(504, f"did not end its answer within {self._config.limits.request_timeout_s} s")
        return upstream_failed(502, "refused the connection or closed it")

    async def _body(self, request: web.Request) -> bytes:
        """Read the whole request; it is bounded, and the engine needs all of it before it can begin."""
        limit = self._config.limits.max_body_bytes
        if (request.content_length or 0) > limit:
            raise too_large(limit)
        await _let_send(request)
        body = bytearray()
        async for chunk in request.content.iter_chunked(65536):
            body += chunk
            if len(body) > limit:
                raise too_large(limit)
        return bytes(body)

    def _headers(self, request: web.Request, caller: Caller, request_id: str) -> Mapping[str, str]:
        headers: CIMultiDict[str] = CIMultiDict()
        for name in PASSED_ON:
            if name in request.headers:
                headers[name] = request.headers[name]
        headers["Accept-Encoding"] = "identity"
        headers["X-Request-Id"] = request_id
        headers["X-Cloister-Client"] = caller.client
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        return headers

    def _count(self, caller: Caller, route: Route, status: int, reader: UsageReader) -> None:
        model = self._model_label(reader, status)
        self._metrics.requests.labels(caller.client, model, route.path, str(status)).inc()
        self._metrics.tokens.labels(caller.client, model, "prompt").inc(reader.prompt_tokens)
        self._metrics.tokens.labels(caller.client, model, "completion").inc(reader.completion_tokens)

    def _model_label(self, reader: UsageReader, status: int) -> str:
        """Return the model's name once it has answered; `other` before: requests may name anything."""
        if status < 300 and reader.model and len(self._models) < MAX_MODELS:
            self._models.add(reader.model)
        return reader.model if reader.model in self._models else "other"


def _check_answer(answer: aiohttp.ClientResponse) -> None:
    """Refuse what no OpenAI-compatible server answers."""
    if 300 <= answer.status < 400:
        raise upstream_failed(502, "answered with a redirect, which is not followed")
    if answer.status in {401, 403}:
        raise upstream_failed(502, "does not accept the gateway's key")
    if answer.content_type not in JSON_TYPES:
        raise upstream_failed(502, f"answered {answer.content_type}: is it an OpenAI-compatible server?")


def _begin(answer: aiohttp.ClientResponse, request_id: str) -> web.StreamResponse:
    """Return the client's answer, with the headers that may be passed back."""
    response = web.StreamResponse(status=answer.status, headers={"X-Request-Id": request_id})
    for name in PASSED_BACK:
        if name in answer.headers:
            response.headers[name] = answer.headers[name]
    if answer.content_type == "text/event-stream":
        response.headers["Cache-Control"] = "no-cache"
    return response


async def _pass_on(
    request: web.Request,
    response: web.StreamResponse,
    answer: aiohttp.ClientResponse,
    reader: UsageReader,
    started: float,
) -> float:
    """Write each piece as it comes; return the seconds to the first.

    A client that reads slowly slows the reading here (`write` waits), and so the engine's sending. A client that has
    left cancels this, and with it the request to the engine.
    """
    first_after = -1.0
    async for chunk in answer.content.iter_any():
        if first_after < 0:
            first_after = time.monotonic() - started
            await response.prepare(request)
        reader.feed(chunk)
        await response.write(chunk)
    reader.end()
    if not response.prepared:
        await response.prepare(request)
    await response.write_eof()
    return max(first_after, 0.0)


async def _let_send(request: web.Request) -> None:
    """Answer `Expect: 100-continue` (RFC 9110, section 10.1.1)."""
    if request.version == HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer's own bytes are counted from here


async def _break_off(
    request: web.Request, response: web.StreamResponse, reader: UsageReader, refusal: RefusalError
) -> None:
    """End an answer that the engine did not end: a client must not take half of it for the whole.

    The connection is closed without the mark of a body's end. Between two events of a stream, one more says what
    happened, as OpenAI's own API does; within one it would be taken for a part of it.
    """
    transport = request.transport
    if transport is None:
        return
    if not reader.between_events:
        transport.abort()
        return
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        async with asyncio.timeout(LAST_WORD_S):
            await response.write(b"data: " + refusal.body() + b"\n\n")
    transport.close()
