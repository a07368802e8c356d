"""The gateway's two listeners: one for Traefik, one for this host's operators."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import msgspec
from aiohttp import web

from gateway import revocations
from gateway.config import Config
from gateway.draining import Draining, DrainRequest
from gateway.errors import RefusalError, ScopeMissingError, TokenRefusedError, not_found, too_many, wrong_method
from gateway.jwt_verifier import Caller, Verifier
from gateway.keys import FileKeys, Keys, RemoteKeys, read_key_set
from gateway.limits import InFlight
from gateway.metrics import GatewayMetrics
from gateway.proxy import CONNECT_TIMEOUT_S, Proxy
from gateway.watched import WatchedFile

LOOK_EVERY_S = 0.5
"""How often changed files are looked for: a revocation holds after this long at most."""
FORWARD_AUTH = "/forward-auth"
"""Traefik asks here for routes that are not the gateway's. No route of Traefik leads clients to it."""

access = logging.getLogger("gateway.access")


class Gateway:
    """Everything that lives as long as the process."""

    def __init__(self, config: Config, session: aiohttp.ClientSession) -> None:
        """Load keys, revocations and the upstream's key.

        Raises:
            OSError: a file is not there.
            ValueError: a file cannot be read.

        """
        self.config = config
        self.metrics = GatewayMetrics()
        self.revocations = WatchedFile(Path(config.auth.revocations_file), revocations.read)
        self.keys: Keys = _keys(config, session)
        self.verifier = Verifier(config.auth, self.keys, lambda: self.revocations.value)
        self.draining = Draining()
        self.proxy = Proxy(config, session, self.metrics, self.draining)
        self.in_flight = InFlight(config.limits)
        self._routes = {route.path: route for route in config.routes}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request: who asks comes first, then whether there is anything to have."""
        started, caller, status = time.monotonic(), None, 499  # 499: the client left before there was an answer
        try:
            self._refuse_crowd(request)
            caller = await self.verifier.verify(request.headers.get("Authorization"))
            response = await self._serve(request, caller)
            status = response.status
        except RefusalError as refusal:
            response, status = refusal.response(), refusal.status
            self._count_refusal(refusal, caller, request)
        finally:
            _log(request, caller, status, time.monotonic() - started)
        return response

    def _refuse_crowd(self, request: web.Request) -> None:
        """Refuse, and close, a connection that is one too many."""
        manager = request.protocol._manager  # noqa: SLF001 - aiohttp keeps the list of connections nowhere else
        if manager is not None and len(manager.connections) > self.config.limits.max_connections:
            refusal = too_many("connected", 503)
            refusal.headers["Connection"] = "close"
            raise refusal

    async def _serve(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        # The path as it came over the wire: decoding or tidying it up is how allow-lists are walked around.
        path = request.raw_path.partition("?")[0]
        if path == FORWARD_AUTH:
            return self._vouch(caller)
        route = self._routes.get(path)
        if route is None:
            raise not_found()
        if request.method not in route.methods:
            raise wrong_method(route.methods)
        _need(caller, route.scope)
        self.draining.refuse()
        with self.in_flight.slot(caller.client), self._counted(caller):
            return await self.proxy.serve(request, route, caller)

    def _vouch(self, caller: Caller) -> web.Response:
        """Answer Traefik: who it is, or that they may not."""
        _need(caller, self.config.auth.observe_scope)
        return web.Response(headers={"X-Cloister-Client": caller.client, "X-Cloister-Jti": caller.jti})

    @contextlib.contextmanager
    def _counted(self, caller: Caller) -> Iterator[None]:
        gauge = self.metrics.in_flight.labels(caller.client, "all")
        gauge.inc()
        try:
            yield
        finally:
            gauge.dec()

    def _count_refusal(self, refusal: RefusalError, caller: Caller | None, request: web.Request) -> None:
        if isinstance(refusal, TokenRefusedError | ScopeMissingError):
            self.metrics.auth_failures.labels(refusal.reason).inc()
        path = request.raw_path.partition("?")[0]
        route = path if path in self._routes else "other"
        client = caller.client if caller else ""
        self.metrics.requests.labels(client, "other", route, str(refusal.status)).inc()

    async def look_at_files(self) -> None:
        """Look for changed revocations, for as long as the gateway runs; nothing slow may hold this up."""
        while True:
            with _kept_going("revocations"):
                self.revocations.check()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look_for_keys(self) -> None:
        """Look for newer keys, for as long as the gateway runs."""
        while True:
            with _kept_going("keys"):
                await self.keys.refresh()
            await asyncio.sleep(LOOK_EVERY_S)

    def exposition(self) -> bytes:
        """Return the metrics as they are now."""
        known = self.revocations.value
        self.metrics.revocations.set(len(known.revoked) + len(known.clients))
        self.metrics.key_set_age.set(self.keys.age_s())
        self.metrics.draining.set(self.draining.active)
        self.metrics.reload_failures.labels("revocations").set(self.revocations.failures)
        self.metrics.reload_failures.labels("keys").set(self.keys.failures)
        self.metrics.stale.labels("revocations").set(self.revocations.stale)
        self.metrics.stale.labels("keys").set(self.keys.stale)
        return self.metrics.text()


@contextlib.contextmanager
def _kept_going(what: str) -> Iterator[None]:
    """Report whatever goes wrong, and go on: a watch that dies would leave everything as it was, for good."""
    try:
        yield
    except Exception:
        logging.getLogger("gateway").exception("looking for new %s failed", what)


def _keys(config: Config, session: aiohttp.ClientSession) -> Keys:
    auth = config.auth
    if auth.jwks_file:
        return FileKeys(WatchedFile(Path(auth.jwks_file), read_key_set))
    return RemoteKeys(session, issuer=auth.issuer, url=auth.jwks_url, ca_file=auth.issuer_ca_file)


def _need(caller: Caller, scope: str) -> None:
    if scope not in caller.scopes:
        raise ScopeMissingError(scope)


def _log(request: web.Request, caller: Caller | None, status: int, seconds: float) -> None:
    """Write one line: who, what, how it ended; no token, no prompt, no query string."""
    line = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "client": caller.client if caller else None,
        "jti": caller.jti if caller else None,
        "method": request.method,
        "path": request.raw_path.partition("?")[0][:256],
        "status": status,
        "seconds": round(seconds, 4),
    }
    access.info(json.dumps(line))


@contextlib.asynccontextmanager
async def running(config: Config) -> AsyncIterator[tuple[web.Application, web.Application]]:
    """Give the applications of both listeners; what they need is there until the block ends."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S)
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=4)  # below the engine's own 5 s, so none is reused dead
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        trust_env=False,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        gateway = Gateway(config, session)
        await gateway.keys.refresh()
        looking = [asyncio.create_task(gateway.look_at_files()), asyncio.create_task(gateway.look_for_keys())]
        try:
            yield _public(gateway), _admin(gateway)
        finally:
            for task in looking:
                task.cancel()
            await asyncio.gather(*looking, return_exceptions=True)


def _public(gateway: Gateway) -> web.Application:
    app = web.Application(client_max_size=gateway.config.limits.max_body_bytes)
    app.router.add_route("*", "/{path:.*}", gateway.handle, expect_handler=_not_yet)
    return app


async def _not_yet(_: web.Request) -> None:
    """Do not say `100 Continue` before it is known who asks; the proxy says it when it wants the body."""


def _admin(gateway: Gateway) -> web.Application:
    async def metrics(_: web.Request) -> web.Response:
        return web.Response(
            body=gateway.exposition(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    async def health(_: web.Request) -> web.Response:
        # 200 in any case: whoever restarts what is not healthy would cut the very requests that a drain waits for.
        return web.Response(text=f"draining: {gateway.draining.reason}\n" if gateway.draining.active else "ok\n")

    async def drain(request: web.Request) -> web.Response:
        try:
            gateway.draining.begin(msgspec.json.decode(await request.read(), type=DrainRequest))
        except msgspec.MsgspecError as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from None
        return web.json_response({"in_flight": gateway.in_flight.total}, status=202)

    async def end_drain(_: web.Request) -> web.Response:
        gateway.draining.end()
        return web.Response(status=204)

    # Whoever is on this host may drain it, as they may take up all connections of the other listener: it refuses
    # requests for a while, and shows nothing.
    app = web.Application(client_max_size=4096)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", health)
    app.router.add_post("/drain", drain)
    app.router.add_delete("/drain", end_drain)
    return app
