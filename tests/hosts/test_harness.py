"""The hosts are real, apart from each other, and gone afterwards."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from tests.hosts.image import OPERATOR, Recipe, Release
from tests.hosts.lab import FOLDER, OUR_LEG, Lab


@pytest.mark.parametrize("release", ["bookworm", "trixie"])
def test_a_host_runs_its_own_systemd_and_comes_back_after_a_reboot(lab: Lab, release: Release) -> None:
    host = lab.host(release)
    assert host.run("systemctl", "is-system-running", check=False).stdout.strip() == "running"
    assert release in host.read("/etc/os-release")
    assert host.run("systemctl", "is-active", "ssh").stdout.strip() == "active"
    host.run("touch", "/run/until-reboot", "/var/stays")
    host.reboot()
    assert host.run("test", "-e", "/run/until-reboot", check=False).returncode != 0
    host.run("test", "-e", "/var/stays")
    assert host.run("systemctl", "is-system-running", check=False).stdout.strip() == "running"
    assert host.boot_s < 20


def test_hosts_are_reached_by_ssh_over_both_families_and_have_keys_of_their_own(lab: Lab) -> None:
    one, other = lab.host("bookworm"), lab.host("trixie")
    assert one.host_key != other.host_key
    onlooker = lab.onlooker("stranger")
    for host in (one, other):
        for address in (host.v4, host.v6):
            assert onlooker.reaches(address, 22)
            known = host.folder / "known"
            known.write_text(f"{address} {host.host_key}\n")
            options = ("-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes", "-i", str(host.key))
            words = ("ssh", "-F", "none", "-o", "BatchMode=yes", *options, f"{OPERATOR}@{address}", "sudo", "hostname")
            done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
            assert done.stdout.strip() == host.name, done.stderr


def test_a_network_of_its_own_is_reached_only_from_its_members(lab: Lab) -> None:
    lab.onlooker("first-on-1", 1)
    inner = lab.host("bookworm", 1)
    assert lab.onlooker("member", 1).reaches(inner.v4, 22)
    assert not lab.onlooker("stranger", 0).reaches(inner.v4, 22)


def test_packages_are_installed_without_a_mirror(lab: Lab) -> None:
    host = lab.host("bookworm")
    host.run("apt-get", "-qq", "install", "--no-install-recommends", "-y", "chrony", "nftables")
    host.run("nft", "list", "ruleset")


def test_no_more_hosts_than_the_machine_is_shared_for(lab: Lab) -> None:
    lab.host("bookworm")
    lab.host("bookworm")
    with pytest.raises(AssertionError, match="at most 2"):
        lab.host("bookworm")


ENDED = """
    import signal
    from tests.hosts.lab import Lab
    with Lab() as lab:
        print(lab.host("bookworm").process_id, flush=True)
        signal.pause()
"""


@pytest.mark.slow
@pytest.mark.xdist_group("hosts")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "killed"])
def test_an_ended_run_leaves_nothing_or_the_next_takes_it_away(can_boot: None, how: signal.Signals) -> None:
    words = (sys.executable, "-c", textwrap.dedent(ENDED))
    root = Path(__file__).parents[2]
    with subprocess.Popen(words, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:
        assert run.stdout is not None
        booted = int(run.stdout.readline())
        run.send_signal(how)
    assert is_gone(booted)
    if how == signal.SIGKILL:
        with Lab():
            assert traces() > 0  # the next run's own, and not those of the killed one's machine
            assert not (FOLDER / "cl-h0").exists()
    assert traces() == 0


def traces() -> int:
    namespaces = [path for path in Path("/run/netns").iterdir() if path.name.startswith("cl-")]
    return len(namespaces) + FOLDER.exists() + Path("/sys/class/net", OUR_LEG).exists()


def is_gone(pid: int) -> bool:
    try:
        psutil.Process(pid).wait(10)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return False
    return True


def test_an_image_is_made_anew_when_its_recipe_changes() -> None:
    assert Recipe("bookworm").key != Recipe("trixie").key
    assert Recipe("bookworm").key != Recipe("bookworm", installed=("less",)).key
