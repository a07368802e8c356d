"""Hosts with GPUs before anything serves on them: driver in lockstep, accepted with evidence, watched from then on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from lifecycle.hosts.gpus.evidence import Evidence, read_evidence
from lifecycle.hosts.playbook import Outcome
from planner.acceptance import DRIVER_SET, expected_gpus
from planner.catalogue import Catalogue
from planner.gpu_metrics import gpu_metrics
from planner.plan import Plan
from templates.dcgm_exporter import FOLDER, UNIT, render_dcgm_exporter

Play = Callable[[str, Mapping[str, Any]], Outcome]
"""Runs a playbook, by name, with variables of its roles on all hosts."""


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """Hosts whose GPUs are what the plan counts on."""

    changed: int = 0
    """Changes on all hosts together."""
    evidence: dict[str, Evidence] = {}
    """Of each host by its name, read again and checked; none where no GPU is planned."""


def accept(
    play: Play,
    hosts: Iterable[str],
    plan: Plan,
    catalogue: Catalogue,
    *,
    evidence: Path,
    exactly: int | None = None,
    choices: Mapping[str, Any] | None = None,
) -> Accepted:
    """Bring the driver of each host in order, and accept its GPUs; nothing is done where the plan needs none.

    Args:
        play: runs a playbook on the hosts.
        hosts: their names.
        plan: what is to serve there.
        catalogue: versions, products and what they reach.
        evidence: folder that gets a file per host, whether it is accepted or not.
        exactly: GPUs that each of them has, where an inventory says so.
        choices: further variables of the roles, as `gpu_acceptance_waived` or `gpu_acceptance_again`.

    Raises:
        PlaybookError: a host is refused, or failed; the message says what speaks against it.
        EvidenceError: what was brought is not what was judged.

    """
    variables = variables_of(plan, catalogue, exactly=exactly)
    if not variables:
        return Accepted()
    evidence.mkdir(mode=0o700, parents=True, exist_ok=True)
    outcome = play("accept", {**variables, "gpu_acceptance_fetch_to": str(evidence), **(choices or {})})
    return Accepted(
        changed=outcome.changed, evidence={name: read_evidence(evidence / f"{name}.json") for name in hosts}
    )


def variables_of(plan: Plan, catalogue: Catalogue, *, exactly: int | None = None) -> dict[str, Any]:
    """Return the variables of the roles of `accept.yml`; none where no engine of the plan has a GPU."""
    expected = expected_gpus(plan, catalogue, exactly=exactly)
    metrics = gpu_metrics(plan, catalogue)
    if expected is None or metrics is None:
        return {}
    drivers = catalogue.driver_sets[DRIVER_SET]
    files = render_dcgm_exporter(metrics, plan.metrics.scrape_interval_s)
    return {
        "nvidia_wanted": {
            "driver": drivers.driver,
            "least_driver": drivers.least_driver,
            "images": any(service.image for service in plan.services),
            "packages": {name: list(patterns) for name, patterns in drivers.packages.items()},
        },
        "gpu_acceptance_expected": msgspec.to_builtins(expected),
        "dcgm_exporter_counters": files[f"{FOLDER}/counters.csv"],
        "dcgm_exporter_unit": files[f"/etc/systemd/system/{UNIT}"],
    }
