"""Profile + catalogue -> Plan: the one place where decisions are taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from planner.account import plan_account, plan_storage
from planner.capacity import capacity_decision
from planner.catalogue import Catalogue, Gpu
from planner.consumers import consumer_decisions, plan_consumers
from planner.cost import hourly_cost
from planner.deadline import Lifetime, alarm_decisions, deadline_decisions, plan_alarm, plan_deadline
from planner.division import nodes_of
from planner.engine_args import Nodes, engine_arguments
from planner.errors import PlanError
from planner.logs import plan_logs
from planner.model_choice import ChosenModel, choose_model
from planner.placement import GATEWAY_PORT, check_provider, choose_host, place_replicas, plan_network, plan_nodes
from planner.plan import (
    Decision,
    EnginePlan,
    GatewayPlan,
    GivenNetworkPlan,
    IdentityPlan,
    MetricsPlan,
    ModelPlan,
    NetworkPlan,
    Plan,
    RoutePlan,
    SecretRef,
    Service,
    Target,
    TlsPlan,
    UpstreamPlan,
    replica_names,
)
from planner.private_name import plan_private_name
from planner.profile import Profile, TlsSection
from planner.replica import engine_choice, fit_replica, in_flight
from planner.services import Services
from planner.tags import PROFILE_TAG, STACK_TAG
from planner.throughput import rates
from planner.transfer import plan_bundle, transfer_decision

ALGORITHMS = ("EdDSA", "Ed25519", "ES256", "RS256", "PS256")
"""Asymmetric signatures only; `Ed25519` is RFC 9864's name of what RFC 8037 calls `EdDSA`."""
LEEWAY_S = 5
"""Clock difference that a token's times are forgiven, seconds."""
OBSERVE_SCOPE = "observe"
TYPICAL_CONTEXT = 8192
"""Tokens of context that speed is predicted for: few requests come near the longest one."""
NODE_PORTS = {"traefik.https": GATEWAY_PORT}
"""`service.port` -> number where a node is the stack's alone; others have their defaults."""
INFERENCE_ROUTES = {
    "chat": (("/v1/chat/completions", "POST"), ("/v1/completions", "POST"), ("/v1/models", "GET")),
    "embedding": (("/v1/embeddings", "POST"), ("/v1/models", "GET")),
}
"""What clients may call. The engine has many more routes, some of which its own API key leaves open."""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What the profile does not say: which stack this is, where, and on which ports.

    Attributes:
        stack: the stack's name.
        target: where nodes come from.
        ports: `service.port` -> number, for those that differ from the default.
        upstream: an OpenAI-compatible server in the engine's place.
        model_config: content of the file that `model.config` of the profile names.
        account: number of the AWS account that the nodes are in; empty in the sandbox.
        lifetime: how long it may live; None for as long as it is wanted.

    """

    stack: str
    target: Target = "sandbox"
    ports: Mapping[str, int] = {}
    upstream: UpstreamPlan | None = None
    model_config: Mapping[str, Any] | None = None
    account: str = ""
    lifetime: Lifetime | None = None


def make_plan(profile: Profile, catalogue: Catalogue, site: Site) -> Plan:
    """Decide everything.

    Raises:
        PlanError: the model does not fit, or a field names or asks for what there is not.

    """
    gpu = catalogue.gpu(profile.hardware.gpu)
    chosen = choose_model(profile.model, catalogue, site.model_config)
    host, host_reason = choose_host(profile, catalogue)
    fitted = fit_replica(profile, chosen, gpu, host)
    placed = place_replicas(profile, host, fitted)
    check_provider(profile, host, catalogue)
    network = plan_network(profile, host)
    builder = Services(catalogue, site.ports if site.target == "sandbox" else NODE_PORTS)
    served = ModelPlan(
        name=chosen.name,
        served_name=profile.model.served_name or chosen.name,
        source=chosen.source,
        licence=chosen.licence,
        quantization=fitted.sizing.precision,
        weights_gib=round(fitted.sizing.weights_gib_per_gpu * profile.hardware.count, 1),
        max_model_len=fitted.sizing.max_model_len,
        kind="embedding" if chosen.embedding else "chat",
        embedding_width=chosen.architecture.hidden if chosen.embedding else 0,
    )
    row = catalogue.engines["vllm"]
    port = builder.number(replica_names(placed.replicas)[0], "http")
    (args, engine_decisions), *workers = (
        engine_arguments(engine_choice(profile, chosen, fitted, served_name=served.served_name, port=port, nodes=nodes))
        for nodes in _nodes(nodes_of(profile.hardware.count, host.gpus))
    )
    engine = EnginePlan(
        name=row.name,
        version=row.version,
        args=args,
        worker_args=tuple(words for words, _ in workers),
        gpu=gpu.name,
        gpus=profile.hardware.count,
        replicas=placed.replicas,
        kv_cache_tokens=fitted.sizing.kv_cache_tokens,
        max_num_seqs=profile.engine.max_num_seqs,
        max_num_queued_reqs=in_flight(profile),
        rates=rates(fitted.replica, min(fitted.sizing.max_model_len, TYPICAL_CONTEXT)),
    )
    metrics = MetricsPlan(
        retention_days=profile.metrics.retention_days, scrape_interval_s=profile.metrics.scrape_interval_s
    )
    consumers = plan_consumers(profile, site.stack)
    bundle = plan_bundle(profile.bundle, served.weights_gib, host, catalogue)
    identity, tls = _identity(profile, site.stack), _tls(profile.tls, site.stack)
    cost = hourly_cost(profile.aws, host, catalogue, nodes=placed.nodes, target=site.target)
    deadline = plan_deadline(site.lifetime, cost, profile.aws.capacity)
    alarm = plan_alarm(profile.lifetime, deadline)
    return Plan(
        stack=site.stack,
        profile=profile.name,
        target=site.target,
        model=served,
        engine=engine,
        account=plan_account(profile, site.stack, site.account),
        network=network,
        storage=plan_storage(),
        logs=plan_logs(profile.aws.log_retention_days, profile.log_shipping),
        consumers=consumers,
        bundle=bundle,
        private_name=plan_private_name(tls, site.stack, profile.aws.consumer_vpc_ids),
        nodes=plan_nodes(profile, host, network, placed),
        services=_services(builder, site, network=network, model=served, engine=engine, metrics=metrics),
        gateway=_gateway(profile, served),
        identity=identity,
        tls=tls,
        metrics=metrics,
        secrets=_secrets(identity, tls, site.upstream),
        upstream=site.upstream,
        tags={PROFILE_TAG: profile.name, STACK_TAG: site.stack, **profile.tags},
        cost=cost,
        deadline=deadline,
        alarm=alarm,
        decisions=(
            Decision(what="model", choice=f"{chosen.name}, {fitted.sizing.precision} weights", why=chosen.why),
            *_model_notes(chosen),
            *_doubts(chosen, gpu),
            _served_by(site, engine),
            *fitted.decisions,
            Decision(what="instance type", choice=host.name, why=host_reason),
            capacity_decision(profile.aws),
            *deadline_decisions(deadline, profile.aws.capacity),
            *alarm_decisions(alarm),
            *placed.decisions,
            *engine_decisions,
            *_network_decisions(network),
            *consumer_decisions(consumers),
            transfer_decision(bundle),
            *_edge_decisions(identity, tls),
        ),
    )


def _nodes(count: int) -> tuple[Nodes | None, ...]:
    """Return each node of a replica as the engine there is told of it; None where it has one node alone."""
    if count == 1:
        return (None,)
    return tuple(Nodes(count=count, rank=rank, master_addr="{node-0}") for rank in range(count))


def _services(
    builder: Services,
    site: Site,
    *,
    network: NetworkPlan,
    model: ModelPlan,
    engine: EnginePlan,
    metrics: MetricsPlan,
) -> tuple[Service, ...]:
    """List what runs, in the order in which it is best read; where there are GPUs and an account, nothing is imitated.

    Raises:
        PlanError: a server in the engine's place, which nodes without a way out could not reach.

    """
    if site.target == "sandbox":
        engines = () if site.upstream else builder.imitated_engines(model, engine)
        first: tuple[Service, ...] = (builder.aws(network), *engines)
    elif site.upstream:
        raise PlanError(
            "--upstream goes with the sandbox alone: nodes on AWS have no way to other servers",
            hint="Leave it out: the nodes run the engine themselves.",
        )
    else:
        first = builder.engines(engine)
    return (
        *first,
        builder.gateway(after=()),
        builder.traefik(),
        builder.prometheus(metrics),
        builder.renewer(),
    )


def _gateway(profile: Profile, model: ModelPlan) -> GatewayPlan:
    limits = profile.limits
    return GatewayPlan(
        routes=tuple(
            RoutePlan(path=path, methods=(method,), scope=profile.identity.scope)
            for path, method in INFERENCE_ROUTES[model.kind]
        ),
        observe_scope=OBSERVE_SCOPE,
        max_body_bytes=limits.max_body_mib * 2**20,
        max_connections=limits.max_connections,
        max_in_flight=limits.max_in_flight,
        max_in_flight_per_client=limits.max_in_flight_per_client,
        request_timeout_s=limits.request_timeout_s,
    )


def _identity(profile: Profile, stack: str) -> IdentityPlan:
    section = profile.identity
    return IdentityPlan(
        issuer=section.issuer or f"https://{stack}.cloister.internal",
        built_in=not section.issuer,
        jwks=section.jwks,
        issuer_ca=section.issuer_ca,
        audience=section.audience or stack,
        algorithms=ALGORITHMS,
        leeway_s=LEEWAY_S,
        max_lifetime_s=section.max_token_lifetime_s,
    )


def _tls(section: TlsSection, stack: str) -> TlsPlan:
    """Choose where the certificate comes from.

    Raises:
        PlanError: half a pair of files is given.

    """
    own_names = ("localhost", "127.0.0.1", "::1", f"{stack}.cloister.internal")
    names = (*own_names, *(name for name in section.hostnames if name not in own_names))
    if bool(section.certificate) != bool(section.key):
        raise PlanError("`tls.certificate` and `tls.key` go together", hint="Give both, or neither.")
    if section.ca_key and not section.ca:
        raise PlanError("`tls.ca_key` needs `tls.ca`", hint="Give the issuing certificate as well.")
    mode: Literal["own-authority", "given-authority", "given-certificate"]
    mode = "given-authority" if section.ca_key else "own-authority"
    if section.certificate:
        if not section.hostnames:
            raise PlanError(
                "`tls.hostnames` is needed with `tls.certificate`", hint="Name what the certificate is valid for."
            )
        mode, names = "given-certificate", section.hostnames
    return TlsPlan(
        mode=mode,
        hostnames=names,
        leaf_days=section.leaf_days,
        certificate=section.certificate,
        key=section.key,
        ca=section.ca,
        ca_key=section.ca_key,
    )


def _secrets(identity: IdentityPlan, tls: TlsPlan, upstream: UpstreamPlan | None) -> tuple[SecretRef, ...]:
    """Name what is secret."""
    secrets = []
    if identity.built_in:
        secrets.append(SecretRef(name="jwt-signing-key", purpose="signs the tokens of the stack's own issuer"))
    if tls.mode == "own-authority":
        secrets.append(SecretRef(name="ca-key", purpose="signs the endpoint's certificate"))
    if upstream is None:
        purpose = "lets the gateway, and nobody else, ask the engine"
        secrets.append(SecretRef(name="engine-api-key", purpose=purpose, on_hosts=True))
    elif upstream.key_env:
        purpose = "lets the gateway ask the upstream server"
        secrets.append(SecretRef(name="upstream-api-key", purpose=purpose, on_hosts=True))
    secrets.append(SecretRef(name="tls-key", purpose="key of the endpoint's certificate", on_hosts=True))
    return tuple(secrets)


def _model_notes(chosen: ChosenModel) -> tuple[Decision, ...]:
    """Say what the licence demands, and when to look at the choice again."""
    notes = [Decision(what="licence", choice=chosen.licence, why=note) for note in chosen.licence_notes]
    if chosen.row:
        why = "open models age: by then a better one of the same size may be out"
        notes.append(Decision(what="review", choice=f"by {chosen.row.review_by}", why=why))
    return tuple(notes)


def _doubts(chosen: ChosenModel, gpu: Gpu) -> tuple[Decision, ...]:
    """Say which figures that sizes and speeds rest on come from no primary source."""
    fields = [f"{gpu.name}: {field}" for field in gpu.doubts("memory_gib", "bandwidth_tb_s", "fp16_tflops")]
    if chosen.row:
        fields += [f"{chosen.row.name}: {field}" for field in chosen.row.doubts("config")]
    if not fields:
        return ()
    why = "not from a primary source: sizes and speeds rest on it, so start it once before relying on them"
    return (Decision(what="unverified", choice=", ".join(fields), why=why),)


def _served_by(site: Site, engine: EnginePlan) -> Decision:
    if site.target != "sandbox":
        return Decision(what="engine", choice=f"{engine.name} {engine.version}", why="the version of the catalogue")
    if site.upstream:
        return Decision(
            what="engine", choice=site.upstream.url, why="--upstream names a server to use in the engine's place"
        )
    return Decision(
        what="engine",
        choice="vllm_sim (stand-in)",
        why="the sandbox has no GPU: vLLM's API is imitated, at the rates predicted for the real one",
    )


def _network_decisions(network: NetworkPlan) -> tuple[Decision, ...]:
    if network.given:
        return _given_network_decisions(network.region, network.given)
    zones = ", ".join(subnet.zone for subnet in network.subnets)
    return (
        Decision(
            what="region",
            choice=f"{network.region} ({zones})",
            why="named in the profile; zones that offer the machine",
        ),
        Decision(
            what="network",
            choice=f"{network.vpc_cidr}, private subnets only",
            why="no internet gateway and no NAT: nothing outside can be reached, and nothing outside reaches in",
        ),
        Decision(
            what="endpoints",
            choice=", ".join((*network.gateway_endpoints, *network.interface_endpoints)),
            why="the AWS services that a node calls, each by a private endpoint",
        ),
    )


def _given_network_decisions(region: str, given: GivenNetworkPlan) -> tuple[Decision, ...]:
    subnets, endpoints = ", ".join(given.subnet_ids), ", ".join(f"{k} {v}" for k, v in given.endpoints.items())
    why = "given in the profile: read, checked and left alone"
    return (
        Decision(what="region", choice=region, why="named in the profile"),
        Decision(what="network", choice=f"{given.vpc_id}, {subnets}", why=why),
        Decision(what="endpoints", choice=endpoints, why=why),
    )


def _edge_decisions(identity: IdentityPlan, tls: TlsPlan) -> tuple[Decision, ...]:
    source = {
        "own-authority": "an authority of its own",
        "given-authority": "a given authority",
        "given-certificate": "a given certificate",
    }[tls.mode]
    return (
        Decision(what="TLS", choice=source, why="1.2 or later, no plain HTTP"),
        Decision(
            what="tokens",
            choice=f"issued by {identity.issuer}, at most {identity.max_lifetime_s} s long",
            why="the stack's own issuer" if identity.built_in else "the issuer named in the profile",
        ),
    )
