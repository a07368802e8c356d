"""A bundle that a node fetches by itself: waiting until it lies there, whole."""

from __future__ import annotations

import time

from lifecycle.hosts.ssh import Connection
from planner.errors import DeployError
from planner.plan import BundlePlan
from planner.progress import Progress

UNIT = "cloister-bundle.service"
"""Written by the node's user data."""
PAUSE_S = 5.0
SLACK_S = 900.0
"""Beside the time that the plan predicts: the node boots, finds its disks, and hashes what it has."""
LATEST = f"journalctl --unit={UNIT} --lines=1 --output=cat --quiet 2>/dev/null || true"


def wait_for_bundle(connection: Connection, bundle: BundlePlan, progress: Progress, pause_s: float = PAUSE_S) -> None:
    """Wait until a node has its bundle, and tell what it says meanwhile.

    Raises:
        DeployError: it gave up, or it takes longer than twice what was predicted.

    """
    name, said = connection.host.name, ""
    deadline = time.monotonic() + 2 * bundle.pull_s.high + SLACK_S
    while (state := connection.run(f"systemctl is-active {UNIT}").stdout.strip()) != "active":
        latest = connection.run(LATEST).stdout.strip()
        if state == "failed":
            raise DeployError(
                f"{name}: its bundle cannot be used: {latest or 'it does not say why'}",
                hint="`deploy bundle push` brings a whole one; then run the same command again.",
                code="bundle_not_pulled",
            )
        if time.monotonic() > deadline:
            raise DeployError(
                f"{name}: its bundle has not arrived; last heard: {latest or state}",
                hint="Is it in the bucket? `deploy bundle push DIR --profile NAME` brings it; the node goes on trying. "
                "Then run the same command again.",
                code="bundle_not_pulled",
            )
        if latest and latest != said:
            progress.note(f"{name}: {latest}")
            said = latest
        time.sleep(pause_s)
