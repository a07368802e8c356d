"""Deleting what carries the tag, in rounds: what depends on what, and what takes AWS a while, sorts itself out.

Each round asks for the deletion of everything that is still there, in the order of the kinds, and looks again. A round
that is refused because something still depends on the thing is followed by another one, until a bound.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby

from botocore.exceptions import BotoCoreError, ClientError

from lifecycle.sweeping.ec2 import code_of
from lifecycle.sweeping.kinds import KINDS
from lifecycle.sweeping.looking import explain, look
from lifecycle.sweeping.records import Kind, NotYetError, Place, RefusedError, Thing
from planner.progress import Progress

PATIENCE_S = 900.0
"""How long asynchronous releases are waited for. Interfaces of endpoints and load balancers take AWS minutes."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 10.0
_TELL_EVERY_S = 10.0
_STUCK_AFTER_S = 30.0
"""How long what may hang on a refused deletion is waited for while nothing moves."""
_NOT_YET = {
    "BucketNotEmpty",
    "ConcurrentModification",
    "ConcurrentModificationException",
    "ConflictException",
    "DeleteConflict",
    "DependencyViolation",
    "ExistingVpcEndpointConnections",
    "IncorrectInstanceState",
    "IncorrectState",
    "InvalidState",
    "OperationAborted",
    "PriorRequestNotComplete",
    "ResourceContention",
    "ScalingActivityInProgress",
}
"""Refusals that end when something else does; so do all whose code has `InUse` in it."""
_BY_NAME = {kind.name: kind for kind in KINDS}


@dataclass
class Cleared:
    """What became of things.

    Attributes:
        deleted: what is gone, or waits for its deletion and cannot be used.
        refused: what AWS refuses to delete, with what it says.

    """

    deleted: list[Thing] = field(default_factory=list)
    refused: dict[tuple[str, str], str] = field(default_factory=dict)


def clear(place: Place, things: Iterable[Thing], progress: Progress, within_s: float = PATIENCE_S) -> Cleared:
    """Delete things that carry the stack's tag; nothing else is touched.

    Args:
        place: names the stack; one that stands for all stacks is refused.
        things: as `look` found them.
        progress: told what is waited for.
        within_s: bound in seconds.

    Raises:
        ValueError: the place names no stack, or a thing is not its stack's.

    """
    wanted = [thing for thing in things if not thing.kept and thing.gone_on is None and _BY_NAME[thing.kind].remove]
    if place.stack is None or not all(place.wants(thing.tags) for thing in wanted):
        raise ValueError("only what carries the tag of one stack is deleted")
    return _Clearing(place, progress, within_s).run(wanted)


class _Clearing:
    """One run, round by round."""

    def __init__(self, place: Place, progress: Progress, within_s: float) -> None:
        self.place = place
        self.progress = progress
        self.within_s = within_s
        self.started = time.monotonic()
        self.told_at = self.moved_at = self.started
        self.done = Cleared()

    def run(self, wanted: list[Thing]) -> Cleared:
        pause = _FIRST_PAUSE_S
        while wanted:
            self._ask(wanted)
            left = self._still_there(wanted)
            if len(left) < len(wanted) or any(thing.going for thing in left):
                self.moved_at = time.monotonic()
            wanted = left
            if self._waited() >= self.within_s or self._is_stuck(wanted):
                break
            self._tell(wanted)
            time.sleep(min(pause, max(0.0, self.within_s - self._waited())))
            pause = min(2 * pause, _LONGEST_PAUSE_S)
        return self.done

    def _ask(self, wanted: list[Thing]) -> None:
        """Ask for the deletion of each, kind after kind."""
        ordered = sorted(wanted, key=lambda thing: _rank(thing.kind))
        for name, group in groupby(ordered, key=lambda thing: thing.kind):
            kind = _BY_NAME[name]
            askable = [thing for thing in group if not thing.going and thing.key not in self.done.refused]
            answers = self.place.each(partial(self._remove, kind), askable)
            self.done.refused |= {thing.key: why for thing, why in zip(askable, answers, strict=True) if why}

    def _remove(self, kind: Kind, thing: Thing) -> str:
        """Ask for one deletion; return why it will never be done, if so."""
        assert kind.remove is not None  # noqa: S101 - `clear` chose those that have one
        try:
            kind.remove(self.place, thing)
        except NotYetError:
            return ""
        except RefusedError as error:
            return "" if _ends_by_itself(error.code) else str(error)
        except ClientError as error:
            return "" if _ends_by_itself(code_of(error)) else explain(error, kind, self.place.region)
        except (BotoCoreError, TimeoutError, RuntimeError) as error:
            return f"{type(error).__name__}: {error}"
        return ""

    def _still_there(self, wanted: list[Thing]) -> list[Thing]:
        """Look again at the kinds that are not through; a kind that cannot be looked at is not through."""
        names = {thing.kind for thing in wanted}
        now = look(self.place, [kind for kind in KINDS if kind.name in names])
        found = {thing.key: thing for looked in now for thing in looked.things}
        unknown = {looked.kind.name for looked in now if looked.why_not}
        left = []
        for thing in wanted:
            current = found.get(thing.key)
            if current is None and thing.kind not in unknown:
                self.done.deleted.append(thing)
            elif current is not None and current.gone_on is not None:
                self.done.deleted.append(current)
            else:
                left.append(current or thing)
        gone = {thing.key for thing in self.done.deleted}
        self.done.refused = {key: why for key, why in self.done.refused.items() if key not in gone}
        return left

    def _is_stuck(self, wanted: list[Thing]) -> bool:
        """Tell whether nothing is left but what AWS refuses, and what hangs on that."""
        refused = [thing for thing in wanted if thing.key in self.done.refused]
        if len(refused) == len(wanted):
            return True
        return bool(refused) and time.monotonic() - self.moved_at >= _STUCK_AFTER_S

    def _waited(self) -> float:
        return time.monotonic() - self.started

    def _tell(self, wanted: list[Thing]) -> None:
        """Say what is waited for, from time to time."""
        if time.monotonic() - self.told_at < _TELL_EVERY_S:
            return
        self.told_at = time.monotonic()
        waiting = [thing for thing in wanted if thing.key not in self.done.refused]
        named = ", ".join(f"{thing.kind} {thing.id}" for thing in waiting[:3])
        more = f" and {len(waiting) - 3} more" if len(waiting) > 3 else ""
        self.progress.note(f"waiting for {named}{more} to go ({self._waited():.0f} s of at most {self.within_s:.0f} s)")


def _ends_by_itself(code: str) -> bool:
    return code in _NOT_YET or "InUse" in code or "NotFound" in code or code.startswith("NoSuch")


def _rank(name: str) -> int:
    return list(_BY_NAME).index(name)
