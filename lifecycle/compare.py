"""`deploy compare`: models side by side, with what their licences demand and what was claimed of them."""

from __future__ import annotations

import datetime as dt

import msgspec

from lifecycle.models import Bench, Hardware, ListedModel, OnHardware, listed, sized
from planner.architecture import read_architecture
from planner.catalogue import Catalogue, Model
from planner.catalogue.rows import Claim, Measured
from planner.errors import DeployError, UsageError
from planner.offers import Offer
from planner.remedies import Remedy, remedies
from planner.sizing import SizeRequest


class ComparedModel(ListedModel, frozen=True, kw_only=True):
    """A model, and what is said of it.

    Attributes:
        licence_terms: what the licence demands, in a sentence or two.
        licence_verified: from a primary source.
        claims: what was claimed, by whom and when: nobody here has checked it.
        measured: weights as start-up logs printed them.
        remedies: single changes that would make it fit.

    """

    on_hardware: OnHardware
    licence_title: str
    licence_terms: str
    licence_verified: bool
    claims: tuple[Claim, ...]
    measured: tuple[Measured, ...]
    remedies: tuple[Remedy, ...]
    note: str
    source: str
    as_of: dt.date


class CompareReport(msgspec.Struct, frozen=True, kw_only=True):
    """Models side by side on the same GPUs."""

    hardware: Hardware
    offer: Offer | None
    models: tuple[ComparedModel, ...]


def compare_report(catalogue: Catalogue, names: tuple[str, ...], hardware: Hardware, today: dt.date) -> CompareReport:
    """Compare models.

    Raises:
        UsageError: fewer than two models are named, or one that the catalogue lacks.

    """
    if len(set(names)) < 2:
        raise UsageError(
            "a comparison takes two models or more",
            hint="`deploy compare gpt-oss-120b qwen3-235b-a22b-fp8`; `deploy models` lists them.",
            code="too_few_models",
        )
    rows = [catalogue.model(name) for name in dict.fromkeys(names)]
    bench = Bench.of(hardware, catalogue)
    return CompareReport(
        hardware=hardware,
        offer=bench.offer,
        models=tuple(_compared(row, catalogue, bench, today) for row in rows),
    )


def _compared(row: Model, catalogue: Catalogue, bench: Bench, today: dt.date) -> ComparedModel:
    licence = catalogue.licences[row.licence]
    return ComparedModel(
        **msgspec.structs.asdict(listed(row, catalogue, bench, today)),
        licence_title=licence.title,
        licence_terms=licence.terms,
        licence_verified=licence.sure("terms"),
        claims=row.strengths,
        measured=row.measured,
        remedies=_remedies(row, bench),
        note=row.note,
        source=row.source,
        as_of=row.as_of,
    )


def _remedies(row: Model, bench: Bench) -> tuple[Remedy, ...]:
    """Return what would help a model that does not fit."""
    model = read_architecture(row.config, row.name)
    context, count = bench.context(model), bench.hardware.count
    try:
        sizing = sized(model, bench.gpu, count, context)
    except DeployError:
        return ()
    if sizing.fits:
        return ()
    asked = SizeRequest(gpus=count, tp=sizing.tp, pp=sizing.pp, ep=sizing.ep, max_model_len=context)
    return remedies(model, bench.gpu, asked)
