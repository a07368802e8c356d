"""Finding a stack's processes by the mark in their environment: it survives lost pid files and dead supervisors."""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec

from planner.layout import Layout

STACK_MARK = "CLOISTER_STACK_DIR"
"""Environment variable that every process of a stack carries: the stack's folder."""
SERVICE_MARK = "CLOISTER_SERVICE"
"""Environment variable that names the service."""
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "HOME", "TMPDIR", "SSL_CERT_FILE")
"""What services get of the caller's environment; the rest may hold secrets that are none of their business."""
TERM_WAIT_S = 3.0
KILL_WAIT_S = 5.0


def passed_on() -> dict[str, str]:
    """Return the part of this process's environment that a stack's processes get."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ}


class ProcessInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A process that carries a stack's mark."""

    pid: int
    name: str
    """The service, or `supervisor`."""


def marked_processes(layout: Layout) -> tuple[ProcessInfo, ...]:
    """Return every living process of the stack that this user may see."""
    import psutil  # noqa: PLC0415 - `status` and `token` come here for the marks alone

    found = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            if environment.get(STACK_MARK) == layout.stack and process.status() != psutil.STATUS_ZOMBIE:
                found.append(ProcessInfo(pid=process.pid, name=environment.get(SERVICE_MARK, "supervisor")))
        except psutil.Error:
            continue  # it ended meanwhile, or belongs to another user and then not to this stack
    return tuple(entry for entry in found if entry.pid != os.getpid())


def stop_marked(layout: Layout, services: Sequence[str] | None = None) -> tuple[ProcessInfo, ...]:
    """End the stack's processes (or those of some services): ask first, then insist; return those that were there."""
    import psutil  # noqa: PLC0415 - `status` and `token` come here for the marks alone

    there = [entry for entry in marked_processes(layout) if services is None or entry.name in services]
    # The supervisor goes first: it would start again what ends.
    there.sort(key=lambda entry: entry.name != "supervisor")
    alive = []
    for entry in there:
        try:
            process = psutil.Process(entry.pid)
            process.terminate()
            alive.append(process)
        except psutil.Error:
            continue
    _, stubborn = psutil.wait_procs(alive, timeout=TERM_WAIT_S)
    for process in stubborn:
        try:
            process.kill()
        except psutil.Error:
            continue
    psutil.wait_procs(stubborn, timeout=KILL_WAIT_S)
    return tuple(there)
