"""Nodes of a replica become hosts, each with its part: what is placed there, in which order, and who is let in."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifecycle.configure import lacking, with_hosts
from lifecycle.home import Home
from lifecycle.hosts.facts import parse_facts
from lifecycle.hosts.fit import LOWEST_SYSTEMD, needs_of
from lifecycle.hosts.inventory import Host, Inventory
from lifecycle.hosts.kept import Arrival
from lifecycle.hosts.play_variables import firewall_variables
from lifecycle.hosts.serve_stack import abilities
from lifecycle.hosts.serving import Materials, heads_last, serving_variables
from lifecycle.node_files import node_files
from lifecycle.policies import rules_of
from planner.catalogue import load_catalogue
from planner.errors import DeployError
from planner.plan import HostPlan
from planner.spanning import part_of
from policies.run import evaluate, refusals
from templates.hosts import HostAbilities
from tests.spanning import FOLLOWER, HEAD, outputs_of, spanning_plan, with_nodes

WIDE = with_nodes(spanning_plan())
INVENTORY = Inventory(host=tuple(Host(name=host.name, address=host.address, user="ubuntu") for host in WIDE.hosts))
ARRIVALS = {host.name: Arrival(ours="10.42.0.5", theirs=host.address, port=22) for host in WIDE.hosts}
MATERIALS = Materials(
    secrets={"engine-api-key": "secret-key"}, key_set="{}", revocations="[]", certificate="PEM", key="PRIVATE"
)


def placed(rank: int) -> dict[str, Any]:
    able = HostAbilities(systemd=255, interface="ens5")
    return serving_variables(WIDE, load_catalogue(), WIDE.hosts[rank], able, MATERIALS)


def test_a_replica_over_nodes_lacks_nothing_but_a_bundle() -> None:
    plan = spanning_plan()
    assert "names no bundle" in lacking(plan)
    assert lacking(msgspec.structs.replace(plan, bundle=msgspec.structs.replace(plan.bundle, id="0" * 64))) == ""


def test_nodes_have_their_place_in_the_replica_whatever_order_they_come_in() -> None:
    outputs = outputs_of(HEAD, FOLLOWER)
    turned = msgspec.structs.replace(outputs, nodes=outputs.nodes[::-1])
    wanted = (
        HostPlan(name="node-0", address=HEAD, gpus=8, rank=0),
        HostPlan(name="node-1", address=FOLLOWER, gpus=8, rank=1),
    )
    assert with_hosts(spanning_plan(), outputs).hosts == with_hosts(spanning_plan(), turned).hosts == wanted


def test_a_replica_that_lacks_a_node_is_not_begun() -> None:
    with pytest.raises(DeployError, match="node-1 of its one replica is not there") as refused:
        with_hosts(spanning_plan(), outputs_of(HEAD))
    assert refused.value.code == "not_configured"


def test_only_the_node_that_serves_is_given_secrets_and_certificates() -> None:
    head, further = placed(0), placed(1)
    assert {material["path"] for material in head["materials"]} >= {
        "/etc/cloister/credentials/engine-api-key",
        "/etc/cloister/tls/leaf.key",
    }
    assert further["materials"] == []
    assert further["users"] == ["cloister-engine-node-1"]
    assert [unit["unit"] for unit in further["units"]] == ["cloister-engine-node-1.service"]
    assert (further["units"][0]["sockets"], further["units"][0]["credentials"]) == ([], [])
    assert not {folder["group"] for folder in further["folders"]} & {"cloister-traefik", "cloister-gateway"}


def test_what_packages_start_by_themselves_is_kept_from_it_on_every_node() -> None:
    assert placed(1)["masked"] == placed(0)["masked"]
    assert "prometheus.service" in placed(1)["masked"]


def test_services_come_up_on_the_further_nodes_first() -> None:
    assert [host.name for host in heads_last(INVENTORY, WIDE).host] == ["node-1", "node-0"]
    alone = msgspec.structs.replace(WIDE, hosts=tuple(msgspec.structs.replace(one, rank=0) for one in WIDE.hosts))
    assert heads_last(INVENTORY, alone) == INVENTORY


def test_nodes_let_in_each_other_and_clients_reach_the_first_alone() -> None:
    for host, other, endpoint in ((WIDE.hosts[0], FOLLOWER, True), (WIDE.hosts[1], HEAD, False)):
        rules = firewall_variables(WIDE, host.name, INVENTORY, ARRIVALS)
        assert any(rule["name"] == "endpoint" for rule in rules["firewall_in"]) is endpoint
        of_peers = [rule for rule in rules["firewall_in"] if rule["name"].startswith("replica")]
        assert {(rule["protocol"], *rule["networks"]) for rule in of_peers} == {("tcp", f"{other}/32")}
        ports = [(rule["port"], rule.get("last_port", rule["port"])) for rule in of_peers]
        assert ports == [(29502, 29502), (29501, 29501), (32768, 60999)]
        assert [rule for rule in rules["firewall_out"] if rule["name"].startswith("replica")] == of_peers


def test_hosts_that_do_not_compute_together_let_each_other_in_nowhere() -> None:
    plan = msgspec.structs.replace(WIDE, followers=())
    for host in plan.hosts:
        rules = firewall_variables(plan, host.name, INVENTORY, ARRIVALS)
        assert not any(rule["name"].startswith("replica") for side in rules.values() for rule in side)


def test_what_is_placed_on_each_node_passes_the_rules(tmp_path: Path) -> None:
    files = node_files(WIDE, Home(tmp_path).stack("wide").layout)
    assert {path.partition(":")[0] for path in files} == {"node-0", "node-1"}
    findings = evaluate(WIDE, (), rules_of(WIDE), files=files, today=date(2026, 11, 21))
    assert refusals(findings) == ()


FACTS = """clock=1000
machine=x86_64
cpus=8
memory_kib=1048576
memory_free_kib=1048576
address=10.42.0.10 ens5
address=fd00::10 ens5
end=yes
"""


def test_the_interface_is_the_one_that_has_the_nodes_address() -> None:
    facts = parse_facts(FACTS, asked_at=1000)
    assert facts.addresses == ("10.42.0.10", "fd00::10")
    able = abilities(WIDE, WIDE.hosts[0], facts)
    assert able == HostAbilities(systemd=LOWEST_SYSTEMD, interface="ens5")
    with pytest.raises(DeployError, match="none of its network interfaces has the address"):
        abilities(WIDE, WIDE.hosts[1], facts)


def test_each_node_must_fit_its_own_part() -> None:
    needs = [needs_of(part_of(WIDE, host), load_catalogue()) for host in WIDE.hosts]
    assert [one.gpus for one in needs] == [8, 8]
    assert [one.published_ports for one in needs] == [(443,), ()]
