"""The table of actions, as records."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

TABLE = Path(__file__).parent / "actions.toml"


class Kind(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A resource type, and the pattern of its ARNs."""

    arn: str
    named: bool = False
    """The stack's name, or the only id, is in it."""
    type: str = ""
    """What AWS calls it, if not by its name in the table."""


class Action(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An IAM action, and on what it is needed; the table's head says what each field means."""

    name: str
    calls: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    any: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    when: dict[str, dict[str, str | list[str]]] = {}
    boundary: bool = False
    """What it makes or changes must be bounded by the profile's permission boundary, where there is one."""
    implied: tuple[str, ...] = ()
    provider: bool = False
    buys: bool = False
    why: str = ""

    @property
    def operations(self) -> tuple[str, ...]:
        """The API operations that need it, as `service:Operation`; none where no call of ours does."""
        return () if self.implied or self.provider else self.calls or (self.name,)


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole table."""

    kinds: dict[str, Kind]
    policy: Actions

    def kind(self, name: str) -> Kind:
        """Return a resource type: EC2's have one pattern."""
        return self.kinds.get(name) or Kind(arn=f"arn:{{partition}}:ec2:{{region}}:{{account}}:{name}/*")


class Actions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The actions, in the order of the table."""

    actions: tuple[Action, ...]


def action_of(operation: str) -> str:
    """Return the IAM action that a call needs, as policies write it: mostly its own name.

    Args:
        operation: as `service:Operation`.

    """
    named = (action.name for action in load_actions().policy.actions if operation in action.operations)
    return next(named, operation)


@cache
def load_actions() -> Table:
    """Return the table that ships.

    Raises:
        msgspec.ValidationError: it is not as the records say.

    """
    return msgspec.toml.decode(TABLE.read_bytes(), type=Table)
