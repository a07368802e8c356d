"""Looking at all kinds, side by side. What may not be looked at is said, and never counted as gone."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from lifecycle.aws.errors import told
from lifecycle.sweeping.kinds import KINDS
from lifecycle.sweeping.records import Kind, Place, Thing
from planner.errors import DeployError

_KINDS_AT_ONCE = 12


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


def _look(place: Place, kind: Kind) -> Looked:
    things: list[Thing] = []
    try:
        things.extend(kind.look(place))
    except (ClientError, BotoCoreError) as error:
        return Looked(kind, tuple(things), explain(error, kind, place.region))
    except ResponseParserError as error:
        return Looked(kind, tuple(things), f"the answer cannot be read: {error}")
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
