"""What somebody does to a running stack by hand is found by reading the account, and is gone when it is undone."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifecycle.exposure.verb import prove_account
from lifecycle.profiles import load_profile
from planner.plan import Plan
from policies.exposure.exposure import Exposure
from sandbox.handlers.base import Clients
from tests.proofs.lives import provisioner
from tests.sandbox.aws.account import Account

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:pulumi_aws")]

MUTATIONS: list[dict[str, Any]] = tomllib.loads((Path(__file__).parent / "mutations.toml").read_text(encoding="utf-8"))[
    "mutation"
]


@dataclass
class Running:
    """A stack that is up."""

    clients: Clients
    plan: Plan
    ids: dict[str, str]

    def proof(self) -> Exposure:
        return prove_account(self.clients, self.ids["vpc"], self.plan)

    def carry_out(self, calls: list[dict[str, Any]]) -> None:
        for one in calls:
            answer = getattr(self.clients.client(one.get("service", "ec2")), one["call"])(
                **self._meant(one.get("with", {}))
            )
            for name, path in one.get("keep", {}).items():
                self.ids[name] = reduce(lambda at, key: at[int(key) if key.isdigit() else key], path.split("."), answer)

    def _meant(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._meant(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._meant(item) for item in value]
        return self.ids[value[1:]] if isinstance(value, str) and value.startswith("$") else value


def ids_of(resources: Mapping[str, str], clients: Clients) -> dict[str, str]:
    instance = resources["node-0"]
    (reservation,) = clients.client("ec2").describe_instances(InstanceIds=[instance])["Reservations"]
    return {
        "vpc": resources["network-vpc"],
        "subnet": resources["network-private-a"],
        "table": resources["network-private-a-routes"],
        "node_group": resources["groups-node"],
        "instance": instance,
        "card": reservation["Instances"][0]["NetworkInterfaces"][0]["NetworkInterfaceId"],
    }


@pytest.fixture(scope="module")
def running(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    made = provisioner(load_profile("2xh200"), account, tmp_path_factory.mktemp("exposed"))
    try:
        made.up()
        by_name = {resource.name: resource.id for resource in made.resources() if resource.id}
        clients = made.clients()
        yield Running(clients=clients, plan=made.plan, ids=ids_of(by_name, clients))
    finally:
        made.destroy()


def test_a_running_stack_lets_nobody_in_but_the_clients_and_iam(running: Running) -> None:
    proof = running.proof()
    assert (proof.ok, proof.breaches, proof.unknown) == (True, (), ())
    assert {(path.kind, path.target, path.port) for path in proof.paths if path.open} == {
        ("neighbour", "node-0", "port 443"),
        ("named", "node-0", "port 443"),
        ("iam", "node-0", "port 22"),
    }
    closed = [path for path in proof.paths if path.kind == "internet" and path.target == "node-0"]
    assert {path.port for path in closed} == {"port 22", "port 443"}
    for path in closed:
        assert [(edge.guard, edge.open) for edge in path.edges] == [
            ("gateway", False), ("route", False), ("address", False), ("group", False),
        ]  # fmt: skip


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: str(mutation["name"]))
def test_what_is_done_by_hand_is_found(mutation: dict[str, Any], running: Running) -> None:
    running.carry_out(mutation["calls"])
    try:
        found = running.proof()
    finally:
        running.carry_out(mutation["undo"])
    assert sorted({breach.guard for breach in found.breaches}) == mutation["guards"]
    assert found.ok == (not mutation["guards"])
    assert all(breach.resource and breach.why and breach.remedy for breach in found.breaches)
    assert running.proof().ok


def test_all_barriers_gone_is_an_open_path(running: Running) -> None:
    named = {mutation["name"]: mutation for mutation in MUTATIONS}
    together = [
        named[name]
        for name in ("a route to an internet gateway", "an elastic address", "a group that is open to the world")
    ]
    for mutation in together:
        running.carry_out(mutation["calls"])
    try:
        found = running.proof()
    finally:
        for mutation in together:
            running.carry_out(mutation["undo"])
    opened = [path for path in found.paths if path.kind == "internet" and path.open]
    assert [(path.target, path.port) for path in opened] == [("node-0", "port 443")]
    assert all(edge.open for edge in opened[0].edges)


def test_a_prefix_list_of_clients_that_somebody_widens_is_found(running: Running) -> None:
    """The plan names the list; what is in it is the account's business, until it holds more than private networks."""
    ec2 = running.clients.client("ec2")
    made = ec2.create_managed_prefix_list(
        PrefixListName="clients", MaxEntries=4, AddressFamily="IPv4", Entries=[{"Cidr": "10.20.0.0/16"}]
    )["PrefixList"]
    list_id = made["PrefixListId"]
    network = msgspec.structs.replace(running.plan.network, client_prefix_lists=(list_id,))
    plan = msgspec.structs.replace(running.plan, network=network)
    opening: list[Any] = [
        {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "PrefixListIds": [{"PrefixListId": list_id}]}
    ]
    group = running.ids["node_group"]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=opening)
    try:
        before = prove_account(running.clients, running.ids["vpc"], plan)
        wide = [{"Cidr": "203.0.113.0/24"}]
        ec2.modify_managed_prefix_list(PrefixListId=list_id, CurrentVersion=1, AddEntries=wide)
        after = prove_account(running.clients, running.ids["vpc"], plan)
    finally:
        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=opening)
        ec2.delete_managed_prefix_list(PrefixListId=list_id)
    assert before.ok
    assert not after.ok
    assert {breach.guard for breach in after.breaches} == {"group"}
