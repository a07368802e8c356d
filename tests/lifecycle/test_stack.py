"""By which name clients and probes ask the endpoint: one that its certificate holds."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from lifecycle.home import Home
from lifecycle.planning import Request, decide
from lifecycle.probes.base import Subject
from lifecycle.stack import Stack


@pytest.mark.parametrize(
    ("names", "asked"),
    [
        (("localhost", "127.0.0.1", "llm.example.internal"), "127.0.0.1"),
        (("llm.example.internal", "ai.example.internal"), "llm.example.internal"),
    ],
)
def test_the_endpoint_is_asked_by_a_name_of_its_certificate(names: tuple[str, ...], asked: str, tmp_path: Path) -> None:
    home = Home(tmp_path).stack("s")
    plan, _ = decide(home, Request(profile="poc"))
    plan = msgspec.structs.replace(plan, tls=msgspec.structs.replace(plan.tls, hostnames=names))
    assert Stack(home, plan).url == f"https://{asked}:{plan.port('traefik', 'https')}"
    subject = Subject(plan=plan, layout=home.layout, host="127.0.0.1", token=lambda: None)
    assert subject.name == asked
    assert subject.url.startswith("https://127.0.0.1:")
