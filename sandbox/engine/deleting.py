"""Deleting resources: dependents first, side by side where the order allows."""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import msgspec

from sandbox.engine.changes import Change
from sandbox.engine.failures import explain
from sandbox.engine.ordering import in_order, in_parallel, key_of
from sandbox.engine.state import Pending, Record, StateFile
from sandbox.engine.telling import told
from sandbox.handlers.base import Clients, Handler

if TYPE_CHECKING:
    from sandbox.engine.engine import Engine


class Deleting:
    """Deletes records from the account and from the state."""

    def __init__(self, engine: Engine, account: Clients) -> None:
        self.engine = engine
        self.account = account
        self.changes: list[Change] = []
        self._lock = threading.Lock()

    def resolve_pending(self, urns: Collection[str]) -> None:
        """Settle what was begun and not ended.

        What interrupted creations left is recorded, and deleted like the rest. What was being updated may need what it
        needed before and what it was to need: both stay until it is gone.

        Args:
            urns: of what is about to be deleted.

        Raises:
            Exception: the account cannot say what is there.

        """
        there = list(self.engine.state.state.pending.values())
        for pending in [pending for pending in there if pending.urn in urns]:
            found = None
            if pending.op == "create" and pending.type in self.engine.registry:
                found = left_by(pending, self.engine.registry[pending.type], self.account, self.engine.state)
            with self.engine.state.changing() as state:
                del state.pending[pending.urn]
                if found is not None:
                    state.resources[pending.urn] = recorded(pending, found, {})
                elif pending.op == "update" and (record := state.resources.get(pending.urn)) is not None:
                    state.resources[pending.urn] = half_updated(record, pending)

    def delete(self, records: list[Record]) -> None:
        """Delete the records, dependents first.

        Raises:
            DeployError: some could not be deleted; the rest was.

        """
        keyed = {key_of(record): record for record in records}
        sorter = in_order(records)
        failures = in_parallel(sorter, lambda key: self._delete(keyed[key]))
        if failures:
            raise explain({keyed[key].urn: error for key, error in failures}, (), self.engine.state)

    def _delete(self, record: Record) -> None:
        if record.id:
            self._begin(record)
            with told(self.engine.listener, "delete", record.type, record.name):
                self.engine.registry[record.type].delete(self.account, record.id, record.inputs)
            with self._lock:
                self.changes.append(Change(op="delete", type=record.type, name=record.name, urn=record.urn))
        with self.engine.state.changing() as state:
            state.pending.pop(record.urn, None)
            if _same(state.resources.get(record.urn), record):
                del state.resources[record.urn]
            state.doomed = [other for other in state.doomed if other.id != record.id]

    def _begin(self, record: Record) -> None:
        pending = Pending(
            op="delete", urn=record.urn, type=record.type, name=record.name, id=record.id, inputs=record.inputs
        )
        with self.engine.state.changing() as state:
            if _same(state.resources.get(record.urn), record):
                state.pending[record.urn] = pending


def _same(left: Record | None, right: Record) -> bool:
    return left is not None and (left.urn, left.id) == (right.urn, right.id)


def half_updated(record: Record, pending: Pending) -> Record:
    """Return the record of a resource of which nobody knows how far its update came: it may need old and new."""
    needed = dict.fromkeys((*record.dependencies, *pending.dependencies))
    return msgspec.structs.replace(record, dependencies=tuple(needed))


def left_by(pending: Pending, handler: Handler, account: Clients, state: StateFile) -> str | None:
    """Return the id of what an interrupted creation left in the account; nothing that is known under another record."""
    found = handler.find(account, pending.inputs)
    # A role and its instance profile may have the same name, which is the id of both.
    known = {(record.type, record.id) for record in (*state.records().values(), *state.state.doomed)}
    return None if (pending.type, found) in known else found


def recorded(pending: Pending, resource_id: str, outputs: dict[str, Any]) -> Record:
    """Return the record of what a creation came to."""
    return Record(
        urn=pending.urn,
        type=pending.type,
        name=pending.name,
        id=resource_id,
        inputs=pending.inputs,
        outputs=outputs,
        parent=pending.parent,
        dependencies=pending.dependencies,
    )
