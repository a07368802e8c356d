"""User data: small, without a secret, and what it carries is what is tested here."""

from __future__ import annotations

import ast
import gzip
import json
import os
import subprocess
import sys
import time
from base64 import b64decode
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

import stacks.user_data
from lifecycle.profiles import load_profile, shipped_names
from planner.catalogue import load_catalogue
from planner.make_plan import Site, make_plan
from planner.plan import Plan
from planner.profile import BundleSection
from stacks.account import Account
from stacks.user_data import LIMIT, prepare_store, user_data
from stacks.user_data.prepare_store import commands, in_use, local_disks
from tests.parts import require

BUNDLE = "0123456789abcdef" * 4
ACCOUNT = Account(id="123456789012", partition="aws-us-gov", dns_suffix="amazonaws.com", region="us-gov-west-1")
HERE = Path(stacks.user_data.__file__).parent


def plan_of(profile: str, bundle: str = BUNDLE) -> Plan:
    changed = msgspec.structs.replace(load_profile(profile), bundle=BundleSection(id=bundle))
    return make_plan(changed, load_catalogue(), Site(stack="s" + "x" * 31))


def config_of(text: str) -> Any:
    assert text.startswith("#cloud-config\n")
    return yaml.safe_load(text)


@pytest.mark.parametrize("profile", shipped_names())
def test_it_fits(profile: str) -> None:
    assert len(user_data(plan_of(profile), ACCOUNT).encode()) < LIMIT * 3 // 4


def test_without_a_bundle_there_is_none() -> None:
    assert user_data(plan_of("2xh200", ""), ACCOUNT) == ""


def test_it_writes_files_and_starts_one_unit() -> None:
    config = config_of(user_data(plan_of("2xh200"), ACCOUNT))
    assert config.keys() == {"write_files", "runcmd"}
    assert config["runcmd"][-1] == ["systemctl", "enable", "--now", "--no-block", "cloister-bundle.service"]
    files = {file["path"]: file for file in config["write_files"]}
    assert all((file["owner"], file["permissions"]) == ("root:root", "0644") for file in files.values())
    for name in ("prepare_store.py", "pull_bundle.py"):
        file = files[f"/usr/local/lib/cloister/{name}"]
        assert file["encoding"] == "gz+b64"
        assert gzip.decompress(b64decode(file["content"])) == (HERE / name).read_bytes()
    settings = json.loads(files["/etc/cloister/bundle.json"]["content"])
    assert settings["bundle"] == BUNDLE
    assert settings["owner"] == ACCOUNT.id
    assert settings["url"] == f"https://cloister-s{'x' * 31}-123456789012.s3.us-gov-west-1.amazonaws.com"
    assert settings["metadata"] == "http://169.254.169.254"
    unit = files["/etc/systemd/system/cloister-bundle.service"]["content"]
    assert f"ReadWritePaths={settings['store']}\n" in unit


def test_systemd_takes_its_units(tmp_path: Path) -> None:
    require("systemd-analyze")
    files = config_of(user_data(plan_of("2xh200"), ACCOUNT))["write_files"]
    units = [tmp_path / Path(file["path"]).name for file in files if file["path"].endswith(".service")]
    for unit, file in zip(units, (file for file in files if file["path"].endswith(".service")), strict=True):
        unit.write_text(file["content"])
    told = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.parametrize("name", ["prepare_store.py", "pull_bundle.py"])
def test_what_runs_on_a_node_needs_the_standard_library_alone(name: str) -> None:
    tree = ast.parse((HERE / name).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in imports if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


def test_local_disks_are_whole_and_each_once(tmp_path: Path) -> None:
    links = []
    for name, disk in {
        "nvme-Amazon_EC2_NVMe_Instance_Storage_AWS2": "/dev/nvme2n1",
        "nvme-Amazon_EC2_NVMe_Instance_Storage_AWS2-ns-1": "/dev/nvme2n1",
        "nvme-Amazon_EC2_NVMe_Instance_Storage_AWS1": "/dev/nvme1n1",
        "nvme-Amazon_EC2_NVMe_Instance_Storage_AWS1-part1": "/dev/nvme1n1p1",
    }.items():
        (tmp_path / name).symlink_to(disk)
        links.append(tmp_path / name)
    assert local_disks(links) == ["/dev/nvme1n1", "/dev/nvme2n1"]


def test_several_disks_become_one_stripe() -> None:
    disks = [f"/dev/nvme{number}n1" for number in range(1, 9)]
    stripe, make, mount = commands(disks, "", "/store")
    assert stripe[:3] == ["mdadm", "--create", "/dev/md/cloister"]
    assert {"--level=0", "--raid-devices=8"} <= set(stripe)
    assert stripe[-8:] == disks
    assert make == ["mkfs.ext4", "-q", "-L", "cloister", "-E", "nodiscard", "/dev/md/cloister"]
    assert mount == ["mount", "-o", "noatime,nodev,nosuid", "/dev/md/cloister", "/store"]


def test_one_disk_is_used_as_it_is() -> None:
    make, mount = commands(["/dev/nvme1n1"], "", "/store")
    assert make[-1] == "/dev/nvme1n1"
    assert mount[-2:] == ["/dev/nvme1n1", "/store"]


def test_what_was_made_before_is_mounted_and_not_made_again() -> None:
    label = "/dev/disk/by-label/cloister"
    assert commands(["/dev/nvme1n1", "/dev/nvme2n1"], label, "/store") == [
        ["mount", "-o", "noatime,nodev,nosuid", label, "/store"]
    ]


def test_a_disk_that_something_uses_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "nvme1n1" / "holders").mkdir(parents=True)
    assert not in_use("/dev/nvme1n1", tmp_path)
    (tmp_path / "nvme1n1" / "holders" / "dm-0").mkdir()
    assert in_use("/dev/nvme1n1", tmp_path)
    (tmp_path / "nvme2n1" / "holders").mkdir(parents=True)
    (tmp_path / "nvme2n1" / "nvme2n1p1").mkdir()
    assert in_use("/dev/nvme2n1", tmp_path)


@pytest.fixture
def disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of links to disks that this machine seems to have, with one local disk."""
    (tmp_path / "by-id").mkdir()
    (tmp_path / "by-id" / "nvme-Amazon_EC2_NVMe_Instance_Storage_AWS1").symlink_to("/dev/nvme1n1")
    (tmp_path / "by-id" / "nvme-Amazon_Elastic_Block_Store_vol0").symlink_to("/dev/nvme0n1")
    monkeypatch.setattr(prepare_store, "BY_ID", tmp_path / "by-id")
    monkeypatch.setattr(prepare_store, "BY_LABEL", tmp_path / "by-label" / "cloister")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    return tmp_path / "by-id"


def test_without_local_disks_a_folder_of_the_root_disk_serves(disks: Path, tmp_path: Path) -> None:
    (disks / "nvme-Amazon_EC2_NVMe_Instance_Storage_AWS1").unlink()
    assert prepare_store.prepare(tmp_path / "store", 60) == "root"
    assert (tmp_path / "store").is_dir()


def test_what_the_image_mounts_is_waited_for(disks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([False, False, True])
    monkeypatch.setattr(os.path, "ismount", lambda folder: next(looks))
    assert prepare_store.prepare(tmp_path / "store", 60) == "mounted"


def test_what_the_image_leaves_is_made_and_mounted(
    disks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(prepare_store, "in_use", lambda disk: False)
    monkeypatch.setattr(subprocess, "run", lambda command, check: ran.append(command))
    assert prepare_store.prepare(tmp_path / "store", 0) == "made"
    assert ran == commands(["/dev/nvme1n1"], "", str(tmp_path / "store"))


def test_a_disk_in_use_is_not_formatted(disks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare_store, "in_use", lambda disk: True)
    monkeypatch.setattr(subprocess, "run", lambda command, check: pytest.fail(str(command)))
    with pytest.raises(SystemExit, match="not formatted"):
        prepare_store.prepare(tmp_path / "store", 0)
