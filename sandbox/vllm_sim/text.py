"""Made-up answers: sentences that read like English, fixed by a seed and the prompt."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence

from sandbox.vllm_sim.tokenizer import EOS, encode

_PATTERNS = (
    "The {adjective} {noun} {verb} the {noun}.",
    "Each {noun} {verb} a {adjective} {noun}, {connective} the {noun} {verb} the rest.",
    "In practice, a {noun} {verb} every {noun} before the {noun} {verb} it.",
    "A {adjective} {noun} is {adjective} {connective} the {noun} is {adjective}.",
    "Note that the {noun} {verb} one {noun} at a time.",
    "With a {adjective} {noun}, the {noun} {verb} the {adjective} {noun}.",
)

_WORDS = {
    "noun": (
        "answer", "cache", "client", "endpoint", "example", "gateway", "key", "limit", "message", "model", "network",
        "node", "plan", "policy", "prompt", "queue", "record", "request", "result", "server", "stream", "token",
    ),
    "verb": (
        "accepts", "awaits", "checks", "counts", "describes", "follows", "holds", "keeps", "limits", "measures",
        "names", "opens", "reads", "returns", "sends", "shares", "shows", "signs", "starts", "stores",
    ),
    "adjective": (
        "careful", "clear", "complete", "large", "local", "long", "new", "open", "private", "quiet", "ready", "safe",
        "short", "simple", "small", "steady", "strict", "usual", "whole",
    ),
    "connective": ("and", "because", "so", "unless", "when", "while"),
}  # fmt: skip

_SENTENCES = (2, 9)
"""Fewest and most sentences of an answer that ends by itself: about 25 to 150 tokens."""


_BETWEEN_ANSWERS = "\n\n"


def generate(prompt: Sequence[int], *, seed: int, request_seed: int | None, index: int) -> Iterator[int]:
    """Endless token ids of one choice, with `EOS` where the answer ends by itself.

    Whoever goes on past `EOS` gets the next answer. The same arguments always give the same tokens.

    Args:
        prompt: token ids of the prompt.
        seed: the server's seed.
        request_seed: the request's `seed`.
        index: which of the request's choices.

    """
    digest = hashlib.sha256(f"{seed}/{request_seed}/{index}/{list(prompt)}".encode()).digest()
    rng = random.Random(digest)  # noqa: S311  # made-up text, no secret
    while True:
        for position in range(rng.randint(*_SENTENCES)):
            sentence = _sentence(rng)
            yield from encode(f" {sentence}" if position else sentence)
        yield EOS
        yield from encode(_BETWEEN_ANSWERS)


def _sentence(rng: random.Random) -> str:
    pattern = rng.choice(_PATTERNS)
    for kind, words in _WORDS.items():
        while (slot := f"{{{kind}}}") in pattern:
            pattern = pattern.replace(slot, rng.choice(words), 1)
    return pattern
