"""Looking at a resource as it is now."""

from __future__ import annotations

from sandbox.engine.changes import Operation
from sandbox.engine.state import Record
from sandbox.handlers.base import Clients, Registry


def refreshed(record: Record, registry: Registry, account: Clients) -> tuple[Operation, Record | None]:
    """Return what became of a resource, and its record as it should be from now on.

    What somebody changed by hand becomes the recorded input, so that the next `up` sees the difference and repairs it.
    Only outputs are compared with outputs: what the account answers may be spelt differently from what was asked.
    """
    now = registry[record.type].read(account, record.id, record.inputs)
    if now is None:
        return "delete", None
    drifted = {
        key: value
        for key, value in now.items()
        if key in record.inputs and key in record.outputs and value != record.outputs[key]
    }
    if not drifted:
        return "same", record
    return "update", Record(
        urn=record.urn,
        type=record.type,
        name=record.name,
        id=record.id,
        inputs={**record.inputs, **drifted},
        outputs={**record.outputs, **now},
        parent=record.parent,
        dependencies=record.dependencies,
    )
