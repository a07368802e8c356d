"""A bare host with no route anywhere runs its engine from an image, by Podman, through a whole life.

The image holds the engine's imitation. Control groups are of version 1 beneath test hosts, which containers cannot have
by themselves there: a drop-in of the test's own leaves them where their unit is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from planner.contents import Contents
from planner.images import PODMAN_PACKAGES
from planner.plan import Image
from tests.hosts.bundles import bundle, fetched
from tests.hosts.images import engine_image
from tests.hosts.lab import Lab
from tests.hosts.machine import Machine
from tests.hosts.person import PROFILE, Operator
from tests.hosts.test_metal import checks, snapshot, started
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("hosts")]

UNIT = "cloister-engine.service"
CONTENTS = Contents(
    modules=("gateway",), packages=tuple(sorted((*PODMAN_PACKAGES, "prometheus", "prometheus-node-exporter")))
)
ON_TEST_HOSTS = {
    "/etc/containers/containers.conf.d/test-host.conf": "[containers]\nkeyring = false\n",
    # Their disk is an overlay already.
    "/etc/containers/storage.conf": (
        '[storage]\ndriver = "vfs"\ngraphroot = "/var/lib/containers/storage"\nrunroot = "/run/containers/storage"\n'
    ),
    "/etc/containers/systemd/cloister-engine.container.d/test-host.conf": (
        "[Container]\nPodmanArgs=--cgroups=disabled\n"
    ),
}


class World(msgspec.Struct):
    """A host, who works on it, and what they have."""

    machine: Machine
    operator: Operator
    image: Image
    bundle: Path
    before: str


@pytest.fixture(scope="module")
def world(can_boot: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A host, and a bundle with the image."""
    with Lab() as lab:
        machine, folder = lab.host("trixie", name="q"), tmp_path_factory.mktemp("operator")
        assert "default" not in machine.run("ip", "route").stdout + machine.run("ip", "-6", "route").stdout
        machine.run("sh", "-c", "rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb")
        for path, text in ON_TEST_HOSTS.items():
            place = machine.root / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        before = snapshot(machine)
        wheels = fetched("trixie", contents=CONTENTS) / "wheels" / "gateway"
        made = engine_image(folder / "made", wheels)
        images = {path.relative_to(folder / "made").as_posix(): path for path in (folder / "made").rglob("*/*/*")}
        bundle(folder / "bundle", "trixie", contents=CONTENTS, more=images)
        operator = Operator(folder / "one", machine)
        yield World(machine, operator, made, folder / "bundle", before)


def write_profile(world: World, *, max_in_flight: int = 64) -> None:
    text = PROFILE.format(max_in_flight=max_in_flight)
    asked = f'[engine]\nimage = "{world.image.reference}"\n'
    (world.operator.folder / "lab.toml").write_text(text.replace("[engine]\n", asked))


def test_up_runs_the_engine_from_its_image(world: World) -> None:
    write_profile(world)
    code, report, told = world.operator.up("--bundle", str(world.bundle)).end()
    if code:
        print(world.machine.run("journalctl", "--no-pager", "-n", "80", check=False).stdout)
    assert code == 0, (str(report) + told)[-3000:]
    assert report["models"] == ["llama-3.1-8b-instruct"]
    print(world.machine.run("sh", "-c", "cat /run/systemd/generator/cloister-engine.service; podman ps -a; podman images --digests; systemctl status cloister-engine; journalctl -u cloister-engine --no-pager; systemd-analyze security --no-pager cloister-engine.service; systemctl list-unit-files | grep -i 'podman\\|cloister'; podman inspect cloister-engine; find /var/lib/containers -maxdepth 3; cat /proc/$(systemctl show -P MainPID cloister-engine)/cgroup ; pstree -p; cat /proc/[0-9]*/status | grep -A30 vllm", check=False).stdout)
