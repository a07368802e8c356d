"""Looking at a resource as it is now."""

from __future__ import annotations

from sandbox.engine.changes import Drift, Operation
from sandbox.engine.state import Record
from sandbox.handlers.base import Clients, Properties, Registry


def drifted(now: Properties, *, inputs: Properties, outputs: Properties) -> Properties:
    """Return the inputs that somebody changed by hand, with the values that they have now.

    Only outputs are compared with outputs: what the account answers may be spelt differently from what was asked.

    Args:
        now: the outputs as the account answers them.
        inputs: what was asked for.
        outputs: what the account answered when it was made or changed.

    """
    return {key: value for key, value in now.items() if key in inputs and key in outputs and value != outputs[key]}


def drift_of(record: Record, registry: Registry, account: Clients) -> Drift | None:
    """Return what somebody did to a resource; None when it is as it was left."""
    now = registry[record.type].read(account, record.id, record.inputs)
    by_hand = drifted(now, inputs=record.inputs, outputs=record.outputs) if now is not None else {}
    if now is not None and not by_hand:
        return None
    return Drift(
        op="delete" if now is None else "update",
        type=record.type,
        name=record.name,
        urn=record.urn,
        id=record.id,
        was={key: record.outputs[key] for key in by_hand},
        now=by_hand,
    )


def refreshed(record: Record, registry: Registry, account: Clients) -> tuple[Operation, Record | None]:
    """Return what became of a resource, and its record as it should be from now on.

    What somebody changed by hand becomes the recorded input, so that the next `up` sees the difference and repairs it.
    """
    now = registry[record.type].read(account, record.id, record.inputs)
    if now is None:
        return "delete", None
    by_hand = drifted(now, inputs=record.inputs, outputs=record.outputs)
    if not by_hand:
        return "same", record
    return "update", Record(
        urn=record.urn,
        type=record.type,
        name=record.name,
        id=record.id,
        inputs={**record.inputs, **by_hand},
        outputs={**record.outputs, **now},
        parent=record.parent,
        dependencies=record.dependencies,
    )
