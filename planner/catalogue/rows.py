"""What a row of the catalogue is: a fact with its source and the date on which it was read.

`verified` says that the source is a primary one. Where only some fields of a row are uncertain, `unverified` names
them; whoever shows such a value marks it.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

IMAGE_REFERENCE = re.compile(r"[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}")
"""Of an image: its repository and the digest of its manifest."""
Positive = Annotated[float, Meta(gt=0, le=1e15)]
NotNegative = Annotated[float, Meta(ge=0, le=1e15)]
"""Bounded above, so that TOML's `inf` is no price."""
Country = Annotated[str, Meta(pattern=r"^[A-Z]{2}$")]
"""ISO 3166-1 alpha-2."""
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]
"""ISO 4217."""


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row with its origin."""

    source: Annotated[str, Meta(min_length=3)]
    as_of: dt.date
    verified: bool
    """From a primary source."""
    unverified: tuple[str, ...] = ()
    """Fields of a verified row that are not."""
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse a mark on a field that there is not."""
        unknown = set(self.unverified) - set(self.__struct_fields__)
        if unknown:
            raise ValueError(f"`unverified` names no field of the row: {', '.join(sorted(unknown))}")

    def doubts(self, *fields: str) -> tuple[str, ...]:
        """Return those of the fields that come from no primary source."""
        return tuple(field for field in fields if not self.sure(field))

    def sure(self, field: str) -> bool:
        """Return whether a field's value comes from a primary source."""
        return self.verified and field not in self.unverified


class Gpu(Row, frozen=True, kw_only=True):
    """A GPU. Throughput is dense, in TFLOPS: pages that print 3958 for an H200's FP8 count sparsity."""

    name: str
    title: str
    memory_gib: Positive
    """What the engine sees of it, in GiB."""
    bandwidth_tb_s: Positive
    """Of its memory, in TB/s."""
    fp16_tflops: Positive
    bf16_tflops: Positive | None = None
    """None where the hardware has no bfloat16: vLLM then serves in float16."""
    fp8_tflops: Positive | None = None
    fp4_tflops: Positive | None = None
    tdp_w: Positive
    """Power at its limit, in W."""
    link: Literal["nvlink", "infinity-fabric", "pcie"]
    """What joins it to its neighbours in the usual board."""
    link_gb_s: Positive
    """Of that link, both directions together, in GB/s."""


class Host(Row, frozen=True, kw_only=True):
    """A machine with GPUs, rented or bought whole."""

    name: str
    title: str = ""
    provider: str
    """A row of `providers.toml`."""
    kind: Literal["instance", "server", "workstation"] = "instance"
    gpu: str
    gpus: Annotated[int, Meta(ge=1)]
    link: Literal["nvlink", "nvlink-bridge", "infinity-fabric", "pcie", "none"]
    """What joins its GPUs; `none` with a single one."""
    vcpus: int | None = None
    memory_gib: int | None = None
    network_cards: int = 1
    efa_interfaces: int = 0
    network_gbit_s: float | None = None
    local_nvme_gb: int | None = None
    power_w: float | None = None
    """The most that the whole machine draws, in W."""
    zones: dict[str, tuple[str, ...]] = {}
    """Region -> zones that offer it; a provider without zones has empty lists."""


class Certificate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether a provider holds a certificate."""

    name: Literal["SecNumCloud", "HDS", "ISO 27001", "C5", "SOC 2"]
    held: Literal["yes", "no", "unknown"]
    scope: str = ""
    source: str
    as_of: dt.date
    verified: bool


class Provider(Row, frozen=True, kw_only=True):
    """Who rents machines, or whose premises they stand on."""

    name: str
    title: str
    kind: Literal["cloud", "marketplace", "own"]
    control: Country | None = None
    """Country whose law binds whoever controls it; None for the operator's own premises, unknown for all others."""
    regions: dict[str, Country] = {}
    """Region -> the country where its machines stand."""
    certificates: tuple[Certificate, ...] = ()

    def certificate(self, name: str) -> Literal["yes", "no", "unknown"]:
        """Return whether it holds a certificate; what no row says is unknown."""
        return next((row.held for row in self.certificates if row.name == name), "unknown")


class Licence(Row, frozen=True, kw_only=True):
    """Terms under which a model may be used."""

    name: str
    """SPDX identifier where there is one."""
    title: str
    commercial: Literal["yes", "no", "conditions"]
    terms: str
    """What it demands, in a sentence or two."""


class Claim(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody says of a model: never a fact of ours."""

    what: str
    by: str
    as_of: dt.date


class Measured(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Weights as an engine's start-up log printed them."""

    weights_gib: Positive
    """Of all GPUs together."""
    gpus: int
    engine: str
    source: str


class Model(Row, frozen=True, kw_only=True):
    """An open model."""

    name: str
    title: str
    hub: str
    """Hugging Face repository."""
    kind: Literal["chat", "embedding"] = "chat"
    licence: str
    """A row of `licences.toml`."""
    total_params_b: Positive
    """As published, in units of 10^9; what the configuration comes to is checked against it."""
    active_params_b: Positive
    """Parameters that work on each token, as published."""
    languages: tuple[str, ...] = ()
    """As the vendor states them; empty where it states none."""
    strengths: tuple[Claim, ...] = ()
    review_by: dt.date
    """When to look again: open models age."""
    measured: tuple[Measured, ...] = ()
    config: dict[str, Any]
    """Fields of the model's `config.json` that sizing reads, under their own names."""


class HostPrice(Row, frozen=True, kw_only=True):
    """What a whole host costs by the hour; empty `regions` means that the source names none."""

    host: str
    capacity: Literal["on-demand", "capacity-block", "spot", "reserved"]
    regions: tuple[str, ...] = ()
    per_hour: Positive
    currency: Currency = "USD"


class ResourcePrice(Row, frozen=True, kw_only=True):
    """What one of something costs in a cloud account while it exists, used or not; net of requests and traffic."""

    name: str
    """For example `kms-key`, or `ebs-gp3-gib` for a GiB."""
    usd: Positive
    per: Literal["hour", "month"]


class PurchasePrice(Row, frozen=True, kw_only=True):
    """What a machine costs to buy: a range."""

    host: str
    low: Positive
    high: Positive
    currency: Currency

    def __post_init__(self) -> None:
        """Refuse a range that goes down."""
        super().__post_init__()
        _ascending(self.low, self.high)


class ApiPrice(Row, frozen=True, kw_only=True):
    """What a hosted model costs per million tokens."""

    name: str
    """How the price is named in a request, for example `frontier-high`."""
    title: str
    provider: str
    in_per_million: NotNegative
    out_per_million: NotNegative
    cached_in_per_million: NotNegative | None = None
    """For prompt tokens that the provider had cached; None where not offered or not known."""
    batch_discount: Annotated[float, Meta(ge=0, lt=1)] | None = None
    """Share taken off for requests that may wait."""
    currency: Currency = "USD"


class Assumption(Row, frozen=True, kw_only=True):
    """A figure of the cost model that is neither a machine's nor a model's price: power, colocation, staff, capital."""

    name: str
    """For example `electricity`."""
    title: str
    low: NotNegative
    typical: NotNegative
    high: NotNegative
    unit: str
    """For example `EUR/kWh` or `share`."""

    def __post_init__(self) -> None:
        """Refuse a range that goes down."""
        super().__post_init__()
        _ascending(self.low, self.typical, self.high)


class Rate(Row, frozen=True, kw_only=True):
    """An exchange rate: one `base` is worth `per_unit` of `quote`."""

    base: Currency
    quote: Currency
    per_unit: Positive


class Engine(Row, frozen=True, kw_only=True):
    """An inference engine, and what sizing assumes of it."""

    name: str
    version: str
    block_tokens: int
    overhead_gib: float
    bandwidth_efficiency: float
    compute_efficiency: float


class DriverSet(Row, frozen=True, kw_only=True):
    """Versions of NVIDIA's software that go together on a host."""

    name: str
    driver: str
    fabric_manager: str
    least_driver: str
    """Oldest branch or version that the engine still runs on."""
    container_toolkit: str
    dcgm: str
    dcgm_exporter: str
    packages: dict[str, tuple[str, ...]]
    """What it is for -> patterns of Debian package names."""

    def __post_init__(self) -> None:
        """Refuse versions that do not go together."""
        super().__post_init__()
        if self.fabric_manager != self.driver:
            raise ValueError("the fabric manager has exactly the driver's version")


class GpuProduct(Row, frozen=True, kw_only=True):
    """A GPU as `nvidia-smi` names it, and how several of them are joined."""

    product: str
    gpu: str
    """A row of `gpus.toml`."""
    memory_mib: int
    links: Annotated[tuple[str, ...], Meta(min_length=1)]
    """Words of `nvidia-smi topo -m` that may stand between any two."""
    nvswitch: bool
    """Joined by NVSwitches, which need the fabric manager."""


class AllReduceFloor(Row, frozen=True, kw_only=True):
    """What an all-reduce over a whole machine reaches at least."""

    product: str
    """A row of `gpu_product`."""
    gpus: Annotated[int, Meta(ge=2)]
    size: str
    """Of the message, as nccl-tests takes it."""
    bus_gb_s: Positive
    """Bus bandwidth in GB/s (10^9 bytes)."""


class HarmlessXid(Row, frozen=True, kw_only=True):
    """An error of the driver's for which no hardware is to blame."""

    number: int
    title: str


class ArtefactSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One place an artefact may come from."""

    kind: Literal["wheel", "module", "path", "debian", "image"]
    name: str
    """As its kind has it; of an image REPOSITORY@sha256:DIGEST, which no tag can change."""
    command: tuple[str, ...] = ()
    """The program in an image."""
    installed: bool = False
    """It runs from where it is installed alone: unpacked into a user's folder it does not."""

    def __post_init__(self) -> None:
        """Refuse an image that a registry could replace, and one of which nobody says what it runs."""
        if self.kind == "image" and (not IMAGE_REFERENCE.fullmatch(self.name) or not self.command):
            raise ValueError(f"an image is named REPOSITORY@sha256:DIGEST and has a command, unlike {self.name!r}")


class Artefact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A program that a stack runs."""

    name: str
    version: str
    licence: str
    sources: tuple[ArtefactSource, ...]
    """None for an image that the profile names."""
    stand_in: bool = False
    hosts_only: bool = False
    """Only hosts run it: the machine that commands a stack needs it for nothing."""


class Release(Row, frozen=True, kw_only=True):
    """A release of a distribution that hosts may run."""

    name: str
    """Its code name, as its own /etc/os-release has it."""
    title: str
    distribution: Literal["debian", "ubuntu"]
    python: Annotated[str, Meta(pattern=r"^3\.[0-9]{1,2}$")]
    """Version of the Python that it comes with."""
    podman: Annotated[str, Meta(pattern=r"^[0-9]+\.[0-9]+$")]
    """Version of the Podman that it comes with."""
    glibc: Annotated[str, Meta(pattern=r"^2\.[0-9]{1,2}$")]
    """Version of the C library: wheels for a later one do not run."""
    suites: tuple[str, ...]
    """What apt reads of its archive."""
    components: tuple[str, ...]
    keyring: str
    """File of the keys that its archive is signed with."""


class FetchedFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file that an engine would fetch while it runs."""

    path: str
    """Where it lies in a bundle."""
    url: str
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    licence: str


class RuntimeNeed(Row, frozen=True, kw_only=True):
    """Something that an engine fetches or makes while it runs."""

    name: str
    engine: str
    """A row of `engines.toml`."""
    what: str
    env: dict[str, str] = {}
    files: tuple[FetchedFile, ...] = ()
    packages: tuple[str, ...] = ()
    """Packages of the distribution."""
    wheels: tuple[str, ...] = ()
    """Packages that the engine's lock file must hold."""
    matching: tuple[str, ...] = ()
    """Packages that must have one version, as far as the engine's lock file holds them."""


class ArchitectureNeeds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model's architecture needs of an engine beyond what all need."""

    name: str
    """As `architectures` of a model's configuration has it."""
    needs: tuple[str, ...] = ()
    """Names of `RuntimeNeed`s, which then are for those that name them alone."""


def _ascending(*values: float) -> None:
    if list(values) != sorted(values):
        raise ValueError(f"a range goes from low to high, this one is {', '.join(f'{value:g}' for value in values)}")
