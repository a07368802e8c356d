"""Text to tokens and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.vllm_sim.tokenizer import EOS, MAX_CHARS_PER_TOKEN, decode, decode_one, encode

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXT)
def test_round_trip(text: str) -> None:
    tokens = encode(text)
    assert decode(tokens) == text
    assert len(tokens) * MAX_CHARS_PER_TOKEN >= len(text)


@given(TEXT)
def test_ids_are_exact_in_json_of_every_client(text: str) -> None:
    assert all(EOS < token < 2**53 for token in encode(text))


@given(TEXT, TEXT)
def test_ids_are_stable(before: str, after: str) -> None:
    """The same piece has the same id wherever it stands."""
    assert encode(f"{before}.endpoint!{after}").count(encode(".")[0]) >= 1
    assert set(encode("!")) <= set(encode(f"{before}.endpoint!{after}"))


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_any_number_decodes(token: int) -> None:
    assert len(decode_one(token)) <= 7


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Hello there", ["Hello", " there"]),
        ("a scheduler waits", ["a", " sched", "uler", " waits"]),
        ("in 2026, 12345 tokens", ["in", " 202", "6", ",", " 123", "45", " token", "s"]),
        ("if x:\n    y", ["if", " x", ":", "\n    ", "y"]),
        ("é€😀", ["é", "€", "😀"]),
    ],
)
def test_pieces(text: str, pieces: list[str]) -> None:
    assert [decode_one(token) for token in encode(text)] == pieces


def test_end_has_no_text() -> None:
    assert decode_one(EOS) == ""
