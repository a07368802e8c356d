"""Hosts with GPUs before anything serves on them: driver in lockstep, accepted with evidence, watched from then on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from lifecycle.hosts.gpus.evidence import Evidence, read_evidence
from lifecycle.hosts.inventory import Inventory
from lifecycle.hosts.playbook import play
from lifecycle.hosts.ssh import Login
from planner.acceptance import DRIVER_SET, expected_gpus
from planner.catalogue import Catalogue
from planner.gpu_metrics import gpu_metrics
from planner.plan import Plan
from planner.progress import Progress
from templates.dcgm_exporter import FOLDER, UNIT, render_dcgm_exporter


def accept(
    inventory: Inventory,
    login: Login,
    plan: Plan,
    catalogue: Catalogue,
    progress: Progress,
    *,
    evidence: Path,
    check: bool = False,
    choices: Mapping[str, Any] | None = None,
) -> dict[str, Evidence]:
    """Bring the driver of each host in order, and accept its GPUs; nothing is done where the plan needs none.

    Args:
        inventory: the hosts.
        login: pinned keys, and our own.
        plan: what is to serve there.
        catalogue: versions, products and what they reach.
        progress: is told of every task.
        evidence: folder that gets a file per host, whether it is accepted or not.
        check: change nothing.
        choices: further variables of the roles, as `gpu_acceptance_waived` or `gpu_acceptance_again`.

    Returns:
        The evidence of each host by its name, read again and checked; none in check mode, or without GPUs.

    Raises:
        PlaybookError: a host is refused, or failed; the message says what speaks against it.
        EvidenceError: what was brought is not what was judged.

    """
    variables = variables_of(plan, catalogue, exactly=_exactly(inventory))
    if not variables:
        return {}
    evidence.mkdir(mode=0o700, parents=True, exist_ok=True)
    play(
        "accept",
        inventory,
        login,
        {**variables, "gpu_acceptance_fetch_to": str(evidence), **(choices or {})},
        progress,
        check=check,
    )
    if check:
        return {}
    return {host.name: read_evidence(evidence / f"{host.name}.json") for host in inventory.serving}


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
            "packages": {name: list(patterns) for name, patterns in drivers.packages.items()},
        },
        "gpu_acceptance_expected": msgspec.to_builtins(expected),
        "dcgm_exporter_counters": files[f"{FOLDER}/counters.csv"],
        "dcgm_exporter_unit": files[f"/etc/systemd/system/{UNIT}"],
    }


def _exactly(inventory: Inventory) -> int | None:
    """Return how many GPUs each host has by the inventory, where it says the same of all."""
    said = {host.gpus for host in inventory.serving}
    return said.pop() if len(said) == 1 else None
