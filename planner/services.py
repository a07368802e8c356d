"""The services of a stack, described once."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from planner.alerts import alert_secrets
from planner.catalogue import Catalogue
from planner.images import command_in_image, image_of, read_image
from planner.langfuse import HEADERS, HEADERS_VARIABLE, TRACED, TRACES_FLAG
from planner.plan import (
    AlertsPlan,
    Binding,
    EnginePlan,
    Health,
    Image,
    Limits,
    Metrics,
    MetricsPlan,
    ModelPlan,
    Need,
    NetworkPlan,
    Plan,
    Port,
    Service,
    replica_names,
)
from planner.profile import MAX_REPLICAS
from planner.runtime_needs import engine_environment

DEFAULT_PORTS: Mapping[str, int] = {
    "aws.http": 5566,
    "engine.http": 8000,
    **{f"{name}.http": 8000 + number for number, name in enumerate(replica_names(MAX_REPLICAS))},
    "gateway.http": 8080,
    "gateway.admin": 8081,
    "traefik.https": 8443,
    "traefik.admin": 8082,
    "prometheus.http": 9090,
    "alertmanager.http": 9093,
    "node-exporter.http": 9100,
}
"""`service.port` -> the number it has unless another is given."""

STAND_IN = "vllm_sim (stand-in)"
"""How a plan names the imitation of the engine."""
ENGINE_STARTS_WITHIN_S = 1800.0
"""Loading hundreds of GiB of weights and compiling kernels takes minutes; longer than this and something is wrong."""
ENGINE_MEMORY_MIB = 256 * 1024
"""Main memory of a replica on a node: processes per GPU, pinned buffers, the page cache of weights being loaded."""
ENGINE_LIMITS = Limits(memory_mib=ENGINE_MEMORY_MIB, open_files=65536, tasks=16384)

ENGINE_ENVIRONMENT: Mapping[str, str] = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_DO_NOT_TRACK": "1",
    "VLLM_ENGINE_READY_TIMEOUT_S": f"{ENGINE_STARTS_WITHIN_S:.0f}",
    "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0",
    "VLLM_NO_USAGE_STATS": "1",
}
"""Nothing is fetched and nobody is told: vLLM sends usage statistics unless it is asked not to (0.33, envs.py). It
gives up on weights after ten minutes unless it is told otherwise, which hundreds of GiB take longer than."""


AMONG_THEMSELVES = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "=lo"}
"""Processes of a replica that has one node meet on loopback. NCCL by itself takes any other interface first (its user
guide, NCCL_SOCKET_IFNAME), where the sandbox of the service lets nothing through."""
AMONG_NODES = {
    "FI_PROVIDER": "efa",
    "GLOO_SOCKET_IFNAME": "{interface}",
    "LD_LIBRARY_PATH": "/opt/amazon/efa/lib:/opt/amazon/ofi-nccl/lib:/opt/amazon/ofi-nccl/lib/x86_64-linux-gnu",
    "NCCL_NET": "AWS Libfabric",
    "NCCL_SOCKET_IFNAME": "={interface}",
    "VLLM_HOST_IP": "{address}",
}
"""Processes of a replica that spans nodes find each other on the interface with the node's private address, and pass
what they compute over EFA. `NCCL_NET` has NCCL fail where EFA's plugin is not to be had, instead of going on over TCP,
far slower (NCCL user guide, NCCL_NET; aws-ofi-nccl takes this name in every version, see its pull request 530). The
folders are where EFA's installer puts both libraries, on AWS's images as well (EC2 user guide, "Get started with EFA
and NCCL"). vLLM tells the other nodes `VLLM_HOST_IP` (vLLM 0.33, envs.py)."""


class Services:
    """Builds the records; `ports` overrides numbers by `service.port`."""

    def __init__(self, catalogue: Catalogue, ports: Mapping[str, int]) -> None:
        self._catalogue = catalogue
        self._ports = {**DEFAULT_PORTS, **ports}

    def number(self, service: str, port: str) -> int:
        """Return the number of a port."""
        return self._ports[f"{service}.{port}"]

    def _port(self, service: str, name: str, binding: Binding = "loopback", handed_as: str = "") -> Port:
        return Port(name=name, number=self.number(service, name), binding=binding, handed_as=handed_as)

    def _version(self, artefact: str) -> str:
        return self._catalogue.artefacts[artefact].version

    def aws(self, network: NetworkPlan) -> Service:
        """Describe the emulated account."""
        return Service(
            name="aws",
            artefact="aws-emulator",
            version=self._version("aws-emulator"),
            args=("--host", "127.0.0.1", "--port", str(self.number("aws", "http")), "--region", network.region),
            ports=(self._port("aws", "http"),),
            health=Health(port="http", path="/_cloister/health"),
            limits=Limits(memory_mib=2048),
        )

    def _engine_image(self, artefact: str, engine: EnginePlan) -> Image | None:
        """Return what the profile has the engine run from."""
        if not engine.image:
            return None
        return read_image(engine.image, command_in_image(artefact, self._catalogue), "engine.image")

    def in_its_image(self, service: Service) -> Service:
        """Return a service as it runs on a host: from an image, where its artefact exists as one alone."""
        image = service.image or image_of(service.artefact, self._catalogue)
        return msgspec.structs.replace(service, image=image) if image else service

    def engines(self, engine: EnginePlan) -> tuple[Service, ...]:
        """Describe every replica of the engine: its GPUs are those of its place among the node's replicas."""
        return tuple(self._engine(name, number, engine) for number, name in enumerate(engine.service_names))

    def followers(self, engine: EnginePlan) -> tuple[Service, ...]:
        """Describe the engine on each further node of a replica that spans nodes.

        It serves nobody, so it has no key, no port and no health of its own: the first node answers once all are up.
        """
        return tuple(
            Service(
                name=f"engine-node-{rank}",
                artefact=engine.name,
                version=engine.version,
                args=("serve", *args),
                env=self._engine_environment(engine, 0),
                limits=ENGINE_LIMITS,
                gpus=engine.gpus_per_node,
                needs=_engine_needs(engine),
            )
            for rank, args in enumerate(engine.worker_args, 1)
        )

    def _engine_environment(self, engine: EnginePlan, first_gpu: int) -> dict[str, str]:
        return {
            **ENGINE_ENVIRONMENT,
            **engine_environment(self._catalogue.needs[need] for need in engine.needs),
            "CUDA_VISIBLE_DEVICES": _visible(engine, first_gpu),
            **(AMONG_NODES if engine.worker_args else AMONG_THEMSELVES),
        }

    def _engine(self, name: str, number: int, engine: EnginePlan) -> Service:
        port = engine.args.index("--port") + 1
        return Service(
            name=name,
            artefact=engine.name,
            version=engine.version,
            image=self._engine_image(engine.name, engine),
            args=("serve", *engine.args[:port], str(self.number(name, "http")), *engine.args[port + 1 :]),
            env={**self._engine_environment(engine, number * engine.gpus_per_node), **_traced(engine, TRACED)},
            secret_env={"VLLM_API_KEY": "engine-api-key", **_traced(engine, {HEADERS_VARIABLE: HEADERS})},
            ports=(self._port(name, "http"),),
            health=Health(port="http", path="/health", timeout_s=ENGINE_STARTS_WITHIN_S),
            reads=engine.reads,
            limits=ENGINE_LIMITS,
            metrics=Metrics(port="http"),
            gpus=engine.gpus_per_node,
            first_gpu=number * engine.gpus_per_node,
            needs=_engine_needs(engine),
        )

    def imitated_engines(self, model: ModelPlan, engine: EnginePlan) -> tuple[Service, ...]:
        """Describe a stand-in for every replica of the engine. They stand on one node, which holds them side by side.

        It answers at the rates that the plan predicts.
        """
        return tuple(
            self._imitated(name, first_gpu=number * engine.gpus, model=model, engine=engine)
            for number, name in enumerate(engine.service_names)
        )

    def _imitated(self, name: str, *, first_gpu: int, model: ModelPlan, engine: EnginePlan) -> Service:
        rates = engine.rates
        arguments = {
            "--host": "127.0.0.1",
            "--port": self.number(name, "http"),
            "--served-model-name": model.served_name,
            "--max-model-len": model.max_model_len,
            "--max-num-seqs": engine.max_num_seqs,
            "--max-num-queued-reqs": engine.max_num_queued_reqs,
            **({"--kv-cache-tokens": engine.kv_cache_tokens} if engine.kv_cache_tokens else {}),
            **_pooling(model),
            "--prefill-tokens-per-second": rates.prefill_tokens_per_s,
            "--decode-step-seconds": rates.decode_step_s,
            "--decode-step-per-sequence-seconds": rates.decode_step_per_sequence_s,
            "--seed": engine.seed,
            "--fault-file": "{data}/faults.json",
        }
        return Service(
            name=name,
            artefact="vllm-sim",
            version=self._version("vllm-sim"),
            image=self._engine_image("vllm-sim", engine),
            args=tuple(str(word) for pair in arguments.items() for word in pair),
            env={"CUDA_VISIBLE_DEVICES": _visible(engine, first_gpu)},
            secret_env={"VLLM_API_KEY": "engine-api-key"},
            ports=(self._port(name, "http"),),
            health=Health(port="http", path="/health"),
            limits=Limits(memory_mib=1024),
            metrics=Metrics(port="http"),
            gpus=engine.gpus,
        )

    def gateway(self, *, secret_files: tuple[str, ...], asks_issuer: bool) -> Service:
        """Describe the service in every request's path; it may have to ask an issuer for its keys."""
        return Service(
            name="gateway",
            artefact="gateway",
            version=self._version("gateway"),
            args=("--config", "{config}/gateway.toml"),
            secret_files=secret_files,
            ports=(self._port("gateway", "http"), self._port("gateway", "admin")),
            health=Health(port="admin", path="/healthz"),
            limits=Limits(memory_mib=1024, open_files=8192),
            metrics=Metrics(port="admin"),
            needs=("outbound",) if asks_issuer else (),
            check=("--config", "{config}/gateway.toml", "--check"),
        )

    def traefik(self) -> Service:
        """Describe the only service that clients reach."""
        return Service(
            name="traefik",
            artefact="traefik",
            version=self._version("traefik"),
            args=("--configFile={config}/traefik.yml",),
            ports=(self._port("traefik", "https", "published", "websecure"), self._port("traefik", "admin")),
            health=Health(port="admin", path="/ping"),
            limits=Limits(memory_mib=1024, open_files=8192),
            metrics=Metrics(port="admin"),
            after=("gateway",),
        )

    def prometheus(self, metrics: MetricsPlan) -> Service:
        """Describe metrics and alerts; the stack runs without where Prometheus is not to be had."""
        return Service(
            name="prometheus",
            artefact="prometheus",
            version=self._version("prometheus"),
            args=(
                "--config.file={config}/prometheus.yml",
                "--storage.tsdb.path={data}/tsdb",
                f"--storage.tsdb.retention.time={metrics.retention_days}d",
                f"--web.listen-address=127.0.0.1:{self.number('prometheus', 'http')}",
                "--web.route-prefix=/prometheus",
                "--web.external-url=/prometheus",
                "--log.level=warn",
            ),
            ports=(self._port("prometheus", "http"),),
            health=Health(port="http", path="/prometheus/-/ready"),
            limits=Limits(memory_mib=2048, open_files=8192),
            metrics=Metrics(port="http", path="/prometheus/metrics"),
            optional=True,
        )

    def alertmanager(self, alerts: AlertsPlan) -> Service:
        """Describe what tells receivers of alerts, one by itself: no cluster with others, which would need a port."""
        return Service(
            name="alertmanager",
            artefact="alertmanager",
            version=self._version("alertmanager"),
            args=(
                "--config.file={config}/alertmanager.yml",
                "--storage.path={data}",
                f"--web.listen-address=127.0.0.1:{self.number('alertmanager', 'http')}",
                "--cluster.listen-address=",
                "--log.level=warn",
            ),
            secret_files=tuple(secret.name for secret in alert_secrets(alerts)),
            ports=(self._port("alertmanager", "http"),),
            health=Health(port="http", path="/-/ready"),
            limits=Limits(memory_mib=256),
            metrics=Metrics(port="http"),
            reaches=alerts.servers,
            optional=True,
        )

    def node_exporter(self) -> Service:
        """Describe the host's own figures: processors, memory, disks, network, pressure."""
        collectors = ("cpu", "diskstats", "filesystem", "loadavg", "meminfo", "netdev", "pressure", "stat")
        return Service(
            name="node-exporter",
            artefact="node-exporter",
            version=self._version("node-exporter"),
            args=(
                f"--web.listen-address=127.0.0.1:{self.number('node-exporter', 'http')}",
                "--web.disable-exporter-metrics",
                "--collector.disable-defaults",
                *(f"--collector.{name}" for name in collectors),
                "--log.level=warn",
            ),
            ports=(self._port("node-exporter", "http"),),
            health=Health(port="http", path="/"),
            limits=Limits(memory_mib=128),
            metrics=Metrics(port="http"),
            needs=("host-figures",),
            optional=True,
        )

    def reclaim(self, capacity: str) -> tuple[Service, ...]:
        """Describe what has the gateway drained before AWS takes a node back; nothing where it does not do that."""
        if capacity not in {"spot", "capacity-block"}:
            return ()
        times = ("--block-times", "{config}/times.json") if capacity == "capacity-block" else ()
        gateway = f"http://127.0.0.1:{self.number('gateway', 'admin')}"
        service = Service(
            name="reclaim",
            artefact="reclaim",
            version=self._version("reclaim"),
            args=("--gateway", gateway, *times),
            limits=Limits(memory_mib=128),
            after=("gateway",),
            needs=("metadata",),
        )
        return (service,)

    def renewer(self) -> Service:
        """Describe what renews the certificate when a third of its lifetime is left."""
        return Service(
            name="renewer",
            artefact="renewer",
            version=self._version("renewer"),
            args=("{stack}",),
            limits=Limits(memory_mib=512),
        )


def wanted_ports(plan: Plan) -> dict[str, int]:
    """Return `service.port` -> the default number, for every port of the plan."""
    names = (f"{service.name}.{port.name}" for service in plan.services for port in service.ports)
    return {name: DEFAULT_PORTS[name] for name in names}


def _visible(engine: EnginePlan, first_gpu: int) -> str:
    """Return which GPUs CUDA is to use; a container is given its own alone, and counts them from the beginning."""
    first = 0 if engine.image else first_gpu
    return ",".join(map(str, range(first, first + engine.gpus_per_node)))


def _traced(engine: EnginePlan, variables: Mapping[str, str]) -> Mapping[str, str]:
    """Return what an engine that sends traces has in its environment besides; nothing for one that sends none."""
    return variables if TRACES_FLAG in engine.args else {}


def _engine_needs(engine: EnginePlan) -> tuple[Need, ...]:
    return ("gpu", "jit", "rdma", "peers") if engine.worker_args else ("gpu", "jit")


def _pooling(model: ModelPlan) -> dict[str, object]:
    """Return what an engine for embeddings is told besides."""
    return {"--runner": "pooling", "--embedding-width": model.embedding_width} if model.kind == "embedding" else {}
