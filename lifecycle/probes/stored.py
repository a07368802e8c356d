"""What lies on the disk: secrets closed to others, and no secret where it does not belong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil

from lifecycle.probes.base import Check, Subject

MAX_SEARCHED = 8 * 2**20
"""Bytes of a file that are searched for secrets."""


def probe(subject: Subject) -> Iterator[Check]:
    """Yield the checks of modes and of secrets in clear."""
    secrets = [path for path in Path(subject.layout.secrets).rglob("*") if path.is_file()]
    open_files = [path.name for path in secrets if path.stat().st_mode & 0o077]
    yield Check(
        id="secrets.closed",
        ok=not open_files,
        detail=f"open to others: {', '.join(open_files)}" if open_files else f"{len(secrets)} files, 0600",
    )
    leaks = sorted(_leaks(subject, secrets))
    yield Check(
        id="secrets.nowhere_else",
        ok=not leaks,
        detail=f"in clear: {', '.join(leaks)}" if leaks else "none in plan, state, configuration, logs or arguments",
    )


def _leaks(subject: Subject, secrets: list[Path]) -> Iterator[str]:
    """Yield where a secret's value stands in clear."""
    values = [value for path in secrets if len(value := path.read_bytes().strip()) >= 16]
    stack = Path(subject.layout.stack)
    kept = {Path(subject.layout.secrets), Path(subject.layout.tls)}
    for path in stack.rglob("*"):
        if not path.is_file() or kept & set(path.parents):
            continue
        with path.open("rb") as file:
            content = file.read(MAX_SEARCHED)
        if any(value in content for value in values):
            yield str(path.relative_to(stack))
    yield from _in_arguments(values)


def _in_arguments(values: list[bytes]) -> Iterator[str]:
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ()).encode(errors="replace")
        if any(value in line for value in values):
            yield f"arguments of process {process.pid}"
