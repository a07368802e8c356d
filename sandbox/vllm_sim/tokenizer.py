"""A tokenizer without a vocabulary: a token's id is its own text, so that both directions need no state.

Text is cut into pieces of at most six bytes: up to five letters or three digits with the space before them, a run of
white space, or any other single character. The id of a piece is the number its UTF-8 bytes spell after a leading byte 1
(which keeps leading zero bytes), hence below 2**49: exact in JSON for every client. English gives about 1.5 tokens a
word, as the tokenizers of real models do. `decode(encode(text)) == text` for every text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_PIECE = re.compile(r" ?[A-Za-z]{1,5}| ?[0-9]{1,3}|[ \t\n]{1,6}|.", re.DOTALL)

_LEAD = b"\x01"

MAX_CHARS_PER_TOKEN = 6
"""No token stands for more characters than this."""

EOS = 1
"""The token that ends a generation: the empty piece. It counts as a generated token and has no text, as in vLLM."""


def encode(text: str) -> list[int]:
    """Token ids of a text."""
    return [int.from_bytes(_LEAD + piece.encode()) for piece in _PIECE.findall(text)]


def decode_one(token: int) -> str:
    """Text of one token; the replacement character for a number that is no token."""
    spelled = token.to_bytes((token.bit_length() + 7) // 8)
    if spelled[:1] != _LEAD:
        return "\N{REPLACEMENT CHARACTER}"
    return spelled[1:].decode(errors="replace")


def decode(tokens: Iterable[int]) -> str:
    """Text of a sequence of tokens."""
    return "".join(decode_one(token) for token in tokens)
