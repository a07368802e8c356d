"""What vLLM refuses although the types are right, in vLLM's words and order.

`check_*` run before the model is looked up; `sampling_params` after the prompt is known.
"""

from __future__ import annotations

from typing import Any

from sandbox.vllm_sim.errors import ApiError, bad_parameter, not_imitated
from sandbox.vllm_sim.protocol import ChatRequest, CompletionRequest, ContentPart, GenerationRequest
from sandbox.vllm_sim.sampling import SamplingParams
from sandbox.vllm_sim.tokenizer import MAX_CHARS_PER_TOKEN

_MAX_CHOICES = 16384
"""VLLM_MAX_N_SEQUENCES."""

_MAX_LOGPROBS = 20
"""`--max-logprobs`."""


def check_chat(request: ChatRequest) -> None:
    """Raise ApiError if a chat request contradicts itself or asks for what is not imitated."""
    _check_stream_options(request)
    _check_logprobs("top_logprobs", request.top_logprobs)
    if request.top_logprobs and not request.logprobs:
        raise bad_parameter("when using `top_logprobs`, `logprobs` must be set to true.", "top_logprobs")
    if request.tools is None and request.tool_choice not in (None, "none"):
        raise bad_parameter("When using `tool_choice`, `tools` must be set.", "tool_choice")


def check_completion(request: CompletionRequest) -> str | list[Any]:
    """Find the prompt of a completion request.

    Raises:
        ApiError: the request contradicts itself, lacks a prompt or asks for what is not imitated.

    """
    _check_logprobs("logprobs", request.logprobs)
    _check_stream_options(request)
    if not request.prompt:
        raise bad_parameter("Either prompt or prompt_embeds must be provided and non-empty.", "prompt")
    if request.echo:
        raise not_imitated("`echo`")
    if request.suffix is not None:
        raise bad_parameter("suffix is only supported for models with FIM completion rendering")
    return request.prompt


def check_content(request: ChatRequest) -> None:
    """Raise ApiError if a conversation needs more than a model for text without tools."""
    if request.tools is not None and request.tool_choice != "none":
        raise ApiError('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set')
    for message in request.messages:
        for part in message.content if isinstance(message.content, list) else ():
            _check_part(part)


def check_output_length(name: str, max_tokens: int | None, max_model_len: int) -> None:
    """Raise ApiError if more output is asked for than the context holds."""
    if max_tokens is not None and max_tokens > max_model_len:
        raise bad_parameter(
            f"{name}={max_tokens} cannot be greater than max_model_len={max_model_len}. "
            "Please request fewer output tokens.",
            name,
            max_tokens,
        )


def check_text_length(text: str, max_model_len: int) -> None:
    """Raise ApiError if a prompt cannot fit, before the work of cutting it into tokens."""
    most = max_model_len * MAX_CHARS_PER_TOKEN
    if len(text) > most:
        raise bad_parameter(
            f"This model's maximum context length is {max_model_len} tokens. However, your prompt contains {len(text)} "
            f"characters (more than {most} characters, which is the upper bound for {max_model_len} input tokens). "
            "Please reduce the length of the input prompt.",
            "input_text",
            len(text),
        )


def check_prompt_length(tokens: int, max_model_len: int, *, at_least: bool) -> None:
    """Raise ApiError if a prompt is empty or longer than the context.

    Args:
        tokens: its length.
        max_model_len: the context's length.
        at_least: it was cut to one token too many, as vLLM cuts text; its real length is not told.

    """
    if not tokens:
        raise bad_parameter("The decoder prompt cannot be empty")
    if tokens > max_model_len:
        shown = max_model_len + 1 if at_least else tokens
        raise bad_parameter(
            f"This model's maximum context length is {max_model_len} tokens. However, your prompt contains "
            f"{'at least ' if shown == max_model_len + 1 else ''}{shown} input tokens, which exceeds this limit even "
            "without any output tokens. Please reduce the length of the input prompt.",
            "input_tokens",
            shown,
        )


def sampling_params(request: GenerationRequest, max_tokens: int, logprobs: int | None) -> SamplingParams:
    """Check the sampling parameters, and take those that matter here.

    Args:
        request: the request.
        max_tokens: most tokens to generate, after the context's length is taken into account.
        logprobs: how many alternatives to each token are asked for.

    Raises:
        ApiError: 400, a parameter is out of its range.

    """
    n = 1 if request.n is None else request.n
    if n < 1:
        raise bad_parameter(f"n must be at least 1, got {n}.")
    if n > _MAX_CHOICES:
        raise bad_parameter(
            f"n must be at most {_MAX_CHOICES}, got {n}. To increase this limit, set the VLLM_MAX_N_SEQUENCES "
            "environment variable."
        )
    _check_penalties(request)
    _check_temperature(request)
    if max_tokens < 1:
        raise bad_parameter(f"max_tokens must be at least 1, got {max_tokens}.", "max_tokens", max_tokens)
    if request.min_tokens < 0:
        raise bad_parameter(f"min_tokens must be greater than or equal to 0, got {request.min_tokens}.")
    if request.min_tokens > max_tokens:
        raise bad_parameter(
            f"min_tokens must be less than or equal to max_tokens={max_tokens}, got {request.min_tokens}."
        )
    if logprobs is not None and logprobs > _MAX_LOGPROBS:
        raise bad_parameter(
            f"Requested sample logprobs of {logprobs}, which is greater than max allowed: {_MAX_LOGPROBS}",
            "logprobs",
            logprobs,
        )
    stop = (request.stop,) if isinstance(request.stop, str) else tuple(request.stop or ())
    if "" in stop:
        raise bad_parameter("stop cannot contain an empty string.")
    return SamplingParams(
        max_tokens=max_tokens, min_tokens=request.min_tokens, stop=stop, ignore_eos=request.ignore_eos
    )


def _check_stream_options(request: GenerationRequest) -> None:
    if request.stream_options is not None and not request.stream:
        raise bad_parameter("Stream options can only be defined when `stream=True`.", "stream_options")


def _check_logprobs(name: str, wanted: int | None) -> None:
    if wanted is not None and wanted < 0 and wanted != -1:
        raise bad_parameter(f"`{name}` must be a positive value or -1.", name, wanted)
    if wanted == -1:
        raise not_imitated(f"`{name}` of -1, the whole vocabulary,")


def _check_part(part: ContentPart) -> None:
    if part.type != "text":
        modality = part.type.removeprefix("input_").removesuffix("_url")
        raise bad_parameter(f"At most 0 {modality}(s) may be provided in one prompt.", modality)


def _check_penalties(request: GenerationRequest) -> None:
    for name in ("presence_penalty", "frequency_penalty"):
        value = getattr(request, name)
        if value is not None and not -2.0 <= value <= 2.0:
            raise bad_parameter(f"{name} must be in [-2, 2], got {value}.")


def _check_temperature(request: GenerationRequest) -> None:
    temperature, top_p = request.temperature, request.top_p
    if temperature is not None and temperature < 0.0:
        raise bad_parameter(f"temperature must be non-negative, got {temperature}.", "temperature", temperature)
    if temperature is not None and temperature > 2.0:
        raise bad_parameter(f"temperature must be in [0, 2], got {temperature}.", "temperature", temperature)
    if top_p is not None and not 0.0 < top_p <= 1.0:
        raise bad_parameter(f"top_p must be in (0, 1], got {top_p}.", "top_p", top_p)
