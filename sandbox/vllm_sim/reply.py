"""How an answer is written down: as a chat or as a plain completion, whole or in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
from msgspec import UNSET

from sandbox.vllm_sim.logprobs import ChatLogProbs, CompletionLogProbs, chat_logprobs, completion_logprobs
from sandbox.vllm_sim.responses import (
    ChatChoice,
    ChatChunk,
    ChatCompletion,
    ChatMessage,
    ChatStreamChoice,
    Completion,
    CompletionChoice,
    CompletionChunk,
    CompletionStreamChoice,
    Delta,
    Usage,
)
from sandbox.vllm_sim.sampling import Token
from sandbox.vllm_sim.tokenizer import decode_one


@dataclass(frozen=True, kw_only=True)
class Heading:
    """What every chunk of an answer repeats.

    Attributes:
        id: id of the answer.
        created: Unix time in seconds.
        model: the model's name.
        fingerprint: `system_fingerprint`.

    """

    id: str
    created: int
    model: str
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class UsageWanted:
    """`stream_options`: whether a stream ends with its usage, and whether each chunk tells it too."""

    at_end: bool
    always: bool


@dataclass
class Choice:
    """One choice so far.

    Attributes:
        prompt_tokens: length of its prompt.
        ids: its tokens.
        text: the text the client has.
        offset: characters its tokens spell, held back or not.
        finish_reason: why it ended; empty before.
        stop_reason: the stop string that ended it, if one did.

    """

    prompt_tokens: int
    ids: list[int] = field(default_factory=list)
    text: str = ""
    offset: int = 0
    finish_reason: str = ""
    stop_reason: str | None = None

    def add(self, token: Token) -> None:
        """Take the next token."""
        self.ids.append(token.id)
        self.text += token.text
        self.offset += len(decode_one(token.id))
        self.finish_reason = token.finish_reason or ""
        self.stop_reason = token.stop_reason


class Reply(Protocol):
    """An answer in the making."""

    wanted: UsageWanted
    choices: list[Choice]

    def opening(self) -> Iterator[msgspec.Struct]:
        """Say what comes before the first token."""

    def chunk(self, index: int, token: Token) -> msgspec.Struct:
        """Take a token of a choice, and say it."""

    def usage(self) -> msgspec.Struct:
        """End the stream of a client that wants to know the usage."""

    def whole(self) -> msgspec.Struct:
        """Say everything at once."""


@dataclass
class ChatReply:
    """The answer to a chat.

    Attributes:
        heading: what every chunk repeats.
        wanted: when to tell the usage.
        choices: the choices so far, all of the same prompt.
        top: how many candidates to name for each token; none without log-probabilities.

    """

    heading: Heading
    wanted: UsageWanted
    choices: list[Choice]
    top: int | None

    def opening(self) -> Iterator[ChatChunk]:
        """Name the role, for each choice."""
        for index, choice in enumerate(self.choices):
            chunk = self._chunk([ChatStreamChoice(index=index, delta=Delta(role="assistant", content=""))])
            if self.wanted.always:
                chunk.usage = _chat_usage_so_far(choice)
            chunk.prompt_token_ids = None
            chunk.prompt_text = None
            yield chunk

    def chunk(self, index: int, token: Token) -> ChatChunk:
        """Say one token; the last one of a choice says why it ends."""
        choice = self.choices[index]
        said = ChatStreamChoice(
            index=index,
            delta=Delta(content=token.text),
            logprobs=self._logprobs([token.id], position=len(choice.ids)),
            finish_reason=token.finish_reason,
            stop_reason=UNSET if token.finish_reason is None else token.stop_reason,
            token_ids=None,
        )
        choice.add(token)
        chunk = self._chunk([said])
        if self.wanted.always:
            chunk.usage = _chat_usage_so_far(choice)
        if token.finish_reason is not None and not self.wanted.at_end:
            chunk.system_fingerprint = self.heading.fingerprint
        return chunk

    def usage(self) -> ChatChunk:
        """Tell the usage of all choices."""
        chunk = self._chunk([])
        chunk.usage = _usage(self.choices[0].prompt_tokens, self.choices)
        chunk.system_fingerprint = self.heading.fingerprint
        return chunk

    def whole(self) -> ChatCompletion:
        """Give the answer that is not streamed."""
        return ChatCompletion(
            id=self.heading.id,
            created=self.heading.created,
            model=self.heading.model,
            choices=[
                ChatChoice(
                    index,
                    ChatMessage(content=choice.text),
                    self._logprobs(choice.ids, position=0),
                    choice.finish_reason,
                    choice.stop_reason,
                )
                for index, choice in enumerate(self.choices)
            ],
            system_fingerprint=self.heading.fingerprint,
            usage=_with_details(_usage(self.choices[0].prompt_tokens, self.choices)),
        )

    def _chunk(self, choices: list[ChatStreamChoice]) -> ChatChunk:
        heading = self.heading
        return ChatChunk(id=heading.id, created=heading.created, model=heading.model, choices=choices)

    def _logprobs(self, ids: list[int], *, position: int) -> ChatLogProbs | None:
        return None if self.top is None else chat_logprobs(ids, position=position, top=self.top)


@dataclass
class CompletionReply:
    """The answer to plain prompts.

    Attributes:
        heading: what every chunk repeats.
        wanted: when to tell the usage.
        choices: the choices so far, prompt by prompt.
        per_prompt: choices of each prompt.
        top: how many candidates to name for each token; none without log-probabilities.

    """

    heading: Heading
    wanted: UsageWanted
    choices: list[Choice]
    per_prompt: int
    top: int | None

    def opening(self) -> Iterator[CompletionChunk]:
        """Say nothing: a completion begins with its first token."""
        return iter(())

    def chunk(self, index: int, token: Token) -> CompletionChunk:
        """Say one token; the last one of a choice says why it ends."""
        choice = self.choices[index]
        said = CompletionStreamChoice(
            index=index,
            text=token.text,
            logprobs=self._logprobs([token.id], position=len(choice.ids), offset=choice.offset),
            finish_reason=token.finish_reason,
            stop_reason=token.stop_reason,
        )
        choice.add(token)
        chunk = self._chunk([said])
        if self.wanted.always:
            chunk.usage = _usage(choice.prompt_tokens, [choice])
        if token.finish_reason is not None and not self.wanted.at_end:
            chunk.system_fingerprint = self.heading.fingerprint
        return chunk

    def usage(self) -> CompletionChunk:
        """Tell the usage of all prompts and choices."""
        chunk = self._chunk([])
        chunk.usage = _usage(self._prompt_tokens(), self.choices)
        chunk.system_fingerprint = self.heading.fingerprint
        return chunk

    def whole(self) -> Completion:
        """Give the answer that is not streamed."""
        return Completion(
            id=self.heading.id,
            created=self.heading.created,
            model=self.heading.model,
            choices=[
                CompletionChoice(
                    index,
                    choice.text,
                    self._logprobs(choice.ids, position=0, offset=0),
                    choice.finish_reason,
                    choice.stop_reason,
                )
                for index, choice in enumerate(self.choices)
            ],
            system_fingerprint=self.heading.fingerprint,
            usage=_with_details(_usage(self._prompt_tokens(), self.choices)),
        )

    def _chunk(self, choices: list[CompletionStreamChoice]) -> CompletionChunk:
        heading = self.heading
        return CompletionChunk(id=heading.id, created=heading.created, model=heading.model, choices=choices)

    def _logprobs(self, ids: list[int], *, position: int, offset: int) -> CompletionLogProbs | None:
        if self.top is None:
            return None
        return completion_logprobs(ids, position=position, offset=offset, top=self.top)

    def _prompt_tokens(self) -> int:
        return sum(choice.prompt_tokens for choice in self.choices[:: self.per_prompt])


def _usage(prompt_tokens: int, choices: list[Choice]) -> Usage:
    generated = sum(len(choice.ids) for choice in choices)
    return Usage(prompt_tokens, prompt_tokens + generated, generated)


def _chat_usage_so_far(choice: Choice) -> Usage:
    """Usage inside a chat's chunks names the completion's details, and no others."""
    usage = _usage(choice.prompt_tokens, [choice])
    usage.completion_tokens_details = None
    return usage


def _with_details(usage: Usage) -> Usage:
    """Usage of an answer that is not streamed names all details."""
    usage.prompt_tokens_details = None
    usage.completion_tokens_details = None
    return usage
