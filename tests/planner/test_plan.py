"""What holds of every plan."""

from __future__ import annotations

import ast
import ipaddress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import planner
from lifecycle.profiles import load_profile, shipped_names
from planner.catalogue import load_catalogue
from planner.errors import PlanError
from planner.make_plan import Site, make_plan
from planner.plan import Plan, UpstreamPlan, from_json, to_json
from planner.profile import AwsSection, EngineSection, ModelSection, NetworkSection, Profile
from planner.services import DEFAULT_PORTS, wanted_ports

ports = st.integers(min_value=1024, max_value=65535)
profiles = st.builds(
    lambda name, seqs, dtype, length, zones, tags: msgspec.structs.replace(
        load_profile(name),
        engine=EngineSection(max_num_seqs=seqs, kv_cache_dtype=dtype),
        model=ModelSection(name=load_profile(name).model.name, max_model_len=length),
        network=NetworkSection(zones=zones),
        tags=tags,
    ),
    st.sampled_from(shipped_names()),
    st.integers(1, 4096),
    st.sampled_from(["auto", "fp8"]),
    st.integers(256, 32768),
    st.integers(1, 3),
    st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=40), max_size=3),
)
sites = st.builds(
    Site,
    stack=st.from_regex(r"[a-z][a-z0-9]{0,10}", fullmatch=True),
    ports=st.dictionaries(st.sampled_from(sorted(DEFAULT_PORTS)), ports),
    upstream=st.none() | st.builds(UpstreamPlan, url=st.text(max_size=30), key_env=st.text(max_size=10)),
)


@given(profile=profiles, site=sites)
def test_json_round_trip(profile: Profile, site: Site) -> None:
    plan = make_plan(profile, load_catalogue(), site)
    assert from_json(to_json(plan)) == plan


def shipped_plan(name: str, **site: object) -> Plan:
    return make_plan(load_profile(name), load_catalogue(), msgspec.convert({"stack": "s", **site}, Site))


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_profile_is_planned_soundly(name: str) -> None:
    plan = shipped_plan(name)
    vpc = ipaddress.ip_network(plan.network.vpc_cidr)
    assert all(ipaddress.ip_network(s.cidr).subnet_of(vpc) for s in plan.network.subnets)  # type: ignore[arg-type]  # both IPv4
    assert {node.subnet for node in plan.nodes} <= {subnet.name for subnet in plan.network.subnets}
    assert plan.engine.kv_cache_tokens >= plan.model.max_model_len
    published = [(s.name, p.name) for s in plan.services for p in s.ports if p.binding == "published"]
    assert published == [("traefik", "https")]
    named = {secret.name for secret in plan.secrets}
    assert {secret for service in plan.services for secret in service.secret_env.values()} <= named
    assert all(decision.why for decision in plan.decisions)
    assert "--api-key" not in plan.engine.args


def test_ports_are_taken_from_the_site() -> None:
    plan = shipped_plan("2xh200", ports={"engine.http": 9999})
    assert plan.port("engine", "http") == 9999
    assert "9999" in plan.service("engine").args
    assert wanted_ports(plan)["engine.http"] == DEFAULT_PORTS["engine.http"]


@given(replicas=st.integers(1, 8), numbers=st.dictionaries(st.sampled_from(["engine-1.http", "engine.http"]), ports))
def test_replicas_share_neither_ports_nor_gpus(replicas: int, numbers: dict[str, int]) -> None:
    profile = load_profile("1xh200")
    hardware = msgspec.structs.replace(profile.hardware, replicas=replicas)
    site = Site(stack="s", ports=numbers)
    plan = make_plan(msgspec.structs.replace(profile, hardware=hardware), load_catalogue(), site)
    engines = plan.engine_services
    assert [engine.name for engine in engines] == list(plan.engine.service_names)
    assert len(engines) == replicas
    gpus = [gpu for engine in engines for gpu in engine.env["CUDA_VISIBLE_DEVICES"].split(",")]
    assert len(set(gpus)) == len(gpus) == replicas * plan.engine.gpus <= plan.nodes[0].gpus
    for engine in engines:
        number = plan.port(engine.name, "http")
        assert number == numbers.get(f"{engine.name}.http", DEFAULT_PORTS[f"{engine.name}.http"])
        assert engine.args[engine.args.index("--port") + 1] == str(number)
    first = plan.port(engines[0].name, "http")
    assert plan.engine.args[plan.engine.args.index("--port") + 1] == str(first)


def test_default_ports_are_told_apart() -> None:
    shared = {name: number for name, number in DEFAULT_PORTS.items() if name != "engine.http"}  # alone, or engine-0
    assert len(set(shared.values())) == len(shared)


def test_upstream_takes_the_engines_place() -> None:
    plan = shipped_plan("2xh200", upstream={"url": "http://127.0.0.1:1", "key_env": "KEY"})
    assert "engine" not in {service.name for service in plan.services}
    assert plan.engine_services == ()
    assert "upstream-api-key" in {secret.name for secret in plan.secrets}
    assert "engine-api-key" not in {secret.name for secret in plan.secrets}


def test_two_h200_on_aws_are_billed_as_eight() -> None:
    plan = shipped_plan("2xh200")
    assert plan.cost.usd_per_hour_on_aws == 63.296
    idle = next(d for d in plan.decisions if d.what == "idle GPUs")
    assert idle.choice == "6 of 8"
    assert "`hardware.replicas = 4`" in idle.why


def test_a_plan_that_does_not_fit_says_what_would() -> None:
    profile = msgspec.structs.replace(load_profile("1xh200"), model=ModelSection(name="deepseek-r1"))
    with pytest.raises(PlanError) as refused:
        make_plan(profile, load_catalogue(), Site(stack="s"))
    assert refused.value.code == "does_not_fit"
    assert "hardware.count" in refused.value.hint


def test_no_decision_hangs_on_a_profiles_name() -> None:
    """A new profile is one TOML file: no code compares `profile.name` with anything."""
    root = Path(planner.__file__).parent.parent
    for folder in ("planner", "stacks", "templates", "lifecycle", "cli", "sandbox", "gateway", "policies"):
        for path in (root / folder).rglob("*.py"):
            strings = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
            assert not strings & set(shipped_names()), path


def test_nothing_is_imitated_on_aws() -> None:
    plan = shipped_plan("2xh200", target="aws", account="123456789012")
    assert plan.account.number == "123456789012"
    assert {service.name for service in plan.services} == {
        "engine",
        "gateway",
        "traefik",
        "prometheus",
        "node-exporter",
    }
    engine = plan.service("engine")
    assert (engine.artefact, engine.version) == ("vllm", plan.engine.version)
    assert engine.args == ("serve", *plan.engine.args)
    assert plan.port("traefik", "https") == plan.network.gateway_port
    assert plan.port("gateway", "http") == DEFAULT_PORTS["gateway.http"]
    assert "stand-in" not in " ".join(decision.choice for decision in plan.decisions)


def test_every_replica_on_aws_has_its_port_and_its_gpus() -> None:
    profile = load_profile("2xh200")
    two = msgspec.structs.replace(profile, hardware=msgspec.structs.replace(profile.hardware, replicas=2))
    plan = make_plan(two, load_catalogue(), Site(stack="s", target="aws"))
    ports = [service.args[service.args.index("--port") + 1] for service in plan.engine_services]
    assert ports == ["8000", "8001"]
    assert [service.env["CUDA_VISIBLE_DEVICES"] for service in plan.engine_services] == ["0,1", "2,3"]


def test_nodes_on_aws_reach_no_server_in_the_engines_place() -> None:
    with pytest.raises(PlanError, match="sandbox alone"):
        shipped_plan("2xh200", target="aws", upstream={"url": "http://127.0.0.1:1", "key_env": ""})


@pytest.mark.parametrize(
    ("target", "aws", "price"),
    [
        ("sandbox", {}, 0.0),
        ("aws", {}, 63.296),
        ("aws", {"capacity": "reservation", "reservation_id": "cr-0123456789abcdef0"}, 63.296),
        ("aws", {"capacity": "capacity-block", "reservation_id": "cr-0123456789abcdef0"}, 0.0),
        ("aws", {"region": "ap-northeast-1"}, None),
    ],
)
def test_what_a_target_costs_from_now_on(target: str, aws: dict[str, str], price: float | None) -> None:
    profile = msgspec.structs.replace(load_profile("2xh200"), aws=msgspec.convert(aws, AwsSection))
    site = msgspec.convert({"stack": "s", "target": target}, Site)
    assert make_plan(profile, load_catalogue(), site).cost.usd_per_hour == price
