"""Every replica of the engine by itself: through the gateway nobody can tell which one answers."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx

from lifecycle.probes.base import TIMEOUT_S, Check, Subject
from lifecycle.probes.inference import question
from planner.plan import Service


def probe(subject: Subject) -> Iterator[Check]:
    """Ask all replicas at once, on this host's loopback and with the engine's key; yield a check for each."""
    services = subject.plan.engine_services
    if services:
        with ThreadPoolExecutor(len(services)) as pool:
            yield from pool.map(partial(_answers, subject), services)


def _answers(subject: Subject, service: Service) -> Check:
    key = Path(subject.layout.secrets, "engine-api-key").read_text(encoding="utf-8").strip()
    url = f"http://127.0.0.1:{subject.reached_at(service.name, 'http')}"
    try:
        with httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False) as client:
            headers = {"Authorization": f"Bearer {key}"}
            path, body = question(subject)
            answer = client.post(path, json=body, headers=headers).raise_for_status().json()
            model, said = answer["model"], answer.get("choices") or answer["data"]
    except (httpx.HTTPError, ValueError, KeyError, IndexError, TypeError) as error:
        return Check(id=f"replica.{service.name}", ok=False, detail=f"no answer: {type(error).__name__}: {error}")
    ok = model == subject.plan.model.served_name and bool(said)
    return Check(id=f"replica.{service.name}", ok=ok, detail=f"{model} answers")
