"""Building blocks of the rules' examples: the smallest resource, plan and rendered files, and changes to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from planner.plan import (
    AccountPlan,
    AlertsPlan,
    BundlePlan,
    ConsumersPlan,
    CostPlan,
    EnginePlan,
    GatewayPlan,
    IdentityPlan,
    Limits,
    LogsPlan,
    MetricsPlan,
    ModelPlan,
    NetworkPlan,
    NodePlan,
    Outside,
    Plan,
    Rates,
    Service,
    StoragePlan,
    SubnetPlan,
    TlsPlan,
    WebhookPlan,
)
from planner.ranges import Range
from planner.resources import Resource


def urn_of(type_: str, name: str) -> str:
    """Return the URN of an example resource."""
    return f"urn:pulumi:example::cloister::{type_}::{name}"


def resource(type_: str, name: str, /, *, after: tuple[Resource, ...] = (), **inputs: Any) -> Resource:
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


def changed(**parts: Any) -> Plan:
    """Return the plan of the examples, changed: a field's new value, or new values of a part's fields by their name."""
    changes = {}
    for name, value in parts.items():
        part = getattr(_PLAN, name)
        is_part = isinstance(value, Mapping) and isinstance(part, msgspec.Struct)
        changes[name] = msgspec.structs.replace(part, **value) if is_part else value
    return msgspec.structs.replace(_PLAN, **changes)


def service(name: str, **fields: Any) -> Service:
    """Return a small service."""
    usual: dict[str, Any] = {"artefact": name, "version": "1.0.0", "args": (), "limits": Limits(memory_mib=512)}
    return Service(name=name, **{**usual, **fields})


def engine_with(*args: str, **fields: Any) -> Plan:
    """Return the plan of the examples with a vLLM whose command line has these further words."""
    words = ("example/example-8b", "--host", "127.0.0.1", "--port", "8000", *args)
    usual: dict[str, Any] = {"artefact": "vllm", "version": "0.33.0", "secret_env": {"VLLM_API_KEY": "engine-api-key"}}
    engine = service("engine", args=("serve", *words), gpus=1, **{**usual, **fields})
    return changed(engine={"args": words, "version": engine.version}, services=(engine,))


def with_node(**fields: Any) -> Plan:
    """Return the plan of the examples with one node on AWS."""
    usual: dict[str, Any] = {
        "name": "node-0",
        "instance_type": "p5en.48xlarge",
        "subnet": "private-a",
        "gpus": 8,
        "ami_parameter": "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id",
        "root_volume_gib": 200,
        "interfaces": (),
        "capacity": "on-demand",
        "reservation_id": "",
        "placement_group": False,
    }
    return changed(target="aws", nodes=(NodePlan(**{**usual, **fields}),))


def without_price(**fields: Any) -> Plan:
    """Return the plan with one node, of which nobody knows the price."""
    plan = with_node(**fields)
    return msgspec.structs.replace(plan, cost=msgspec.structs.replace(plan.cost, usd_per_hour=None))


Changes = Mapping[str, Any]
"""Dotted path -> new value, or `...` to take it away."""


def traefik(static: Changes | None = None, routes: Changes | None = None) -> dict[str, str]:
    """Return Traefik's two files, small and sound but for these changes; JSON is YAML, and quicker to write."""
    return {
        "traefik/traefik.yml": json.dumps(_applied(_STATIC, static or {})),
        "traefik/dynamic/routes.yml": json.dumps(_applied(_ROUTES, routes or {})),
    }


def gateway(changes: Changes | None = None) -> dict[str, str]:
    """Return the gateway's file, small and sound but for these changes."""
    return {"gateway/gateway.toml": toml_text(_applied(_GATEWAY, changes or {}))}


def prometheus(changes: Changes | None = None) -> dict[str, str]:
    """Return Prometheus's file, small and sound but for these changes."""
    return {"prometheus/prometheus.yml": json.dumps(_applied(_PROMETHEUS, changes or {}))}


def alertmanager(changes: Changes | None = None) -> dict[str, str]:
    """Return Alertmanager's file, small and sound but for these changes."""
    return {"alertmanager/alertmanager.yml": json.dumps(_applied(_ALERTMANAGER, changes or {}))}


def told_at(address: str) -> Plan:
    """Return the plan of the examples with a receiver of alerts at this address."""
    server = Outside(name="alerts.example.test", port=443, address=address)
    return changed(alerts=AlertsPlan(webhook=WebhookPlan(url="https://alerts.example.test/", server=server)))


def unit(changes: Changes | None = None, name: str = "cloister-gateway") -> dict[str, str]:
    """Return a systemd service, small and sound but for these changes of its section `Service`."""
    settings = _applied(_UNIT, changes or {})
    lines = ["[Unit]", "Description=Example", "", "[Service]", *(f"{key}={value}" for key, value in settings.items())]
    return {f"/etc/systemd/system/{name}.service": "\n".join(lines) + "\n"}


def _applied(base: Any, changes: Changes) -> Any:
    """Return a changed copy; what no change touches is shared with the original."""
    for path, value in changes.items():
        base = _with(base, path.split("."), value)
    return base


def _with(base: Any, path: list[str], value: Any) -> Any:
    key, *rest = path
    below = _with(base.get(key, {}), rest, value) if rest else value
    others = {name: kept for name, kept in base.items() if name != key}
    return others if below is ... else {**others, key: below}


def toml_text(tables: Mapping[str, Any]) -> str:
    """Write a table of plain values and tables as TOML: what JSON and TOML write alike."""
    plain = [f"{key} = {_value(value)}" for key, value in tables.items() if not isinstance(value, Mapping)]
    for key, value in tables.items():
        if isinstance(value, Mapping):
            plain += [f"[{key}]", *(f'"{name}" = {_value(inner)}' for name, inner in value.items())]
    return "\n".join(plain) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f'"{name}" = {_value(inner)}' for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value)


_STATIC: dict[str, Any] = {
    "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
    "entryPoints": {
        "websecure": {
            "address": ":8443",
            "http": {
                "tls": {},
                "maxHeaderBytes": 65536,
                "aliasHeadersStrategy": "delete",
                "sanitizePath": True,
                "encodedCharacters": {
                    f"allowEncoded{name}": False
                    for name in ("Slash", "BackSlash", "NullCharacter", "Semicolon", "Percent", "QuestionMark", "Hash")
                },
            },
            "forwardedHeaders": {"insecure": False},
            "http2": {"maxConcurrentStreams": 250},
            "transport": {"respondingTimeouts": {"readTimeout": "60s", "writeTimeout": "0s", "idleTimeout": "180s"}},
        },
        "admin": {"address": "127.0.0.1:8082"},
    },
    "providers": {"file": {"directory": "/etc/traefik/dynamic", "watch": True}},
    "api": {"dashboard": False, "insecure": False},
    "ping": {"entryPoint": "admin"},
    "metrics": {"prometheus": {"entryPoint": "admin"}},
    "log": {"level": "WARN"},
    "accessLog": {
        "format": "json",
        "fields": {
            "defaultMode": "keep",
            "names": {"RequestLine": "drop", "RequestPath": "drop"},
            "headers": {"defaultMode": "drop"},
        },
    },
}
_BLANKED = {"X-Cloister-Client": "", "X-Cloister-Jti": "", "X-Cloister-Scope": ""}
_ROUTES: dict[str, Any] = {
    "tls": {
        "options": {
            "default": {
                "minVersion": "VersionTLS12",
                "cipherSuites": ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"],
            }
        },
        "stores": {"default": {"defaultCertificate": {"certFile": "/tls/leaf.pem", "keyFile": "/tls/leaf.key"}}},
    },
    "http": {
        "routers": {
            "inference": {
                "entryPoints": ["websecure"],
                "rule": "Path(`/v1/chat/completions`) && (Method(`POST`))",
                "service": "gateway",
                "middlewares": ["strict-transport", "no-claimed-identity"],
                "tls": {},
            },
            "prometheus": {
                "entryPoints": ["websecure"],
                "rule": "PathPrefix(`/prometheus/`) && (Method(`GET`))",
                "service": "prometheus",
                "middlewares": ["strict-transport", "no-claimed-identity", "ask-gateway", "no-token-beyond"],
                "tls": {},
            },
            "refuse": {
                "entryPoints": ["websecure"],
                "rule": "PathPrefix(`/`)",
                "priority": 1,
                "service": "gateway",
                "middlewares": ["strict-transport", "no-claimed-identity", "refused-path"],
                "tls": {},
            },
        },
        "middlewares": {
            "strict-transport": {
                "headers": {"stsSeconds": 31536000, "stsIncludeSubdomains": True, "contentTypeNosniff": True}
            },
            "no-claimed-identity": {"headers": {"customRequestHeaders": _BLANKED}},
            "ask-gateway": {
                "forwardAuth": {
                    "address": "http://127.0.0.1:8080/forward-auth",
                    "trustForwardHeader": False,
                    "authRequestHeaders": ["Authorization"],
                    "authResponseHeaders": ["X-Cloister-Client", "X-Cloister-Jti"],
                }
            },
            "no-token-beyond": {"headers": {"customRequestHeaders": {"Authorization": ""}}},
            "refused-path": {"replacePath": {"path": "/not-found"}},
        },
        "services": {
            "gateway": {"loadBalancer": {"servers": [{"url": "http://127.0.0.1:8080"}]}},
            "prometheus": {"loadBalancer": {"servers": [{"url": "http://127.0.0.1:9090"}]}},
        },
    },
}
_GATEWAY: dict[str, Any] = {
    "listen": "127.0.0.1:8080",
    "admin_listen": "127.0.0.1:8081",
    "routes": [{"path": "/v1/chat/completions", "methods": ["POST"], "scope": "inference"}],
    "upstream": {"api_key_file": "/secrets/engine-api-key", "replicas": {"engine": "http://127.0.0.1:8000"}},
    "auth": {
        "issuer": "https://example.test",
        "audience": "example",
        "jwks_file": "/identity/jwks.json",
        "revocations_file": "/identity/revoked.json",
        "algorithms": ["EdDSA", "ES256"],
        "leeway_s": 5,
        "max_lifetime_s": 3600,
        "observe_scope": "observe",
    },
    "limits": {
        "max_body_bytes": 1048576,
        "max_connections": 512,
        "max_in_flight": 256,
        "max_in_flight_per_client": 64,
        "request_timeout_s": 600,
    },
}
_PROMETHEUS: dict[str, Any] = {
    "global": {"scrape_interval": "5s"},
    "rule_files": ["/etc/prometheus/rules/cloister.yml"],
    "scrape_configs": [{"job_name": "gateway", "static_configs": [{"targets": ["127.0.0.1:8081"]}]}],
}
_ALERTMANAGER: dict[str, Any] = {
    "route": {"receiver": "operators"},
    "receivers": [
        {
            "name": "operators",
            "webhook_configs": [
                {
                    "url": "https://alerts.example.test/",
                    "http_config": {"follow_redirects": False, "tls_config": {"min_version": "TLS12"}},
                }
            ],
        }
    ],
}
_UNIT: dict[str, Any] = {
    "User": "cloister-gateway",
    "ExecStart": "/opt/cloister/runtime/gateway/current/bin/python -P -m gateway --config /etc/cloister/gateway.toml",
    "Restart": "on-failure",
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "AmbientCapabilities": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectControlGroups": "yes",
    "ProtectClock": "yes",
    "ProtectHostname": "yes",
    "LockPersonality": "yes",
    "RestrictSUIDSGID": "yes",
    "RestrictRealtime": "yes",
    "RestrictNamespaces": "yes",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "SystemCallArchitectures": "native",
    "SystemCallFilter": "@system-service",
    "IPAddressDeny": "any",
    "IPAddressAllow": "localhost",
    "MemoryMax": "1G",
    "LimitNOFILE": "8192",
    "UMask": "0077",
}

_SOUND_ARGS = (
    *("example/example-8b", "--host", "127.0.0.1", "--port", "8000"),
    *("--max-model-len", "8192", "--max-num-seqs", "8", "--max-num-batched-tokens", "8192"),
    *("--max-num-queued-reqs", "16", "--allowed-media-domains", "none.invalid", "--disable-fastapi-docs"),
)
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
        version="0.33.0",
        args=_SOUND_ARGS,
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
    bundle=BundlePlan(
        id="", store="/srv", processes=1, weights_bytes=0, pull_s=Range.exactly(0.0), pull_limit="example"
    ),
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
        max_connections=16,
        max_in_flight=8,
        max_in_flight_per_client=4,
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
