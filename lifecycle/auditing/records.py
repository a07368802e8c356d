"""What an audit reads, and what it could not read."""

from __future__ import annotations

import msgspec

from planner.resources import Resource


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """Something that ought to be judged, and could not be read.

    Attributes:
        place: as findings name it: a resource, a kind of things of the account, a file or a host.
        why: in one sentence.

    """

    place: str
    why: str


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of an account.

    Attributes:
        resources: as the account has them; what the state does not know is among them, by its id.
        strangers: places of those that the state does not know.
        gone: places of resources that the state knows and the account does not have.
        unread: what could not be read, or not wholly.

    """

    resources: tuple[Resource, ...] = ()
    strangers: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    unread: tuple[Unread, ...] = ()


class HostReading(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of hosts, or of the folder of a sandbox: path -> text."""

    files: dict[str, str]
    strangers: tuple[str, ...] = ()
    """Files that nobody rendered, where programs would read them."""
    unread: tuple[Unread, ...] = ()
    bundle: str = ""
    """Id of the bundle that a host installed from last; empty where it says none."""
