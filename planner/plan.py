"""The Plan: frozen, complete, JSON in and out. It names secrets and never holds them.

Everything after the planner only carries it out.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

import msgspec

from planner.jurisdiction import DataClass
from planner.ranges import Range

PLAN_SCHEMA = 1
"""Raised whenever a reader of an older plan would misread a newer one."""

Target = Literal["sandbox", "aws", "metal"]
"""Where nodes come from: an emulated account on this machine, a real one, or hosts that are reached by SSH."""

Binding = Literal["loopback", "published"]
"""`loopback`: this host only. `published`: what clients may reach; in the sandbox that is loopback as well."""


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every part of a plan."""


class Decision(Record, frozen=True, kw_only=True):
    """Something the planner chose, and why: shown by `deploy plan`."""

    what: str
    choice: str
    why: str


class ModelPlan(Record, frozen=True, kw_only=True):
    """The model as served."""

    name: str
    served_name: str
    source: str
    """Hugging Face repository."""
    licence: str
    quantization: str
    weights_gib: float
    max_model_len: int
    """Tokens, prompt plus answer."""
    kind: Literal["chat", "embedding"] = "chat"
    embedding_width: int = 0
    """Numbers of a vector; 0 for a model that generates."""


class Rates(Record, frozen=True, kw_only=True):
    """How fast the engine is expected to be: a prediction, which the sandbox's engine imitates."""

    prefill_tokens_per_s: float
    """Prompt tokens per second, all requests together."""
    decode_step_s: float
    """Seconds per decode step with one sequence: the weights are read once."""
    decode_step_per_sequence_s: float
    """Seconds that each further sequence in the batch adds to a step."""


class EnginePlan(Record, frozen=True, kw_only=True):
    """The inference engine: one replica, and how many of them there are."""

    name: str
    version: str
    args: tuple[str, ...]
    """The complete vLLM command line behind `vllm serve`, of the first replica; others differ by their port."""
    worker_args: tuple[tuple[str, ...], ...] = ()
    """The command line of each further node of a replica that spans nodes. `{node-0}` stands for the address of the
    first one on the private network, which is known when it is there."""
    image: str = ""
    """What it runs from, REPOSITORY@sha256:DIGEST; empty where it is installed on the host itself."""
    reads: tuple[str, ...] = ()
    """Folders of the host with its weights, its adapters and what it would fetch."""
    needs: tuple[str, ...] = ()
    """What it would fetch while it runs, and finds in its bundle: rows of the catalogue's `downloads.toml`."""
    gpu: str
    gpus: int
    """GPUs of one replica."""
    replicas: int = 1
    """Independent copies, each a service of its own."""
    kv_cache_tokens: int
    """Tokens the KV cache holds, all requests together (prediction)."""
    max_num_seqs: int
    max_num_queued_reqs: int
    rates: Rates
    seed: int = 0

    @property
    def gpus_per_node(self) -> int:
        """GPUs that one replica has on each of its nodes."""
        return self.gpus // (1 + len(self.worker_args))

    @property
    def service_names(self) -> tuple[str, ...]:
        """The name of each replica's service."""
        return replica_names(self.replicas)


def replica_names(replicas: int) -> tuple[str, ...]:
    """Return the name of each replica's service: `engine` alone, `engine-0`, `engine-1`, ... of several."""
    return ("engine",) if replicas == 1 else tuple(f"engine-{number}" for number in range(replicas))


class SubnetPlan(Record, frozen=True, kw_only=True):
    """A private subnet."""

    name: str
    cidr: str
    zone: str
    """Availability zone, for example `us-east-2a`."""


class GivenNetworkPlan(Record, frozen=True, kw_only=True):
    """A company's own network, which the stack reads, checks and leaves alone."""

    vpc_id: str
    subnet_ids: tuple[str, ...]
    endpoints: dict[str, str]
    """AWS service -> id of its VPC endpoint."""
    endpoint_group_ids: tuple[str, ...]
    """Security groups of the interface endpoints."""


class NetworkPlan(Record, frozen=True, kw_only=True):
    """The private network."""

    region: str
    vpc_cidr: str
    subnets: tuple[SubnetPlan, ...]
    client_cidrs: tuple[str, ...]
    client_prefix_lists: tuple[str, ...] = ()
    """Ids of managed prefix lists, whose entries the account knows."""
    gateway_port: int
    """The only port that clients may reach on a node."""
    gateway_endpoints: tuple[str, ...]
    """AWS services reached through a gateway endpoint, for example `s3`."""
    interface_endpoints: tuple[str, ...]
    """AWS services reached through an interface endpoint, for example `kms`."""
    given: GivenNetworkPlan | None = None
    """Where this stands, `vpc_cidr`, and `cidr` and `zone` of the subnets, are empty: the account knows them."""


class StoragePlan(Record, frozen=True, kw_only=True):
    """The bucket that nodes install from."""

    old_versions_days: int
    """How long a version is kept that a newer one took the place of, in days."""
    unfinished_uploads_days: int
    """After how many days the parts of an upload that was never finished are deleted."""


class LogSource(Record, frozen=True, kw_only=True):
    """What of a host's records goes to a log group of its own: a file, or entries of the journal."""

    name: str
    """Last part of the log group's name."""
    journal: tuple[str, ...] = ()
    """`FIELD=value`, any of which an entry carries; fields that the journal itself sets, as their `_` says."""
    file: str = ""


class LogShippingPlan(Record, frozen=True, kw_only=True):
    """Who receives records over TLS. Files are the operator's, and their content is no part of the plan."""

    address: str
    port: int
    server_name: str
    ca: str
    certificate: str
    key: str
    disk_mib: int


class LogsPlan(Record, frozen=True, kw_only=True):
    """Records that leave the host as they are written."""

    retention_days: int
    """How long CloudWatch Logs keeps them, and the VPC's flow logs, in days."""
    sources: tuple[LogSource, ...]
    shipping: LogShippingPlan | None = None
    """Where hosts send them by themselves; nowhere when None."""


class Outside(Record, frozen=True, kw_only=True):
    """A server that a service asks, by a name that its certificate holds."""

    name: str
    port: int
    address: str = ""
    """IP address. Empty in the sandbox, where this machine knows names."""


class WebhookPlan(Record, frozen=True, kw_only=True):
    """Who takes alerts as JSON over HTTPS. Files are the operator's, and their content is no part of the plan."""

    url: str
    server: Outside
    token_file: str = ""
    ca: str = ""


class EmailPlan(Record, frozen=True, kw_only=True):
    """Who takes alerts as mails, by SMTP over TLS."""

    server: Outside
    sender: str
    to: tuple[str, ...]
    user: str = ""
    password_file: str = ""
    ca: str = ""


class AlertsPlan(Record, frozen=True, kw_only=True):
    """Who is told of alerts."""

    webhook: WebhookPlan | None = None
    email: EmailPlan | None = None
    watchdog_s: int = 0
    """How often the webhook is sent an alert that always fires, in seconds; never when 0."""

    @property
    def servers(self) -> tuple[Outside, ...]:
        """Servers that alerts are sent to."""
        return tuple(receiver.server for receiver in (self.webhook, self.email) if receiver)


class BundlePlan(Record, frozen=True, kw_only=True):
    """What nodes install from, and how long the weights take to a node."""

    id: str
    """SHA-256 of its manifest; empty where the profile names none: nodes are made without one then."""
    store: str
    """Folder on a node, on its local disks."""
    processes: int
    """How many fetch at once on a node."""
    weights_bytes: int
    pull_s: Range
    """Seconds from the bucket to a node's disks (prediction)."""
    pull_limit: str
    """What makes it take that long."""


class AccountPlan(Record, frozen=True, kw_only=True):
    """What the owner of the account asks of whatever is made in it."""

    permission_boundary: str
    """ARN of the policy beyond which no role may go; empty for none."""
    role_name_prefix: str
    """Beginning of the name of every role and instance profile."""
    number: str = ""
    """The account itself, twelve digits: credentials of another one are refused. Empty for the emulated one."""


class PrivateNamePlan(Record, frozen=True, kw_only=True):
    """The name under which clients find the endpoint."""

    name: str
    """In the certificate; a private zone of its own."""
    consumer_vpc_ids: tuple[str, ...]
    """Further VPCs of the account and region that know the name."""


class PrivateLinkPlan(Record, frozen=True, kw_only=True):
    """An endpoint service behind a load balancer inside of the network."""

    allowed_principals: tuple[str, ...]
    """ARNs of those who may ask to connect; each connection is accepted by hand."""
    balancer_name: str
    """At most 32 characters, and unique in the account and region."""


class JoinedNetworkPlan(Record, frozen=True, kw_only=True):
    """A network that is joined with the stack's own."""

    kind: Literal["transit-gateway", "peering"]
    id: str
    """Of the transit gateway, or of the other VPC."""
    cidrs: tuple[str, ...]
    """Private networks that are reached this way."""


class ConsumersPlan(Record, frozen=True, kw_only=True):
    """Ways in, beside the network's own."""

    joined: tuple[JoinedNetworkPlan, ...] = ()
    private_link: PrivateLinkPlan | None = None


class InterfacePlan(Record, frozen=True, kw_only=True):
    """One network interface of a node (facts: EFA and launch-template rules of EC2)."""

    device_index: int
    network_card_index: int
    kind: Literal["interface", "efa-only"]


class NodePlan(Record, frozen=True, kw_only=True):
    """One GPU node."""

    name: str
    instance_type: str
    subnet: str
    """Name of its subnet."""
    gpus: int
    """GPUs the machine has, used or not."""
    ami_parameter: str
    """Public SSM parameter that names the machine image."""
    root_volume_gib: int
    interfaces: tuple[InterfacePlan, ...]
    capacity: Literal["on-demand", "reservation", "capacity-block", "spot"]
    reservation_id: str
    placement_group: bool
    """A replica spans this node and others: they stand close together, and talk among themselves."""


class HostPlan(Record, frozen=True, kw_only=True):
    """A host of the target `metal`, which runs the whole stack by itself; or a node in AWS, once it has an address."""

    name: str
    """As the inventory calls it."""
    address: str = ""
    """IP address on which clients reach the endpoint; every one of `interface` when empty."""
    interface: str = ""
    """Network interface on which they reach it; whichever has the address when empty."""
    gpus: int = 0
    rank: int = 0
    """Place among the nodes of a replica that spans several: 0 serves, the others only compute."""


class Port(Record, frozen=True, kw_only=True):
    """A port that a service listens on. There are no others."""

    name: str
    number: int
    binding: Binding
    handed_as: str = ""
    """Name by which the program takes the listening socket from whoever starts it; empty where it opens its own."""


Need = Literal["gpu", "rdma", "peers", "jit", "host-figures", "outbound", "metadata"]
"""What keeps a service from being shut in as tightly as others: the GPUs' devices; memory that network cards read;
its counterparts on the replica's other nodes, with which it starts and ends; code that is compiled while it runs;
figures of the whole host; machines that are known by name alone; what EC2 says of the instance."""


class Health(Record, frozen=True, kw_only=True):
    """How to tell that a service is ready: an HTTP(S) path on one of its ports that answers 200, or the port itself."""

    port: str
    path: str
    scheme: Literal["http", "https", "tcp"] = "http"
    """`tcp`, with no path: it is ready once it takes connections."""
    timeout_s: float = 30.0
    """Seconds after start within which it must be ready."""


class Limits(Record, frozen=True, kw_only=True):
    """What a service may use."""

    memory_mib: int
    open_files: int = 4096
    tasks: int = 512
    """Processes and threads."""


class Metrics(Record, frozen=True, kw_only=True):
    """Where Prometheus finds a service's metrics."""

    port: str
    path: str = "/metrics"


class Image(Record, frozen=True, kw_only=True):
    """What a service runs from where it comes as an image: exact content, whatever a registry says of a tag."""

    repository: str
    """With its registry, for example `docker.io/vllm/vllm-openai`."""
    digest: str
    """Of the image's manifest, `sha256:` and 64 hexadecimal digits."""
    command: tuple[str, ...]
    """The program in it, before the service's arguments; the image's own entry point is not asked."""

    @property
    def reference(self) -> str:
        """How registries and Podman name it."""
        return f"{self.repository}@{self.digest}"


class Service(Record, frozen=True, kw_only=True):
    """One program, described once; every substrate only interprets it.

    In `args`, `env` and `secret_env`, `{config}`, `{data}`, `{secrets}`, `{tls}` and `{run}` stand for folders that
    the substrate's layout names, and `{stack}` for the stack's own folder. Where a replica spans nodes, `{node-0}`
    stands for the address of its first one, `{address}` and `{interface}` for the node's own.
    """

    name: str
    artefact: str
    """A row of the catalogue's `artefacts.toml`, or of its `engines.toml`."""
    version: str
    image: Image | None = None
    """What it runs from; None for a program that the host itself has."""
    args: tuple[str, ...]
    env: dict[str, str] = {}
    secret_env: dict[str, str] = {}
    """Environment variable -> name of the secret whose value it gets when the service starts."""
    secret_files: tuple[str, ...] = ()
    """Secrets that it reads as files of these names from `{secrets}`."""
    reads: tuple[str, ...] = ()
    """Folders of the host that it reads besides its own, for example weights: all that a container is shown."""
    ports: tuple[Port, ...] = ()
    health: Health | None = None
    limits: Limits
    metrics: Metrics | None = None
    after: tuple[str, ...] = ()
    """Services that start first."""
    gpus: int = 0
    first_gpu: int = 0
    """Which of the host's GPUs is the first of them."""
    needs: tuple[Need, ...] = ()
    check: tuple[str, ...] = ()
    """Arguments with which the program says whether its configuration is good, and ends; none where it cannot."""
    reaches: tuple[Outside, ...] = ()
    """Servers outside of the host that it asks, and no others."""
    optional: bool = False
    """The stack runs without it (for example where Prometheus is not to be had), and `verify` says so."""


class SecretRef(Record, frozen=True, kw_only=True):
    """A secret by name; its value lives in the stack's secrets folder (0600) or in the target's secret store."""

    name: str
    purpose: str
    on_hosts: bool = False
    """Hosts read it from the account's secret store; others stay where they were made."""


class RoutePlan(Record, frozen=True, kw_only=True):
    """A path that the gateway lets through."""

    path: str
    methods: tuple[str, ...]
    scope: str


class GatewayPlan(Record, frozen=True, kw_only=True):
    """Limits and routes of the gateway."""

    routes: tuple[RoutePlan, ...]
    observe_scope: str
    """Scope that a token needs for the dashboards behind ForwardAuth."""
    max_body_bytes: int
    max_connections: int
    max_in_flight: int
    max_in_flight_per_client: int
    request_timeout_s: int


class IdentityPlan(Record, frozen=True, kw_only=True):
    """Who may ask."""

    issuer: str
    built_in: bool
    """The stack issues its own tokens."""
    jwks: str
    """URL or file of a foreign issuer's key set; empty for the stack's own, or to be found by discovery."""
    issuer_ca: str
    audience: str
    algorithms: tuple[str, ...]
    leeway_s: int
    max_lifetime_s: int


class TlsPlan(Record, frozen=True, kw_only=True):
    """Where the endpoint's certificate comes from."""

    mode: Literal["own-authority", "given-authority", "given-certificate"]
    hostnames: tuple[str, ...]
    leaf_days: int
    certificate: str = ""
    key: str = ""
    ca: str = ""
    ca_key: str = ""

    @property
    def least_left_s(self) -> int:
        """How long the certificate must be good for at least, in seconds: half of what is left when it is renewed."""
        return min(3 * 86400, self.leaf_days * 86400 // 6)

    def name_at(self, address: str) -> str:
        """Return the name to ask the endpoint by at an address: the address, where the certificate covers it."""
        return address if address in self.hostnames else self.hostnames[0]


class UpstreamPlan(Record, frozen=True, kw_only=True):
    """An OpenAI-compatible server that takes the engine's place."""

    url: str
    key_env: str
    """Environment variable that held its key when the stack was made; empty for none."""


class MetricsPlan(Record, frozen=True, kw_only=True):
    """What Prometheus does."""

    retention_days: int
    scrape_interval_s: int


class StandingCost(Record, frozen=True, kw_only=True):
    """What one kind of thing costs beside the machines, as long as the stack is there; traffic comes on top."""

    what: str
    count: float
    usd_per_month: float | None
    """Of all of them together; None where no price is known."""
    source: str
    as_of: str
    """Date of the price, ISO 8601; empty where there is none to date."""
    verified: bool
    """From a primary source."""


class CostPlan(Record, frozen=True, kw_only=True):
    """What it would cost by the hour, and how sure that is."""

    usd_per_hour: float | None
    """What this target's machines cost while they run, beyond what is paid already; None where no price is known."""
    usd_per_hour_on_aws: float | None
    """Price of the whole instances on AWS; None where no price is known."""
    basis: str
    as_of: str
    """Date of the price, ISO 8601."""
    verified: bool
    """From a primary source."""
    beside: tuple[StandingCost, ...] = ()
    """What the stack has on AWS beside its machines."""
    beside_usd_per_hour: float = 0.0
    """What that costs on this target, as far as prices are known."""
    beside_usd_per_hour_on_aws: float = 0.0
    """What it costs on AWS."""


class DeadlinePlan(Record, frozen=True, kw_only=True):
    """When the stack ends by itself. Moments are in UTC."""

    since: datetime
    """When it was first asked for."""
    until: datetime
    """To the minute."""
    max_cost_usd: float | None
    """The limit that the deadline keeps; None where it was named itself."""
    worst_case_usd: float | None
    """What the machines cost on AWS until then, at most; None where no price is known."""


class AlarmPlan(Record, frozen=True, kw_only=True):
    """Who is told of costs, by AWS's own reckoning."""

    limit_usd: float
    at_percent: tuple[float, ...]
    """Parts of the limit at which mails are sent."""
    emails: tuple[str, ...]


class DataPlan(Record, frozen=True, kw_only=True):
    """How sensitive what is asked is, and where it may go: as the profile's `[data]` says."""

    level: DataClass = "internal"
    residency: tuple[str, ...] = ()
    control: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()


class WaiverPlan(Record, frozen=True, kw_only=True):
    """A violation that somebody answers for until a day."""

    rule: str
    resource: str
    """Where: `plan`, a file, or `type::name` of a resource; `*` stands for any characters."""
    owner: str
    reason: str
    ticket: str
    expiry: date
    """The last day on which it holds."""


class LevelPlan(Record, frozen=True, kw_only=True):
    """What a violated rule does in this environment, other than by itself."""

    rule: str
    level: Literal["mandatory", "advisory", "off"]
    reason: str


class PolicyPlan(Record, frozen=True, kw_only=True):
    """What a team adds to the rules: folders with rules of its own, waivers, and levels."""

    environment: str = ""
    folders: tuple[str, ...] = ()
    waivers: tuple[WaiverPlan, ...] = ()
    levels: tuple[LevelPlan, ...] = ()


class LangfusePlan(Record, frozen=True, kw_only=True):
    """What somebody who opens Langfuse has to know; its services are among the others."""

    user: str
    """Mail address of its first user."""
    project: str
    url: str
    """Where its interface is, seen through a tunnel to a port of the same number."""
    disk_gib: int
    """What its data may take on each host, which nothing but their owner keeps them from exceeding."""


class Plan(Record, frozen=True, kw_only=True):
    """Everything that was decided."""

    schema: int = PLAN_SCHEMA
    stack: str
    profile: str
    target: Target
    model: ModelPlan
    engine: EnginePlan
    account: AccountPlan
    network: NetworkPlan
    storage: StoragePlan
    logs: LogsPlan
    bundle: BundlePlan
    private_name: PrivateNamePlan | None
    """None where the certificate holds no name that a zone could be."""
    consumers: ConsumersPlan = ConsumersPlan()
    nodes: tuple[NodePlan, ...]
    """Of an account."""
    hosts: tuple[HostPlan, ...] = ()
    """Of the target `metal`, which has no nodes of an account."""
    services: tuple[Service, ...]
    followers: tuple[Service, ...] = ()
    """What each further node of a replica runs, in their order, and nothing else; none where no replica spans nodes."""
    gateway: GatewayPlan
    identity: IdentityPlan
    tls: TlsPlan
    metrics: MetricsPlan
    alerts: AlertsPlan | None = None
    """None where nobody is told."""
    langfuse: LangfusePlan | None = None
    """None where it is off."""
    secrets: tuple[SecretRef, ...]
    upstream: UpstreamPlan | None
    tags: dict[str, str]
    cost: CostPlan
    deadline: DeadlinePlan | None = None
    """None for a stack that stays until it is taken down."""
    alarm: AlarmPlan | None = None
    purpose: Literal["service", "proof-of-concept"] = "service"
    data: DataPlan = DataPlan()
    policy: PolicyPlan = PolicyPlan()
    decisions: tuple[Decision, ...]

    @property
    def engine_services(self) -> tuple[Service, ...]:
        """The engine's services, one per replica; none where an upstream takes its place."""
        names = self.engine.service_names
        return tuple(service for service in self.services if service.name in names)

    def service(self, name: str) -> Service:
        """Return the service of that name.

        Raises:
            KeyError: the plan has no such service.

        """
        for service in self.services:
            if service.name == name:
                return service
        raise KeyError(name)

    def port(self, service: str, name: str) -> int:
        """Return the number of a named port.

        Raises:
            KeyError: the plan has no such service or port.

        """
        for port in self.service(service).ports:
            if port.name == name:
                return port.number
        raise KeyError(f"{service}.{name}")


def to_json(plan: Plan) -> str:
    """Return the plan as indented JSON; `from_json` gives the same plan back."""
    return msgspec.json.format(msgspec.json.encode(plan), indent=2).decode()


def from_json(text: str | bytes) -> Plan:
    """Read a plan.

    Raises:
        msgspec.ValidationError: it is not a plan of this schema.

    """
    return msgspec.json.decode(text, type=Plan)
