"""Made-up log-probabilities in vLLM's two shapes: chat's, and the older one of plain completions.

The generated token is always the most probable. Its probability and its alternatives depend on the token and its
position alone, so that the same answer has the same log-probabilities, streamed or not.
"""

from __future__ import annotations

import math
import random

import msgspec

from sandbox.vllm_sim.tokenizer import decode_one

_ALTERNATIVES = (
    " the", " a", " and", " of", " to", " in", " is", " it", ".", ",", " for", " that", " on", " with", " as", " by",
    " at", " one", " each", " or", " all",
)  # fmt: skip


class ChatLogProb(msgspec.Struct):
    """One candidate for a position of a chat's answer."""

    token: str
    logprob: float
    bytes: list[int]


class ChatTokenLogProbs(msgspec.Struct):
    """One position of a chat's answer."""

    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[ChatLogProb]


class ChatLogProbs(msgspec.Struct):
    """`choices[].logprobs` of a chat."""

    content: list[ChatTokenLogProbs]


class CompletionLogProbs(msgspec.Struct):
    """`choices[].logprobs` of a plain completion."""

    text_offset: list[int]
    token_logprobs: list[float]
    tokens: list[str]
    top_logprobs: list[dict[str, float]]


def chat_logprobs(tokens: list[int], *, position: int, top: int) -> ChatLogProbs:
    """Log-probabilities of some tokens of a chat's answer.

    Args:
        tokens: the tokens' ids.
        position: how many tokens of the answer come before them.
        top: how many candidates to name for each, the generated one among them.

    """
    content = []
    for place, token in enumerate(tokens, start=position):
        candidates = [ChatLogProb(text, value, list(text.encode())) for text, value in _candidates(token, place, top)]
        chosen = candidates[0]
        content.append(ChatTokenLogProbs(chosen.token, chosen.logprob, chosen.bytes, candidates[:top]))
    return ChatLogProbs(content)


def completion_logprobs(tokens: list[int], *, position: int, offset: int, top: int) -> CompletionLogProbs:
    """Log-probabilities of some tokens of a completion.

    Args:
        tokens: the tokens' ids.
        position: how many tokens of the answer come before them.
        offset: how many characters of the answer come before them.
        top: how many candidates to name for each; the generated one is always among them.

    """
    result = CompletionLogProbs([], [], [], [])
    for place, token in enumerate(tokens, start=position):
        candidates = _candidates(token, place, top)
        text, value = candidates[0]
        result.text_offset.append(offset)
        result.token_logprobs.append(value)
        result.tokens.append(text)
        result.top_logprobs.append(dict(candidates))
        offset += len(text)
    return result


def _candidates(token: int, place: int, top: int) -> list[tuple[str, float]]:
    """Name the generated token, then others, less and less probable; at least one, at most `top`."""
    chosen = decode_one(token)
    rng = random.Random(token * 1_000_003 + place)  # noqa: S311  # made-up figures, no secret
    probability = rng.uniform(0.5, 0.98)
    candidates = [(chosen, math.log(probability))]
    left = 1 - probability
    for other in rng.sample([text for text in _ALTERNATIVES if text != chosen], max(0, top - 1)):
        left /= 2
        candidates.append((other, math.log(left)))
    return candidates
