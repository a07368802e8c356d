"""Responses. The fields and their order are those of the recordings; `UNSET` fields are left out."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from sandbox.vllm_sim.logprobs import ChatLogProbs, CompletionLogProbs


class Usage(msgspec.Struct):
    """`usage`. Streams leave the details out, whole answers have them as null."""

    prompt_tokens: int
    total_tokens: int
    completion_tokens: int
    prompt_tokens_details: UnsetType | None = UNSET
    completion_tokens_details: UnsetType | None = UNSET


class EmbeddingUsage(msgspec.Struct):
    """`usage` of embeddings: nothing is generated."""

    prompt_tokens: int
    total_tokens: int
    completion_tokens: int = 0
    prompt_tokens_details: None = None


class Embedding(msgspec.Struct):
    """One text's vector."""

    index: int
    embedding: list[float] | str
    object: str = "embedding"


class EmbeddingList(msgspec.Struct, kw_only=True):
    """The answer to `POST /v1/embeddings` (vLLM 0.33 entrypoints/pooling/embed/protocol.py)."""

    id: str
    object: str = "list"
    created: int
    model: str
    data: list[Embedding]
    usage: EmbeddingUsage


class ChatMessage(msgspec.Struct, kw_only=True):
    """The answer of a chat."""

    role: str = "assistant"
    content: str
    refusal: None = None
    annotations: None = None
    audio: None = None
    function_call: None = None
    reasoning: None = None


class ChatChoice(msgspec.Struct):
    """One answer of a chat."""

    index: int
    message: ChatMessage
    logprobs: ChatLogProbs | None
    finish_reason: str
    stop_reason: str | None
    token_ids: None = None
    routed_experts: None = None


class ChatCompletion(msgspec.Struct, kw_only=True):
    """A whole chat answer."""

    id: str
    object: str = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice]
    service_tier: None = None
    system_fingerprint: str
    usage: Usage
    prompt_logprobs: None = None
    prompt_token_ids: None = None
    prompt_text: None = None
    kv_transfer_params: None = None
    ec_transfer_params: None = None
    metrics: None = None


class Delta(msgspec.Struct, kw_only=True):
    """What a chunk adds to a chat's answer. Only the first says who speaks."""

    role: str | UnsetType = UNSET
    content: str


class ChatStreamChoice(msgspec.Struct, kw_only=True):
    """One choice of a chat's chunk."""

    index: int
    delta: Delta
    logprobs: ChatLogProbs | None = None
    finish_reason: str | None = None
    stop_reason: str | UnsetType | None = UNSET
    token_ids: UnsetType | None = UNSET


class ChatChunk(msgspec.Struct, kw_only=True):
    """A chunk of a chat."""

    id: str
    object: str = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChatStreamChoice]
    usage: Usage | UnsetType = UNSET
    system_fingerprint: str | UnsetType = UNSET
    prompt_token_ids: UnsetType | None = UNSET
    prompt_text: UnsetType | None = UNSET


class CompletionChoice(msgspec.Struct):
    """One answer of a plain completion."""

    index: int
    text: str
    logprobs: CompletionLogProbs | None
    finish_reason: str
    stop_reason: str | None
    token_ids: None = None
    prompt_logprobs: None = None
    prompt_token_ids: None = None
    routed_experts: None = None


class Completion(msgspec.Struct, kw_only=True):
    """A whole plain completion."""

    id: str
    object: str = "text_completion"
    created: int
    model: str
    choices: list[CompletionChoice]
    service_tier: None = None
    system_fingerprint: str
    usage: Usage
    kv_transfer_params: None = None
    ec_transfer_params: None = None
    metrics: None = None


class CompletionStreamChoice(msgspec.Struct, kw_only=True):
    """One choice of a plain completion's chunk."""

    index: int
    text: str
    logprobs: CompletionLogProbs | None = None
    finish_reason: str | None = None
    stop_reason: str | None = None
    prompt_token_ids: None = None
    token_ids: None = None


class CompletionChunk(msgspec.Struct, kw_only=True):
    """A chunk of a plain completion."""

    id: str
    object: str = "text_completion"
    created: int
    model: str
    choices: list[CompletionStreamChoice]
    usage: Usage | UnsetType = UNSET
    system_fingerprint: str | UnsetType = UNSET


class ModelPermission(msgspec.Struct, kw_only=True):
    """A relic of OpenAI's first API that vLLM keeps."""

    id: str
    object: str = "model_permission"
    created: int
    allow_create_engine: bool = False
    allow_sampling: bool = True
    allow_logprobs: bool = True
    allow_search_indices: bool = False
    allow_view: bool = True
    allow_fine_tuning: bool = False
    organization: str = "*"
    group: None = None
    is_blocking: bool = False


class ModelCard(msgspec.Struct, kw_only=True):
    """One served name."""

    id: str
    object: str = "model"
    created: int
    owned_by: str = "vllm"
    root: str
    parent: None = None
    max_model_len: int
    permission: list[ModelPermission]


class ModelList(msgspec.Struct, kw_only=True):
    """`GET /v1/models`."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


class Tokenized(msgspec.Struct):
    """`POST /tokenize`."""

    count: int
    max_model_len: int
    tokens: list[int]
    token_strs: list[str] | None


class Detokenized(msgspec.Struct):
    """`POST /detokenize`."""

    prompt: str
