"""How models are listed and compared on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from lifecycle.compare import ComparedModel, CompareReport
    from lifecycle.models import Hardware, ListedModel, ModelsReport, OnHardware
    from planner.offers import Offer
    from planner.ranges import Range

NAMED = 3
"""Languages that the table of many models spells out."""
UNVERIFIED = "?"
"""Beside a value that comes from no primary source."""


def models_page(report: ModelsReport) -> list[RenderableType]:
    """Return the table of models, and what must be said beside it."""
    from cli.show import table

    if not report.models:
        return ["No model of the catalogue is like that.", *_not_judged(report)]
    page: list[RenderableType] = [
        table(["model", "licence", "commercial", "languages"], map(_choice, report.models), named=True),
        table(["model", "context", "B params", "precision", "GiB"], map(_memory, report.models), named=True),
    ]
    if report.hardware:
        columns = ["model", "fits", "requests", "tokens/s", _per_million(report.offer), "least GPUs"]
        rows = [_tried(model.name, model.on_hardware) for model in report.models if model.on_hardware]
        page += [table(columns, rows, named=True), *_terms(report.hardware, report.offer)]
    if any(model.unverified for model in report.models):
        page.append(f"{UNVERIFIED} not from a primary source; --json names the fields.")
    page += _reviews(report.models)
    return [*page, *_not_judged(report)]


def _choice(model: ListedModel) -> list[str]:
    """Return what a model may be chosen by."""
    return [model.name, model.licence, model.commercial, _some(model.languages)]


def _memory(model: ListedModel) -> list[str]:
    """Return what a model is, and takes."""
    total, active = f"{model.total_params_b:g}{_doubt(model, 'total_params_b')}", f"{model.active_params_b:g}"
    params = total if model.active_params_b == model.total_params_b else f"{total}/{active}"
    weights = f"{model.weights_gib:,.1f}{_doubt(model, 'config')}"
    return [model.name, f"{model.context:,}", params, model.precision, weights]


def _tried(name: str, here: OnHardware) -> list[str]:
    """Return what a model comes to on the GPUs that were asked for."""
    return [
        name,
        "yes" if here.fits else "no",
        f"{here.max_concurrency:,.1f}" if here.fits and here.kv_cache_tokens else "",
        f"{here.tokens_per_s.typical:,.0f}" if here.tokens_per_s else "",
        f"{here.cost_per_million.typical:,.2f}" if here.cost_per_million else "",
        str(here.least_gpus or "more than tried"),
    ]


def _terms(hardware: Hardware, offer: Offer | None) -> list[RenderableType]:
    """Say what the figures on GPUs hold for."""
    from lifecycle.models import ANSWER, PROMPT, STREAMS

    figures = (
        f"On {hardware.count} x {hardware.gpu}: requests of up to {hardware.context:,} tokens (or the model's own "
        f"limit) at once; tokens/s with up to {STREAMS} requests of {PROMPT:,} tokens in and {ANSWER} out, a "
        f"prediction whose range is in --json; {_per_million(offer)}: a million generated tokens at that rate around "
        "the clock."
    )
    return [figures, f"Rent: {rent(offer, hardware)}"]


def _per_million(offer: Offer | None) -> str:
    return f"{offer.currency}/M" if offer else "cost/M"


def rent(offer: Offer | None, hardware: Hardware) -> str:
    """Say who rents the GPUs, and for how much."""
    if offer is None:
        return f"unknown: no row of the catalogue prices {hardware.count} x {hardware.gpu}"
    machines = f"{offer.machines} x " if offer.machines > 1 else ""
    filled = ""
    if offer.replicas > 1:
        filled = f"; billed whole: {_per_million(offer)} is for the {offer.replicas} replicas that fill it"
    regions = f" in {', '.join(offer.regions)}" if offer.regions else ""
    sure = "" if offer.verified else ", not from a primary source"
    return (
        f"{offer.per_hour:,.2f} {offer.currency}/h for {machines}{offer.host} ({offer.provider}, {offer.gpus} "
        f"{hardware.gpu}), {offer.capacity}{regions}, as of {offer.as_of}{sure}{filled}"
    )


def compare_page(report: CompareReport) -> list[RenderableType]:
    """Return models side by side, then what each licence demands, what was claimed, and what would help."""
    from cli.show import table

    names = [model.name for model in report.models]
    rows = [(label, *(cell(model) for model in report.models)) for label, cell in _LINES]
    rows.insert(
        -1, (_per_million(report.offer), *(_spread(m.on_hardware.cost_per_million, ",.2f") for m in report.models))
    )
    on = f"on {report.hardware.count} x {report.hardware.gpu}"
    page: list[RenderableType] = [table(["", *names], rows, title=on), *_terms(report.hardware, report.offer)]
    page.append(table(["licence", "commercial", "what it demands"], sorted({_licence(m) for m in report.models})))
    claims = [(model.name, claim.by, str(claim.as_of), claim.what) for model in report.models for claim in model.claims]
    if claims:
        page.append(table(["model", "claimed by", "on", "what: nobody here has checked it"], claims))
    for model in report.models:
        page += [f"{model.name}: {text}" for text in _remarks(model)]
    return [*page, *_reviews(report.models)]


def _licence(model: ComparedModel) -> tuple[str, str, str]:
    doubt = "" if model.licence_verified else " (from secondary pages: read the licence itself)"
    return model.licence, model.commercial, model.licence_terms + doubt


def _remarks(model: ComparedModel) -> list[str]:
    here = model.on_hardware
    texts = [model.note] if model.note else []
    if model.unverified:
        texts.append(f"not from a primary source: {', '.join(model.unverified)}.")
    if here.refusal:
        texts.append(f"{here.refusal}.")
    texts += [f"would fit with {remedy.told()}." for remedy in model.remedies]
    return texts


def _fit(model: ComparedModel) -> str:
    here = model.on_hardware
    if here.fits:
        return "yes"
    return "no" if here.refusal else f"no: {here.missing_gib_per_gpu:g} GiB are missing on each GPU"


def _per_token(model: ComparedModel) -> str:
    if model.kv_bytes_per_token_long == model.kv_bytes_per_token:
        return f"{model.kv_bytes_per_token:,} bytes"
    return f"{model.kv_bytes_per_token:,} bytes, {model.kv_bytes_per_token_long:,} once windows are full"


def _requests(model: ComparedModel) -> str:
    here = model.on_hardware
    bounds = here.max_concurrency_range
    if not here.fits or bounds is None:
        return ""
    return f"{here.max_concurrency:,.1f} of {here.max_model_len:,} tokens ({bounds.low:,.1f} to {bounds.high:,.1f})"


def _division(model: ComparedModel) -> str:
    here = model.on_hardware
    return f"TP {here.tp}, PP {here.pp}{', EP' if here.ep else ''}" if here.tp else ""


def _spread(bounds: Range | None, pattern: str) -> str:
    if bounds is None:
        return ""
    typical, low, high = (format(value, pattern) for value in (bounds.typical, bounds.low, bounds.high))
    return f"{typical} ({low} to {high})"


def _measured(model: ComparedModel) -> str:
    return "; ".join(f"{m.weights_gib:,.1f} GiB on {m.gpus} GPU ({m.engine})" for m in model.measured)


def _gib(figure: float) -> str:
    return f"{figure:,.2f} GiB" if figure > 0 else ""


_LINES: tuple[tuple[str, Callable[[ComparedModel], str]], ...] = (
    ("licence", lambda m: f"{m.licence} (commercial: {m.commercial})"),
    ("languages", lambda m: ", ".join(m.languages) or "none stated"),
    ("context", lambda m: f"{m.context:,} tokens"),
    ("parameters", lambda m: f"{m.total_params_b:g}{_doubt(m, 'total_params_b')} billion"),
    ("at work on each token", lambda m: f"{m.active_params_b:g} billion"),
    ("precision", lambda m: m.precision),
    ("weights", lambda m: f"{m.weights_gib:,.1f} GiB{_doubt(m, 'config')}"),
    ("as logs printed them", _measured),
    ("KV per token", _per_token),
    ("fits", _fit),
    ("least GPUs", lambda m: str(m.on_hardware.least_gpus or "more than tried")),
    ("division", _division),
    ("weights on each GPU", lambda m: _gib(m.on_hardware.weights_gib_per_gpu)),
    ("cache on each GPU", lambda m: _gib(m.on_hardware.kv_cache_gib_per_gpu)),
    ("cache", lambda m: f"{m.on_hardware.kv_cache_tokens:,} tokens" if m.on_hardware.fits else ""),
    ("requests at once", _requests),
    ("tokens/s", lambda m: _spread(m.on_hardware.tokens_per_s, ",.0f")),
    ("review by", lambda m: f"{m.review_by}{' (due)' if m.review_due else ''}"),
)
"""What the comparison says of each model, line by line."""


def _doubt(model: ListedModel, field: str) -> str:
    return UNVERIFIED if field in model.unverified else ""


def _some(languages: tuple[str, ...]) -> str:
    named = ", ".join(languages[:NAMED]) or "none stated"
    more = len(languages) - NAMED
    return f"{named} +{more}" if more > 0 else named


def _reviews(models: tuple[ListedModel, ...]) -> list[RenderableType]:
    """Name what is overdue: open models age."""
    due = [f"{model.name} (since {model.review_by})" for model in models if model.review_due]
    return [f"Review is due, newer models may do better: {', '.join(due)}."] if due else []


def _not_judged(report: ModelsReport) -> list[RenderableType]:
    if not report.not_judged:
        return []
    return [f"Left out, for their vendors name no languages: {', '.join(report.not_judged)}."]
