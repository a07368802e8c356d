"""Keys, tokens, a stand-in engine, and a gateway in this process."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
import uuid
import warnings
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from gateway.app import running
from gateway.config import Config

ISSUER, AUDIENCE = "https://issuer.test", "llm"
KEYS: dict[str, Any] = {
    "ed448": OKPKey.generate_key("Ed448", parameters={"kid": "ed448", "use": "sig"}),
    "ed": OKPKey.generate_key("Ed25519", parameters={"kid": "ed", "use": "sig"}),
    "ec": ECKey.generate_key("P-256", parameters={"kid": "ec", "use": "sig"}),
    "rsa": RSAKey.generate_key(2048, parameters={"kid": "rsa", "use": "sig"}),
    "stranger": OKPKey.generate_key("Ed25519", parameters={"kid": "ed"}),
}
DEFAULT_ALG = {"ed448": "EdDSA", "ed": "EdDSA", "ec": "ES256", "rsa": "RS256", "stranger": "EdDSA"}


def token(
    *,
    key: str = "ed",
    alg: str = "",
    kid: str = "",
    header: dict[str, Any] | None = None,
    claims: dict[str, Any] | None = None,
    times: dict[str, float] | None = None,
    forge: str = "",
    embed: str = "",
) -> str:
    """Make a token after a recipe: `null` takes a claim or header away; `times` are seconds from now."""
    now = int(time.time())
    body = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "tester",
        "scope": "inference",
        "iat": now,
        "exp": now + 600,
        "jti": str(uuid.uuid4()),
        **{name: now + seconds for name, seconds in (times or {}).items()},
        **(claims or {}),
    }
    body = {name: value for name, value in body.items() if value is not None}
    head: dict[str, Any] = {"alg": alg or DEFAULT_ALG[key], "typ": "at+jwt", "kid": kid or key, **(header or {})}
    if embed:
        head[embed] = KEYS[key].as_dict(private=False)
    head = {name: value for name, value in head.items() if value is not None}
    if forge:
        return _forged(forge, head, body)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        registry = jws.JWSRegistry(algorithms=[head["alg"]], strict_check_header=False)
        signing = {name: value for name, value in head.items() if name not in {"crit", "kid", "jku", "jwk"}}
        try:
            return jws.serialize_compact(head, json.dumps(body).encode(), KEYS[key], registry=registry)
        except Exception:  # noqa: BLE001 - the library refuses to sign hostile headers: then the signature is another's
            signed = jws.serialize_compact(signing, json.dumps(body).encode(), KEYS[key], registry=registry)
            return f"{_segment(json.dumps(head).encode())}.{signed.split('.', 1)[1]}"


def _forged(algorithm: str, head: dict[str, Any], body: dict[str, Any]) -> str:
    signed = f"{_segment(json.dumps({**head, 'alg': algorithm}).encode())}.{_segment(json.dumps(body).encode())}"
    if algorithm != "HS256":
        return f"{signed}."
    secret = json.dumps(KEYS["ed"].as_dict(private=False)).encode()
    return f"{signed}.{_segment(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def _segment(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


@dataclass
class StandInEngine:
    """An inference engine of a few lines, which does what a test tells it."""

    requests: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    answer: str = "json"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.bodies.append(await request.read())
        try:
            response: web.StreamResponse = await getattr(self, f"_{self.answer}")(request)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return response

    async def _json(self, _: web.Request) -> web.Response:
        usage = {"prompt_tokens": 3, "completion_tokens": 4}
        return web.json_response({"model": "m", "usage": usage}, headers={"Set-Cookie": "a=b", "X-Inner": "1"})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b'data: {"model":"m"}\n\n')
        await self.go_on.wait()
        await response.write(b'data: {"model":"m","usage":{"prompt_tokens":3,"completion_tokens":4}}\n\n')
        await response.write(b"data: [DONE]\n\n")
        return response

    async def _endless(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        self.written = 0
        while True:
            await response.write(b"x" * 65536)
            self.written += 65536

    async def _breaks(self, request: web.Request, begun: bytes = b"") -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b'data: {"model":"m"}\n\n' + begun)
        await self.go_on.wait()
        assert request.transport is not None
        request.transport.abort()
        return response

    async def _leaves(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def _fails(self, _: web.Request) -> web.Response:
        return web.json_response({"error": "broken"}, status=500)

    async def _breaks_within_an_event(self, request: web.Request) -> web.StreamResponse:
        return await self._breaks(request, b'data: {"mod')

    async def _html(self, _: web.Request) -> web.Response:
        return web.Response(text="<html>", content_type="text/html")

    async def _redirect(self, _: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"})

    async def _unauthorized(self, _: web.Request) -> web.Response:
        return web.json_response({"error": "Unauthorized"}, status=401)

    async def _waits(self, request: web.Request) -> web.Response:
        await self.go_on.wait()
        return await self._json(request)


@dataclass
class Running:
    """A gateway with its engines and files."""

    public: BaseTestServer
    admin: BaseTestServer
    engines: list[StandInEngine]
    servers: list[BaseTestServer]
    """Of the engines."""
    folder: Path
    client: aiohttp.ClientSession

    @property
    def engine(self) -> StandInEngine:
        """The first engine, which is the only one of most tests."""
        return self.engines[0]

    async def ask(
        self,
        bearer: str | None = None,
        path: str = "/v1/models",
        method: str = "GET",
        *,
        whole: bool = True,
        **more: Any,
    ) -> aiohttp.ClientResponse:
        """Ask; with `whole` the answer is read to its end."""
        headers = {**({"Authorization": f"Bearer {bearer}"} if bearer else {}), **more.pop("headers", {})}
        answer = await self.client.request(method, self.public.make_url(path), headers=headers, **more)
        if whole:
            await answer.read()
        return answer

    async def metrics(self) -> str:
        async with self.client.get(self.admin.make_url("/metrics")) as answer:
            return await answer.text()


def write_files(folder: Path) -> None:
    published = [KEYS[name].as_dict(private=False) for name in ("ed", "ec", "rsa", "ed448")]
    (folder / "jwks.json").write_text(json.dumps({"keys": published}))
    revoke(folder, {"revoked": {"revoked-id": time.time() + 999}, "clients": {"revoked-client": time.time() + 999}})
    (folder / "key").write_text("engine-key\n")


def revoke(folder: Path, content: dict[str, Any] | str) -> None:
    new = folder / "new"
    new.write_text(content if isinstance(content, str) else json.dumps(content))
    new.replace(folder / "revoked.json")


def configuration(folder: Path, replicas: Mapping[str, str], **sections: dict[str, Any]) -> Config:
    """Return a configuration; `sections` change fields of `auth`, `limits` or `upstream`."""
    values: dict[str, Any] = {
        "listen": "127.0.0.1:0",
        "admin_listen": "127.0.0.1:0",
        "upstream": {"replicas": replicas, "api_key_file": str(folder / "key"), **sections.get("upstream", {})},
        "auth": {
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "jwks_file": str(folder / "jwks.json"),
            "revocations_file": str(folder / "revoked.json"),
            "algorithms": ["EdDSA", "Ed25519", "ES256", "RS256", "PS256"],
            **sections.get("auth", {}),
        },
        "limits": sections.get("limits", {}),
        "routes": [
            {"path": "/v1/models", "methods": ["GET"], "scope": "inference"},
            {"path": "/v1/chat/completions", "methods": ["POST"], "scope": "inference"},
        ],
    }
    return msgspec.convert(values, Config)


def server_of(engine: StandInEngine, port: int | None = None) -> BaseTestServer:
    """Return a server that is not started yet."""
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{path:.*}", engine.handle)
    return TestServer(app, port=port, handler_cancellation=True)


@asynccontextmanager
async def gateway(
    folder: Path, *, engines: int = 1, replicas: Mapping[str, str] | None = None, **sections: dict[str, Any]
) -> AsyncIterator[Running]:
    """Run a gateway in front of stand-in engines, `engine-0` and so on; `replicas` names others, or replaces them."""
    write_files(folder)
    stand_ins = [StandInEngine() for _ in range(engines)]
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(aiohttp.ClientSession())
        servers = [await stack.enter_async_context(server_of(engine)) for engine in stand_ins]
        urls = {f"engine-{number}": str(server.make_url("/")) for number, server in enumerate(servers)}
        configured = configuration(folder, {**urls, **(replicas or {})}, **sections)
        public, admin = await stack.enter_async_context(running(configured))
        front = await stack.enter_async_context(TestServer(public, handler_cancellation=True))
        back = await stack.enter_async_context(TestServer(admin))
        yield Running(front, back, stand_ins, servers, folder, client)
