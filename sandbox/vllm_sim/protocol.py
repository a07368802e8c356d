"""Requests: the fields of vLLM's that the imitation knows. Others are accepted and ignored, as vLLM does.

Types are read leniently, as vLLM's are: `"5"` is an integer. The rules between fields are in `rules.py`.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

_Seed = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]

_Stop = str | Annotated[list[str], msgspec.Meta(max_length=4)] | None
"""As many stop strings as vLLM takes (VLLM_MAX_STOP_STRINGS)."""


class StreamOptions(msgspec.Struct):
    """`stream_options`."""

    include_usage: bool | None = False
    continuous_usage_stats: bool | None = False


class GenerationRequest(msgspec.Struct, kw_only=True):
    """What chat and plain completions have in common.

    Missing and null mean the same, except for `max_tokens` of plain completions.
    """

    model: str | None = None
    max_tokens: int | None = None
    n: int | None = 1
    seed: _Seed | None = None
    stop: _Stop = None
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    min_tokens: int = 0
    ignore_eos: bool = False
    request_id: str | None = None


class ContentPart(msgspec.Struct):
    """A part of a message. Only text is understood."""

    type: str = "text"
    text: str = ""


class ChatMessage(msgspec.Struct):
    """One message of a conversation."""

    role: str
    content: str | list[ContentPart] | None = None


class ChatRequest(GenerationRequest, kw_only=True):
    """`POST /v1/chat/completions`."""

    messages: list[ChatMessage]
    max_completion_tokens: int | None = None
    logprobs: bool | None = False
    top_logprobs: int | None = 0
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None


class CompletionRequest(GenerationRequest, kw_only=True):
    """`POST /v1/completions`."""

    prompt: str | list[Any] | None = None
    logprobs: int | None = None
    echo: bool | None = False
    suffix: str | None = None


class TokenizeRequest(msgspec.Struct):
    """`POST /tokenize`: either of the two."""

    model: str | None = None
    prompt: str | None = None
    messages: list[ChatMessage] | None = None
    return_token_strs: bool | None = False


class DetokenizeRequest(msgspec.Struct):
    """`POST /detokenize`."""

    tokens: list[Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]]
    model: str | None = None
