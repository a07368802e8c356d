"""`deploy models`: which open models there are, under which licence, and what each comes to on given GPUs."""

from __future__ import annotations

import datetime as dt
import difflib

import msgspec

from planner.architecture import DTYPE_BYTES, Architecture, read_architecture
from planner.assess.unit_cost import cost_per_million
from planner.catalogue import Catalogue, Gpu, Model
from planner.division import choose_parallel
from planner.errors import DeployError, UsageError
from planner.offers import Offer, offers
from planner.parallel import Parallel, weight_bytes
from planner.ranges import Range
from planner.sizing import SizeRequest, Sizing, size
from planner.speed import replica_of
from planner.throughput import max_concurrency, performance
from planner.units import GIB

CONTEXT = 32_768
"""Tokens at which models are compared, unless another number is asked for: few requests are longer."""
PROMPT, ANSWER, STREAMS = 2000, 500, 32
"""The load at which speed is estimated: tokens of a request, tokens of its answer, requests under way."""
NODE_GPUS = 8
COUNTS = (1, 2, 4, 8, 16, 32)
"""GPUs that are tried for the least that hold a model."""


class Hardware(msgspec.Struct, frozen=True, kw_only=True):
    """GPUs, and the context at which models are compared on them."""

    gpu: str
    count: int
    context: int = CONTEXT


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """The same with its rows: what models are tried on.

    Attributes:
        offer: the cheapest way to rent it, on demand where that is offered; None where no row prices it.

    """

    hardware: Hardware
    gpu: Gpu
    offer: Offer | None

    @classmethod
    def of(cls, hardware: Hardware, catalogue: Catalogue) -> Bench:
        """Look the rows up.

        Raises:
            PlanError: the catalogue has no such GPU.

        """
        gpu = catalogue.gpu(hardware.gpu)
        found = offers(catalogue, gpu.name, hardware.count)
        return cls(hardware=hardware, gpu=gpu, offer=found[0] if found else None)

    def context(self, model: Architecture) -> int:
        """Return the context at which a model is tried: none is longer than its own."""
        return min(self.hardware.context, model.max_position)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which models are listed; empty takes all."""

    commercial: tuple[str, ...] = ()
    language: str = ""
    kind: str = ""


class OnHardware(msgspec.Struct, frozen=True, kw_only=True):
    """A model on the GPUs that were asked for.

    Attributes:
        max_model_len: the context it was sized for: the one asked for, or the model's own if that is shorter.
        refusal: why the engine would not divide it so; empty where it would. All figures are then 0.
        least_gpus: fewest of these GPUs that hold the model and one request; 0 if more than were tried.
        tokens_per_s: generated tokens of all streams together; None where it does not fit, or makes none.
        cost_per_million: of a million generated tokens at that rate around the clock, in the offer's currency.

    """

    max_model_len: int
    fits: bool
    refusal: str
    missing_gib_per_gpu: float = 0.0
    weights_gib_per_gpu: float = 0.0
    kv_cache_gib_per_gpu: float = 0.0
    kv_bytes_per_token_per_gpu: int = 0
    kv_cache_dtype: str = ""
    kv_cache_tokens: int = 0
    max_concurrency: float = 0.0
    max_concurrency_range: Range | None = None
    tp: int = 0
    pp: int = 0
    ep: bool = False
    least_gpus: int
    streams: int = 0
    tokens_per_s: Range | None = None
    cost_per_million: Range | None = None
    notes: tuple[str, ...] = ()


class ListedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model of the catalogue.

    Attributes:
        commercial: whether its licence allows commercial use: yes, no, or under conditions.
        languages: as the vendor states them.
        context: tokens that its configuration holds.
        total_params_b: as published, in units of 10^9.
        precision: in which its checkpoint comes.
        weights_gib: of one undivided copy.
        kv_bytes_per_token: of one undivided copy: what a short request's next token takes.
        kv_bytes_per_token_long: the same once every attention window is full.
        review_due: the date at which to look again has come.
        unverified: fields of its row that come from no primary source.
        on_hardware: None where no GPUs were asked for.

    """

    name: str
    title: str
    hub: str
    kind: str
    licence: str
    commercial: str
    languages: tuple[str, ...]
    context: int
    total_params_b: float
    active_params_b: float
    precision: str
    weights_gib: float
    kv_bytes_per_token: int
    kv_bytes_per_token_long: int
    review_by: dt.date
    review_due: bool
    unverified: tuple[str, ...]
    on_hardware: OnHardware | None


class ModelsReport(msgspec.Struct, frozen=True, kw_only=True):
    """The models that were asked for.

    Attributes:
        offer: the cheapest way to rent the GPUs; None where none were asked for, or no row prices them.
        not_judged: models left out because their vendor does not say which languages they know.

    """

    hardware: Hardware | None
    offer: Offer | None
    models: tuple[ListedModel, ...]
    not_judged: tuple[str, ...]


def models_report(catalogue: Catalogue, wanted: Wanted, hardware: Hardware | None, today: dt.date) -> ModelsReport:
    """List models.

    Raises:
        UsageError: no vendor states the language, or the catalogue has no such GPU.

    """
    bench = Bench.of(hardware, catalogue) if hardware else None
    rows = [row for row in catalogue.models.values() if _is_wanted(row, catalogue, wanted)]
    unsaid = [row for row in rows if wanted.language and not _names_languages(row)]
    if wanted.language:
        _check_language(wanted.language, catalogue)
        rows = [row for row in rows if _speaks(row, wanted.language)]
    return ModelsReport(
        hardware=hardware,
        offer=bench.offer if bench else None,
        models=tuple(listed(row, catalogue, bench, today) for row in rows),
        not_judged=tuple(row.name for row in unsaid),
    )


def listed(row: Model, catalogue: Catalogue, bench: Bench | None, today: dt.date) -> ListedModel:
    """Describe one model."""
    architecture = read_architecture(row.config, row.name)
    dtype = architecture.dtype
    per_token, long = _kv_bytes(architecture)
    return ListedModel(
        name=row.name,
        title=row.title,
        hub=row.hub,
        kind=row.kind,
        licence=row.licence,
        commercial=catalogue.licences[row.licence].commercial,
        languages=row.languages,
        context=architecture.max_position,
        total_params_b=row.total_params_b,
        active_params_b=row.active_params_b,
        precision=architecture.quantization.method if architecture.quantization else dtype,
        weights_gib=round(weight_bytes(architecture, Parallel(tp=1, pp=1), dtype) / GIB, 2),
        kv_bytes_per_token=per_token,
        kv_bytes_per_token_long=long,
        review_by=row.review_by,
        review_due=today >= row.review_by,
        unverified=row.unverified if row.verified else row.__struct_fields__,
        on_hardware=_on(architecture, row, bench) if bench else None,
    )


def _is_wanted(row: Model, catalogue: Catalogue, wanted: Wanted) -> bool:
    commercial = catalogue.licences[row.licence].commercial
    return (not wanted.commercial or commercial in wanted.commercial) and (not wanted.kind or row.kind == wanted.kind)


def _names_languages(row: Model) -> bool:
    """Return whether the vendor names languages; some state only how many there are."""
    return any(not language[0].isdigit() for language in row.languages)


def _speaks(row: Model, language: str) -> bool:
    return language.casefold() in {name.casefold() for name in row.languages}


def _check_language(language: str, catalogue: Catalogue) -> None:
    """Refuse a language that no vendor states: it is likelier misspelt than unknown to all."""
    known = {name.casefold(): name for row in catalogue.models.values() for name in row.languages}
    if language.casefold() in known:
        return
    near = difflib.get_close_matches(language.casefold(), known, n=3, cutoff=0.5)
    names = [known[name] for name in near] or sorted(name for name in known.values() if not name[0].isdigit())
    raise UsageError(
        f"--language: no vendor states {language!r}",
        hint=f"Languages go by their English names: {', '.join(names)}.",
        code="unknown_language",
    )


def _kv_bytes(model: Architecture) -> tuple[int, int]:
    """Return what a token takes at first, and once all windows are full, in bytes of one undivided copy."""
    number = 1 if model.fp8_cache else min(2, DTYPE_BYTES[model.dtype])
    caches = [cache for layer in model.caches for cache in layer]
    first = sum(cache.bytes_per_token(1, number) for cache in caches)
    return first, sum(cache.bytes_per_token(1, number) for cache in caches if cache.kind != "sliding")


def _on(model: Architecture, row: Model, bench: Bench) -> OnHardware:
    """Describe a model on the GPUs."""
    context = bench.context(model)
    least = _least(model, bench.gpu, context)
    try:
        sizing = sized(model, bench.gpu, bench.hardware.count, context)
    except DeployError as error:
        return OnHardware(max_model_len=context, fits=False, refusal=error.message, least_gpus=least)
    streams, speed = _speed(model, row, bench.gpu, sizing)
    return OnHardware(
        max_model_len=context,
        fits=sizing.fits,
        refusal="",
        missing_gib_per_gpu=sizing.missing_gib_per_gpu,
        weights_gib_per_gpu=sizing.weights_gib_per_gpu,
        kv_cache_gib_per_gpu=sizing.kv_cache_gib_per_gpu,
        kv_bytes_per_token_per_gpu=sizing.kv_bytes_per_token_per_gpu,
        kv_cache_dtype=sizing.kv_cache_dtype,
        kv_cache_tokens=sizing.kv_cache_tokens,
        max_concurrency=sizing.max_concurrency,
        max_concurrency_range=sizing.ranges.get("max_concurrency"),
        tp=sizing.tp,
        pp=sizing.pp,
        ep=sizing.ep,
        least_gpus=least,
        streams=streams,
        tokens_per_s=speed,
        cost_per_million=_cost(bench.offer, speed),
        notes=sizing.notes,
    )


def sized(model: Architecture, gpu: Gpu, count: int, context: int) -> Sizing:
    """Size a model, divided as a plan would divide it.

    Raises:
        PlanError: no division of so many GPUs suits it.

    """
    parallel, _ = choose_parallel(model, count, NODE_GPUS)
    request = SizeRequest(gpus=count, tp=parallel.tp, pp=parallel.pp, ep=parallel.ep, max_model_len=context)
    return size(model, gpu, request)


def _least(model: Architecture, gpu: Gpu, context: int) -> int:
    """Return the fewest GPUs that hold the model."""
    for count in COUNTS:
        try:
            if sized(model, gpu, count, context).fits:
                return count
        except DeployError:
            continue
    return 0


def _speed(model: Architecture, row: Model, gpu: Gpu, sizing: Sizing) -> tuple[int, Range | None]:
    """Return how many streams are under way, and what they make together."""
    if not sizing.fits or row.kind != "chat":
        return 0, None
    replica = replica_of(model, gpu, sizing, gpu.link)
    streams = min(STREAMS, max_concurrency(replica, PROMPT, ANSWER))
    if not streams:
        return 0, None
    return streams, performance(replica, PROMPT, ANSWER, streams).tokens_per_s.rounded(0)


def _cost(offer: Offer | None, speed: Range | None) -> Range | None:
    """Return the cost of a million generated tokens with every replica that fits the machines at work."""
    if offer is None or speed is None or speed.low <= 0:
        return None
    return cost_per_million(offer.per_hour / offer.replicas, speed, 1.0).rounded(2)
