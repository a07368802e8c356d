"""A bare host with no route anywhere becomes a working node from a bundle alone, and a bare host again."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from planner.contents import Contents
from tests.hosts.bundles import bundle
from tests.hosts.lab import Lab
from tests.hosts.person import Operator
from tests.hosts.test_metal import snapshot

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("hosts")]

CONTENTS = Contents(
    modules=("gateway", "sandbox.vllm_sim"), packages=("prometheus", "prometheus-node-exporter")
)  # what `contents_of` says of the profile: the test below fails if it were not enough


@pytest.fixture
def lab_of_its_own(can_boot: None) -> Iterator[Lab]:
    """A lab; under another name, for the time that a bundle takes."""
    with Lab() as lab:
        yield lab


def test_a_bare_host_serves_from_a_bundle_and_is_bare_again(lab_of_its_own: Lab, tmp_path: Path) -> None:
    machine = lab_of_its_own.host("bookworm")
    assert "default" not in machine.run("ip", "route").stdout + machine.run("ip", "-6", "route").stdout
    # Not even what the host's image had in apt's cache: whatever is not in the bundle would have to be fetched.
    machine.run("sh", "-c", "rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb")
    before = snapshot(machine)
    operator = Operator(tmp_path / "one", machine)

    code, report, told = operator.up().end()
    assert (code, report["error"]["code"]) == (1, "no_bundle"), told
    assert snapshot(machine) == before

    bundle(tmp_path / "bundle", "bookworm", contents=CONTENTS)
    began = time.monotonic()
    code, report, told = operator.up("--bundle", str(tmp_path / "bundle")).end()
    assert code == 0, (str(report) + told)[-3000:]
    first_s = time.monotonic() - began
    states = {one["name"]: one["state"] for one in operator.deploy("status")[1]["services"]}
    assert set(states.values()) == {"RUNNING"}, states

    began = time.monotonic()
    code, report, told = operator.up().end()
    assert (code, report["changes"]) == (0, {}), told
    print(f"first {first_s:.0f} s, second {time.monotonic() - began:.0f} s")  # noqa: T201 - the figures, with `-s`

    code, report, told = operator.deploy("evidence", "--out", str(tmp_path / "evidence"))
    assert code == 0, told
    record = json.loads((tmp_path / "evidence" / "evidence.json").read_text())
    manifest = (tmp_path / "evidence" / "bundle.manifest.json").read_bytes()
    assert manifest == (tmp_path / "bundle" / "manifest.json").read_bytes()
    assert record["bundle"]["id"] == hashlib.sha256(manifest).hexdigest()
    assert record["bundle"]["installed_on"] == [machine.name]
    assert record["bundle"]["files"] == len(json.loads(manifest)["files"])

    code, report, told = operator.deploy("down")
    assert code == 0, (str(report) + told)[-3000:]
    assert snapshot(machine) == before
