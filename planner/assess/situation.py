"""What an assessment starts from: the answers of whoever decides."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from planner.catalogue.rows import Country, Currency

Share = Annotated[float, Meta(ge=0, le=1)]
"""A part of the whole, between 0 and 1."""

DataLevel = Literal["open", "internal", "sensitive"]
Skills = Literal["none", "some", "experienced"]
Capacity = Literal["on-demand", "capacity-block", "reserved", "bought"]

MAX_TOKENS_PER_MONTH = 1e14
"""A hundred trillion a month. The largest public services handle a few hundred trillion: more is a slip of the unit."""


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the answers."""


class Demand(Record, frozen=True, kw_only=True):
    """How much is asked: tokens a month, or users x workdays x tokens a day; not both."""

    tokens_in_per_month: Annotated[float, Meta(ge=1, le=MAX_TOKENS_PER_MONTH)] | None = None
    """Prompt tokens in the first month."""
    tokens_out_per_month: Annotated[float, Meta(ge=1, le=MAX_TOKENS_PER_MONTH)] | None = None
    """Generated tokens in the first month."""
    users: Annotated[int, Meta(ge=1, le=1_000_000_000)] | None = None
    """People (or programs) who use it."""
    workdays_per_month: Annotated[float, Meta(gt=0, le=31)] = 21
    tokens_in_per_day: Annotated[float, Meta(ge=1, le=1e9)] | None = None
    """Prompt tokens of one user on a workday."""
    tokens_out_per_day: Annotated[float, Meta(ge=1, le=1e9)] | None = None
    """Generated tokens of one user on a workday."""
    growth_per_month: Annotated[float, Meta(ge=-0.5, le=0.5)] = 0.0
    """Compounding: 0.03 is 3 % more each month."""
    peak_factor: Annotated[float, Meta(ge=1, le=100)] = 5.0
    """Busiest hour over the mean hour of the month. Office hours alone make it 730 h / (21 days x 8 h) = 4.3."""
    batch_share: Share = 0.0
    """Part that may wait for hours: it fills troughs, and APIs sell it cheaper."""
    cached_share: Share = 0.0
    """Part of the prompt tokens that repeat an earlier prompt's beginning."""
    retry_share: Share = 0.02
    """Requests sent again, as a part of all."""
    tool_overhead_share: Share = 0.1
    """Tokens of tool descriptions, calls and results that the figures above leave out, as a part of them."""


class Latency(Record, frozen=True, kw_only=True):
    """What users are promised."""

    first_token_ms: Annotated[float, Meta(ge=10, le=600_000)] = 2000
    """95th percentile of the time to the first token, in ms."""
    between_tokens_ms: Annotated[float, Meta(ge=1, le=10_000)] = 60
    """95th percentile of the time from one token to the next, in ms."""


class Team(Record, frozen=True, kw_only=True):
    """Who would run it."""

    skills: Skills = "some"
    """Experience with GPU hosts and inference engines."""
    staff_share_api: Annotated[float, Meta(ge=0, le=100)] | None = None
    """Full-time equivalents that hosted APIs take; the catalogue's assumption where none is given."""
    staff_share_hybrid: Annotated[float, Meta(ge=0, le=100)] | None = None
    staff_share_self_host: Annotated[float, Meta(ge=0, le=100)] | None = None


class ApiUse(Record, frozen=True, kw_only=True):
    """A hosted model in use, or the one that would be."""

    model: str
    """A price row of the catalogue, for example `frontier-high`."""
    share: Annotated[float, Meta(gt=0, le=1)] = 1.0
    """Part of all tokens that goes to it."""


class Hybrid(Record, frozen=True, kw_only=True):
    """How a hybrid would split the work."""

    local_share: Annotated[float, Meta(gt=0, le=1)] = 0.7
    """Part of all tokens that own capacity tries first."""
    escalation_share: Share = 0.1
    """Part of those that is asked again of the API, because the answer was not good enough: paid twice."""


class Throughput(Record, frozen=True, kw_only=True):
    """Generated tokens per second of one replica, all streams together, within the promised latency."""

    low: Annotated[float, Meta(gt=0, le=1_000_000)]
    typical: Annotated[float, Meta(gt=0, le=1_000_000)]
    high: Annotated[float, Meta(gt=0, le=1_000_000)]

    def __post_init__(self) -> None:
        """Refuse an unordered range."""
        if not self.low <= self.typical <= self.high:
            given = f"{self.low:g}, {self.typical:g}, {self.high:g}"
            raise ValueError(f"a range goes low <= typical <= high, this one is {given}")


class Hardware(Record, frozen=True, kw_only=True):
    """One way to have own capacity."""

    host: str
    """A host of the catalogue, paid whole."""
    capacity: Capacity
    region: str = ""
    """Where it is rented; empty for bought machines."""
    country: Country | None = None
    """Where bought machines stand."""
    replicas_per_host: Annotated[int, Meta(ge=1, le=64)] = 1
    """Copies of the model that one host carries."""
    spare_replicas: Annotated[int, Meta(ge=0, le=64)] = 1
    """Copies beyond the need, for failures and roll-overs."""
    tokens_per_s: Throughput | None = None
    """What a copy generates, as measured; predicted for `profile` when absent."""
    profile: str = ""
    """A shipped profile or a file: what runs there. Its predicted speed, and as many copies as fit, are taken."""
    hours_per_month: Annotated[float, Meta(gt=0, le=730)] = 730
    """Hours for which on-demand hosts are kept; the demand must fit into them."""

    @property
    def speed(self) -> Throughput:
        """Return the tokens per second of a copy.

        Raises:
            ValueError: they were neither given nor predicted yet.

        """
        if self.tokens_per_s is None:
            raise ValueError(f"{self.name}: the speed of {self.profile} was not predicted")
        return self.tokens_per_s

    @property
    def name(self) -> str:
        """How reports call this option."""
        return f"{self.host} {self.capacity}" + (f" {self.region}" if self.region else "")

    def __post_init__(self) -> None:
        """Refuse part-time capacity that is paid for all the time, and capacity of which no speed is known."""
        if self.tokens_per_s is None and not self.profile:
            raise ValueError("either tokens_per_s or profile is needed: how fast is a copy of the model?")
        if self.hours_per_month < 730 and self.capacity != "on-demand":
            raise ValueError(f"hours_per_month below 730 goes with on-demand capacity; {self.capacity} is always paid")


class Weights(Record, frozen=True, kw_only=True):
    """What counts how much in the advice; they are scaled to a sum of 1. None takes the shipped weight."""

    cost: Share | None = None
    control: Share | None = None
    operations: Share | None = None
    flexibility: Share | None = None
    quality: Share | None = None
    latency: Share | None = None


class Situation(Record, frozen=True, kw_only=True):
    """All answers."""

    data: DataLevel
    """`open`: may be published. `internal`: confidential, may be processed under contract. `sensitive`: regulated or
    secret, never leaves own capacity."""
    currency: Currency = "EUR"
    residency: tuple[Country, ...] = ()
    """Countries where data may be processed (ISO 3166-1; `EU` stands for its members); empty for anywhere."""
    upfront_limit: Annotated[float, Meta(ge=0, le=1e12)] | None = None
    """Most that may be paid in the first month before the service runs, in `currency`; none for no limit."""
    demand: Demand
    latency: Latency = Latency()
    team: Team = Team()
    api: Annotated[tuple[ApiUse, ...], Meta(min_length=1, max_length=20)]
    hybrid: Hybrid = Hybrid()
    hardware: Annotated[tuple[Hardware, ...], Meta(min_length=1, max_length=12)]
    weights: Weights = Weights()
