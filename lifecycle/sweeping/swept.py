"""What a sweep saw and did, kind by kind: the ground of the certificate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from lifecycle.sweeping.baseline import Baseline, strays
from lifecycle.sweeping.clearing import PATIENCE_S, Cleared, clear
from lifecycle.sweeping.kinds import KINDS
from lifecycle.sweeping.looking import Looked, look
from lifecycle.sweeping.pricing import usd_per_month
from lifecycle.sweeping.records import Place, Thing
from planner.catalogue import Catalogue, load_catalogue
from planner.progress import Progress
from planner.resources import Resource
from planner.tags import STACK_TAG

_BY_HAND = "carries no tag: delete it by hand"


class KindSwept(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the certificate.

    Attributes:
        calls: what was asked, as IAM writes it.
        looked_at: how many of the kind live in the account and region, anybody's; None where it was not looked at.
        why_not: why it was not looked at, or not wholly; then nothing of the kind counts as gone.
        found: how many were the stack's.
        deleted: how many of these are gone.
        left: how many of these are there.

    """

    kind: str
    title: str
    calls: tuple[str, ...]
    looked_at: int | None
    why_not: str = ""
    found: int
    deleted: int
    left: int


class Remaining(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is there.

    Attributes:
        stack: which stack's it is, by its tag; empty without one.
        usd_per_month: None where the price is not known.
        why: why it is there still, where that is known.

    """

    kind: str
    id: str
    stack: str
    detail: str = ""
    usd_per_month: float | None = None
    why: str = ""


class Scheduled(msgspec.Struct, frozen=True, kw_only=True):
    """Something that nobody can use any more, and that AWS deletes for good by itself on a date."""

    kind: str
    id: str
    gone_on: datetime


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at, found, deleted and left in one account and region.

    Attributes:
        stack: whose things were looked for; empty for those of any stack.
        at: when it was looked for the last time, UTC.
        clean: everything was looked at, and nothing is left.
        deleted: what is gone.
        left: what is not, though it is the stack's.
        scheduled: as good as gone.
        kept: what is never deleted, with the reason: prepaid capacity.
        untagged: what hangs on the stack and is new since its baseline, and carries no tag: shown, never touched.
        usd_per_month: what is left, where the price is known.

    """

    stack: str
    account: str
    region: str
    at: datetime
    baseline_at: datetime | None
    clean: bool
    kinds: tuple[KindSwept, ...]
    deleted: tuple[Remaining, ...]
    left: tuple[Remaining, ...]
    scheduled: tuple[Scheduled, ...]
    kept: tuple[Remaining, ...]
    untagged: tuple[Remaining, ...]
    usd_per_month: float

    @property
    def not_looked_at(self) -> tuple[KindSwept, ...]:
        """Kinds of which nobody can say whether something is left."""
        return tuple(kind for kind in self.kinds if kind.why_not)


@dataclass(frozen=True)
class Known:
    """What is known of a stack beside its tag.

    Attributes:
        ids: ids and ARNs of what its state held.
        baseline: what was there before it.

    """

    ids: frozenset[str] = frozenset()
    baseline: Baseline | None = None


def sweep(
    place: Place,
    progress: Progress,
    *,
    known: Known | None = None,
    delete: bool = False,
    within_s: float = PATIENCE_S,
) -> Swept:
    """Look at everything; delete what carries the stack's tag if told so, and look again.

    Args:
        place: where, and for which stack.
        progress: told what is waited for.
        known: the stack's state and baseline; without it only tags tell what is the stack's.
        delete: False only looks.
        within_s: bound on waiting for what AWS takes its time for, in seconds.

    """
    before = after = look(place)
    cleared = Cleared()
    if delete and (found := [thing for one in before for thing in one.of(place) if _is_left(thing)]):
        cleared = clear(place, found, progress, within_s)
        after = look(place)
    return _Account(place, load_catalogue(), known or Known()).tell(before, after, cleared)


class _Account:
    """Makes the record of a sweep."""

    def __init__(self, place: Place, catalogue: Catalogue, known: Known) -> None:
        self.place = place
        self.catalogue = catalogue
        self.known = known

    def tell(self, before: tuple[Looked, ...], after: tuple[Looked, ...], cleared: Cleared) -> Swept:
        place = self.place
        lines = tuple(self._line(*pair, cleared) for pair in zip(before, after, strict=True))
        mine = [thing for one in after for thing in one.of(place)]
        loose = strays(place, after, self.known.ids, self.known.baseline) if place.stack else ()
        late = {one.kind.name for one in after if one.kind.tagged_later}
        left = [self._remaining(thing, cleared) for thing in mine if _is_left(thing)]
        left += [self._remaining(thing, cleared, _BY_HAND) for thing in loose if thing.kind in late]
        return Swept(
            stack=place.stack or "",
            account=place.account,
            region=place.region,
            at=datetime.now(UTC),
            baseline_at=self.known.baseline.taken_at if self.known.baseline else None,
            clean=not left and not any(line.why_not for line in lines),
            kinds=lines,
            deleted=tuple(self._remaining(thing, cleared) for thing in cleared.deleted),
            left=tuple(left),
            scheduled=tuple(
                Scheduled(kind=thing.kind, id=thing.id, gone_on=thing.gone_on)
                for thing in mine
                if thing.gone_on is not None
            ),
            kept=tuple(self._remaining(thing, cleared, thing.kept) for thing in mine if thing.kept),
            untagged=tuple(self._remaining(thing, cleared) for thing in loose if thing.kind not in late),
            usd_per_month=round(sum(one.usd_per_month or 0 for one in left), 2),
        )

    def _line(self, before: Looked, after: Looked, cleared: Cleared) -> KindSwept:
        found = {thing.key for thing in before.of(self.place) if thing.gone_on is None and not thing.kept}
        left = {thing.key for thing in after.of(self.place) if _is_left(thing)}
        deleted = {thing.key for thing in cleared.deleted} & found - left
        return KindSwept(
            kind=after.kind.name,
            title=after.kind.title,
            calls=after.kind.calls,
            looked_at=None if after.why_not else len(after.things),
            why_not=after.why_not,
            found=len(found | left),
            deleted=len(deleted),
            left=len(left),
        )

    def _remaining(self, thing: Thing, cleared: Cleared, why: str = "") -> Remaining:
        return Remaining(
            kind=thing.kind,
            id=thing.id,
            stack=thing.tags.get(STACK_TAG, ""),
            detail=thing.detail,
            usd_per_month=usd_per_month(thing, self.place.region, self.catalogue),
            why=why or cleared.refused.get(thing.key, "") or ("is on its way out" if thing.going else ""),
        )


def _is_left(thing: Thing) -> bool:
    return thing.gone_on is None and not thing.kept


def ids_of(resources: Iterable[Resource]) -> frozenset[str]:
    """Return the ids, ARNs and names that a state holds: what it knew counts as the stack's when it is gone, too."""
    listed = list(resources)
    further = [one.outputs.get(key) for one in listed for key in ("arn", "name")]
    return frozenset(one.id for one in listed if one.id) | {text for text in further if isinstance(text, str) and text}


def machine_ids(place: Place) -> frozenset[str]:
    """Return the ids of the stack's instances, and of their disks and interfaces, which no state knows."""
    looked = look(place, [kind for kind in KINDS if kind.name in {"instance", "network-interface", "volume"}])
    return frozenset(thing.id for one in looked for thing in one.of(place))


def stacks_of(found: Iterable[Remaining]) -> tuple[str, ...]:
    """Return the stacks whose things these are, by name."""
    return tuple(sorted({one.stack for one in found if one.stack}))
