"""A container is held against what was planned by what Podman itself says of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lifecycle.probes.containers import container_faults
from planner.plan import Image

SAID: dict[str, Any] = json.loads((Path(__file__).parent / "podman-inspect.json").read_text())[0]
"""Of Podman 5.4 on Debian 13, of a rendered Quadlet; what nothing here looks at is left out."""
IMAGE = Image(repository="registry.example/x", digest=SAID["ImageDigest"], command=())


def changed(path: str, value: Any) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(json.dumps(SAID))
    part, _, name = path.rpartition(".")
    (said[part] if part else said)[name] = value
    return said


def test_what_is_rendered_is_shut_in() -> None:
    assert list(container_faults(SAID, IMAGE)) == []


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("ImageDigest", f"sha256:{'0' * 64}", "another image"),
        ("Config.User", "", "root"),
        ("Config.User", "0:0", "root"),
        ("EffectiveCaps", ["CAP_NET_RAW"], "capabilities"),
        ("BoundingCaps", ["CAP_CHOWN"], "capabilities"),
        ("HostConfig.Privileged", True, "privileged"),
        ("HostConfig.ReadonlyRootfs", False, "write to its image"),
        ("HostConfig.SecurityOpt", [], "gain rights"),
        ("HostConfig.SecurityOpt", ["no-new-privileges", "seccomp=unconfined"], "a filter"),
        ("HostConfig.SecurityOpt", ["no-new-privileges", "unmask=all"], "a filter"),
        ("HostConfig.PidMode", "host", "processes"),
        ("HostConfig.IpcMode", "host", "memory"),
    ],
)
def test_what_is_open_is_said(path: str, value: Any, fault: str) -> None:
    (said,) = container_faults(changed(path, value), IMAGE)
    assert fault in said


def test_nothing_said_is_no_proof() -> None:
    assert len(list(container_faults({}, IMAGE))) >= 4
