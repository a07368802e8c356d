"""Several hosts of one stack: all at once at first, then one after the other, and no further than a failure.

The tests share two hosts and follow their life.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from tests.hosts.lab import Lab
from tests.hosts.machine import Machine
from tests.hosts.person import Operator
from tests.hosts.runtime import place_runtime
from tests.hosts.test_metal import UNITS, started

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400), pytest.mark.xdist_group("hosts")]

DROP_IN = "/etc/systemd/system/cloister-gateway.service.d"


class World(msgspec.Struct):
    """Two hosts, and who works on them."""

    first: Machine
    second: Machine
    operator: Operator


@pytest.fixture(scope="module")
def world(can_boot: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Lab() as lab:
        first, second = lab.host("bookworm", name="a"), lab.host("bookworm", name="b")
        second.let_in_too(first.key)
        for machine in (first, second):
            place_runtime(machine)
        yield World(first, second, Operator(tmp_path_factory.mktemp("operator"), first, second))


def test_both_come_up_and_answer(world: World) -> None:
    code, report, told = world.operator.up().end()
    assert code == 0, (str(report) + told)[-3000:]
    assert report["models"] == ["llama-3.1-8b-instruct"]


def test_where_nothing_is_to_change_nothing_is_touched(world: World) -> None:
    before = started(world.first), started(world.second)
    world.second.run("rm", "/etc/systemd/system/cloister-gateway.service")
    code, report, told = world.operator.up().end()
    assert (code, set(report["changes"])) == (0, {"update"}), told
    world.second.run("test", "-e", "/etc/systemd/system/cloister-gateway.service")
    assert (started(world.first), started(world.second)) == before


def test_what_does_not_come_up_on_the_first_is_not_tried_on_the_second(world: World) -> None:
    before = started(world.second)
    broken = f"mkdir {DROP_IN} && printf '[Service]\\nExecStartPre=/bin/false\\n' >{DROP_IN}/broken.conf"
    world.first.run("sh", "-c", broken)
    world.first.run("systemctl", "daemon-reload")
    world.operator.write_profile(32)
    code, report, told = world.operator.up().end()
    assert (code, report["error"]["code"]) == (1, "playbook_failed"), told
    assert "cloister-gateway.service did not come up" in report["error"]["message"]
    assert started(world.second) == before


def test_the_next_run_goes_on_with_both(world: World) -> None:
    before = started(world.second)
    world.first.run("rm", "-r", DROP_IN)
    world.first.run("systemctl", "daemon-reload")
    code, _, told = world.operator.up().end()
    assert code == 0, told
    after = started(world.second)
    assert {name for name in UNITS if after[name] != before[name]} == {"gateway"}
