"""Programs of a stack may be used as they are used here."""

from __future__ import annotations

from collections.abc import Iterator

from planner.catalogue import load_catalogue
from planner.plan import Plan
from policies import examples
from policies.rule import Answer, Example, Rule, Violated

ALLOWED = frozenset({"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "PSF-2.0", "PostgreSQL"})
"""SPDX identifiers of licences that ask for nothing of whoever runs a service."""


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge the licence of every program."""
    catalogue = load_catalogue()
    for service in plan.services:
        artefact = catalogue.artefacts.get(service.artefact)
        if artefact is None:
            if service.artefact not in catalogue.engines:
                yield Violated(f"{service.name} runs {service.artefact}, which is in no catalogue")
        elif artefact.licence not in ALLOWED:
            yield Violated(f"{service.name} runs {service.artefact} under {artefact.licence}, which nobody has allowed")


def _running(artefact: str) -> Plan:
    return examples.changed(services=(examples.service("x", artefact=artefact),))


RULE = Rule(
    id="permissive-programs",
    title="Every program is in the catalogue, under a licence that is allowed",
    family="supply-chain",
    severity="medium",
    why=(
        "A program that nobody entered has no version, no source and no licence that anybody has read. Some "
        "licences ask whoever runs a service to publish it."
    ),
    remediation="Enter the program in the catalogue's `artefacts.toml` with its licence; `deploy version` lists them.",
    controls=("nist CM-10", "iso27001 A.5.32", "soc2 CC8.1"),
    references=("https://spdx.org/licenses/",),
    good=(
        Example("a program of the catalogue", plan=_running("traefik")),
        Example("an engine of the catalogue", plan=examples.engine_with()),
    ),
    bad=(
        Example("a program that nobody entered", plan=_running("cryptominer")),
        Example("a program under another name", plan=_running("Traefik")),
    ),
    on_plan=on_plan,
)
