"""The endpoint as a client uses it: an answer, and one that streams."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx

from lifecycle.probes.base import Check, Subject

NO_TOKEN = "the issuer is a foreign one: give a token with --token-env NAME"  # noqa: S105 - a sentence, not a secret


def probe(subject: Subject) -> Iterator[Check]:
    """Yield the checks of a client with a valid token."""
    token = subject.token()
    if token is None:
        for kind in ("models", "answer", "stream"):
            yield Check(id=f"inference.{kind}", ok=None, detail=NO_TOKEN)
        return
    with subject.client(token) as client:
        for kind, ask in (("models", _models), ("answer", _answer), ("stream", _stream)):
            try:
                ok, detail = ask(client, subject)
            except (httpx.HTTPError, ValueError, KeyError, IndexError) as error:
                ok, detail = False, f"{type(error).__name__}: {error}"
            yield Check(id=f"inference.{kind}", ok=ok, detail=detail)


def _question(subject: Subject, **more: Any) -> dict[str, Any]:
    return {
        "model": subject.plan.model.served_name,
        "messages": [{"role": "user", "content": "Say hello."}],
        "max_tokens": 24,
        **more,
    }


def _models(client: Any, subject: Subject) -> tuple[bool, str]:
    answer = client.get("/v1/models")
    names = [model["id"] for model in answer.json()["data"]]
    return answer.status_code == 200 and subject.plan.model.served_name in names, f"models: {', '.join(names)}"


def _answer(client: Any, subject: Subject) -> tuple[bool, str]:
    answer = client.post("/v1/chat/completions", json=_question(subject))
    body = answer.json()
    text = body["choices"][0]["message"]["content"]
    return answer.status_code == 200 and bool(
        text
    ), f"{answer.status_code}, {body['usage']['completion_tokens']} tokens"


def _stream(client: Any, subject: Subject) -> tuple[bool, str]:
    """Read the stream as it arrives: at least two reads must bring something, and the end must be marked."""
    arrivals, received = 0, ""
    with client.stream("POST", "/v1/chat/completions", json=_question(subject, stream=True)) as answer:
        for piece in answer.iter_raw():
            arrivals += 1
            received += piece.decode()
    events = [line[6:] for line in received.splitlines() if line.startswith("data: ")]
    chunks = [json.loads(event) for event in events if event != "[DONE]"]
    ended = bool(events) and events[-1] == "[DONE]"
    ok = answer.status_code == 200 and arrivals >= 2 and len(chunks) >= 2 and ended
    return ok, f"{len(chunks)} chunks in {arrivals} arrivals, {'ended' if ended else 'not ended'} by [DONE]"
