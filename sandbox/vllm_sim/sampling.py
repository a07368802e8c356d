"""What a sequence will say, token by token: where it ends, and which text each token lets the client see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sandbox.vllm_sim.tokenizer import EOS, decode_one

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Token:
    """One generated token.

    Attributes:
        id: token id.
        text: the text this token releases; empty while it may be the beginning of a stop string.
        finish_reason: set on the last token only.
        stop_reason: the stop string that ended the sequence, if one did.

    """

    id: int
    text: str
    finish_reason: FinishReason | None = None
    stop_reason: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplingParams:
    """What ends a sequence. Names and meaning are vLLM's."""

    max_tokens: int
    min_tokens: int = 0
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False


def sample(ids: Iterator[int], params: SamplingParams) -> Iterator[Token]:
    """Turn endless token ids into the tokens of one sequence; the last one carries the finish reason.

    A stop string is looked for from the token after `min_tokens` on and is never part of the text. As in vLLM, text is
    held back by one character less than the longest stop string.
    """
    held = max((len(stop) for stop in params.stop), default=1) - 1
    text = ""
    released = 0
    for count, token in enumerate(_wanted(ids, params), start=1):
        if token == EOS:
            yield Token(token, text[released:], "stop")
            return
        searched = len(text)
        text += decode_one(token)
        stop = _earliest_stop(text, searched, params.stop) if count > params.min_tokens else None
        if stop is not None:
            end, stop_string = stop
            yield Token(token, text[released:end], "stop", stop_string)
            return
        if count == params.max_tokens:
            yield Token(token, text[released:], "length")
            return
        visible = max(released, len(text) - held)
        yield Token(token, text[released:visible])
        released = visible


def _wanted(ids: Iterator[int], params: SamplingParams) -> Iterator[int]:
    """Drop the ends of text that the request does not want."""
    count = 0
    for token in ids:
        if token == EOS and (params.ignore_eos or count < params.min_tokens):
            continue
        count += 1
        yield token


def _earliest_stop(text: str, searched: int, stops: tuple[str, ...]) -> tuple[int, str] | None:
    """Where the text must be cut, and by which stop string: the one that is complete first."""
    found = [
        (begin + len(stop), begin, stop)
        for stop in stops
        if (begin := text.find(stop, max(0, searched - len(stop) + 1))) >= 0
    ]
    if not found:
        return None
    _, begin, stop = min(found, key=lambda match: match[0])
    return begin, stop
