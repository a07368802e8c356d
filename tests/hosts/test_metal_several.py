"""Several hosts of one stack: all at once at first, then one after the other, and no further than a failure."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hosts.lab import Lab
from tests.hosts.machine import Machine
from tests.hosts.person import Operator
from tests.hosts.runtime import place_runtime
from tests.hosts.test_metal import UNITS, started

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400), pytest.mark.xdist_group("hosts")]

DROP_IN = "/etc/systemd/system/cloister-gateway.service.d"


@pytest.fixture
def machines(can_boot: None) -> Iterator[tuple[Machine, Machine]]:
    with Lab() as lab:
        first, second = lab.host("bookworm", name="a"), lab.host("bookworm", name="b")
        second.let_in_too(first.key)
        for machine in (first, second):
            place_runtime(machine)
        yield first, second


def test_two_hosts_change_one_after_the_other_and_a_failure_stops_the_rest(
    machines: tuple[Machine, Machine], tmp_path_factory: pytest.TempPathFactory
) -> None:
    first, second = machines
    operator = Operator(tmp_path_factory.mktemp("operator"), first, second)

    code, report, told = operator.up().end()
    assert code == 0, (str(report) + told)[-3000:]
    before = [started(machine) for machine in machines]

    # Only the second has something to be changed: the first is not touched.
    second.run("rm", "/etc/systemd/system/cloister-gateway.service")
    code, report, told = operator.up().end()
    assert (code, set(report["changes"])) == (0, {"update"}), told
    assert [started(machine) for machine in machines] == before
    second.run("test", "-e", "/etc/systemd/system/cloister-gateway.service")

    code, report, told = operator.up().end()
    assert (code, report["changes"]) == (0, {}), told
    assert [started(machine) for machine in machines] == before

    # What does not come up on the first is not tried on the second, which serves as it did.
    first.run("sh", "-c", f"mkdir {DROP_IN} && printf '[Service]\nExecStartPre=/bin/false\n' >{DROP_IN}/broken.conf")
    first.run("systemctl", "daemon-reload")
    operator.write_profile(32)
    code, report, told = operator.up().end()
    assert (code, report["error"]["code"]) == (1, "playbook_failed"), told
    assert "cloister-gateway.service did not come up" in report["error"]["message"]
    assert started(second) == before[1]

    first.run("rm", "-r", DROP_IN)
    first.run("systemctl", "daemon-reload")
    code, _, told = operator.up().end()
    assert code == 0, told
    after = started(second)
    assert {name for name in UNITS if after[name] != before[1][name]} == {"gateway"}
