"""The resources of a stack as its account has them: what the state knows, and what somebody put beside it."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from operator import attrgetter

from lifecycle.auditing.asking import attempt, service_of
from lifecycle.auditing.observing import dark, observe
from lifecycle.auditing.records import Reading, Unread
from lifecycle.auditing.strangers import Strangers
from lifecycle.sweeping.records import Place
from planner.resources import Resource
from policies.run import place_of
from sandbox.handlers.registry import default_registry

AT_ONCE = 10
"""Resources that are read at once: more, and AWS's API begins to refuse for their rate."""


def read_account(place: Place, known: Iterable[Resource], *, given_vpc: bool) -> Reading:
    """Read what a stack has in its account; every call only looks.

    Args:
        place: the account, and the stack.
        known: the resources as the state has them; what is true of them is asked anew.
        given_vpc: the VPC is a company's own: what stands in it beside the stack's things is not judged.

    """
    listed = [one for one in known if one.id]
    registry = default_registry()
    made = [one for one in listed if one.type in registry]

    def read(resource: Resource) -> Resource | Unread | None:
        where, service = place_of(resource), service_of(resource.type)
        return attempt(lambda: observe(place.clients, resource, registry), where, service, place.region)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(read, made))
    told = list(zip(made, found, strict=True))
    there = [now for _, now in told if isinstance(now, Resource)]
    beside = Strangers(place, there, registry, given_vpc=given_vpc).found()
    unknown = [one for one in listed if one.type not in registry and one.type.startswith("aws:")]
    resources = (*there, *(dark(was) for was, now in told if isinstance(now, Unread)), *beside.resources)
    unread = (
        *(now for now in found if isinstance(now, Unread)),
        *(Unread(place=place_of(one), why=f"nothing reads resources of type {one.type}") for one in unknown),
        *beside.unread,
    )
    return Reading(  # in an order that does not depend on which thread was first
        resources=tuple(sorted(resources, key=attrgetter("urn"))),
        strangers=tuple(sorted(beside.strangers)),
        gone=tuple(sorted(place_of(was) for was, now in told if now is None)),
        unread=tuple(sorted(unread, key=attrgetter("place", "why"))),
    )
