"""Bringing resources about: create, update, replace, or leave as they are."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from planner.resources import Resource
from sandbox.engine.changes import Change, Operation
from sandbox.engine.deleting import Deleting, half_updated, left_by, recorded
from sandbox.engine.monitor import Registered, Registration
from sandbox.engine.refreshing import refreshed
from sandbox.engine.state import Pending, Record
from sandbox.engine.telling import told
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
        self._leaving: set[str] = set()
        """URNs of what another thread is deleting, to be made again."""
        self._settled = threading.Condition()

    def register(self, registration: Registration) -> Registered:
        """Bring one resource about."""
        with self._settled:
            self._settled.wait_for(lambda: registration.urn not in self._leaving)
            self.wanted.add(registration.urn)
        if not registration.custom:
            self._keep(registration, Registered(id="", outputs={}))
            return Registered(id="", outputs={})
        handler = self.engine.registry[registration.type]
        old, begun = self._existing(registration, handler)
        if old is None:
            return self._create(registration, handler, "create")
        registration = registration.over(old.inputs)
        difference = registration.judge(handler.diff(old.inputs, registration.inputs))
        if begun is not None and not difference.changed:
            # An update was interrupted that the program no longer asks for: what it may have done is undone.
            old = msgspec.structs.replace(old, inputs=begun)
            difference = registration.judge(handler.diff(begun, registration.inputs))
        if not difference.changed:
            return self._leave(registration, old)
        if difference.replace:
            return self._replace(registration, handler, old)
        return self._update(registration, handler, old, difference.changed)

    def invoke(self, token: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer a data source."""
        return self.engine.invoke(token, arguments)

    def delete_unwanted(self) -> None:
        """Delete what was replaced, and what the program no longer registers; dependents first."""
        self._deleting.resolve_pending(self.engine.state.state.pending.keys() - self.wanted)
        state = self.engine.state.state
        unwanted = [record for urn, record in state.resources.items() if urn not in self.wanted]
        self._deleting.delete([*unwanted, *state.doomed])
        self.changes += self._deleting.changes

    def _existing(self, registration: Registration, handler: Handler) -> tuple[Record | None, dict[str, Any] | None]:
        """Return what exists; after a crash, find out what a side effect that was begun came to.

        Returns:
            The record, and the inputs of an update that was interrupted: nobody knows how far it came.

        """
        state, urn = self.engine.state.state, registration.urn
        record, pending = state.resources.get(urn), state.pending.get(urn)
        if pending is None:
            return record, None
        if pending.op == "create":
            record = self._adopt(pending, registration, handler)
        elif record is not None:
            _, record = refreshed(record, self.engine.registry, self.account)
        if pending.op == "update" and record is not None:
            return record, pending.inputs  # it is pending until the next update, or the decision that none is needed
        with self.engine.state.changing() as changed:
            del changed.pending[urn]
            if record is None:
                changed.resources.pop(urn, None)
            else:
                changed.resources[urn] = record
        return record, None

    def _adopt(self, pending: Pending, registration: Registration, handler: Handler) -> Record | None:
        """Take over what an interrupted creation left, and finish it; if other inputs are asked for now, remove it."""
        found = left_by(pending, handler, self.account, self.engine.state)
        if found is None:
            return None
        if pending.inputs != registration.inputs:
            handler.delete(self.account, found, pending.inputs)
            return None
        return recorded(pending, found, handler.update(self.account, found, {}, pending.inputs))

    def _leave(self, registration: Registration, old: Record) -> Registered:
        """Leave a resource as it is; what it depends on may have changed all the same."""
        answer = Registered(id=old.id, outputs=old.outputs)
        before = (old.dependencies, old.parent, False)
        if before != (
            registration.dependencies,
            registration.parent,
            registration.urn in self.engine.state.state.pending,
        ):
            self._keep(registration, answer)
        self._note("same", registration)
        return _with_inputs(answer, old.inputs)

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
        self, registration: Registration, handler: Handler, old: Record, changed: tuple[str, ...]
    ) -> Registered:
        self.engine.gate(_asked(registration))
        self._begin("update", registration, old.id)
        with self._told("update", registration):
            outputs = handler.update(self.account, old.id, old.inputs, registration.inputs)
        answer = Registered(id=old.id, outputs=outputs)
        self._keep(registration, answer)
        self._note("update", registration, changed)
        return _with_inputs(answer, registration.inputs)

    def _replace(self, registration: Registration, handler: Handler, old: Record) -> Registered:
        """Make the new one; the old one goes first where both cannot be, else at the end, when nothing uses it."""
        if registration.delete_before_replace:
            self._delete_first(old)
        else:
            with self.engine.state.changing() as state:
                begun = state.pending.pop(old.urn, None)
                state.doomed.append(half_updated(old, begun) if begun else old)
                state.resources.pop(old.urn, None)
        return self._create(registration, handler, "replace")

    def _delete_first(self, old: Record) -> None:
        """Delete a resource and everything that depends on it; all of it comes again later in the run, and waits."""
        with self._settled:
            leaving = self._with_dependents(old.urn)
            self._leaving |= leaving
        try:
            self._deleting.resolve_pending(leaving - self.wanted)
            state = self.engine.state
            there = [record for urn, record in state.records().items() if urn == old.urn or urn not in self.wanted]
            self._deleting.delete([record for record in (*there, *state.state.doomed) if record.urn in leaving])
        finally:
            with self._settled:
                self._leaving -= leaving
                self._settled.notify_all()

    def _with_dependents(self, urn: str) -> set[str]:
        """Return a resource and what depends on it: what was replaced, and what may have been made, included.

        What this run has registered before no longer depends on it, whatever the record of the last run says.
        """
        state = self.engine.state.state
        there: list[Record | Pending] = [*state.resources.values(), *state.pending.values()]
        there = [entry for entry in there if entry.urn not in self.wanted]
        there += state.doomed
        gone = {urn}
        while more := {entry.urn for entry in there if gone & {*entry.dependencies}} - gone:
            gone |= more
        return gone

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
        with self._settled:
            self.changes.append(change)

    @contextmanager
    def _told(self, op: Operation, registration: Registration) -> Iterator[None]:
        with told(self.engine.listener, op, registration.type, registration.name):
            yield


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
