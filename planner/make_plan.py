"""Profile + catalogue -> Plan: the one place where decisions are taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from planner.account import plan_storage
from planner.alerts import alert_decisions, alert_secrets, check_reached, plan_alerts
from planner.catalogue import Catalogue, Gpu
from planner.deadline import Lifetime
from planner.division import nodes_of
from planner.engine_args import Nodes, engine_arguments
from planner.errors import PlanError
from planner.ground import Land, find_machine
from planner.images import check_image
from planner.langfuse import (
    check_langfuse,
    langfuse_decisions,
    langfuse_plan,
    langfuse_secrets,
    langfuse_services,
)
from planner.logs import plan_logs
from planner.metal import from_bundle
from planner.model_choice import ChosenModel, choose_model
from planner.placement import GATEWAY_PORT
from planner.plan import (
    DataPlan,
    Decision,
    EnginePlan,
    GatewayPlan,
    HostPlan,
    IdentityPlan,
    MetricsPlan,
    ModelPlan,
    NetworkPlan,
    Plan,
    PolicyPlan,
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
from planner.runtime_needs import needs_of, read_by_engine
from planner.services import STAND_IN, Services
from planner.tags import PROFILE_TAG, STACK_TAG
from planner.throughput import rates

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
        hosts: of the target `metal`, each of which runs the whole stack.
        policy: what a team adds to the rules, as its files say.

    """

    stack: str
    target: Target = "sandbox"
    ports: Mapping[str, int] = {}
    upstream: UpstreamPlan | None = None
    model_config: Mapping[str, Any] | None = None
    account: str = ""
    lifetime: Lifetime | None = None
    hosts: tuple[HostPlan, ...] = ()
    policy: PolicyPlan = PolicyPlan()


def make_plan(profile: Profile, catalogue: Catalogue, site: Site) -> Plan:
    """Decide everything.

    Raises:
        PlanError: the model does not fit, or a field names or asks for what there is not.

    """
    _check_stand_in(profile, site)
    check_image(profile, site.target)
    check_langfuse(profile.langfuse, site.target)
    gpu = catalogue.gpu(profile.hardware.gpu)
    chosen = choose_model(profile.model, catalogue, site.model_config)
    identity, tls = _identity(profile, site.stack), _tls(profile.tls, site)
    alerts, langfuse = plan_alerts(profile.alerts, site.target), langfuse_plan(profile.langfuse)
    land = Land(
        stack=site.stack,
        target=site.target,
        account=site.account,
        lifetime=site.lifetime,
        hosts=tuple(site.hosts),
        logs=plan_logs(profile.aws.log_retention_days, profile.log_shipping),
        secrets=(
            *_secrets(identity, tls, site.upstream),
            *alert_secrets(alerts),
            *langfuse_secrets(profile.langfuse),
        ),
        private_name=plan_private_name(tls, site.stack, profile.aws.consumer_vpc_ids),
    )
    host, settle = find_machine(profile, catalogue, gpu, land)
    fitted = fit_replica(profile, chosen, gpu, host)
    weights_gib = round(fitted.sizing.weights_gib_per_gpu * profile.hardware.count, 1)
    ground = settle(fitted, weights_gib)
    if site.target == "aws":
        check_reached(alerts, ground.network, ground.consumers)
    builder = Services(catalogue, site.ports if site.target == "sandbox" else NODE_PORTS)
    served = ModelPlan(
        name=chosen.name,
        served_name=profile.model.served_name or chosen.name,
        source=chosen.source,
        licence=chosen.licence,
        quantization=fitted.sizing.precision,
        weights_gib=weights_gib,
        max_model_len=fitted.sizing.max_model_len,
        kind="embedding" if chosen.embedding else "chat",
        embedding_width=chosen.architecture.hidden if chosen.embedding else 0,
    )
    row = catalogue.engines["vllm"]
    loaded = chosen if site.target == "sandbox" else from_bundle(chosen)
    port = builder.number(replica_names(ground.replicas)[0], "http")
    (args, engine_decisions), *workers = (
        engine_arguments(engine_choice(profile, loaded, fitted, served_name=served.served_name, port=port, nodes=nodes))
        for nodes in _nodes(nodes_of(profile.hardware.count, host.gpus))
    )
    engine = EnginePlan(
        name=row.name,
        version=row.version,
        args=args,
        worker_args=tuple(words for words, _ in workers),
        image=profile.engine.image if site.target == "metal" else "",
        reads=read_by_engine(profile, catalogue, loaded.source, chosen.architectures),
        needs=tuple(need.name for need in needs_of(catalogue, row.name, chosen.architectures)),
        gpu=gpu.name,
        gpus=profile.hardware.count,
        replicas=ground.replicas,
        kv_cache_tokens=fitted.sizing.kv_cache_tokens,
        max_num_seqs=profile.engine.max_num_seqs,
        max_num_queued_reqs=in_flight(profile),
        rates=rates(fitted.replica, min(fitted.sizing.max_model_len, TYPICAL_CONTEXT)),
    )
    imitated = site.target == "sandbox" or profile.engine.stand_in
    metrics = MetricsPlan(
        retention_days=profile.metrics.retention_days, scrape_interval_s=profile.metrics.scrape_interval_s
    )
    return Plan(
        stack=site.stack,
        profile=profile.name,
        target=site.target,
        model=served,
        engine=engine,
        account=ground.account,
        network=ground.network,
        storage=plan_storage(),
        logs=land.logs,
        consumers=ground.consumers,
        bundle=ground.bundle,
        private_name=None if site.target == "metal" else land.private_name,
        nodes=ground.nodes,
        hosts=ground.hosts,
        services=(
            *_services(builder, profile, site, network=ground.network, model=served, engine=engine, metrics=metrics),
            *((builder.alertmanager(alerts),) if alerts else ()),
            *(builder.reclaim(profile.aws.capacity) if site.target == "aws" else ()),
            *langfuse_services(profile.langfuse),
        ),
        followers=() if imitated else builder.followers(engine),
        gateway=_gateway(profile, served),
        identity=identity,
        tls=tls,
        metrics=metrics,
        alerts=alerts,
        langfuse=langfuse,
        secrets=land.secrets,
        upstream=site.upstream,
        tags={PROFILE_TAG: profile.name, STACK_TAG: site.stack, **profile.tags},
        cost=ground.cost,
        deadline=ground.deadline,
        alarm=ground.alarm,
        purpose=profile.purpose,
        data=DataPlan(
            level=profile.data.level,
            residency=profile.data.residency,
            control=profile.data.control,
            certificates=profile.data.certificates,
        ),
        policy=site.policy,
        decisions=(
            Decision(what="model", choice=f"{chosen.name}, {fitted.sizing.precision} weights", why=chosen.why),
            *_model_notes(chosen),
            *_doubts(chosen, gpu),
            _served_by(profile, site, engine),
            *fitted.decisions,
            *ground.machine,
            *engine_decisions,
            *ground.surroundings,
            *_edge_decisions(identity, tls),
            *alert_decisions(alerts),
            *langfuse_decisions(langfuse, hosts=len(ground.hosts), imitated=imitated),
        ),
    )


def _check_stand_in(profile: Profile, site: Site) -> None:
    """Refuse to rent GPUs for an imitation.

    Raises:
        PlanError: it is asked for.

    """
    if profile.engine.stand_in and site.target == "aws":
        raise PlanError(
            "`engine.stand_in`: nodes on AWS have GPUs, and run the engine itself",
            hint="Leave it out; the sandbox imitates the engine, and costs nothing.",
        )


def _nodes(count: int) -> tuple[Nodes | None, ...]:
    """Return each node of a replica as the engine there is told of it; None where it has one node alone."""
    if count == 1:
        return (None,)
    return tuple(Nodes(count=count, rank=rank, master_addr="{node-0}") for rank in range(count))


def _services(
    builder: Services,
    profile: Profile,
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
    if site.upstream and site.target != "sandbox":
        raise PlanError(
            "--upstream goes with the sandbox alone: nodes and hosts have no way to other servers",
            hint="Leave it out: they run the engine themselves.",
        )
    imitated = site.target == "sandbox" or profile.engine.stand_in
    engines = builder.imitated_engines(model, engine) if imitated else builder.engines(engine)
    asks_issuer = bool(profile.identity.issuer) and not _is_file(profile.identity.jwks)
    served = (
        builder.gateway(secret_files=_shown_key(site.upstream), asks_issuer=asks_issuer),
        builder.traefik(),
        builder.prometheus(metrics),
    )
    if site.target != "sandbox":
        # Certificates are renewed by the operator, who has the authority's key.
        return tuple(builder.in_its_image(one) for one in (*engines, *served, builder.node_exporter()))
    return (builder.aws(network), *(() if site.upstream else engines), *served, builder.renewer())


def _shown_key(upstream: UpstreamPlan | None) -> tuple[str, ...]:
    """Name the secret that the gateway shows to what is behind it, if it shows one."""
    if upstream is None:
        return ("engine-api-key",)
    return ("upstream-api-key",) if upstream.key_env else ()


def _is_file(jwks: str) -> bool:
    """Tell whether a foreign issuer's key set is given as a file; else it is asked for."""
    return bool(jwks) and not jwks.startswith(("https://", "http://"))


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


def _tls(section: TlsSection, site: Site) -> TlsPlan:
    """Choose where the certificate comes from.

    Raises:
        PlanError: half a pair of files is given.

    """
    addresses = (host.address for host in site.hosts if host.address)
    own_names = ("localhost", "127.0.0.1", "::1", *addresses, f"{site.stack}.cloister.internal")
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


def _served_by(profile: Profile, site: Site, engine: EnginePlan) -> Decision:
    said = _engine_itself(profile, site, engine)
    if not profile.engine.image:
        return said
    if engine.image:
        inside = f", in the image {engine.image}"
        return msgspec.structs.replace(said, choice=said.choice + inside, why=f"{said.why}; Podman runs the image")
    beside = "; `engine.image` is for hosts, and no image runs here"
    return msgspec.structs.replace(said, why=said.why + beside)


def _engine_itself(profile: Profile, site: Site, engine: EnginePlan) -> Decision:
    if site.target == "metal" and profile.engine.stand_in:
        why = "`engine.stand_in` asks for it: everything but the engine is real, and no answer means anything"
        return Decision(what="engine", choice=STAND_IN, why=why)
    if site.target != "sandbox":
        return Decision(what="engine", choice=f"{engine.name} {engine.version}", why="the version of the catalogue")
    if site.upstream:
        return Decision(
            what="engine", choice=site.upstream.url, why="--upstream names a server to use in the engine's place"
        )
    return Decision(
        what="engine",
        choice=STAND_IN,
        why="the sandbox has no GPU: vLLM's API is imitated, at the rates predicted for the real one",
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
