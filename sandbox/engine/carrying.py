"""Bringing resources about: create, update, replace, or leave as they are."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from planner.resources import Resource
from sandbox.engine.changes import Change, Event, Operation
from sandbox.engine.deleting import Deleting
from sandbox.engine.monitor import Registered, Registration
from sandbox.engine.state import Pending, Record
from sandbox.handlers.base import Clients, Created, Handler

if TYPE_CHECKING:
    from sandbox.engine.engine import Engine

Answer = TypeVar("Answer")


class Carrying:
    """Carries out the registrations of one run."""

    def __init__(self, engine: Engine, account: Clients) -> None:
        self.engine = engine
        self.account = account
        self.changes: list[Change] = []
        self.wanted: set[str] = set()
        self._deleting = Deleting(engine, account)
        self._lock = threading.Lock()

    def register(self, registration: Registration) -> Registered:
        """Bring one resource about."""
        with self._lock:
            self.wanted.add(registration.urn)
        if not registration.custom:
            self._keep(registration, Registered(id="", outputs={}))
            return Registered(id="", outputs={})
        handler = self.engine.registry[registration.type]
        old = self._existing(registration.urn, handler)
        if old is None:
            return self._create(registration, handler, "create")
        kept = {key: old.inputs[key] for key in registration.ignore_changes if key in old.inputs}
        new = {**registration.inputs, **kept}
        difference = handler.diff(old.inputs, new)
        if not difference.changed:
            self._note("same", registration)
            answer = Registered(id=old.id, outputs=old.outputs)
            if (old.dependencies, old.parent) != (registration.dependencies, registration.parent):
                self._keep(registration, answer)
            return _with_inputs(answer, old.inputs)
        if difference.replace:
            return self._replace(registration, handler, old)
        return self._update(registration, handler, old, new, difference.changed)

    def invoke(self, token: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer a data source."""
        return self.engine.invoke(token, arguments)

    def delete_unwanted(self) -> None:
        """Delete what was replaced, and what the program no longer registers; dependents first."""
        state = self.engine.state.state
        unwanted = [record for urn, record in state.resources.items() if urn not in self.wanted]
        self._deleting.delete([*unwanted, *state.doomed])
        self.changes += self._deleting.changes

    def _existing(self, urn: str, handler: Handler) -> Record | None:
        """Return what exists under this URN; after a crash, find out what a side effect that was begun came to."""
        state = self.engine.state.state
        record, pending = state.resources.get(urn), state.pending.get(urn)
        if pending is None:
            return record
        if pending.op == "create":
            record = self._adopt(pending, handler)
        elif record is not None and handler.read(self.account, record.id, record.inputs) is None:
            record = None  # the deletion that was begun took place
        with self.engine.state.changing() as changed:
            del changed.pending[urn]
            if record is None:
                changed.resources.pop(urn, None)
            else:
                changed.resources[urn] = record
        return record  # of an interrupted update it has the old inputs: the difference is made again

    def _adopt(self, pending: Pending, handler: Handler) -> Record | None:
        """Take over what an interrupted creation left in the account."""
        found = handler.find(self.account, pending.inputs)
        outputs = handler.read(self.account, found, pending.inputs) if found else None
        if found is None or outputs is None:
            return None
        return Record(
            urn=pending.urn,
            type=pending.type,
            name=pending.name,
            id=found,
            inputs=pending.inputs,
            outputs=outputs,
            parent=pending.parent,
            dependencies=pending.dependencies,
        )

    def _create(self, registration: Registration, handler: Handler, op: Operation) -> Registered:
        self.engine.gate(_asked(registration))
        self._begin("create", registration, "")
        with self._told(op, registration):
            created: Created = handler.create(self.account, registration.inputs)
        answer = Registered(id=created.id, outputs=created.outputs)
        self._keep(registration, answer)
        self._note(op, registration)
        return _with_inputs(answer, registration.inputs)

    def _update(
        self, registration: Registration, handler: Handler, old: Record, new: dict[str, Any], changed: tuple[str, ...]
    ) -> Registered:
        self.engine.gate(_asked(registration))
        self._begin("update", registration, old.id)
        with self._told("update", registration):
            outputs = handler.update(self.account, old.id, old.inputs, new)
        answer = Registered(id=old.id, outputs=outputs)
        self._keep(registration, answer)
        self._note("update", registration, changed)
        return _with_inputs(answer, new)

    def _replace(self, registration: Registration, handler: Handler, old: Record) -> Registered:
        """Make the new one; the old one goes first where both cannot be, else at the end, when nothing uses it."""
        if registration.delete_before_replace:
            self._deleting.delete(self._with_dependents(old))
        else:
            with self.engine.state.changing() as state:
                state.doomed.append(old)
                state.resources.pop(old.urn, None)
        return self._create(registration, handler, "replace")

    def _with_dependents(self, old: Record) -> list[Record]:
        """Return a resource and everything that depends on it; all of it comes again later in the run."""
        records = self.engine.state.records()
        gone = {old.urn}
        while more := {u for u, r in records.items() if u not in gone and gone & {*r.dependencies}}:
            gone |= more
        return [record for urn, record in records.items() if urn in gone]

    def _begin(self, op: str, registration: Registration, resource_id: str) -> None:
        pending = Pending(
            op="create" if op == "create" else "update",
            urn=registration.urn,
            type=registration.type,
            name=registration.name,
            id=resource_id,
            inputs=registration.inputs,
            parent=registration.parent,
            dependencies=registration.dependencies,
        )
        with self.engine.state.changing() as state:
            state.pending[registration.urn] = pending

    def _keep(self, registration: Registration, answer: Registered) -> None:
        record = Record(
            urn=registration.urn,
            type=registration.type,
            name=registration.name,
            id=answer.id,
            inputs=registration.inputs,
            outputs=answer.outputs,
            parent=registration.parent,
            dependencies=registration.dependencies,
        )
        with self.engine.state.changing() as state:
            state.resources[registration.urn] = record
            state.pending.pop(registration.urn, None)

    def _note(self, op: Operation, registration: Registration, properties: tuple[str, ...] = ()) -> None:
        change = Change(
            op=op, type=registration.type, name=registration.name, urn=registration.urn, properties=properties
        )
        with self._lock:
            self.changes.append(change)

    @contextmanager
    def _told(self, op: Operation, registration: Registration) -> Iterator[None]:
        with told(self.engine.listener, op, registration.type, registration.name):
            yield


@contextmanager
def told(listener: Callable[[Event], None], op: Operation, kind: str, name: str) -> Iterator[None]:
    """Tell the listener that an operation begins, and how it ended."""
    started = time.monotonic()
    listener(Event(phase="started", op=op, type=kind, name=name))
    try:
        yield
    except Exception:
        listener(Event(phase="failed", op=op, type=kind, name=name, seconds=time.monotonic() - started))
        raise
    listener(Event(phase="done", op=op, type=kind, name=name, seconds=time.monotonic() - started))


def _asked(registration: Registration) -> Resource:
    """Return a resource as it is asked for, before it exists."""
    return Resource(
        type=registration.type,
        name=registration.name,
        urn=registration.urn,
        inputs=registration.inputs,
        parent=registration.parent,
        dependencies=registration.dependencies,
    )


def _with_inputs(answer: Registered, inputs: dict[str, Any]) -> Registered:
    """Return what the program sees: what it asked for, and over it what the account answered."""
    return Registered(id=answer.id, outputs={**inputs, **answer.outputs})
