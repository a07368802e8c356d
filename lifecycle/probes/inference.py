"""The endpoint as a client uses it: an answer, and one that streams."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from lifecycle.probes.base import Check, Subject

NO_TOKEN = "the issuer is a foreign one: give a token with --token-env NAME"  # noqa: S105 - a sentence, not a secret


def probe(subject: Subject) -> Iterator[Check]:
    """Yield the checks of a client with a valid token."""
    token = subject.token()
    asked = EMBEDDING if subject.plan.model.kind == "embedding" else CHAT
    if token is None:
        for kind in asked:
            yield Check(id=f"inference.{kind}", ok=None, detail=NO_TOKEN)
        return
    with subject.client(token) as client:
        for kind, ask in asked.items():
            try:
                ok, detail = ask(client, subject)
            except (httpx.HTTPError, ValueError, KeyError, IndexError) as error:
                ok, detail = False, f"{type(error).__name__}: {error}"
            yield Check(id=f"inference.{kind}", ok=ok, detail=detail)


def _embedding(client: Any, subject: Subject) -> tuple[bool, str]:
    path, body = question(subject)
    answer = client.post(path, json=body)
    vectors = [one["embedding"] for one in answer.json()["data"]]
    ok = answer.status_code == 200 and len(vectors) == 2 and len(vectors[0]) == len(vectors[1]) > 0
    return ok, f"{answer.status_code}, {len(vectors)} vectors of {len(vectors[0])} numbers"


def question(subject: Subject, **more: Any) -> tuple[str, dict[str, Any]]:
    """Return the path and the body of a small request of the kind that the model answers."""
    model = subject.plan.model
    if model.kind == "embedding":
        return "/v1/embeddings", {"model": model.served_name, "input": ["Say hello.", "Say goodbye."], **more}
    messages = [{"role": "user", "content": "Say hello."}]
    return "/v1/chat/completions", {"model": model.served_name, "messages": messages, "max_tokens": 24, **more}


def _models(client: Any, subject: Subject) -> tuple[bool, str]:
    answer = client.get("/v1/models")
    names = [model["id"] for model in answer.json()["data"]]
    return answer.status_code == 200 and subject.plan.model.served_name in names, f"models: {', '.join(names)}"


def _answer(client: Any, subject: Subject) -> tuple[bool, str]:
    path, body = question(subject)
    answer = client.post(path, json=body)
    said = answer.json()
    text = said["choices"][0]["message"]["content"]
    detail = f"{answer.status_code}, {said['usage']['completion_tokens']} tokens"
    return answer.status_code == 200 and bool(text), detail


def _stream(client: Any, subject: Subject) -> tuple[bool, str]:
    """Read the stream as it arrives: at least two reads must bring something, and the end must be marked."""
    arrivals, received = 0, ""
    path, body = question(subject, stream=True)
    with client.stream("POST", path, json=body) as answer:
        for piece in answer.iter_raw():
            arrivals += 1
            received += piece.decode()
    events = [line[6:] for line in received.splitlines() if line.startswith("data: ")]
    chunks = [json.loads(event) for event in events if event != "[DONE]"]
    ended = bool(events) and events[-1] == "[DONE]"
    ok = answer.status_code == 200 and arrivals >= 2 and len(chunks) >= 2 and ended
    return ok, f"{len(chunks)} chunks in {arrivals} arrivals, {'ended' if ended else 'not ended'} by [DONE]"


Ask = Callable[[Any, Subject], tuple[bool, str]]
CHAT: dict[str, Ask] = {"models": _models, "answer": _answer, "stream": _stream}
EMBEDDING: dict[str, Ask] = {"models": _models, "embedding": _embedding}
