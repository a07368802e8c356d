"""Where a sequence ends, and which text the client sees when."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.vllm_sim.sampling import SamplingParams, Token, sample
from sandbox.vllm_sim.text import generate
from sandbox.vllm_sim.tokenizer import EOS, decode, encode

PROMPT = encode("Tell me about gateways.")


def spell(text: str) -> list[int]:
    """One token for each character; `|` is the end."""
    return [EOS if character == "|" else encode(character)[0] for character in text]


def said(text: str, **params: Any) -> list[Token]:
    return list(sample(iter(spell(text)), SamplingParams(**{"max_tokens": 100, **params})))


def test_natural_end() -> None:
    tokens = said("abc|def|")
    assert [token.text for token in tokens] == ["a", "b", "c", ""]
    assert tokens[-1] == Token(EOS, "", "stop")


def test_length() -> None:
    tokens = said("abcdef|", max_tokens=3)
    assert [token.text for token in tokens] == ["a", "b", "c"]
    assert tokens[-1].finish_reason == "length"


def test_end_is_ignored_on_request() -> None:
    assert "".join(token.text for token in said("ab|cd|ef", max_tokens=5, ignore_eos=True)) == "abcde"


def test_end_waits_for_min_tokens() -> None:
    assert "".join(token.text for token in said("ab|cd|ef|", min_tokens=3)) == "abcd"


def test_stop_string_across_tokens_is_cut_off() -> None:
    tokens = said("abcdef|", stop=("cd",))
    assert "".join(token.text for token in tokens) == "ab"
    assert tokens[-1] == Token(spell("d")[0], "", "stop", "cd")


def test_text_that_may_begin_a_stop_string_is_held_back() -> None:
    tokens = said("abcxyz|", stop=("cde",))
    assert [token.text for token in tokens] == ["", "", "a", "b", "c", "x", "yz"]


def test_the_stop_string_that_is_complete_first_wins() -> None:
    assert said("abcdef|", stop=("cdef", "bc"))[-1].stop_reason == "bc"


def test_stop_string_before_min_tokens_does_not_stop() -> None:
    tokens = said("abab|", stop=("ab",), min_tokens=3)
    assert "".join(token.text for token in tokens) == "ab"
    assert len(tokens) == 4


def test_stop_wins_over_length() -> None:
    assert said("abc|", stop=("c",), max_tokens=3)[-1].finish_reason == "stop"


@given(
    text=st.text("ab|", max_size=40),
    stop=st.lists(st.text("ab", min_size=1, max_size=3), max_size=3),
    max_tokens=st.integers(1, 50),
    min_tokens=st.integers(0, 50),
)
def test_always_the_text_up_to_the_first_stop_string(
    text: str, stop: list[str], max_tokens: int, min_tokens: int
) -> None:
    params = SamplingParams(max_tokens=max_tokens, min_tokens=min(min_tokens, max_tokens), stop=tuple(stop))
    tokens = list(sample(iter(spell(text + "|" + "b" * 60)), params))
    assert len(tokens) <= max_tokens
    assert [token.finish_reason is not None for token in tokens] == [False] * (len(tokens) - 1) + [True]
    full = decode(token.id for token in tokens)
    seen = "".join(token.text for token in tokens)
    assert full.startswith(seen)
    if tokens[-1].stop_reason is None:
        assert seen == full
    else:
        assert full.endswith(tokens[-1].stop_reason)
        assert seen + tokens[-1].stop_reason == full
    if not min_tokens:
        assert not any(string in seen for string in stop)


def test_same_question_same_answer() -> None:
    first, again = (list(islice(generate(PROMPT, seed=7, request_seed=None, index=0), 300)) for _ in range(2))
    assert first == again


@pytest.mark.parametrize(
    "changed",
    [{"seed": 8}, {"request_seed": 1}, {"index": 1}, {"prompt": encode("Tell me about proxies.")}],
    ids=lambda changed: next(iter(changed)),
)
def test_another_question_another_answer(changed: dict[str, Any]) -> None:
    usual: dict[str, Any] = {"prompt": PROMPT, "seed": 7, "request_seed": None, "index": 0}
    one, other = (list(islice(generate(**which), 300)) for which in (usual, usual | changed))
    assert one != other


@given(st.integers(0, 1000), st.booleans())
def test_answers_read_like_text(seed: int, ignore_eos: bool) -> None:
    """They are sentences, end by themselves, and are the tokens their text would have."""
    params = SamplingParams(max_tokens=400, ignore_eos=ignore_eos)
    tokens = list(sample(generate(PROMPT, seed=seed, request_seed=None, index=0), params))
    text = "".join(token.text for token in tokens)
    ids = [token.id for token in tokens]
    if ignore_eos:
        assert ids == encode(text)
        assert len(ids) == 400
    else:
        assert [*encode(text), EOS] == ids
        assert text[0].isupper()
        assert text.endswith(".")
        assert 15 < len(ids) < 250
