"""What is served: a row of the catalogue, a fine-tune of one, or a checkpoint of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from planner.architecture import Architecture, read_architecture
from planner.catalogue import Catalogue, Model
from planner.errors import PlanError
from planner.licences import check_licence, licence_notes
from planner.profile import ModelSection

UNKNOWN_LICENCE = "not known to the catalogue"


class ChosenModel(msgspec.Struct, frozen=True, kw_only=True):
    """The model, and where it comes from.

    Attributes:
        row: of the catalogue; None for a checkpoint that it does not know.
        source: Hugging Face repository, or folder on the node.
        revision: commit of the repository; empty for a folder.
        architectures: as the model's configuration names them.

    """

    name: str
    row: Model | None
    architecture: Architecture
    source: str
    revision: str
    licence: str
    licence_notes: tuple[str, ...]
    embedding: bool
    architectures: tuple[str, ...]
    why: str


def choose_model(section: ModelSection, catalogue: Catalogue, config: Mapping[str, Any] | None) -> ChosenModel:
    """Settle what is served.

    Args:
        section: of the profile.
        catalogue: all rows.
        config: the content of the file that `model.config` names; None where it names none.

    Raises:
        PlanError: the catalogue has no such model, its licence forbids the use and is not accepted, or a checkpoint of
            one's own lacks its source.
        ConfigError: its configuration cannot be sized.

    """
    if config is not None:
        if not section.source:
            raise PlanError(
                "`model.config` needs `model.source`", hint="Name the folder or repository of the checkpoint as well."
            )
        architecture = read_architecture(config, section.config)
        return ChosenModel(
            name=section.name,
            row=None,
            architecture=architecture,
            source=section.source,
            revision=section.revision,
            licence=UNKNOWN_LICENCE,
            licence_notes=(f"{section.source}: the catalogue does not know its licence",),
            embedding=architecture.encoder,
            architectures=_architectures(config),
            why=f"a checkpoint of one's own, sized by {section.config}",
        )
    row = catalogue.model(section.name)
    licence = catalogue.licences[row.licence]
    check_licence(row, licence, accepted=(section.accept_licence,))
    return ChosenModel(
        name=row.name,
        row=row,
        architecture=read_architecture(row.config, row.name),
        source=section.source or row.hub,
        revision=section.revision,
        licence=row.licence,
        licence_notes=licence_notes(licence),
        embedding=row.kind == "embedding",
        architectures=_architectures(row.config),
        why=f"a fine-tune of {row.name}, shaped as that is" if section.source else "named in the profile",
    )


def _architectures(config: Mapping[str, Any]) -> tuple[str, ...]:
    named = config.get("architectures")
    return tuple(str(name) for name in named) if isinstance(named, list) else ()
