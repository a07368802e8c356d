"""`deploy size`: a catalogue model, or any `config.json`, on given GPUs."""

from __future__ import annotations

from pathlib import Path

import msgspec

from lifecycle.model_config import read_config
from planner.architecture import Architecture, read_architecture
from planner.catalogue import Catalogue, load_catalogue
from planner.errors import UsageError
from planner.remedies import Remedy, remedies
from planner.sizing import SizeRequest, Sizing, size


class SizeReport(Sizing, frozen=True, kw_only=True):
    """A sizing, of what, and what would help if it does not fit.

    Attributes:
        model: the catalogue's name, or the file.
        total_params_b: in units of 10^9, as the configuration comes to.
        unverified: fields of the model's and the GPU's rows that come from no primary source.

    """

    model: str
    model_type: str
    total_params_b: float
    active_params_b: float
    unverified: tuple[str, ...]
    remedies: tuple[Remedy, ...]


def size_report(model: str, config: Path | None, gpu: str, request: SizeRequest) -> SizeReport:
    """Size a model on GPUs.

    Raises:
        UsageError: the model, the file, the GPU or a number is wrong.
        PlanError: the engine would refuse the combination.

    """
    catalogue = load_catalogue()
    name, architecture, doubts = _architecture(catalogue, model, config)
    row = catalogue.gpu(gpu)
    sizing = size(architecture, row, request)
    helping = () if sizing.fits else remedies(architecture, row, request)
    return SizeReport(
        **msgspec.structs.asdict(sizing),
        model=name,
        model_type=architecture.model_type,
        total_params_b=round(architecture.total_params / 1e9, 2),
        active_params_b=round(architecture.active_params / 1e9, 2),
        unverified=(*doubts, *(f"{row.name}: {field}" for field in row.doubts("memory_gib"))),
        remedies=helping,
    )


def _architecture(catalogue: Catalogue, model: str, config: Path | None) -> tuple[str, Architecture, tuple[str, ...]]:
    """Return what the model is called, what it is made of, and which of that comes from no primary source."""
    if bool(model) == bool(config):
        raise UsageError(
            "name one model: a row of the catalogue, or a configuration with --config",
            hint="`deploy models` lists the catalogue; --config takes a config.json or the folder it lies in.",
            code="which_model",
        )
    if config is None:
        row = catalogue.model(model)
        doubts = tuple(f"{row.name}: {field}" for field in row.doubts("config"))
        return row.name, read_architecture(row.config, row.name), doubts
    return str(config), read_architecture(read_config(config), str(config)), ()
