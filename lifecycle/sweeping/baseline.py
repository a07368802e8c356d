"""What was in the account before the stack was: what is new since, and the stack's by what it hangs on, is shown."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from lifecycle import files
from lifecycle.sweeping.looking import Looked, look
from lifecycle.sweeping.records import Place, Thing


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """An account's things at one moment.

    Attributes:
        taken_at: when, UTC.
        ids: kind -> what was there. A kind that could not be looked at is missing: nothing of it counts as new.

    """

    schema: int = 1
    taken_at: datetime
    account: str
    region: str
    ids: dict[str, tuple[str, ...]]


def ensure(path: Path, place: Place) -> Baseline:
    """Return the baseline that was taken before, or take it now and write it, synced, before anything is made.

    Args:
        path: the stack's file for it (0600).
        place: the account and region that the stack will be made in.

    """
    if (taken := read(path)) is not None and (taken.account, taken.region) == (place.account, place.region):
        return taken
    baseline = Baseline(
        taken_at=datetime.now(UTC),
        account=place.account,
        region=place.region,
        ids={
            looked.kind.name: tuple(thing.id for thing in looked.things if not place.wants(thing.tags))
            for looked in look(place)
            if not looked.why_not
        },
    )
    files.write(path, msgspec.json.encode(baseline))
    return baseline


def read(path: Path) -> Baseline | None:
    """Return the baseline; None when there is none, or none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Baseline)
    except (OSError, msgspec.MsgspecError):
        return None


def strays(place: Place, found: Iterable[Looked], own: frozenset[str], baseline: Baseline | None) -> tuple[Thing, ...]:
    """Return what carries no stack's tag, is new since the baseline, and hangs on what is the stack's.

    Args:
        place: names the stack.
        found: everything that lives.
        own: ids of the stack's things, those that are gone already among them.
        baseline: None counts everything as new.

    """
    looked = tuple(found)
    ids = own | _ids(thing for one in looked for thing in one.of(place)) | {f"/cloister/{place.stack}"}
    free = [
        thing
        for one in looked
        for thing in one.things
        if not thing.stack and not thing.owner and _is_new(thing, baseline)
    ]
    hanging: dict[tuple[str, str], Thing] = {}
    while more := {t.key: t for t in free if t.key not in hanging and (t.refs & ids or t.id in own)}:
        hanging |= more
        ids |= _ids(more.values())
    return tuple(hanging.values())


def _ids(things: Iterable[Thing]) -> frozenset[str]:
    """Return ids and ARNs: one thing may name another by either."""
    listed = list(things)
    return frozenset(one.id for one in listed) | {str(one.record["Arn"]) for one in listed if one.record.get("Arn")}


def _is_new(thing: Thing, baseline: Baseline | None) -> bool:
    return baseline is None or (thing.kind in baseline.ids and thing.id not in baseline.ids[thing.kind])
