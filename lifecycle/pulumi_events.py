"""What the real engine tells while it works: operations as they begin and end, and what went wrong."""

from __future__ import annotations

import contextvars
import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from lifecycle.pulumi_state import is_ours
from planner.progress import Counting, Progress
from sandbox.engine.changes import Change, Event, Operation

SLOW_S = 5.0
"""What took longer is named."""
_OPERATIONS: dict[str, Operation] = {
    "create": "create",
    "update": "update",
    "delete": "delete",
    "same": "same",
    "create-replacement": "replace",
    "delete-replaced": "delete",
}
"""The engine's word -> ours. What is missing is a mere step on the way, and told by another one."""
_COLOUR = re.compile(r"<\{%[^%]*%\}>")


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """A policy that does not hold."""

    policy: str
    level: str
    urn: str
    message: str


class Told:
    """Collects what an operation of the engine tells. Events come from several threads at once."""

    def __init__(self, listener: Callable[[Event], None]) -> None:
        self.changes: list[Change] = []
        self.failures: dict[str, str] = {}
        """URN (empty for the program itself) -> what went wrong."""
        self.violations: list[Violation] = []
        self._listener = listener
        self._started: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def __call__(self, event: Any) -> None:
        """Take an event of the Automation API."""
        with self._lock:
            if event.resource_pre_event is not None:
                self._began(event.resource_pre_event.metadata)
            if event.res_outputs_event is not None:
                self._ended(event.res_outputs_event.metadata, "done")
            if event.res_op_failed_event is not None:
                self._ended(event.res_op_failed_event.metadata, "failed")
            if event.diagnostic_event is not None and event.diagnostic_event.severity == "error":
                self._went_wrong(event.diagnostic_event)
            if event.policy_event is not None:
                self._violated(event.policy_event)

    def _began(self, step: Any) -> None:
        operation = _operation(step)
        if operation is not None and operation != "same":
            self._started[step.urn, step.op] = time.monotonic()
            self._listener(Event(phase="started", op=operation, type=step.type, name=_name(step.urn)))

    def _ended(self, step: Any, phase: Any) -> None:
        operation = _operation(step)
        if operation is None:
            return
        seconds = time.monotonic() - self._started.pop((step.urn, step.op), time.monotonic())
        if phase == "done":
            change = Change(
                op=operation, type=step.type, name=_name(step.urn), urn=step.urn, properties=tuple(step.diffs or ())
            )
            self.changes.append(change)
        if operation != "same":
            self._listener(Event(phase=phase, op=operation, type=step.type, name=_name(step.urn), seconds=seconds))

    def _went_wrong(self, diagnostic: Any) -> None:
        words = _COLOUR.sub("", diagnostic.message).strip()
        if words and words != "update failed":
            self.failures.setdefault(diagnostic.urn or "", words.removeprefix("error: "))

    def _violated(self, event: Any) -> None:
        violation = Violation(
            policy=event.policy_name,
            level=event.enforcement_level,
            urn=event.resource_urn or "",
            message=_COLOUR.sub("", event.message).strip(),
        )
        self.violations.append(violation)


def _operation(step: Any) -> Operation | None:
    """Return what a step does, for the resources that the program makes; components and the engine's own are none."""
    state = step.new or step.old
    ours = state is not None and state.custom and is_ours(step.type)
    return _OPERATIONS.get(str(getattr(step.op, "value", step.op))) if ours else None


def _name(urn: str) -> str:
    return urn.split("::", 3)[3]


def noting(progress: Progress) -> Callable[[Event], None]:
    """Return a listener that tells a person how far it is, what fails, and what took long.

    All of it is told under the step that is current now.
    """
    here = contextvars.copy_context()

    def listen(event: Event) -> None:
        place = f"{event.type} {event.name!r}"
        if isinstance(progress, Counting):
            here.copy().run(progress.part, f"{event.op} {event.name}", event.phase)
        if event.phase == "failed":
            here.copy().run(progress.warn, f"{event.op} of {place} failed after {event.seconds:.0f} s")
        elif event.phase == "done" and event.seconds >= SLOW_S:
            here.copy().run(progress.note, f"{event.op} of {place}: {event.seconds:.0f} s")

    return listen


def recording(path: Path) -> Callable[[Event], None]:
    """Return a listener that appends every event to a file, as one line of JSON with its moment."""
    lock = threading.Lock()

    def listen(event: Event) -> None:
        line = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), **msgspec.structs.asdict(event)}
        with lock, path.open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")

    return listen
