"""Which services' logs a name stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from lifecycle.home import Home
from lifecycle.logs import known_services
from lifecycle.stack import Stack
from planner.errors import UsageError
from tests.templates.stacks import plan_of


@pytest.mark.parametrize(
    ("replicas", "name", "meant"),
    [
        (1, "engine", ("engine",)),
        (2, "engine", ("engine-0", "engine-1")),
        (2, "engine-1", ("engine-1",)),
        (2, "gateway", ("gateway",)),
        (2, "", ("aws", "engine-0", "engine-1", "gateway", "traefik", "prometheus", "renewer")),
    ],
)
def test_a_name_and_its_services(tmp_path: Path, replicas: int, name: str, meant: tuple[str, ...]) -> None:
    stack = Stack(Home(tmp_path).stack("s"), plan_of("2xh200", replicas=replicas))
    assert known_services(stack, name) == meant


def test_a_replica_that_is_not_there(tmp_path: Path) -> None:
    stack = Stack(Home(tmp_path).stack("s"), plan_of("2xh200", replicas=2))
    with pytest.raises(UsageError, match="no service 'engine-2'; did you mean engine-"):
        known_services(stack, "engine-2")
