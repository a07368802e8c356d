"""How a host starts a program of the catalogue: where the roles `bundle` and `runtime` have put it."""

from __future__ import annotations

from planner.catalogue import Catalogue
from planner.layout import CURRENT_BUNDLE, RUNTIMES

MODULES = f"{CURRENT_BUNDLE}/programs/cloister"
"""Folder of our own Python modules on a host: what PYTHONPATH says where one of them is run."""


def environment_folder(name: str) -> str:
    """Return the folder of a Python environment on a host, `gateway` or `engine`."""
    return f"{RUNTIMES}/{name}/current"


def host_command(artefact: str, catalogue: Catalogue) -> tuple[str, ...]:
    """Return the beginning of the command that runs an artefact on a host; the first word is an absolute path.

    A host has exactly one of an artefact's sources, the first one that a bundle can hold. What exists only as an image
    is started by Podman, and found in the image.

    Raises:
        KeyError: the catalogue has no such program.

    """
    if artefact in catalogue.engines:
        return (f"{environment_folder('engine')}/bin/{artefact}",)
    source = catalogue.artefacts[artefact].sources[0]
    match source.kind:
        case "wheel":
            return (f"{environment_folder('gateway')}/bin/{source.name.removesuffix('-bin')}",)
        case "module":
            # -P: the working directory must not be searched for modules.
            return (f"{environment_folder('gateway')}/bin/python", "-P", "-m", source.name)
        case "path" | "debian":
            return (f"/usr/bin/{source.name}",)
        case "image":
            return source.command


def host_environment(artefact: str, catalogue: Catalogue) -> dict[str, str]:
    """Return the variables that the command needs on a host, besides the service's own."""
    row = catalogue.artefacts.get(artefact)
    return {"PYTHONPATH": MODULES} if row and row.sources[0].kind == "module" else {}


def distribution_units(catalogue: Catalogue, artefacts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the units that packages of the distribution bring along: ours run in their place, so they must not."""
    rows = (catalogue.artefacts[name] for name in artefacts if name in catalogue.artefacts)
    return tuple(f"{source.name}.service" for row in rows for source in row.sources if source.kind == "debian")
