"""What goes wrong on hosts ends with a message that says what happened, what it means, and what to do next."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from lifecycle.hosts.check import check
from lifecycle.hosts.facts import Facts, read_facts
from lifecycle.hosts.fit import Needs, Verdict, fit
from lifecycle.hosts.inventory import Host, Inventory
from lifecycle.hosts.pins import Pins
from lifecycle.hosts.playbook import PlaybookError, play
from lifecycle.hosts.ssh import Login, connect
from lifecycle.hosts.sudo import Sudo
from planner.catalogue import load_catalogue
from planner.progress import Silent
from tests.hosts.image import OPERATOR, SHARED_PASSWORD_USER
from tests.hosts.lab import Lab
from tests.hosts.machine import Machine
from tests.hosts.test_prepare import IN_A_LAB, Watching, listener_on

PUBLISHED = Needs(gpu="NVIDIA H200 SXM", gpus=0, gpu_memory_gib=0, weights_gib=0, memory_gib=0, published_ports=(443,))


def host_of(machine: Machine, user: str = OPERATOR, jump: str = "") -> Host:
    return Host(name=machine.name, address=machine.v4, user=user, host_key=machine.host_key, jump=jump)


def login(machine: Machine, tmp_path: Path, password: str = "") -> Login:
    pins = Pins(tmp_path / "known_hosts")
    return Login(pins=pins, confirm=lambda host, shown: False, key_file=machine.key, sudo=Sudo(password))


def facts_of(machine: Machine, tmp_path: Path, *, behind_s: float = 0) -> Facts:
    with connect((host_of(machine),), login(machine, tmp_path)) as connection:
        return read_facts(connection, now=lambda: time.time() + behind_s)


def refusals(machine: Machine, facts: Facts, needs: Needs | None = None) -> dict[str, Verdict]:
    verdicts = fit(host_of(machine), facts, needs, load_catalogue())
    return {verdict.what: verdict for verdict in verdicts if verdict.state == "no"}


def failure(inventory: Inventory, how: Login, *parts: str, **variables: Any) -> PlaybookError:
    with pytest.raises(PlaybookError) as failed:
        play("prepare", inventory, how, {**IN_A_LAB, **variables}, Silent(), parts=parts or ("storage",))
    return failed.value


def test_what_a_host_lacks_is_said_and_what_to_do_about_it(lab: Lab, tmp_path: Path) -> None:
    machine = lab.host("bookworm")
    one, how = Inventory(host=(host_of(machine),)), login(machine, tmp_path)
    before = set(refusals(machine, facts_of(machine, tmp_path), PUBLISHED))

    with listener_on(machine, machine.v4, 443):
        taken = refusals(machine, facts_of(machine, tmp_path), PUBLISHED)
    assert set(taken) - before == {"ports"}
    assert "443" in taken["ports"].found
    assert "stop it, or choose another port" in taken["ports"].remedy

    ahead = refusals(machine, facts_of(machine, tmp_path, behind_s=-100), PUBLISHED)
    assert set(ahead) - before == {"clock"}
    assert re.match(r"\+(99|100|101) s ", ahead["clock"].found)  # whole seconds, read a moment later

    machine.run("mkdir", "--parents", "/var/lib/cloister")
    machine.run("mount", "-t", "overlay", "-o", "lowerdir=/srv:/opt", "overlay", "/var/lib/cloister")  # no upper one
    assert "read-only" in refusals(machine, facts_of(machine, tmp_path))["disk"].found
    stopped = failure(one, how)
    assert "a disk that must be written is mounted read-only" in stopped.message
    assert "`dmesg`" in stopped.hint

    machine.run("umount", "/var/lib/cloister")
    machine.run("mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=1", "tmpfs", "/var/lib/cloister")
    assert "disk" in refusals(machine, facts_of(machine, tmp_path))
    stopped = failure(one, how)
    assert "a disk of the host is full" in stopped.message
    assert "`df -h`" in stopped.hint
    machine.run("umount", "/var/lib/cloister")

    release = machine.root / "etc/os-release"
    text = release.read_text()
    release.unlink()  # it is a link into /usr
    release.write_text(text.replace("ID=debian", "ID=fedora").replace('VERSION_ID="12"', 'VERSION_ID="41"'))
    assert set(refusals(machine, facts_of(machine, tmp_path), PUBLISHED)) - before == {"system"}
    assert "Debian 12 or 13, Ubuntu 22.04 or 24.04" in failure(one, how, "base").message

    release.write_text(text)
    for name in ("python3", "python3.11"):
        (machine.root / "usr/bin" / name).rename(machine.root / "usr/bin" / f"{name}.away")
    assert set(refusals(machine, facts_of(machine, tmp_path), PUBLISHED)) - before == {"Python"}
    stopped = failure(one, how)
    assert "Python is not on the host" in stopped.message
    assert "apt-get install python3" in stopped.hint


def test_sudos_password_is_given_in_private_and_a_wrong_one_is_told(lab: Lab, tmp_path: Path) -> None:
    machine = lab.host("trixie")
    clerk = Inventory(host=(host_of(machine, SHARED_PASSWORD_USER),))

    (report,) = check(clerk, login(machine, tmp_path)).hosts
    assert "--sudo-password-file" in {verdict.what: verdict.remedy for verdict in report.verdicts}["root"]
    (report,) = check(clerk, login(machine, tmp_path, "wrong-word")).hosts
    assert report.error_code == "sudo_refused"
    assert SHARED_PASSWORD_USER in report.error
    assert "Nothing was changed" in report.hint
    (report,) = check(clerk, login(machine, tmp_path, SHARED_PASSWORD_USER)).hosts
    assert {verdict.what: verdict.state for verdict in report.verdicts}["root"] == "ok"

    # Also where nobody asks for it, the password is no part of what a command reads.
    for user, password in ((SHARED_PASSWORD_USER, SHARED_PASSWORD_USER), (OPERATOR, "not asked for")):
        with connect((host_of(machine, user),), login(machine, tmp_path, password)) as connection:
            ran = connection.run_as_root("sh -c 'id -un; cat'", text="line\n\\n\0end")
            assert (ran.code, ran.stdout, ran.stderr) == (0, "root\nline\n\\n\0end", "")

    missing = failure(clerk, login(machine, tmp_path))
    assert "none was given" in missing.message
    wrong = failure(clerk, login(machine, tmp_path, "wrong-word"))
    assert "sudo did not take the password" in wrong.message
    assert "--sudo-password-file" in wrong.hint
    for told in (missing, wrong):
        assert "wrong-word" not in f"{told.message} {told.hint}"

    watching, how = Watching(), login(machine, tmp_path, SHARED_PASSWORD_USER)
    assert SHARED_PASSWORD_USER not in repr(how)
    outcome = play("prepare", clerk, how, {**IN_A_LAB}, watching, parts=("storage",))
    assert outcome.changed > 0
    words = {word for line in watching.lines if "ansible" in line or "sudo" in line for word in line.split()}
    assert SHARED_PASSWORD_USER not in words - {f"User={SHARED_PASSWORD_USER}"}


def test_one_of_three_hosts_fails_and_the_others_results_are_told(lab: Lab, tmp_path: Path) -> None:
    near, far = lab.host("bookworm", 0, 1), lab.host("trixie", 1)
    with (far.root / f"home/{OPERATOR}/.ssh/authorized_keys").open("a") as file:
        file.write(near.key.with_suffix(".pub").read_text())
    dead = Host(name="dead", address="10.213.0.250", user=OPERATOR, host_key=near.host_key)
    three = Inventory(host=(dead, host_of(near), host_of(far, jump=near.name)))
    how = login(near, tmp_path)

    reports = {report.name: report for report in check(three, how).hosts}
    assert reports["dead"].error_code == "host_unreachable"
    assert [reports[machine.name].error for machine in (near, far)] == ["", ""]

    stopped = failure(three, how)
    assert stopped.message.startswith("dead: ")
    assert f"went through: {', '.join(sorted((near.name, far.name)))}" in stopped.message
    assert "the host cannot be reached" in stopped.message
    assert "run the same command again" in stopped.hint
    for machine in (near, far):  # one of them behind the other
        assert (machine.root / "var/lib/cloister/weights").is_dir()
    rest = play("prepare", Inventory(host=three.host[1:]), how, IN_A_LAB, Silent(), parts=("storage",))
    assert rest.changed == 0


class Cutting(Silent):
    """Cuts a machine's network when the third task begins, over an open connection: nobody says that it ended."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.steps = 0

    def step(self, title: str) -> Any:
        self.steps += 1
        if self.steps == 3:
            link = ("ip", "-n", self.machine.name, "link", "set", "eth0", "down")
            subprocess.run(link, check=True)
        return super().step(title)


def test_a_host_that_goes_silent_in_the_middle_ends_the_play_in_bounded_time(lab: Lab, tmp_path: Path) -> None:
    machine = lab.host("trixie")
    one, how, began = Inventory(host=(host_of(machine),)), login(machine, tmp_path), time.monotonic()
    with pytest.raises(PlaybookError) as failed:
        play("prepare", one, how, IN_A_LAB, Cutting(machine), parts=("base",))
    assert time.monotonic() - began < 120
    assert "the host cannot be reached, or went away in the middle" in failed.value.message
    assert "it goes on where this one ended" in failed.value.hint
