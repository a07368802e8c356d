"""What a person writes: one TOML file per profile, parsed once into a frozen record."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from planner.jurisdiction import DataClass

Name = Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")]
Cidr = Annotated[str, Meta(pattern=r"^[0-9a-fA-F:.]+/[0-9]{1,3}$")]
Seconds = Annotated[int, Meta(ge=1)]
Days = Annotated[int, Meta(ge=1)]
TagKey = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.:/=+@-]{1,128}$")]
PolicyArn = Annotated[str, Meta(pattern=r"^(arn:aws(-cn|-us-gov)?:iam::(\d{12}|aws):policy/[\w+=,.@/-]{1,512})?$")]
ConsumerArn = Annotated[
    str, Meta(pattern=r"^arn:aws(-cn|-us-gov)?:iam::[0-9]{12}:(root|role/[\w+=,.@/-]{1,512}|user/[\w+=,.@/-]{1,512})$")
]
LogDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]
MailAddress = Annotated[str, Meta(pattern=r"^[^@\s,;<>\"]+@[^@\s,;<>\"]+$")]
CountryOrGroup = Annotated[str, Meta(pattern=r"^([A-Z]{2}|EEA)$")]

MAX_REPLICAS = 64
"""Most copies of the engine: each has a port of its own, from 8000 on, below those of the other services."""


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every section: frozen, and a misspelt field is an error."""


class LoraSection(Record, frozen=True, kw_only=True):
    """`[model.lora]`: adapters, each under a name that clients ask for."""

    adapters: dict[str, str] = {}
    """Name -> folder on the node."""
    max_rank: Annotated[int, Meta(ge=1, le=512)] = 16
    """The largest rank among them."""
    active: Annotated[int, Meta(ge=1, le=256)] = 1
    """Adapters that may work in one batch."""


class ModelSection(Record, frozen=True, kw_only=True):
    """`[model]`: what is served."""

    name: str
    """A row of the catalogue's `models.toml`."""
    served_name: str = ""
    """The name clients ask for; the catalogue's name when empty."""
    max_model_len: Annotated[int, Meta(ge=256)] | None = None
    """Longest prompt plus answer, in tokens; the model's own limit when absent."""
    source: str = ""
    """A checkpoint of one's own: a folder on the node, or a Hugging Face repository; the catalogue's when empty."""
    revision: str = ""
    """Commit of the repository."""
    config: str = ""
    """Its `config.json`, where it is no fine-tune of the row that `name` names."""
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """What it computes in; the checkpoint's own when `auto`."""
    quantization: str = ""
    """Quantise the weights when they are loaded, for example `fp8`; as the checkpoint says when empty."""
    lora: LoraSection | None = None
    """LoRA adapters served beside the model."""
    accept_licence: str = ""
    """Name of a licence that forbids commercial use, by which somebody says that theirs is allowed."""


class HardwareSection(Record, frozen=True, kw_only=True):
    """`[hardware]`: what it is served on."""

    gpu: str
    """A row of the catalogue's `gpus.toml`."""
    count: Annotated[int, Meta(ge=1, le=1024)]
    """GPUs that one replica uses."""
    replicas: Annotated[int, Meta(ge=1, le=MAX_REPLICAS)] | None = None
    """Independent copies of the engine, each on `count` GPUs; as many as `[demand]` takes when absent, else one."""
    tensor_parallel: Annotated[int, Meta(ge=1)] | None = None
    """GPUs that divide every layer among them; chosen when absent."""
    pipeline_parallel: Annotated[int, Meta(ge=1)] | None = None
    """Groups of consecutive layers; chosen when absent."""
    expert_parallel: bool | None = None
    """Deal whole experts out to GPUs; where it is needed when absent."""


class EngineSection(Record, frozen=True, kw_only=True):
    """`[engine]`: limits of the inference engine."""

    max_num_seqs: Annotated[int, Meta(ge=1, le=4096)] = 128
    """Requests decoded at once; more wait in the queue."""
    max_num_queued_reqs: Annotated[int, Meta(ge=1)] = 512
    """Requests that may wait; more are refused."""
    gpu_memory_utilization: Annotated[float, Meta(gt=0, le=0.98)] = 0.92
    """Share of GPU memory the engine takes (vLLM's default is 0.92)."""
    kv_cache_dtype: Literal["auto", "fp8"] = "auto"
    """Format of cached keys and values: the model's own, or fp8, which holds twice as many tokens."""
    max_num_batched_tokens: Annotated[int, Meta(ge=256)] | None = None
    """Tokens of one step, prompts and answers together; the engine's own choice for the GPU when absent."""
    prefix_caching: bool = True
    """Compute what prompts have in common once."""
    image: str = ""
    """Run it from this image, `REPOSITORY@sha256:DIGEST`, on hosts with Podman 4.6 or later; not on AWS."""
    stand_in: bool = False
    """Imitate the engine on hosts without GPUs, to rehearse everything around it. Not on AWS."""


class DataSection(Record, frozen=True, kw_only=True, rename={"level": "class"}):
    """`[data]`: how sensitive what is asked is, and where it may go."""

    level: DataClass = "internal"
    """open: may be published. internal: confidential. sensitive: regulated or secret; needs `control`."""
    residency: tuple[CountryOrGroup, ...] = ()
    """Countries where it may be processed (ISO 3166-1, EU, EEA); anywhere when empty."""
    control: tuple[CountryOrGroup, ...] = ()
    """Countries whose law may control the provider; any when empty."""
    certificates: tuple[Literal["SecNumCloud", "HDS", "ISO 27001", "C5", "SOC 2"], ...] = ()
    """What the provider must hold."""


class DemandSection(Record, frozen=True, kw_only=True):
    """`[demand]`: what the endpoint must carry; decides how many replicas there are, and the cost per token."""

    peak_concurrency: Annotated[int, Meta(ge=1, le=100_000)]
    """Requests under way at the busiest moment."""
    prompt_tokens: Annotated[int, Meta(ge=1)] = 2000
    """Of a usual request."""
    answer_tokens: Annotated[int, Meta(ge=1)] = 500
    """Of a usual answer."""
    tokens_per_day: Annotated[int, Meta(ge=0, le=10**13)] = 0
    """Generated tokens on a usual day; half of what the peak would come to when 0."""
    first_token_ms: Annotated[int, Meta(ge=50)] = 10_000
    """Longest time to the first token."""
    token_latency_ms: Annotated[int, Meta(ge=2)] = 60
    """Longest time between two tokens of an answer."""


class NetworkSection(Record, frozen=True, kw_only=True):
    """`[network]`: where it is reachable from, which is never the internet."""

    vpc_cidr: Cidr = "10.42.0.0/16"
    """The VPC's own range, a private one; subnets are cut from it."""
    client_cidrs: tuple[Cidr, ...] = ("10.0.0.0/8",)
    """Networks that may reach the gateway's port. An address range of the internet is refused by policy."""
    client_prefix_lists: tuple[Annotated[str, Meta(pattern=r"^pl-[0-9a-f]{8,17}$")], ...] = ()
    """Managed prefix lists of such networks, beside or instead of `client_cidrs`; their entries must be private."""
    zones: Annotated[int, Meta(ge=1, le=4)] = 1
    """Availability zones with a private subnet."""


class GivenNetworkSection(Record, frozen=True, kw_only=True):
    """`[aws.network]`: a network that exists already. The stack reads and checks it, and makes none."""

    vpc_id: Annotated[str, Meta(pattern=r"^vpc-[0-9a-f]{8,17}$")]
    """The VPC."""
    subnet_ids: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^subnet-[0-9a-f]{8,17}$")], ...], Meta(min_length=1, max_length=4)
    ]
    """Its private subnets for nodes; the first one also holds the SSH entrance."""
    endpoints: dict[str, Annotated[str, Meta(pattern=r"^vpce-[0-9a-f]{8,17}$")]]
    """AWS service -> id of its VPC endpoint, for each service that `deploy plan` lists."""
    endpoint_group_ids: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^sg-[0-9a-f]{8,17}$")], ...], Meta(min_length=1, max_length=5)
    ]
    """Security groups of these endpoints, to which nodes get a way; the groups must let the subnets in on 443."""


class PrivateLinkSection(Record, frozen=True, kw_only=True):
    """`[aws.private_link]`: an endpoint service, for consumers whose networks are joined in no other way."""

    allowed_principals: Annotated[tuple[ConsumerArn, ...], Meta(min_length=1, max_length=50)]
    """ARNs of the accounts, roles or users that may ask to connect; each connection is then accepted by hand."""


class TransitGatewaySection(Record, frozen=True, kw_only=True):
    """`[aws.transit_gateway]`: the company's transit gateway, to which the stack's own network is attached."""

    id: Annotated[str, Meta(pattern=r"^tgw-[0-9a-f]{8,17}$")]
    """The gateway; of this account, or shared with it."""
    cidrs: Annotated[tuple[Cidr, ...], Meta(min_length=1, max_length=20)]
    """Private networks that are reached through it."""


class PeeringSection(Record, frozen=True, kw_only=True):
    """`[[aws.peering]]`: a VPC of the account and region that is joined with the stack's own."""

    vpc_id: Annotated[str, Meta(pattern=r"^vpc-[0-9a-f]{8,17}$")]
    """The other VPC; its routes back to the stack are its owner's."""
    cidr: Cidr
    """Its range, or the part of it that is to be reached."""


class AwsSection(Record, frozen=True, kw_only=True):
    """`[aws]`: where the nodes come from."""

    region: str = "us-east-2"
    """Region of everything in the account."""
    instance_type: str = ""
    """An instance type of `hosts.toml`; the smallest that fits when empty."""
    account: Annotated[str, Meta(pattern=r"^([0-9]{12})?$")] = ""
    """Number of the account; credentials of another one are refused. Any account when empty."""
    zone: Annotated[str, Meta(pattern=r"^([a-z]{2}(-[a-z]+)+-[0-9][a-z])?$")] = ""
    """Availability zone of the first subnet, where a reservation is; the first that offers the machine when empty."""
    capacity: Literal["on-demand", "reservation", "capacity-block", "spot"] = "on-demand"
    """How nodes are bought: a reservation or block by `reservation_id`; spot if `purpose` is proof-of-concept."""
    reservation_id: Annotated[str, Meta(pattern=r"^(cr-[0-9a-f]{8,17})?$")] = ""
    """The reservation or capacity block to use, when `capacity` is one of these."""
    root_volume_gib: Annotated[int, Meta(ge=50, le=16384)] = 200
    """Size of a node's root disk, in GiB."""
    consumer_vpc_ids: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^vpc-[0-9a-f]{8,17}$")], ...], Meta(max_length=50)
    ] = ()
    """VPCs of the account and region, besides the nodes', that know the endpoint's name; the way there is theirs."""
    private_link: PrivateLinkSection | None = None
    """An endpoint service behind a load balancer."""
    transit_gateway: TransitGatewaySection | None = None
    """A transit gateway to attach to."""
    peering: Annotated[tuple[PeeringSection, ...], Meta(max_length=20)] = ()
    """VPCs to be joined with."""
    permission_boundary: PolicyArn = ""
    """ARN of the policy that every role is bounded by, where the account demands one."""
    role_name_prefix: Annotated[str, Meta(pattern=r"^[A-Za-z0-9+=,.@_-]{1,32}$")] = "cloister-"
    """Beginning of the name of every role and instance profile, where the account demands one."""
    network: GivenNetworkSection | None = None
    """A company's own network, instead of one that the stack makes."""
    log_retention_days: LogDays = 90
    """How long records of hosts and networks are kept, in days: one of the periods that CloudWatch Logs knows."""
    mandatory_tags: tuple[TagKey, ...] = ()
    """Keys that `[tags]` must set, because the account refuses what does not carry them."""


class BundleSection(Record, frozen=True, kw_only=True):
    """`[bundle]`: what nodes install from."""

    id: Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?$")] = ""
    """Id of a bundle, as `bundle push` prints it: it names exact content. Nodes fetch none when empty."""


class TlsSection(Record, frozen=True, kw_only=True):
    """`[tls]`: the stack's own authority, unless a company's certificate or issuing CA is given.

    Give `certificate` and `key` (and `ca`, the root that clients trust), or `ca` and `ca_key`.
    """

    hostnames: tuple[str, ...] = ()
    """Further names and addresses in the certificate."""
    certificate: str = ""
    """PEM file: leaf first, then intermediates."""
    key: str = ""
    """PEM file: the private key of `certificate`."""
    ca: str = ""
    """PEM file: what clients trust; with `ca_key`, the authority that signs the stack's certificate."""
    ca_key: str = ""
    """PEM file: the private key of `ca`."""
    leaf_days: Days = 30
    """How long a certificate that the stack makes is valid, in days; renewed when a third is left."""


class IdentitySection(Record, frozen=True, kw_only=True):
    """`[identity]`: who issues tokens. The stack's own issuer, unless `issuer` is given."""

    issuer: str = ""
    """URL of an OIDC issuer, exactly as tokens carry it in `iss`."""
    jwks: str = ""
    """Its key set: an https URL or a file; found by OIDC discovery when empty."""
    issuer_ca: str = ""
    """PEM file to trust for the issuer's TLS, when it is not a public one."""
    audience: str = ""
    """Expected `aud`; the stack's name when empty."""
    scope: str = "inference"
    """Scope a token needs for inference."""
    max_token_lifetime_s: Annotated[int, Meta(ge=60, le=604800)] = 86400
    """Longest validity of a token, in seconds; one that lives longer is refused, whoever issued it."""


class LimitsSection(Record, frozen=True, kw_only=True):
    """`[limits]`: what one client and all of them may use."""

    max_body_mib: Annotated[int, Meta(ge=1, le=64)] = 4
    """Largest request body, in MiB."""
    max_connections: Annotated[int, Meta(ge=1)] = 512
    """Connections that the gateway holds open at once; more are refused."""
    max_in_flight: Annotated[int, Meta(ge=1)] = 256
    """Requests of all clients at once; more are refused."""
    max_in_flight_per_client: Annotated[int, Meta(ge=1)] = 64
    """Requests of one client at once; more are refused."""
    request_timeout_s: Seconds = 600
    """Longest time for a whole request, its stream included, in seconds."""


class LifetimeSection(Record, frozen=True, kw_only=True):
    """`[lifetime]`: when the stack ends by itself. The command line's --ttl, --until and --max-cost come before it."""

    ttl: Annotated[str, Meta(pattern=r"^(?=.)([0-9]{1,6}d)?([0-9]{1,6}h)?([0-9]{1,6}m)?$")] | None = None
    """How long after `up` it ends, for example `8h`, `2d12h` or `90m`; never when absent."""
    max_cost_usd: Annotated[float, Meta(gt=0)] | None = None
    """What its machines may cost, in USD: the deadline follows from their hourly price. No limit when absent."""
    alarm_emails: Annotated[tuple[MailAddress, ...], Meta(max_length=10)] = ()
    """Who an AWS budget writes to when half and all of `max_cost_usd` is spent: hours later, and it ends nothing."""


class MetricsSection(Record, frozen=True, kw_only=True):
    """`[metrics]`: what Prometheus keeps."""

    retention_days: Days = 15
    """How long samples are kept, in days."""
    scrape_interval_s: Seconds = 5
    """Time between two readings of every service, in seconds."""


class LogShippingSection(Record, frozen=True, kw_only=True):
    """`[log_shipping]`: who receives the records of hosts as they are written, beside what the target itself keeps.

    They are what the audit trail, the SSH server, the gateway and administrators' commands leave; never prompts.
    """

    address: Annotated[str, Meta(pattern=r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-fA-F:]*:[0-9a-fA-F:.]*)$")]
    """IP address of the receiver: the hosts' firewall opens this way out, and hosts have no DNS to ask."""
    port: Annotated[int, Meta(ge=1, le=65535)] = 6514
    """Its TCP port, where it takes syslog over TLS (RFC 5425)."""
    server_name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")]
    """The name in the receiver's certificate."""
    ca: Annotated[str, Meta(min_length=1)]
    """PEM file: the authority that signed the receiver's certificate."""
    certificate: str = ""
    """PEM file: the hosts' own certificate, for a receiver that asks for one."""
    key: str = ""
    """PEM file: the private key of `certificate`."""
    disk_mib: Annotated[int, Meta(ge=16, le=65536)] = 1024
    """The most that records may take on a host's disk while they cannot be sent, in MiB."""


class WebhookSection(Record, frozen=True, kw_only=True):
    """`[alerts.webhook]`: a receiver that takes alerts as JSON, in the form that Alertmanager has given them."""

    url: Annotated[str, Meta(pattern=r"^https://[^\s]+$")]
    """Where they are sent, `https://` alone. No secret: it stands in files and is shown."""
    address: str = ""
    """IP address of the host in `url`: a host's firewall opens this way out, and hosts have no DNS to ask. The sandbox
    asks this machine's own."""
    token_file: str = ""
    """File that holds a bearer token; none is shown when empty."""
    ca: str = ""
    """PEM file: the authority that signed the receiver's certificate; the system's own authorities when empty."""


class EmailSection(Record, frozen=True, kw_only=True):
    """`[alerts.email]`: mails by SMTP, over TLS alone: from the start at port 465, by STARTTLS at others."""

    host: Annotated[str, Meta(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")]
    """Name of the mail server, as its certificate has it."""
    port: Annotated[int, Meta(ge=1, le=65535)] = 587
    """Its TCP port."""
    address: str = ""
    """IP address of `host`, as for a webhook."""
    sender: MailAddress
    """Address that mails are from."""
    to: Annotated[tuple[MailAddress, ...], Meta(min_length=1, max_length=10)]
    """Addresses that they go to."""
    user: str = ""
    """Who logs in there; nobody when empty."""
    password_file: str = ""
    """File that holds the password of `user`."""
    ca: str = ""
    """PEM file: the authority that signed the server's certificate; the system's own authorities when empty."""


class LangfuseSection(Record, frozen=True, kw_only=True):
    """`[langfuse]`: Langfuse on every host of one's own, from images, on loopback alone; off without this section.

    Every field but `disk_gib` is needed. Images are written `REPOSITORY@sha256:DIGEST`, as `engine.image` is.
    """

    user: Annotated[str, Meta(pattern=r"^([^@\s,;<>\"]+@[^@\s,;<>\"]+)?$")] = ""
    """Mail address that its first user logs in with; nothing is sent there."""
    web: str = ""
    """Langfuse's image with interface and API, version 4."""
    worker: str = ""
    """Langfuse's image of the worker, of the same version."""
    postgres: str = ""
    """PostgreSQL 16 or later."""
    clickhouse: str = ""
    """ClickHouse 25.12 or later."""
    valkey: str = ""
    """Valkey 8 or later."""
    store: str = ""
    """Versity S3 Gateway 1.7 or later: objects are files of a folder."""
    disk_gib: Annotated[int, Meta(ge=1, le=65536)] = 50
    """What its data may take on each host, in GiB: hosts with less are refused. Nothing is deleted when it is more."""


class AlertsSection(Record, frozen=True, kw_only=True):
    """`[alerts]`: who is told when an alert fires, and when it is over; nobody when no receiver is named."""

    webhook: WebhookSection | None = None
    email: EmailSection | None = None
    watchdog_s: Annotated[int, Meta(ge=60, le=86400)] | None = None
    """How often the webhook is sent an alert that always fires, in seconds, so that whoever is behind it can notice
    silence; never when absent."""


class Profile(Record, frozen=True, kw_only=True):
    """A whole profile. Every field has a default but for the model and the hardware."""

    name: Name
    description: Annotated[str, Meta(min_length=1)]
    purpose: Literal["service", "proof-of-concept"] = "service"
    """service: people rely on it. proof-of-concept: it may be gone at any moment."""
    policies: tuple[str, ...] = ()
    """Folders, or installed Python packages, of policies beside the shipped ones: rules (`*.py`), `waivers.toml` and
    `levels.toml`."""
    environment: Annotated[str, Meta(pattern=r"^([a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?)?$")] = ""
    """Which table of the policies' `levels.toml` holds, for example `production`; none when empty."""
    model: ModelSection
    hardware: HardwareSection
    engine: EngineSection = EngineSection()
    demand: DemandSection | None = None
    data: DataSection = DataSection()
    network: NetworkSection = NetworkSection()
    aws: AwsSection = AwsSection()
    bundle: BundleSection = BundleSection()
    tls: TlsSection = TlsSection()
    identity: IdentitySection = IdentitySection()
    limits: LimitsSection = LimitsSection()
    lifetime: LifetimeSection = LifetimeSection()
    metrics: MetricsSection = MetricsSection()
    alerts: AlertsSection = AlertsSection()
    log_shipping: LogShippingSection | None = None
    langfuse: LangfuseSection | None = None
    tags: dict[TagKey, str] = {}
    """Tags that every resource carries, beside the toolkit's own."""
