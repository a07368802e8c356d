"""Building blocks of the rules' examples: the smallest resource, and the smallest plan."""

from __future__ import annotations

from typing import Any

import msgspec

from planner.plan import (
    AccountPlan,
    ConsumersPlan,
    CostPlan,
    EnginePlan,
    GatewayPlan,
    IdentityPlan,
    LogsPlan,
    MetricsPlan,
    ModelPlan,
    NetworkPlan,
    Plan,
    Rates,
    StoragePlan,
    SubnetPlan,
    TlsPlan,
)
from planner.resources import Resource


def urn_of(type_: str, name: str) -> str:
    """Return the URN of an example resource."""
    return f"urn:pulumi:example::cloister::{type_}::{name}"


def resource(type_: str, name: str, *, after: tuple[Resource, ...] = (), **inputs: Any) -> Resource:
    """Return a resource that does not exist yet; `after` are those it depends on."""
    return Resource(
        type=type_,
        name=name,
        urn=urn_of(type_, name),
        inputs=inputs,
        dependencies=tuple(dependency.urn for dependency in after),
    )


def plan(**network: Any) -> Plan:
    """Return a small sound plan, with these fields of its network changed."""
    return msgspec.structs.replace(_PLAN, network=msgspec.structs.replace(_PLAN.network, **network))


def consumers(**named: Any) -> Plan:
    """Return the plan of the examples with ways in for consumers."""
    return msgspec.structs.replace(_PLAN, consumers=ConsumersPlan(**named))


_PLAN = Plan(
    stack="example",
    profile="example",
    target="sandbox",
    model=ModelPlan(
        name="example-8b",
        served_name="example-8b",
        source="example/example-8b",
        licence="Apache-2.0",
        quantization="none",
        weights_gib=16.0,
        max_model_len=8192,
    ),
    engine=EnginePlan(
        name="vllm",
        version="0",
        args=(),
        gpu="example",
        gpus=1,
        kv_cache_tokens=65536,
        max_num_seqs=8,
        max_num_queued_reqs=8,
        rates=Rates(prefill_tokens_per_s=1000.0, decode_step_s=0.02, decode_step_per_sequence_s=0.001),
    ),
    account=AccountPlan(permission_boundary="", role_name_prefix="cloister-"),
    logs=LogsPlan(retention_days=90, sources=()),
    storage=StoragePlan(old_versions_days=30, unfinished_uploads_days=7),
    private_name=None,
    network=NetworkPlan(
        region="us-east-2",
        vpc_cidr="10.42.0.0/16",
        subnets=(SubnetPlan(name="private-a", cidr="10.42.0.0/20", zone="us-east-2a"),),
        client_cidrs=("10.20.0.0/16",),
        gateway_port=8443,
        gateway_endpoints=("s3",),
        interface_endpoints=("kms", "logs"),
    ),
    nodes=(),
    services=(),
    gateway=GatewayPlan(
        routes=(),
        observe_scope="observe",
        max_body_bytes=1048576,
        max_connections=8,
        max_in_flight=8,
        max_in_flight_per_client=8,
        request_timeout_s=60,
    ),
    identity=IdentityPlan(
        issuer="https://example.test",
        built_in=True,
        jwks="",
        issuer_ca="",
        audience="example",
        algorithms=("EdDSA",),
        leeway_s=30,
        max_lifetime_s=3600,
    ),
    tls=TlsPlan(mode="own-authority", hostnames=("localhost",), leaf_days=30),
    metrics=MetricsPlan(retention_days=1, scrape_interval_s=5),
    secrets=(),
    upstream=None,
    tags={},
    cost=CostPlan(usd_per_hour=0.0, usd_per_hour_on_aws=None, basis="none", as_of="2026-01-01", verified=False),
    decisions=(),
)
