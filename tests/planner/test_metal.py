"""Plans for hosts that somebody has: nothing of an account, a whole stack on each, an imitation only on demand."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lifecycle.profiles import load_profile, shipped_names
from planner.catalogue import load_catalogue
from planner.errors import PlanError
from planner.host_commands import distribution_units, host_command, host_environment
from planner.layout import HOST_LAYOUT
from planner.make_plan import Site, make_plan
from planner.plan import HostPlan, Plan, UpstreamPlan, from_json, to_json
from planner.profile import Profile
from planner.services import STAND_IN

EIGHT = HostPlan(name="a", address="10.0.0.5", gpus=8)


def changed(name: str, sections: dict[str, dict[str, Any]]) -> Profile:
    profile = load_profile(name)
    for section, values in sections.items():
        part = msgspec.structs.replace(getattr(profile, section), **values)
        profile = msgspec.structs.replace(profile, **{section: part})
    return profile


def metal(name: str = "2xh200", *hosts: HostPlan, upstream: UpstreamPlan | None = None, **sections: Any) -> Plan:
    site = Site(stack="s", target="metal", hosts=hosts or (EIGHT,), upstream=upstream)
    return make_plan(changed(name, sections), load_catalogue(), site)


@pytest.mark.parametrize("name", shipped_names())
def test_a_host_runs_the_whole_stack_and_nothing_of_an_account(name: str) -> None:
    plan = metal(name)
    assert from_json(to_json(plan)) == plan
    names = [service.name for service in plan.services]
    assert names == ["engine", "gateway", "traefik", "prometheus", "node-exporter"]
    assert plan.service("engine").artefact == "vllm"
    assert (plan.nodes, plan.network.subnets, plan.private_name) == ((), (), None)
    assert plan.cost.usd_per_hour is None
    assert plan.port("traefik", "https") == plan.network.gateway_port == 443
    assert "10.0.0.5" in plan.tls.hostnames
    assert {service.name for service in plan.services if "gpu" in service.needs} == {"engine"}


def test_weights_come_from_the_bundle_or_a_folder_of_the_host() -> None:
    plan = metal("2xh200")
    assert plan.service("engine").args[:2] == ("serve", "/opt/cloister/current/weights/qwen3-235b-a22b-fp8")
    assert plan.model.source == "Qwen/Qwen3-235B-A22B-FP8"
    own = metal("2xh200", model={"source": "/srv/weights/own"})
    assert own.service("engine").args[1] == "/srv/weights/own"


def test_processes_of_a_replica_meet_on_loopback() -> None:
    assert metal("2xh200").service("engine").env["NCCL_SOCKET_IFNAME"] == "=lo"


def test_an_imitation_is_asked_for_and_said() -> None:
    plan = metal("2xh200", HostPlan(name="a", interface="eth0"), engine={"stand_in": True})
    assert plan.service("engine").artefact == "vllm-sim"
    assert [d.choice for d in plan.decisions if d.what == "engine"] == [STAND_IN]
    assert not any("gpu" in service.needs for service in plan.services)


def test_replicas_stand_on_each_host() -> None:
    hosts = (EIGHT, HostPlan(name="b", address="fd00::5", gpus=4))
    plan = metal("2xh200", *hosts, hardware={"replicas": 2})
    assert [service.name for service in plan.engine_services] == ["engine-0", "engine-1"]
    assert plan.hosts == hosts


@pytest.mark.parametrize(
    ("hosts", "sections", "words"),
    [
        ((), {}, "no host is named"),
        ((EIGHT, EIGHT), {}, "two hosts are called a"),
        ((HostPlan(name="a", gpus=8),), {}, "neither an address nor an interface"),
        ((HostPlan(name="a", address="0.0.0.0", gpus=8),), {}, "nothing listens on"),
        ((HostPlan(name="a", address="::", gpus=8),), {}, "nothing listens on"),
        ((HostPlan(name="a", address="host.example", gpus=8),), {}, "no IP address"),
        ((EIGHT, HostPlan(name="b", address="10.0.0.6", gpus=1)), {}, "b has 1 GPUs"),
        ((EIGHT,), {"hardware": {"replicas": 5}}, "a has 8 GPUs"),
        ((EIGHT,), {"network": {"client_prefix_lists": ("pl-0123abcd",)}}, "prefix lists"),
        ((EIGHT,), {"network": {"client_cidrs": ("10.0.0.1/8",)}}, "host bits"),
        ((EIGHT,), {"network": {"client_cidrs": ()}}, "no client may reach"),
    ],
)
def test_what_cannot_be_is_refused(hosts: tuple[HostPlan, ...], sections: dict[str, Any], words: str) -> None:
    with pytest.raises(PlanError, match=words):
        make_plan(changed("2xh200", sections), load_catalogue(), Site(stack="s", target="metal", hosts=hosts))


def test_no_gpu_is_rented_for_an_imitation_and_no_other_server_is_asked() -> None:
    imitated = changed("2xh200", {"engine": {"stand_in": True}})
    with pytest.raises(PlanError, match="stand_in"):
        make_plan(imitated, load_catalogue(), Site(stack="s", target="aws"))
    with pytest.raises(PlanError, match="--upstream"):
        metal(upstream=UpstreamPlan(url="http://10.0.0.9:8000", key_env=""))


@pytest.mark.parametrize(
    ("artefact", "command", "variables"),
    [
        ("traefik", ["/opt/cloister/runtime/gateway/current/bin/traefik"], {}),
        (
            "gateway",
            ["/opt/cloister/runtime/gateway/current/bin/python", "-P", "-m", "gateway"],
            {"PYTHONPATH": "/opt/cloister/current/programs/cloister"},
        ),
        ("prometheus", ["/usr/bin/prometheus"], {}),
        ("node-exporter", ["/usr/bin/prometheus-node-exporter"], {}),
        ("vllm", ["/opt/cloister/runtime/engine/current/bin/vllm"], {}),
    ],
)
def test_commands_on_hosts(artefact: str, command: list[str], variables: dict[str, str]) -> None:
    catalogue = load_catalogue()
    assert list(host_command(artefact, catalogue)) == command
    assert host_environment(artefact, catalogue) == variables


def test_units_of_the_distribution_that_ours_take_the_place_of() -> None:
    plan = metal()
    artefacts = tuple(service.artefact for service in plan.services)
    units = distribution_units(load_catalogue(), artefacts)
    assert units == ("prometheus.service", "prometheus-node-exporter.service")


def test_folders_of_a_host() -> None:
    assert HOST_LAYOUT.expand("gateway", "{config}/gateway.toml") == "/etc/cloister/gateway/gateway.toml"
