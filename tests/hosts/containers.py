"""Test hosts that run containers, and a bundle with images that a person made for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hosts.bundles import downloads_without_images
from tests.hosts.machine import Machine
from tests.hosts.person import Operator

SETTINGS = {
    "/etc/containers/containers.conf.d/test-host.conf": "[containers]\nkeyring = false\n",
    # Their disk is an overlay already.
    "/etc/containers/storage.conf": (
        '[storage]\ndriver = "vfs"\ngraphroot = "/var/lib/containers/storage"\nrunroot = "/run/containers/storage"\n'
    ),
}
DROP_IN = "/etc/containers/systemd/cloister-{service}.container.d/test-host.conf"
IN_ITS_UNIT = "[Container]\nPodmanArgs=--cgroups=disabled\n"
"""Control groups are of version 1 beneath test hosts: containers cannot have their own, and stay in their unit's."""


def ready_for_containers(machine: Machine, *services: str) -> None:
    """Let Podman run these services on a test host, which knows of no package but the bundle's."""
    machine.run("sh", "-c", "rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb")
    for path, text in {**SETTINGS, **{DROP_IN.format(service=name): IN_ITS_UNIT for name in services}}.items():
        place = machine.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


def bundle_of_profile(operator: Operator, folder: Path) -> Path:
    """Make the bundle as a person does; what it takes from the internet came for other tests, the image did not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(downloads_without_images(folder / "cache")))
        words = ("bundle", "make", "--profile", "./lab.toml", "--out", "../bundle", "--codename", "trixie")
        code, report, told = operator.deploy(*words)
    assert code == 0, told[-3000:]
    assert report["lacking"] == []
    return folder / "bundle"
