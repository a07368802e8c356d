"""Prompts as tokens."""

from __future__ import annotations

from typing import Any

from sandbox.vllm_sim import rules
from sandbox.vllm_sim.errors import malformed
from sandbox.vllm_sim.protocol import ChatMessage
from sandbox.vllm_sim.tokenizer import encode


def render(messages: list[ChatMessage]) -> str:
    """Write a conversation down as a chat template does, up to where the answer begins."""
    said = "".join(f"<|{message.role}|>\n{_content(message)}\n" for message in messages)
    return f"{said}<|assistant|>\n"


def text_prompt(text: str, max_model_len: int) -> list[int]:
    """Tokens of a text.

    Raises:
        ApiError: 400, it is empty or longer than the context.

    """
    rules.check_text_length(text, max_model_len)
    tokens = encode(text)
    rules.check_prompt_length(len(tokens), max_model_len, at_least=True)
    return tokens


def completion_prompts(prompt: str | list[Any], max_model_len: int) -> list[list[int]]:
    """Tokens of each prompt of a completion request: a text, texts, token ids, or lists of token ids.

    Raises:
        ApiError: 400, it is none of these, or one is empty or longer than the context.

    """
    if isinstance(prompt, str):
        return [text_prompt(prompt, max_model_len)]
    if all(isinstance(part, str) for part in prompt):
        return [text_prompt(part, max_model_len) for part in prompt]
    lists = [prompt] if all(isinstance(part, int) for part in prompt) else prompt
    for tokens in lists:
        if not _are_tokens(tokens):
            raise malformed("prompt: expected a text, texts, token ids or lists of token ids", "body.prompt")
        rules.check_prompt_length(len(tokens), max_model_len, at_least=False)
    return lists


def _are_tokens(tokens: object) -> bool:
    return isinstance(tokens, list) and all(isinstance(t, int) and t >= 0 for t in tokens)


def _content(message: ChatMessage) -> str:
    if isinstance(message.content, list):
        return "\n".join(part.text for part in message.content)
    return message.content or ""
