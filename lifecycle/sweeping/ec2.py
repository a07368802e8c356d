"""The shape that EC2's kinds share: one call lists them with their tags, one deletes them by id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from lifecycle.sweeping.records import Kind, NotYetError, Place, RefusedError, Thing, pages, tags_of

Record = Mapping[str, Any]


def ec2_kind(
    name: str,
    title: str,
    *,
    describe: str,
    records: str,
    id_key: str,
    delete: str = "",
    argument: str = "",
    remove: Callable[[Place, Thing], None] | None = None,
    asked: Mapping[str, Any] | None = None,
    state: Callable[[Record], str] = lambda record: str(record.get("State") or ""),
    gone: Sequence[str] = ("deleted",),
    going: Sequence[str] = ("deleting",),
    facts: Callable[[Record], Mapping[str, Any]] = lambda _: {},
) -> Kind:
    """Make a kind.

    Args:
        name: of one.
        title: of several.
        describe: the client's method that lists them.
        records: the part of its answer that holds them.
        id_key: the part of each that is its id.
        delete: the client's method that deletes one.
        argument: the argument of that method.
        remove: in place of the two, where deleting takes more than a call.
        asked: arguments of the listing.
        state: reads the state of one.
        gone: states of what lives no more, though it is listed for a while.
        going: states of what is on its way out.
        facts: further fields of `Thing`.

    """

    def look(place: Place) -> Iterator[Thing]:
        for page in pages(place.client("ec2"), describe, **(asked or {})):
            for record in page[records]:
                now = state(record)
                if now not in gone:
                    yield Thing(
                        kind=name,
                        id=record[id_key],
                        tags=tags_of(record.get("Tags") or record.get("TagSet")),
                        going=now in going,
                        record=record,
                        **facts(record),
                    )

    def delete_one(place: Place, thing: Thing) -> None:
        getattr(place.client("ec2"), delete)(**{argument: thing.id})

    call = "".join(part.capitalize() for part in describe.split("_"))
    return Kind(name, title, "ec2", (f"ec2:{call}",), look, remove or delete_one)


def checked(answer: Mapping[str, Any]) -> None:
    """See that a call which deletes several at once deleted them.

    Raises:
        RefusedError: the answer, though no error, names something that was not deleted.

    """
    for failed in answer.get("Unsuccessful") or ():
        error = failed.get("Error") or {}
        raise RefusedError(str(error.get("Code", "")), str(error.get("Message", "")))


def code_of(error: ClientError) -> str:
    """Return AWS's code of an error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def goes_with_its_owner(_: Place, thing: Thing) -> None:
    """Delete nothing.

    Raises:
        NotYetError: always: it goes when its owner does.

    """
    raise NotYetError(f"goes with {thing.owner or 'its owner'}")
