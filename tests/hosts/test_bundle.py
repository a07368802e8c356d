"""A host that reaches nothing installs from a bundle alone; the bundle gets there whole, whatever happens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifecycle.bundle import transfer as sending
from lifecycle.bundle.check import seal
from lifecycle.bundle.host_side import HostFullError
from lifecycle.bundle.transfer import TransferReport, transfer
from lifecycle.home import Home
from lifecycle.hosts.playbook import Outcome, PlaybookError, play
from lifecycle.hosts.sudo import Sudo, SudoPasswordMissingError
from planner.bundle import BundleError
from planner.errors import DeployError
from planner.progress import Silent
from tests.bundle.folders import MIB, make, safetensors
from tests.hosts.bundles import bundle
from tests.hosts.image import SHARED_PASSWORD_USER
from tests.hosts.lab import Lab
from tests.hosts.machine import Machine
from tests.hosts.test_prepare import IN_A_LAB, inventory, login

BUNDLES = "/opt/cloister/bundles"


@pytest.fixture(scope="module")
def lab(can_boot: None) -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


@pytest.fixture(scope="module")
def machine(lab: Lab) -> Machine:
    return lab.host("bookworm")


@pytest.fixture
def empty(machine: Machine) -> Iterator[Machine]:
    """The host, without any bundle."""
    machine.run("rm", "-rf", "/opt/cloister")
    yield machine
    machine.run("sh", "-c", "umount /opt/cloister 2>/dev/null; rm -rf /opt/cloister")


def send(machine: Machine, tmp_path: Path, folder: Path, **how: Any) -> TransferReport:
    hosts = inventory(machine)
    return transfer(hosts, hosts.host[0], pinned(machine, tmp_path), folder, how.pop("progress", Silent()), **how)


def pinned(machine: Machine, tmp_path: Path) -> Any:
    return login(machine, tmp_path)


def sealed(tmp_path: Path, folder: Path) -> str:
    return seal(Home(tmp_path / "home"), folder, {}, Silent()).bundle


def digests(machine: Machine, folder: str) -> dict[str, str]:
    listed = machine.run("sh", "-c", f"cd {folder} && find . -type f | sort | xargs -d '\\n' sha256sum").stdout
    return {line[66:].removeprefix("./"): line[:64] for line in listed.splitlines()}


class StopHere(BaseException):
    """As Ctrl-C in the middle."""


class InTheMiddle(Silent):
    """Stops when half has been sent."""

    def note(self, text: str) -> None:
        if text.startswith("sent") and float(text.split()[1]) >= 6:  # MB
            raise StopHere


def test_what_is_missing_is_sent_and_it_is_checked_on_the_host(empty: Machine, tmp_path: Path) -> None:
    folder = make(tmp_path / "bundle", shards=2)
    name = sealed(tmp_path, folder)
    report = send(empty, tmp_path, folder, connections=2)
    assert (report.bundle, report.sent) == (name, report.size)
    ours = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    there = digests(empty, f"{BUNDLES}/{name}")
    assert there.keys() == ours
    assert there["manifest.json"] == name
    assert send(empty, tmp_path, folder).sent == 0
    owners = empty.run("find", "/opt/cloister", "!", "-user", "root", "-o", "-perm", "/022", "!", "-type", "l").stdout
    assert owners == ""

    (folder / "notes.txt").write_text("another\n")
    other = sealed(tmp_path, folder)
    assert other != name
    assert send(empty, tmp_path, folder).sent == len("another\n")
    assert digests(empty, f"{BUNDLES}/{other}")["manifest.json"] == other


def test_an_interrupted_transfer_goes_on_within_the_file(empty: Machine, tmp_path: Path) -> None:
    folder = make(tmp_path / "bundle", shards=1, shard_bytes=16 * MIB)
    name = sealed(tmp_path, folder)
    with pytest.raises(StopHere):
        send(empty, tmp_path, folder, progress=InTheMiddle())
    begun = empty.run("sh", "-c", f"stat -c %s {BUNDLES}/.{name}.growing/weights/tiny/*.part").stdout
    assert 0 < int(begun) < 16 * MIB
    report = send(empty, tmp_path, folder)
    assert report.sent == report.size - int(begun)
    assert digests(empty, f"{BUNDLES}/{name}")["manifest.json"] == name


def test_a_beginning_that_is_not_the_files_is_found_out(empty: Machine, tmp_path: Path) -> None:
    folder = make(tmp_path / "bundle")
    name = sealed(tmp_path, folder)
    with pytest.raises(StopHere):
        send(empty, tmp_path, folder, progress=InTheMiddle())
    part = f"{BUNDLES}/.{name}.growing/weights/tiny/model-0.safetensors.part"
    empty.run("sh", "-c", f"printf x | dd of={part} conv=notrunc status=none")
    with pytest.raises(BundleError) as wrong:
        send(empty, tmp_path, folder)
    assert wrong.value.code == "transfer_wrong"
    assert empty.run("test", "-e", f"{BUNDLES}/{name}", check=False).returncode != 0
    assert send(empty, tmp_path, folder).sent > 12 * MIB


def test_a_file_that_changed_here_never_becomes_part_of_a_bundle_there(empty: Machine, tmp_path: Path) -> None:
    folder = make(tmp_path / "bundle")
    name = sealed(tmp_path, folder)
    weights = folder / "weights/tiny/model-0.safetensors"
    weights.write_bytes(safetensors(12 * MIB, seed=9))
    with pytest.raises(BundleError, match="not what the manifest says"):
        send(empty, tmp_path, folder)
    assert empty.run("test", "-e", f"{BUNDLES}/{name}", check=False).returncode != 0


def test_a_file_that_grows_shorter_meanwhile_is_told(empty: Machine, tmp_path: Path) -> None:
    folder = make(tmp_path / "bundle")
    sealed(tmp_path, folder)
    weights = folder / "weights/tiny/model-0.safetensors"

    class Cut(Silent):
        def note(self, text: str) -> None:
            os.truncate(weights, 0)

    with pytest.raises(BundleError, match=r"model-0.safetensors' is not what the manifest says"):
        send(empty, tmp_path, folder, progress=Cut())


def test_a_full_disk_is_told_and_nothing_is_lost(
    empty: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(tmp_path / "bundle", shards=2, shard_bytes=10 * MIB)
    name = sealed(tmp_path, folder)
    empty.run("mkdir", "/opt/cloister")
    empty.run("mount", "-t", "tmpfs", "-o", "size=15m,mode=0755", "tmpfs", "/opt/cloister")
    with pytest.raises(HostFullError, match="are missing, and it has"):
        send(empty, tmp_path, folder)
    monkeypatch.setattr(sending, "RESERVE", -1024 * MIB)  # as if others filled it meanwhile
    with pytest.raises(HostFullError, match="filled up in the middle"):
        send(empty, tmp_path, folder)
    empty.run("mount", "-o", "remount,size=40m", "/opt/cloister")
    report = send(empty, tmp_path, folder)
    assert report.sent < 11 * MIB < report.size
    assert digests(empty, f"{BUNDLES}/{name}")["manifest.json"] == name


def test_a_disk_that_is_read_only_is_told(empty: Machine, tmp_path: Path) -> None:
    folder = make(tmp_path / "bundle")
    sealed(tmp_path, folder)
    empty.run("mkdir", "/opt/cloister")
    empty.run("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", "/opt/cloister")
    with pytest.raises(DeployError, match="Read-only file system") as refused:
        send(empty, tmp_path, folder)
    assert refused.value.code == "host_disk"
    assert "run the same command again" in refused.value.hint


def test_a_user_who_gives_no_password_is_told_so(empty: Machine, tmp_path: Path) -> None:
    hosts = inventory(empty)
    clerk = type(hosts)(host=(type(hosts.host[0])(**{**_fields(hosts.host[0]), "user": "clerk"}),))
    folder = make(tmp_path / "bundle")
    sealed(tmp_path, folder)
    with pytest.raises(SudoPasswordMissingError, match="none was given"):
        transfer(clerk, clerk.host[0], pinned(empty, tmp_path), folder, Silent())


def test_a_user_whose_sudo_wants_a_password_brings_one(empty: Machine, tmp_path: Path) -> None:
    hosts = inventory(empty)
    clerk = msgspec.structs.replace(hosts, host=(msgspec.structs.replace(hosts.host[0], user=SHARED_PASSWORD_USER),))
    folder = make(tmp_path / "bundle", shards=2, shard_bytes=MIB)
    name = sealed(tmp_path, folder)
    how = msgspec.structs.replace(pinned(empty, tmp_path), sudo=Sudo(SHARED_PASSWORD_USER))
    transfer(clerk, clerk.host[0], how, folder, Silent())
    assert digests(empty, f"{BUNDLES}/{name}")["manifest.json"] == name


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


def install(machine: Machine, tmp_path: Path, name: str, *, check: bool = False, **values: Any) -> Outcome:
    variables = {"bundle_id": name, "bundle_packages": ["prometheus"], **values}
    return play("install", inventory(machine), pinned(machine, tmp_path), variables, Silent(), check=check)


class Installed(msgspec.Struct):
    """A bundle that a host was installed from."""

    name: str
    folder: Path
    before: str
    """What was in /opt/cloister after a check-mode run on the fresh host."""
    foreseen: int
    """Changes that it foresaw."""


@pytest.fixture(scope="module")
def installed(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The host, without a route to anywhere, installed from a bundle."""
    tmp_path = tmp_path_factory.mktemp("installed")
    machine.run("sh", "-c", "umount /opt/cloister 2>/dev/null; rm -rf /opt/cloister")
    assert "default" not in machine.run("ip", "route").stdout + machine.run("ip", "-6", "route").stdout
    # Not even what the host's image had in apt's cache: whatever is not in the bundle would have to be fetched.
    machine.run("sh", "-c", "rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb /var/lib/apt/periodic/*")
    folder = tmp_path / "bundle"
    name = bundle(folder, "bookworm")
    with pytest.raises(PlaybookError, match="transfer it first"):
        install(machine, tmp_path, name)
    send(machine, tmp_path, folder)
    foreseen = install(machine, tmp_path, name, check=True, bundle_packages=[])
    before = machine.run("ls", "/opt/cloister").stdout
    install(machine, tmp_path, name)
    return Installed(name, folder, before, foreseen.changed)


def test_a_host_with_no_route_anywhere_installs_from_the_bundle_alone(
    machine: Machine, installed: Installed, tmp_path: Path
) -> None:
    assert installed.before.split() == ["bundles"]
    assert installed.foreseen
    python = "/opt/cloister/runtime/gateway/current/bin/python"
    path = "PYTHONPATH=/opt/cloister/current/programs/cloister"
    assert machine.run("readlink", "/opt/cloister/current").stdout.strip() == f"{BUNDLES}/{installed.name}"
    machine.run("env", path, python, "-P", "-c", "import gateway.app, sandbox.vllm_sim.app")
    assert "3.7" in machine.run("/opt/cloister/runtime/gateway/current/bin/traefik", "version").stdout
    machine.run("/usr/bin/prometheus", "--version")
    assert install(machine, tmp_path, installed.name).changed == 0
    assert install(machine, tmp_path, installed.name, check=True).changed == 0


def test_what_prepares_a_host_comes_from_the_bundle_as_well(
    machine: Machine, installed: Installed, tmp_path: Path
) -> None:
    values = {**IN_A_LAB, "prepare_apt_config": "/opt/cloister/apt/apt.conf"}
    play("prepare", inventory(machine), pinned(machine, tmp_path), values, Silent(), parts=["base", "audit"])
    machine.run("dpkg", "--status", "auditd", "chrony", "nftables")


def test_the_next_bundle_is_switched_to_and_one_stays_to_go_back_to(
    machine: Machine, installed: Installed, tmp_path: Path
) -> None:
    environments = machine.run("ls", "-A", "/opt/cloister/runtime/gateway").stdout
    names = [installed.name]
    for number in range(2):
        (installed.folder / "data").mkdir(exist_ok=True)
        (installed.folder / "data" / "note").write_text(f"{number}\n")
        names.append(sealed(tmp_path, installed.folder))
        assert send(machine, tmp_path, installed.folder).sent == 2
        install(machine, tmp_path, names[-1], bundle_packages=[])
        assert machine.run("cat", "/opt/cloister/current/data/note").stdout == f"{number}\n"
    assert sorted(machine.run("ls", "-A", BUNDLES).stdout.split()) == sorted(names[1:])
    # The same requirements: the environment stays as it is.
    assert machine.run("ls", "-A", "/opt/cloister/runtime/gateway").stdout == environments
    installed.name = names[-1]


def test_an_environment_that_was_left_half_made_is_made_anew_and_of_the_right_wheels_alone(
    machine: Machine, installed: Installed, tmp_path: Path
) -> None:
    current = machine.run("readlink", "/opt/cloister/runtime/gateway/current").stdout.strip()
    (idna,) = (installed.folder / "wheels" / "gateway").glob("idna-*.whl")
    wheel = f"{BUNDLES}/{installed.name}/wheels/gateway/{idna.name}"
    machine.run("rm", "-rf", f"{current}/.whole", f"{current}/lib/python3.11/site-packages/aiohttp")
    machine.run("cp", wheel, "/tmp/wheel")
    add = f"import zipfile; zipfile.ZipFile({wheel!r}, 'a').writestr('idna/more.py', '')"
    machine.run("python3", "-c", add)
    with pytest.raises(PlaybookError, match=r"(?i)hash mismatch"):
        install(machine, tmp_path, installed.name, bundle_packages=[])
    machine.run("mv", "/tmp/wheel", wheel)
    install(machine, tmp_path, installed.name, bundle_packages=[])
    machine.run(f"{current}/bin/python", "-c", "import aiohttp, idna")
