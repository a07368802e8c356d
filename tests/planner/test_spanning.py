"""What each node of a replica that spans several runs; a stack without such a replica runs the same everywhere."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifecycle.profiles import load_profile
from planner.acceptance import Fabric, expected_gpus
from planner.catalogue import load_catalogue
from planner.engine_flags import check_arguments
from planner.make_plan import Site, make_plan
from planner.plan import HostPlan, from_json, to_json
from planner.spanning import heads_of, part_of, peers_of, services_of
from tests.spanning import HEAD, spanning_plan, with_nodes

CASES = tomllib.loads((Path(__file__).parent / "cases" / "spanning.toml").read_text(encoding="utf-8"))["case"]
WIDE = with_nodes(spanning_plan())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"node {case['rank']}")
def test_each_node_runs_its_part(case: Any) -> None:
    host = WIDE.hosts[case["rank"]]
    services = services_of(WIDE, host, "ens5")
    assert [service.name for service in services] == case["services"]
    engine, words = services[0], services[0].args
    for wanted in case["options"]:
        assert wanted in [list(words[at : at + len(wanted)]) for at in range(len(words))], wanted
    assert not set(case["never"]) & set(words)
    check_arguments(words[1:])  # behind `serve`
    assert {name: engine.env[name] for name in case["environment"]} == case["environment"]
    assert list(engine.secret_env.values()) == case["secrets"]
    assert [f"{port.number} {port.binding}" for port in engine.ports] == case["ports"]
    assert (engine.gpus, engine.needs) == (8, ("gpu", "jit", "rdma", "peers"))
    assert list(peers_of(WIDE, host)) == case["peers"]
    assert not any("{node-0}" in text or "{address}" in text for text in (*words, *engine.env.values()))


def test_the_first_node_alone_serves() -> None:
    assert [host.address for host in heads_of(WIDE)] == [HEAD]
    published = [
        [port.name for service in part_of(WIDE, host).services for port in service.ports if port.binding == "published"]
        for host in WIDE.hosts
    ]
    assert published == [["https"], []]


def test_every_node_must_have_its_own_gpus_and_the_fabric() -> None:
    expected = expected_gpus(WIDE, load_catalogue())
    assert expected is not None
    assert (expected.gpus, expected.exactly, expected.fabric) == (8, 8, Fabric(kind="efa", ports=16))


def test_the_plan_names_what_every_node_runs_before_any_is_there() -> None:
    plan = spanning_plan()
    assert [service.name for service in plan.followers] == ["engine-node-1"]
    assert from_json(to_json(plan)) == plan


def test_without_such_a_replica_every_host_runs_all() -> None:
    hosts = (HostPlan(name="a", address="10.0.0.5", gpus=8), HostPlan(name="b", address="10.0.0.6", gpus=8))
    plan = make_plan(load_profile("2xh200"), load_catalogue(), Site(stack="s", target="metal", hosts=hosts))
    assert plan.followers == ()
    for host in hosts:
        assert services_of(plan, host) == plan.services
        assert peers_of(plan, host) == ()
    assert heads_of(plan) == hosts


def test_an_engine_on_one_node_stays_on_loopback() -> None:
    plan = make_plan(load_profile("8xh200"), load_catalogue(), Site(stack="s", target="aws"))
    environment = plan.service("engine").env
    assert (environment["NCCL_SOCKET_IFNAME"], environment["GLOO_SOCKET_IFNAME"]) == ("=lo", "lo")
    assert not {"NCCL_NET", "VLLM_HOST_IP", "FI_PROVIDER"} & environment.keys()
    assert msgspec.structs.asdict(plan)["followers"] == ()
