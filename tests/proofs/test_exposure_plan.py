"""The proof over a plan: it holds for every shipped profile, and misses whatever barrier a change takes away."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifecycle.exposure.verb import exposure_of_plan, resources_of
from lifecycle.profiles import shipped_names
from planner.progress import Silent
from planner.resources import Resource
from policies.exposure.exposure import Exposure
from policies.exposure.network import AclEntry, Card, Group, Network, Rule, Subnet
from policies.exposure.planned import planned
from policies.exposure.reach import prove
from tests.stacks.test_life import spanning
from tests.stacks.test_program import plan_of

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:pulumi_aws")]

MUTATIONS: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "plan_mutations.toml").read_text(encoding="utf-8")
)["mutation"]


@cache
def imagined() -> tuple[Resource, ...]:
    return resources_of(plan_of("2xh200"))


def mutated(mutation: dict[str, Any]) -> Exposure:
    changes = mutation.get("set", {})
    resources = [
        msgspec.structs.replace(resource, inputs={**resource.inputs, **changes.get(resource.name, {})})
        for resource in imagined()
    ]
    assert changes.keys() <= {resource.name for resource in resources}
    added = [Resource(**one, urn=one["name"], id=one["name"]) for one in mutation.get("add", ())]
    return prove(planned(plan_of("2xh200"), (*resources, *added)), of="plan", stack="tested")


@pytest.mark.parametrize("profile", shipped_names())
def test_a_shipped_profile_lets_nobody_in_but_the_clients_and_iam(profile: str) -> None:
    proof = exposure_of_plan(plan_of(profile), Silent())
    assert (proof.ok, proof.breaches) == (True, ())
    assert {(path.kind, path.target, path.port) for path in proof.paths if path.open and path.kind != "host"} == {
        ("neighbour", "node-0", "port 443"),
        ("named", "node-0", "port 443"),
        ("iam", "node-0", "port 22"),
    }
    (entrance,) = (path for path in proof.paths if path.kind == "iam")
    assert entrance.edges[0].guard == "iam"
    assert "OpenTunnel" in entrance.edges[0].why


def test_nodes_that_a_replica_spans_are_open_to_each_other_alone() -> None:
    proof = exposure_of_plan(spanning(plan_of("2xh200"), "p5en.48xlarge"), Silent())
    assert (proof.ok, proof.breaches) == (True, ())
    anything = [path for path in proof.paths if path.port == "every port"]
    assert anything
    assert not any(path.open for path in anything if path.kind == "internet")


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: str(mutation["name"]))
def test_a_barrier_that_a_change_takes_away_is_missed(mutation: dict[str, Any]) -> None:
    proof = mutated(mutation)
    assert sorted({breach.guard for breach in proof.breaches}) == mutation["guards"]
    assert proof.ok == (not mutation["guards"])


def test_what_only_the_account_knows_is_said() -> None:
    plan = plan_of("2xh200")
    network = msgspec.structs.replace(plan.network, client_prefix_lists=("pl-0123456789abcdef0",))
    proof = prove(planned(msgspec.structs.replace(plan, network=network), imagined()), of="plan", stack="tested")
    assert proof.ok
    assert [said for said in proof.unknown if "pl-0123456789abcdef0" in said]


ENTRY = AclEntry(number=100, allow=True, protocol="-1", first=0, last=65535, cidr="0.0.0.0/0")


@pytest.mark.parametrize(
    ("entries", "passes"),
    [
        ((ENTRY,), True),
        ((), False),
        ((msgspec.structs.replace(ENTRY, number=50, allow=False, cidr="10.0.0.0/8"), ENTRY), False),
        ((msgspec.structs.replace(ENTRY, number=50, allow=False, cidr="10.1.0.0/16"), ENTRY), True),
        ((msgspec.structs.replace(ENTRY, number=150, allow=False, cidr="10.0.0.0/8"), ENTRY), True),
        ((msgspec.structs.replace(ENTRY, protocol="6", first=1, last=442),), False),
        ((msgspec.structs.replace(ENTRY, protocol="17"),), False),
    ],
)
def test_a_network_acl_can_close_what_a_group_opens(entries: tuple[AclEntry, ...], passes: bool) -> None:
    rule = Rule(inbound=True, protocol="tcp", first=443, last=443, peer="10.0.0.0/8")
    network = Network(
        named=("10.0.0.0/8",),
        port=443,
        subnets=(Subnet(id="subnet-1", name="a", acl=entries),),
        groups=(Group(id="sg-1", name="node", rules=(rule,)),),
        cards=(Card(id="eni-1", name="node-0", kind="node", subnet="subnet-1", groups=("sg-1",)),),
        own_groups=("sg-1",),
    )
    proof = prove(network, of="account", stack="tested")
    assert [path.open for path in proof.paths if path.kind == "named" and path.port == "port 443"] == [passes]


def test_an_account_that_cannot_be_looked_at_proves_nothing() -> None:
    network = Network(named=("10.0.0.0/8",), port=443, unknown=("pl-1: the entries cannot be read",))
    assert not prove(network, of="account", stack="tested").ok
