"""Three hosts that differ, through a whole life, from one bundle: two releases of Debian, one behind a jump host.

The tests share the hosts and follow their life. No host has a route anywhere, and the inner one is in a network that is
not even this machine's: whatever is said to it goes through the jump host.
"""

from __future__ import annotations

import contextlib
import json
import signal
import ssl
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import httpx
import msgspec
import pytest

from tests.hosts.bundles import bundle
from tests.hosts.clock import clock_of
from tests.hosts.lab import Lab, Namespace
from tests.hosts.machine import Machine
from tests.hosts.person import Operator
from tests.hosts.test_metal import UNITS, checks, snapshot, started
from tests.hosts.test_metal_bundle import CONTENTS
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400), pytest.mark.xdist_group("hosts")]

DROP_IN = "/etc/systemd/system/cloister-gateway.service.d"
RUNTIME = "/opt/cloister/runtime/gateway"


class World(msgspec.Struct):
    """A jump host, three hosts behind it or beside it that serve, who works on them, and a stranger."""

    bastion: Machine
    old: Machine
    new: Machine
    inner: Machine
    stranger: Namespace
    """In the inner host's network."""
    operator: Operator
    bundle: Path
    before: dict[str, str]

    @property
    def serving(self) -> tuple[Machine, ...]:
        """Those that serve, in the order of the inventory."""
        return (self.old, self.new, self.inner)

    def started(self) -> dict[str, dict[str, str]]:
        """Return what tells one start of each service on each host from the next."""
        return {machine.name: started(machine) for machine in self.serving}


@pytest.fixture(scope="module")
def world(can_boot: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("three")
    bundle(folder / "bundle", "bookworm", "trixie", contents=CONTENTS)
    with Lab(most=4, disk_gib=8) as lab:
        bastion, old = lab.host("bookworm", 0, 1, name="bastion"), lab.host("bookworm", name="old")
        new, inner = lab.host("trixie", name="new"), lab.host("bookworm", 1, name="inner")
        for machine in (old, new, inner):
            machine.let_in_too(bastion.key)
            assert "default" not in machine.run("ip", "route").stdout + machine.run("ip", "-6", "route").stdout
        operator = Operator(folder / "operator", bastion, old, new, inner)
        operator.place(bastion, roles=["jump"])
        operator.place(inner, jump=bastion.name)
        before = {machine.name: snapshot(machine) for machine in (bastion, old, new, inner)}
        stranger = lab.onlooker("stranger", 1)
        yield World(bastion, old, new, inner, stranger, operator, folder / "bundle", before)


def test_three_come_up_and_answer(world: World) -> None:
    code, report, told = world.operator.up("--bundle", str(world.bundle)).end(400)
    assert code == 0, (str(report) + told)[-3000:]
    assert report["models"] == ["llama-3.1-8b-instruct"]


def test_up_again_changes_nothing(world: World) -> None:
    before = world.started()
    code, report, told = world.operator.up("--bundle", str(world.bundle)).end()
    assert (code, report["changes"]) == (0, {}), told
    assert world.started() == before


def test_everything_that_verify_looks_at_holds_on_all(world: World) -> None:
    with contextlib.ExitStack() as clocks:
        for machine in world.serving:
            clocks.enter_context(clock_of(machine))
        code, report, told = world.operator.deploy("verify")
    assert (code, checks(report, ok=False)) == (0, {}), told
    not_tried = checks(report, ok=None)
    assert set(not_tried) == {"engine.real", "host.cl-inner.inner_ports"}
    assert "no network of clients" in not_tried["host.cl-inner.inner_ports"]
    held = set(checks(report, ok=True))
    for machine in world.serving:
        assert {f"host.{machine.name}.way_out", f"inference.stream@{machine.name}"} <= held
    assert not [port for port in (22, 443, 8000, 8080, 9090) if world.stranger.reaches(world.inner.v4, port)]


def test_verbs_look_at_each_host_or_say_why_not(world: World) -> None:
    code, report, told = world.operator.deploy("status")
    assert (code, {one["name"]: one["state"] for one in report["hosts"]}) == (
        0,
        {machine.name: "running" for machine in world.serving},
    ), told
    code, report, told = world.operator.deploy("audit")
    assert (code, report["findings"]) == (0, []), told
    assert {name.partition(":")[0] for name in report["files"]} == {machine.name for machine in world.serving}
    code, report, told = world.operator.deploy("logs", "gateway", "--host", world.inner.name, "-n", "3")
    assert (code, len(report["logs"]["gateway"])) == (0, 3), told
    code, report, told = world.operator.deploy("ssh", world.inner.name, "--json", "--", "sh", "-c", "hostname")
    assert (code, report["stdout"]) == (0, f"{world.inner.name}\n"), told
    for verb in ("exposure", "drift", "sweep", "repair"):  # of an account's resources, and there is no account
        code, report, told = world.operator.deploy(verb)
        assert (code, report["error"]["code"]) == (1, "no_account"), (verb, told)
        assert "`deploy verify`" in report["error"]["hint"]


def test_a_port_of_this_machine_leads_to_the_endpoint_behind_the_jump_host(world: World) -> None:
    issued = world.operator.deploy("token", "issue", "--client", "me", "--ttl", "1h")[1]
    with world.operator.process("connect", "--host", world.inner.name, "--port", "0", "--json") as process:
        assert process.stdout is not None
        way = json.JSONDecoder().raw_decode(_document(process.stdout))[0]
        trust = ssl.create_default_context(cafile=way["ca_file"])
        with httpx.Client(verify=trust, trust_env=False, timeout=20) as client:
            headers = {"Authorization": f"Bearer {issued['token']}", "Host": "localhost"}
            assert client.get(f"{way['url']}/v1/models", headers=headers).status_code == 200
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert (way["node"], process.returncode) == (world.inner.name, 0)


def _document(stream: Iterator[str]) -> str:
    """Return the first JSON document of a stream that goes on."""
    text = ""
    for line in stream:
        text += line
        if line.startswith("}"):
            break
    return text


def test_what_does_not_come_up_on_the_first_is_not_tried_on_the_others(world: World) -> None:
    before = world.started()
    broken = f"mkdir {DROP_IN} && printf '[Service]\\nExecStartPre=/bin/false\\n' >{DROP_IN}/broken.conf"
    world.old.run("sh", "-c", broken)
    world.old.run("systemctl", "daemon-reload")
    world.operator.write_profile(32)
    code, report, told = world.operator.up().end()
    assert (code, report["error"]["code"]) == (1, "playbook_failed"), told
    assert "cloister-gateway.service did not come up" in report["error"]["message"]
    after = world.started()
    assert [after[one.name] == before[one.name] for one in world.serving] == [False, True, True]


def test_the_next_run_goes_on_one_by_one_and_mends_what_hands_changed(world: World) -> None:
    before = world.started()
    world.old.run("rm", "-r", DROP_IN)
    world.old.run("systemctl", "daemon-reload")
    world.new.run("chown", "-R", "nobody", RUNTIME)
    world.new.run("chmod", "0777", "/opt/cloister/runtime", "/opt/cloister/current/programs")
    code, report, told = world.operator.up().end()
    assert code == 0, (str(report) + told)[-3000:]
    after = world.started()
    for machine in (world.new, world.inner):
        assert {name for name in UNITS if after[machine.name][name] != before[machine.name][name]} == {"gateway"}
    turns = [began_and_left(machine) for machine in world.serving]
    assert all(later[1] > earlier[0] for earlier, later in pairwise(turns)), turns
    loose = ("!", "-user", "root", "-o", "!", "-type", "l", "-perm", "/022")
    assert world.new.run("find", "/opt/cloister/runtime", "/opt/cloister/bundles", *loose).stdout == ""


def began_and_left(machine: Machine) -> tuple[int, int]:
    """Return when the gateway's last start was done, and when its last stop began: the hosts share one clock."""
    names = ("ActiveEnterTimestampMonotonic", "ActiveExitTimestampMonotonic")
    said = machine.run("systemctl", "show", f"--property={','.join(names)}", "cloister-gateway.service").stdout
    values = dict(line.split("=") for line in said.split())
    return int(values[names[0]]), int(values[names[1]])


def test_after_a_reboot_a_host_serves_by_itself(world: World) -> None:
    world.new.reboot()
    wait_until(lambda: world.operator.deploy("status")[1]["state"] == "running", 90, 1)


def test_a_new_certificate_is_shown_by_all_and_nothing_restarts(world: World) -> None:
    before = world.started()
    code, report, told = world.operator.deploy("rotate", "cert")
    assert (code, report["state"]) == (0, "done"), told
    assert world.started() == before


def test_one_that_is_away_is_left_and_the_others_are_given_back(world: World) -> None:
    world.inner.kill()
    code, report, told = world.operator.deploy("down")
    assert code == 5, told
    assert [(left["kind"], left["id"]) for left in report["leftovers"]] == [("host", world.inner.name)]
    for machine in (world.old, world.new):
        assert snapshot(machine) == world.before[machine.name]
    world.inner.boot()
    code, report, told = world.operator.deploy("down")
    assert code == 0, (str(report) + told)[-3000:]
    for machine in (world.inner, world.bastion):
        assert snapshot(machine) == world.before[machine.name]
