"""Every kind is found by its tag and deleted, and a stranger's that looks alike is never touched."""

from __future__ import annotations

import pytest

from lifecycle.sweeping.kinds import KINDS
from lifecycle.sweeping.looking import look
from lifecycle.sweeping.records import Place
from lifecycle.sweeping.swept import sweep
from planner.progress import Silent
from planner.tags import STACK_TAG
from tests.lifecycle.sweeping.makers import MAKERS, Maker

pytestmark = pytest.mark.slow
MADE_ELSEWHERE = {"other", "spot-request"}


def test_every_kind_has_a_maker() -> None:
    assert {kind.name for kind in KINDS} == set(MAKERS) | MADE_ELSEWHERE


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_a_kind_is_found_deleted_and_certified(place: Place, kind: str) -> None:
    stack = str(place.stack)
    mine = MAKERS[kind](Maker(place.client, stack, {STACK_TAG: stack, "Name": "one"}))
    assert mine in _ids(place, kind)
    swept = sweep(place, Silent(), delete=True, within_s=30)
    assert swept.left == ()
    assert swept.not_looked_at == ()
    assert swept.clean
    (line,) = (line for line in swept.kinds if line.kind == kind)
    assert (line.found, line.left) == (line.deleted, 0)
    assert line.found >= 1
    if kind == "kms-key":
        assert [one.id for one in swept.scheduled] == [mine]
    else:
        assert mine not in _ids(place, kind)


def _ids(place: Place, kind: str) -> set[str]:
    """Return all of a kind that lives, whoever's it is."""
    looked = look(place, [one for one in KINDS if one.name == kind])
    return {thing.id for one in looked for thing in one.things}


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_a_look_alike_is_never_touched(place: Place, kind: str) -> None:
    """Another stack's, whose name and tag begin or end alike, and one without a tag, stay; nothing else is asked."""
    stack = str(place.stack)
    theirs = [
        MAKERS[kind](Maker(place.client, f"{stack}-two", {STACK_TAG: f"{stack}-two"})),
        MAKERS[kind](Maker(place.client, f"{stack}-none", {})),
        MAKERS[kind](Maker(place.client, f"{stack}-case", {"Cloister:Stack": stack, "stack": stack})),
    ]
    swept = sweep(place, Silent(), delete=True, within_s=30)
    assert swept.deleted == ()
    assert swept.left == ()
    assert {*theirs} <= _ids(place, kind)
    cleared = sweep(Place(place.clients, place.account, f"{stack}-two"), Silent(), delete=True, within_s=30)
    assert (kind, theirs[0]) in {(one.kind, one.id) for one in cleared.deleted}
