"""Looking at all kinds, side by side. What may not be looked at is said, and never counted as gone."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from lifecycle.aws.errors import told
from lifecycle.sweeping.ec2 import code_of
from lifecycle.sweeping.kinds import KINDS
from lifecycle.sweeping.records import Kind, Place, Thing
from planner.errors import DeployError

_KINDS_AT_ONCE = 12
_TRIES = 3
"""How often a kind is looked at when something of it goes between the listing and the question for its tags."""
_PARTS = {"network-interface", "volume"}
"""Kinds that are parts of an instance while it has them."""


@dataclass(frozen=True)
class Looked:
    """One kind, as it was found.

    Attributes:
        things: everything of that kind that lives, the stack's or not.
        why_not: why it could not be looked at, or not wholly; empty when it was.

    """

    kind: Kind
    things: tuple[Thing, ...]
    why_not: str = ""

    def of(self, place: Place) -> tuple[Thing, ...]:
        """Return what carries the tag of a stack that is looked for."""
        return tuple(thing for thing in self.things if place.wants(thing.tags))


def look(place: Place, kinds: Iterable[Kind] = KINDS) -> tuple[Looked, ...]:
    """Look at kinds, in parallel; return them in the order given."""
    with ThreadPoolExecutor(_KINDS_AT_ONCE) as pool:
        return tuple(pool.map(lambda kind: _look(place, kind), kinds))


def apart(things: Iterable[Thing]) -> tuple[Thing, ...]:
    """Return the things that are no part of another one and do not go with it."""
    listed = tuple(things)
    ids = {thing.id for thing in listed}
    instances = {thing.id for thing in listed if thing.kind == "instance"}
    return tuple(
        thing for thing in listed if thing.owner not in ids and not (thing.kind in _PARTS and thing.refs & instances)
    )


def _look(place: Place, kind: Kind, tries: int = _TRIES) -> Looked:
    things: list[Thing] = []
    try:
        things.extend(kind.look(place))
    except (ClientError, BotoCoreError) as error:
        if tries > 1 and isinstance(error, ClientError) and "NotFound" in code_of(error):
            return _look(place, kind, tries - 1)
        return Looked(kind, tuple(things), explain(error, kind, place.region))
    except Exception as error:  # noqa: BLE001 - whatever one kind's answer is, the others are looked at, and it is said
        return Looked(kind, tuple(things), f"the answer cannot be read: {type(error).__name__}: {error}")
    return Looked(kind, tuple(things))


def explain(error: ClientError | BotoCoreError, kind: Kind, region: str) -> str:
    """Say what AWS refused, and what to ask for."""
    operation = error.operation_name if isinstance(error, ClientError) else ""
    services = {call.partition(":")[2]: call for call in kind.calls}
    action = services.get(operation, f"{kind.calls[0].partition(':')[0]}:{operation}" if operation else kind.calls[0])
    try:
        with told(action, region):
            raise error
    except DeployError as words:
        return words.message
