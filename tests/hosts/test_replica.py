"""Two nodes that one replica spans become one endpoint: two booted hosts stand for them, behind the tunnel.

The engine and its part on the further node are STAND-INS; what has them begin and end together is real.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

import msgspec
import pytest

from lifecycle import files
from lifecycle.configure import configure_nodes
from lifecycle.home import Home
from lifecycle.hosts.fit import plan_for_a_host
from lifecycle.hosts.serve_stack import pass_on
from lifecycle.hosts.units import status_of
from lifecycle.logs import known_services, lines_of
from lifecycle.own_token import own_token
from lifecycle.profiles import load_profile
from lifecycle.served_hosts import served_hosts
from lifecycle.stack import Stack
from lifecycle.verify_metal import check_hosts
from planner.catalogue import load_catalogue
from planner.contents import contents_of
from planner.outputs import Outputs
from planner.plan import Plan, to_json
from planner.progress import Silent
from tests.hosts.bundles import bundle
from tests.hosts.lab import Lab
from tests.hosts.machine import Machine
from tests.hosts.person import PROFILE
from tests.hosts.test_nodes import UNIT, Vault, account_knows, give_bundle
from tests.hosts.test_tunnel import Heard, console_of, make_login
from tests.lifecycle.tunnel.standin_account import ACCOUNT, EC2, StandInAccount, account_standing_in
from tests.lifecycle.tunnel.standin_endpoint import StandInEndpoint, lead_there, standing_in
from tests.spanning import outputs_of, spanning_plan
from tests.waiting import wait_until

HEAD_ENGINE, FURTHER = "cloister-engine.service", "cloister-engine-node-1.service"
LISTENER = "import socket, sys, time\nopened = socket.create_server(('', int(sys.argv[1])))\ntime.sleep(600)"
REACHES = "import socket, sys\nsocket.create_connection((sys.argv[1], int(sys.argv[2])), 2)"


@dataclass
class Replica:
    """A stack whose one replica spans two booted hosts, and stand-ins for what AWS has in front of them."""

    head: Machine
    further: Machine
    lab: Lab
    endpoint: StandInEndpoint
    account: StandInAccount
    home: Path

    @property
    def stack(self) -> Stack:
        return Stack.load(Home(self.home).stack("wide"))

    def configure(self) -> tuple[str, ...]:
        outputs = msgspec.json.decode(self.stack.home.outputs.read_bytes(), type=Outputs)
        return configure_nodes(self.stack, outputs, Heard())


@pytest.fixture
def replica(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Replica]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    head, further = machines = (lab.host("bookworm"), lab.host("bookworm"))
    let_in = [make_login(machine) for machine in machines]
    outputs = outputs_of(head.v4, further.v4)
    consoles = {node.instance_id: console_of(it) for node, it in zip(outputs.nodes, machines, strict=True)}

    def let_in_everywhere(user: str, line: str) -> None:
        for one in let_in:
            one(user, line)

    def console(body: str) -> str:
        instance = parse_qs(body)["InstanceId"][0]
        text = base64.b64encode(consoles[instance].encode()).decode()
        inner = f"<instanceId>{instance}</instanceId><output>{text}</output>"
        return f'<GetConsoleOutputResponse xmlns="{EC2}">{inner}</GetConsoleOutputResponse>'

    place = Home(tmp_path / "home").stack("wide")
    place.create()
    files.write(place.outputs, msgspec.json.encode(outputs))
    with (
        standing_in(tmp_path / "endpoint", (head.v4, 22)) as endpoint,
        account_standing_in(let_in_everywhere, "") as account,
    ):
        endpoint.targets = {(machine.v4, 22): (machine.v4, 22) for machine in machines}
        account.further |= {**account_knows(Vault("wide")), "ec2:GetConsoleOutput": console}
        lead_there(monkeypatch, endpoint)
        monkeypatch.setenv("AWS_ENDPOINT_URL", account.url)
        monkeypatch.setenv("CLOISTER_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield Replica(head, further, lab, endpoint, account, tmp_path / "home")


def plan_of(folder: Path) -> Plan:
    """Return the plan of a replica on two nodes, with services that hosts without GPUs can run."""
    (folder / "lab.toml").write_text(PROFILE.format(max_in_flight=64))
    imitated, plan = plan_for_a_host(load_profile(str(folder / "lab.toml"))), spanning_plan()
    engine = msgspec.structs.replace(imitated.service("engine"), needs=("peers",))
    alone: dict[str, object] = {"secret_env": {}, "ports": (), "health": None, "metrics": None, "gpus": 0}
    return msgspec.structs.replace(
        plan,
        services=tuple(engine if one.name == "engine" else one for one in imitated.services),
        followers=(msgspec.structs.replace(engine, name="engine-node-1", **alone),),
        engine=imitated.engine,
        model=imitated.model,
        gateway=imitated.gateway,
        network=msgspec.structs.replace(plan.network, client_cidrs=("10.213.0.0/24",)),
        account=msgspec.structs.replace(plan.account, number=ACCOUNT),
    )


@pytest.mark.timeout(900)
def test_two_nodes_become_one_endpoint_and_recover_together(replica: Replica, tmp_path: Path) -> None:
    head, further, heard = replica.head, replica.further, Heard()
    plan = plan_of(tmp_path)
    made = bundle(tmp_path / "bundle", "bookworm", contents=contents_of(plan, load_catalogue()))
    plan = msgspec.structs.replace(plan, bundle=msgspec.structs.replace(plan.bundle, id=made))
    files.write(Home(replica.home).stack("wide").plan, to_json(plan))
    for machine in (head, further):
        text = UNIT.replace("%STORE%", plan.bundle.store).replace("%ID%", made)
        (machine.root / "etc/systemd/system/cloister-bundle.service").write_text(text)
        give_bundle(machine, plan, tmp_path / "bundle")
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "start", "cloister-bundle.service")

    assert replica.configure() == (plan.model.served_name,)
    assert replica.endpoint.refusals == []
    assert services_of(further) == {FURTHER}
    assert {HEAD_ENGINE, "cloister-gateway.service", "cloister-traefik.service"} <= services_of(head)
    assert listening(further) == {"22"}
    assert listening(head) == {"22", "443"}
    assert further.run("find", "/etc/cloister", "-type", "f").stdout.split() == ["/etc/cloister/firewall.nft"]
    see_who_is_let_in(replica)

    before = (started(head, HEAD_ENGINE), started(further, FURTHER))
    further.run("systemctl", "kill", "--kill-whom=all", "--signal=KILL", FURTHER)
    wait_until(lambda: "was lost: this node ends with it" in said(head, HEAD_ENGINE), 60, every_s=0.5)
    wait_until(lambda: is_up(head, HEAD_ENGINE) and is_up(further, FURTHER), 180, every_s=0.5)
    after = (started(head, HEAD_ENGINE), started(further, FURTHER))
    assert all(one != other for one, other in zip(before, after, strict=True))

    with served_hosts(replica.stack, heard) as hosts:
        assert hosts is not None
        states = status_of(hosts.stack.plan, hosts.kept, hosts.login)
        assert [state.state for state in states] == ["running", "running"]
        assert [service.name for service in states[1].services] == ["engine-node-1"]
        checks = list(check_hosts(hosts, lambda: own_token(replica.stack, "verify", 300), Silent()))
    assert [check for check in checks if check.ok is False] == []
    assert {check.id for check in checks if check.ok} >= {"host.node-1.service.engine-node-1", "host.node-1.listens"}
    assert any(check.id.startswith("inference.") and check.ok for check in checks)
    assert known_services(replica.stack, "engine-node-1") == ("engine-node-1",)
    assert any("all nodes are there" in line for line in lines_of(replica.stack, "engine-node-1", 20))

    pass_on(replica.stack, "token revoke", heard)
    assert (started(head, HEAD_ENGINE), started(further, FURTHER)) == after


def see_who_is_let_in(replica: Replica) -> None:
    """Open a port on which engines would listen: the other node reaches it, and a neighbour on the network does not."""
    port, stranger = "40000", replica.lab.onlooker("stranger")
    replica.head.run("systemd-run", "--unit=listens", "python3", "-c", LISTENER, port)
    wait_until(lambda: port in listening(replica.head), 60, every_s=0.5)
    replica.further.run("python3", "-c", REACHES, replica.head.v4, port)
    assert not stranger.reaches(replica.head.v4, int(port))
    assert not stranger.reaches(replica.further.v4, 443)
    assert stranger.reaches(replica.head.v4, 443)
    replica.head.run("systemctl", "stop", "listens.service")


def services_of(machine: Machine) -> set[str]:
    """Return the services of the stack that run on a host."""
    words = ("systemctl", "list-units", "--type=service", "--state=running", "--plain", "--no-legend", "cloister-*")
    return {line.split()[0] for line in machine.run(*words).stdout.splitlines()}


def listening(machine: Machine) -> set[str]:
    """Return the TCP ports beyond loopback."""
    at = [line.split()[3].rpartition(":") for line in machine.run("ss", "-Htln").stdout.splitlines()]
    return {port for address, _, port in at if address not in {"127.0.0.1", "[::1]"}}


def started(machine: Machine, unit: str) -> str:
    """Return an id of a service's last start."""
    return machine.run("systemctl", "show", "--property=InvocationID", "--value", unit).stdout


def is_up(machine: Machine, unit: str) -> bool:
    """Tell whether a service has become ready, and its program started with the others."""
    words = f"journalctl --output=cat _SYSTEMD_INVOCATION_ID={started(machine, unit).strip()}"
    state = machine.run("systemctl", "is-active", unit, check=False).stdout.strip()
    return state == "active" and "all nodes are there" in machine.run("sh", "-c", words).stdout


def said(machine: Machine, unit: str) -> str:
    """Return what a service wrote."""
    return machine.run("journalctl", "--output=cat", f"--unit={unit}").stdout
