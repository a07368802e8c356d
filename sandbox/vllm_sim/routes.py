"""The handlers of vLLM's routes, but for those that generate."""

from __future__ import annotations

import json
import secrets
import time
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from sandbox.vllm_sim import IMITATED_VERSION
from sandbox.vllm_sim.decoding import decode, missing
from sandbox.vllm_sim.docs import add_docs
from sandbox.vllm_sim.embedding import Embedder
from sandbox.vllm_sim.engine import Engine
from sandbox.vllm_sim.errors import ApiError, not_imitated
from sandbox.vllm_sim.generation import Generator
from sandbox.vllm_sim.options import Options
from sandbox.vllm_sim.prompts import render
from sandbox.vllm_sim.protocol import DetokenizeRequest, TokenizeRequest
from sandbox.vllm_sim.responses import Detokenized, ModelCard, ModelList, ModelPermission, Tokenized
from sandbox.vllm_sim.tokenizer import decode as decode_tokens
from sandbox.vllm_sim.tokenizer import decode_one, encode
from sandbox.vllm_sim.wire import json_response

_NOT_IMITATED = (
    ("POST", "/generative_scoring"),
    ("POST", "/inference/v1/abort_requests"),
    ("POST", "/inference/v1/generate"),
    ("POST", "/scale_elastic_ep"),
    ("POST", "/v1/chat/completions/batch"),
    ("POST", "/v1/chat/completions/derender"),
    ("POST", "/v1/chat/completions/render"),
    ("POST", "/v1/completions/derender"),
    ("POST", "/v1/completions/render"),
    ("POST", "/v1/messages"),
    ("POST", "/v1/messages/count_tokens"),
    ("POST", "/v1/messages/render"),
    ("POST", "/v1/responses"),
    ("POST", "/v1/responses/render"),
    ("GET", "/v1/responses/{response_id}"),
    ("POST", "/v1/responses/{response_id}/cancel"),
    ("POST", "/v1/systemone"),
)
"""Routes that vLLM has and that answer 501 here, so that it shows where they can be reached from."""


_NOT_IMITATED_POOLING = (
    ("POST", "/invocations"),
    ("POST", "/pooling"),
    ("POST", "/rerank"),
    ("POST", "/score"),
    ("POST", "/v1/rerank"),
    ("POST", "/v1/score"),
    ("POST", "/v2/embed"),
    ("POST", "/v2/rerank"),
)
"""The same for a model that makes embeddings (vLLM 0.33.0 entrypoints/pooling)."""


class Routes:
    """Everything that is not generated.

    Args:
        options: what the server is to be.
        engine: its engine.
        generator: serves chats and completions.
        registry: its metrics.

    """

    def __init__(self, options: Options, engine: Engine, generator: Generator, registry: CollectorRegistry) -> None:
        self._options = options
        self._engine = engine
        self._generator = generator
        self._registry = registry
        self._started = int(time.time())

    def add_to(self, app: web.Application) -> None:
        """Add every route of the recording."""
        getters: dict[str, Handler] = {
            "/health": self._health,
            "/ping": self._health,
            "/version": self._version,
            "/load": self._load,
            "/metrics": self._metrics,
            "/kv_event_sources": self._kv_event_sources,
            "/v1/models": self._models,
        }
        posters: dict[str, Handler] = {
            **self._work(),
            "/tokenize": self._tokenize,
            "/detokenize": self._detokenize,
            "/ping": self._health,
            "/is_scaling_elastic_ep": self._is_scaling,
        }
        for path, handler in getters.items():
            app.router.add_get(path, handler, allow_head=False)
        for path, handler in posters.items():
            app.router.add_post(path, handler)
        for method, path in _NOT_IMITATED_POOLING if self._options.pooling else _NOT_IMITATED:
            app.router.add_route(method, path, _not_imitated)
        add_docs(app)

    def _work(self) -> dict[str, Handler]:
        """Return the routes that depend on what the model is for."""
        if self._options.pooling:
            return {"/v1/embeddings": Embedder(self._options, self._engine, self._generator).embed}
        return {
            "/v1/chat/completions": self._generator.chat,
            "/v1/completions": self._generator.completion,
            "/invocations": self._invocations,
        }

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response(status=503 if self._engine.dead else 200)

    async def _version(self, _: web.Request) -> web.Response:
        return json_response({"version": IMITATED_VERSION})

    async def _load(self, _: web.Request) -> web.Response:
        return json_response({"server_load": self._engine.unfinished})

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _kv_event_sources(self, _: web.Request) -> web.Response:
        return json_response({})

    async def _is_scaling(self, _: web.Request) -> web.Response:
        return json_response({"is_scaling_elastic_ep": False})

    async def _models(self, _: web.Request) -> web.Response:
        cards = [
            ModelCard(
                id=name,
                created=self._started,
                root=self._options.models[0],
                max_model_len=self._options.max_model_len,
                permission=[ModelPermission(id=f"modelperm-{secrets.token_hex(8)}", created=self._started)],
            )
            for name in self._options.models
        ]
        return json_response(ModelList(data=cards))

    async def _tokenize(self, request: web.Request) -> web.Response:
        parsed = decode(await request.read(), request.content_type, TokenizeRequest)
        self._generator.check_model(parsed.model)
        if parsed.messages is not None:
            tokens = encode(render(parsed.messages))
        elif parsed.prompt is not None:
            tokens = encode(parsed.prompt)
        else:
            raise missing("prompt")
        texts = [decode_one(token) for token in tokens] if parsed.return_token_strs else None
        return json_response(Tokenized(len(tokens), self._options.max_model_len, tokens, texts))

    async def _detokenize(self, request: web.Request) -> web.Response:
        parsed = decode(await request.read(), request.content_type, DetokenizeRequest)
        self._generator.check_model(parsed.model)
        return json_response(Detokenized(decode_tokens(parsed.tokens)))

    async def _invocations(self, request: web.Request) -> web.StreamResponse:
        """Either kind of generation, told apart by the body, and open where the API key guards."""
        try:
            document = json.loads(await request.read())
        except ValueError as error:
            raise ApiError(f"JSON decode error: {error}", kind=HTTPStatus.BAD_REQUEST.phrase) from error
        if isinstance(document, dict) and "messages" in document:
            return await self._generator.chat(request)
        return await self._generator.completion(request)


async def _not_imitated(request: web.Request) -> web.Response:
    raise not_imitated(f"{request.method} {request.path}")
