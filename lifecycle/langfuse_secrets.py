"""What is secret of Langfuse: made here, once, so that a start that is repeated finds the same."""

from __future__ import annotations

import base64
import hashlib
import secrets
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

from lifecycle import files
from planner.langfuse import CLICKHOUSE, CLICKHOUSE_DIGEST, HEADERS, PUBLIC_KEY, RANDOM, SECRET_KEY
from planner.layout import Layout
from planner.plan import Plan

INGESTION = "x-langfuse-ingestion-version=4"
"""Has Langfuse show what comes by OTLP at once (its documentation, "OpenTelemetry")."""


def ensure_langfuse_secrets(plan: Plan, layout: Layout) -> None:
    """Make what is missing in the stack's folder of secrets; nothing where Langfuse is off."""
    if plan.langfuse is None:
        return
    for name in RANDOM:
        _once(layout, name, secrets.token_hex(32))
    public = _once(layout, PUBLIC_KEY, f"pk-lf-{uuid4()}")
    secret = _once(layout, SECRET_KEY, f"sk-lf-{uuid4()}")
    password = Path(layout.secrets, CLICKHOUSE).read_text(encoding="utf-8").strip()
    _once(layout, CLICKHOUSE_DIGEST, hashlib.sha256(password.encode()).hexdigest())
    _once(layout, HEADERS, headers(public, secret))


def headers(public: str, secret: str) -> str:
    """Return what an OTLP exporter takes as its headers: values are percent-encoded (OpenTelemetry, W3C baggage)."""
    basic = base64.b64encode(f"{public}:{secret}".encode()).decode()
    return f"Authorization={quote(f'Basic {basic}', safe='')},{INGESTION}"


def _once(layout: Layout, name: str, value: str) -> str:
    """Write a secret that is not there yet; return the one that is."""
    path = Path(layout.secrets, name)
    if not path.is_file():
        files.write(path, value)
    return path.read_text(encoding="utf-8").strip()
