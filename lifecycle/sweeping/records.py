"""What a sweep speaks of: kinds of things, the things, and the place where they are looked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from planner.partitions import partition_of
from planner.tags import STACK_TAG
from sandbox.handlers.base import Clients

_CALLS_AT_ONCE = 8

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True)
class Place:
    """Where is looked: an account in a region, for one stack or for all of them.

    Attributes:
        clients: of the account and region.
        account: its number, twelve digits.
        stack: whose things are looked for; None for those of any stack.

    """

    clients: Clients
    account: str
    stack: str | None

    @property
    def region(self) -> str:
        """Where the clients ask."""
        return self.clients.region

    @property
    def partition(self) -> str:
        """First part of its ARNs."""
        return partition_of(self.region).name

    def client(self, service: str) -> Any:
        """Return the client of a service."""
        return self.clients.client(service)

    def wants(self, tags: Mapping[str, str]) -> bool:
        """Tell whether tags are those of a stack that is looked for."""
        return STACK_TAG in tags if self.stack is None else tags.get(STACK_TAG) == self.stack

    def filters(self) -> list[dict[str, Any]]:
        """Return the tagging API's filter for what is looked for."""
        return [{"Key": STACK_TAG, **({"Values": [self.stack]} if self.stack else {})}]

    def may_name(self, name: str) -> bool:
        """Tell whether a name can be one that a stack gave: worth asking for its tags."""
        return self.stack is None or f"{self.stack}-" in name or name.endswith(f"-{self.stack}")

    def each(self, work: Callable[[In], Out], items: Iterable[In]) -> list[Out]:
        """Do the same for all, several at a time, in order."""
        listed = list(items)
        if len(listed) < 2:
            return [work(item) for item in listed]
        with ThreadPoolExecutor(min(_CALLS_AT_ONCE, len(listed))) as pool:
            return list(pool.map(work, listed))


@dataclass(frozen=True)
class Thing:
    """Something that exists in the account.

    Attributes:
        kind: name of its kind.
        id: what its kind's calls take.
        tags: its own, or those of what it is a part of.
        refs: ids of what it lies in, was made from, or is encrypted with.
        owner: what it goes with, and not before; empty when it can be deleted by itself.
        going: it is on its way out.
        gone_on: when it will be gone for good; nobody can use it until then.
        kept: why it is never deleted; empty for everything that is.
        detail: what a person would want to know of it.
        costs: (row of the price list, how many) for each part of its price.
        record: as AWS describes it.

    """

    kind: str
    id: str
    tags: Mapping[str, str]
    refs: frozenset[str] = frozenset()
    owner: str = ""
    going: bool = False
    gone_on: datetime | None = None
    kept: str = ""
    detail: str = ""
    costs: tuple[tuple[str, float], ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def stack(self) -> str:
        """The stack that its tag names; empty without one."""
        return self.tags.get(STACK_TAG, "")

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from every other thing."""
        return self.kind, self.id


class NotYetError(Exception):
    """It cannot be deleted now, and can be later."""


class RefusedError(Exception):
    """AWS answers that all is well, and names in the answer what it did not do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(frozen=True)
class Kind:
    """One kind of thing.

    Attributes:
        name: of one, for example `vpc-endpoint`.
        title: of several, for people.
        service: whose client is asked.
        calls: the actions that looking takes, as IAM writes them.
        look: yields everything of that kind that lives in the account and region, the stack's or not; tags may be left
            out of what cannot be the stack's.
        remove: deletes one, or asks for it; one that is gone already is no error. None where nothing deletes it.
        everywhere: it belongs to no region.
        tagged_later: no call can make it and tag it at once, so that one without tags may be the stack's all the same.

    """

    name: str
    title: str
    service: str
    calls: tuple[str, ...]
    look: Callable[[Place], Iterator[Thing]]
    remove: Callable[[Place, Thing], None] | None
    everywhere: bool = False
    tagged_later: bool = False


def pages(client: Any, operation: str, **arguments: Any) -> Iterator[dict[str, Any]]:
    """Yield all pages of a call; the few calls that have no pages answer with everything."""
    if client.can_paginate(operation):
        yield from client.get_paginator(operation).paginate(**arguments)
    else:
        yield getattr(client, operation)(**arguments)


def tags_of(listed: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """Return tags as names and values, however the service spells them."""
    return {tag.get("Key") or tag["TagKey"]: tag.get("Value") or tag.get("TagValue", "") for tag in listed or ()}


def refs(*ids: str | None) -> frozenset[str]:
    """Return the ids that are there."""
    return frozenset(one for one in ids if one)
