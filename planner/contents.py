"""What a bundle holds for a plan: worked out here, collected by whoever has a way to the internet."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from planner.catalogue import Catalogue
from planner.catalogue.rows import FetchedFile
from planner.images import PODMAN_PACKAGES
from planner.plan import Image, Plan, Service

HOST_MODULES = ("gateway", "sandbox.vllm_sim")
"""Modules of ours that run without the toolkit, and so on hosts."""
GATEWAY, ENGINE = "gateway", "engine"
"""Python environments of a host."""


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What goes in.

    Attributes:
        environments: Python environments, each with a lock file of its own.
        modules: our own, by their Python names.
        packages: of the distribution, beside those that the roles install.
        files: what the engine would fetch while it runs.
        images: what services run from.
        model: name of the model whose weights are served; empty where none are.

    """

    environments: tuple[str, ...] = (GATEWAY,)
    modules: tuple[str, ...] = ("gateway",)
    packages: tuple[str, ...] = ()
    files: tuple[FetchedFile, ...] = ()
    images: tuple[Image, ...] = ()
    model: str = ""


def contents_of(plan: Plan, catalogue: Catalogue) -> Contents:
    """Return what hosts need for a plan's services."""
    return contents_of_services(plan.services, catalogue, plan.model.name, plan.engine.needs)


def contents_of_services(
    services: Iterable[Service], catalogue: Catalogue, model: str, needs: Iterable[str]
) -> Contents:
    """Return what hosts need for these services.

    Args:
        services: all that run on a host.
        catalogue: where artefacts come from.
        model: what a real engine serves.
        needs: rows of `downloads.toml` for a real engine.

    """
    services = tuple(services)
    artefacts = {service.artefact for service in services}
    images = {one.image.reference: one.image for one in services if one.image}
    # What runs from an image brings nothing else along.
    installed = {service.artefact for service in services if not service.image}
    sources = [one for name in sorted(installed & catalogue.artefacts.keys()) for one in _sources(catalogue, name)]
    served = bool(artefacts & catalogue.engines.keys())
    real = bool(installed & catalogue.engines.keys())
    rows = [catalogue.needs[need] for need in needs] if served else []
    packages = {name for kind, name in sources if kind == "debian"}
    if real:
        packages |= {name for row in rows for name in row.packages}
    if images:
        packages |= set(PODMAN_PACKAGES)
    return Contents(
        environments=(GATEWAY, ENGINE) if real else (GATEWAY,),
        modules=tuple(name for kind, name in sources if kind == "module" and name in HOST_MODULES),
        packages=tuple(sorted(packages)),
        files=tuple(file for row in rows for file in row.files),
        images=tuple(images[reference] for reference in sorted(images)),
        model=model if served else "",
    )


def _sources(catalogue: Catalogue, artefact: str) -> list[tuple[str, str]]:
    return [(source.kind, source.name) for source in catalogue.artefacts[artefact].sources]
