"""What has to be done to give a host back, from what it was, what it is, and what we touched."""

from __future__ import annotations

import pytest

from lifecycle.hosts.restoration import differences, restoration
from lifecycle.hosts.state import HostState, parse_state

BEFORE = HostState((
    "package base-files 12",
    "package systemd-timesyncd 252",
    "user root 0 0 /root /bin/bash",
    "group root 0",
    "unit ssh.service enabled",
    "unit apt-daily.timer enabled",
    "file aaaa /etc/hosts",
    "file bbbb /etc/login.defs",
    "file cccc /etc/motd",
    "file dddd /etc/passwd",
    "place /opt/theirs",
    "sysctl net.ipv4.conf.all.rp_filter 0",
    "sysctl kernel.random.uuid 1",
))  # fmt: skip


def after(*added: str, without: tuple[str, ...] = ()) -> HostState:
    gone = tuple(line for line in BEFORE.lines if line not in without)
    return HostState((*gone, *added))


def test_a_host_that_nobody_touched_needs_nothing() -> None:
    assert restoration(BEFORE, BEFORE, ()).is_nothing


def test_what_came_with_us_goes_and_what_came_otherwise_stays() -> None:
    now = after(
        "package chrony 4",
        "package htop 3",
        "user _chrony 101 102 /var/lib/chrony /usr/sbin/nologin",
        "user ann 1000 1000 /home/ann /bin/bash",
        "file 1111 /etc/chrony/chrony.conf",
        "file 2222 /etc/theirs.conf",
    )
    ours = (
        "+ package chrony 4",
        "+ user _chrony 101 102 /var/lib/chrony /usr/sbin/nologin",
        "+ user ann 1000 1000 /home/ann /bin/bash",
        "+ file 1111 /etc/chrony/chrony.conf",
    )
    what = restoration(BEFORE, now, ours)
    assert what.packages == ("chrony",)
    assert what.users == ("_chrony",)  # a person who was made an account meanwhile keeps it
    assert what.paths == ("/etc/chrony/chrony.conf",)
    assert "file /etc/theirs.conf" in differences(BEFORE, now)


def test_a_changed_file_goes_back_unless_somebody_changed_it_after_us() -> None:
    ours = (
        "- file bbbb /etc/login.defs",
        "+ file eeee /etc/login.defs",
        "- file cccc /etc/motd",
        "+ file ffff /etc/motd",
    )
    gone = ("file bbbb /etc/login.defs", "file cccc /etc/motd")
    what = restoration(BEFORE, after("file eeee /etc/login.defs", "file 9999 /etc/motd", without=gone), ours)
    assert what.put_back == ("/etc/login.defs",)
    assert what.kept == ("/etc/motd: changed by us, and by somebody else after that",)
    removed = restoration(BEFORE, after(without=gone), ("- file bbbb /etc/login.defs",))
    assert removed.put_back == ("/etc/login.defs",)


def test_files_of_accounts_are_never_put_back() -> None:
    ours = ("- file dddd /etc/passwd", "+ file 7777 /etc/passwd")
    now = after("file 7777 /etc/passwd", without=("file dddd /etc/passwd",))
    assert restoration(BEFORE, now, ours).is_nothing
    assert differences(BEFORE, now) == ()


def test_kernel_settings_go_back_where_we_set_them() -> None:
    now = after(
        "sysctl net.ipv4.conf.all.rp_filter 1",
        "sysctl kernel.random.uuid 2",
        "ours net.ipv4.conf.all.rp_filter",
        without=("sysctl net.ipv4.conf.all.rp_filter 0", "sysctl kernel.random.uuid 1"),
    )
    assert restoration(BEFORE, now, ()).settings == {"net.ipv4.conf.all.rp_filter": "0"}
    # The file that said so is gone already, as after a `down` that was interrupted.
    later = HostState(tuple(line for line in now.lines if not line.startswith("ours ")))
    noted = ("+ ours net.ipv4.conf.all.rp_filter",)
    assert restoration(BEFORE, later, noted).settings == {"net.ipv4.conf.all.rp_filter": "0"}
    assert restoration(BEFORE, later, ()).settings == {}


def test_units_of_ours_stop_and_those_of_the_host_start_as_they_did() -> None:
    now = after(
        "unit cloister-gateway.service disabled",
        "unit cloister-traefik-https.socket enabled",
        "unit var-lib-cloister.mount enabled",
        "file 1 /etc/systemd/system/var-lib-cloister.mount",
        "unit apt-daily.timer masked",
        "unit ssh.service disabled",
        without=("unit apt-daily.timer enabled", "unit ssh.service enabled"),
    )
    what = restoration(BEFORE, now, ("- unit apt-daily.timer enabled", "+ unit apt-daily.timer masked"))
    assert what.units == ("cloister-traefik-https.socket", "cloister-gateway.service")
    assert what.mounts == ("var-lib-cloister.mount",)
    assert what.enablement == {"apt-daily.timer": "enabled"}


def test_our_folders_go_even_where_kept_weights_made_them_older_than_us() -> None:
    before = HostState((*BEFORE.lines, "place /opt/cloister"))
    now = HostState(
        (*before.lines, "place /var/lib/chrony", "place /opt/new", "folder /etc/cloister", "file 1 /etc/cloister/x")
    )
    ours = ("+ place /var/lib/chrony", "+ place /opt/new", "+ folder /etc/cloister", "+ file 1 /etc/cloister/x")
    assert restoration(before, now, ours).paths == ("/etc/cloister", "/opt/cloister", "/var/lib/chrony")


def test_packages_that_gave_way_come_back() -> None:
    gone = ("package systemd-timesyncd 252",)
    assert restoration(BEFORE, after(without=gone), ("- package systemd-timesyncd 252",)).reinstalled == (
        "systemd-timesyncd",
    )
    assert restoration(BEFORE, after(without=gone), ()).reinstalled == ()


def test_firewall_tables_of_ours_go_and_no_others() -> None:
    now = after("nft table inet cloister", "nft table inet theirs")
    assert restoration(BEFORE, now, ()).tables == ("inet cloister",)


def test_an_answer_that_is_cut_off_is_no_state() -> None:
    assert parse_state("package a 1\nend\n").lines == ("package a 1",)
    with pytest.raises(ValueError, match="cut off"):
        parse_state("package a 1\n")


IMAGE = "image registry.example/vllm:cloister-a1a1a1a1a1a1a1a1 sha256:a1"
THEIRS = "image registry.example/theirs:cloister-b2b2b2b2b2b2b2b2 sha256:b2"


def test_podman_goes_with_all_that_it_made_where_it_came_with_us() -> None:
    now = after("package podman 5.4", "place /var/lib/containers", "place /var/lib/cni", IMAGE)
    ours = ("+ package podman 5.4", "+ place /var/lib/containers", f"+ {IMAGE}")
    what = restoration(BEFORE, now, ours)
    assert what.packages == ("podman",)
    assert what.images == ("registry.example/vllm:cloister-a1a1a1a1a1a1a1a1",)
    # What a reboot made is Podman's as well, though nobody watched.
    assert {"/var/lib/containers", "/var/lib/cni", "/run/containers", "/run/libpod"} <= set(what.paths)


def test_a_podman_that_was_there_keeps_its_own_images() -> None:
    before = after("package podman 5.4", "place /var/lib/containers", THEIRS)
    now = after("package podman 5.4", "place /var/lib/containers", "place /var/lib/cni", THEIRS, IMAGE)
    what = restoration(before, now, (f"+ {IMAGE}",))
    assert what.images == ("registry.example/vllm:cloister-a1a1a1a1a1a1a1a1",)
    assert (what.packages, what.paths) == ((), ())
    assert restoration(before, before, (f"+ {IMAGE}",)).is_nothing
