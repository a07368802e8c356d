"""Hosts as the playbook prepares them: what changes, what does not, who gets in, and that nobody is locked out."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from lifecycle.hosts.inventory import Host, Inventory
from lifecycle.hosts.pins import Pins
from lifecycle.hosts.playbook import Outcome, PlaybookError, play
from lifecycle.hosts.ssh import Login, connect
from planner.progress import Progress, Silent
from tests.hosts.image import OPERATOR, Release
from tests.hosts.lab import Lab, Namespace
from tests.hosts.machine import Machine
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
OURS = ["10.213.0.1/32", "fd42:c1:1::1/128"]
"""This machine's addresses on the first network."""
SSH_FROM_US = {"name": "SSH", "protocol": "tcp", "port": 22, "networks": OURS, "per_second": 10}
DEFAULTS = yaml.safe_load((ROOT / "ansible/roles/base/defaults/main.yml").read_text(encoding="utf-8"))
IN_A_LAB: dict[str, Any] = {
    # Kernel settings of a namespace's own; the others belong to this machine, and auditing does as well.
    "base_sysctl": {name: value for name, value in DEFAULTS["base_sysctl"].items() if name.startswith("net.")},
    "audit_started": False,
    "firewall_in": [SSH_FROM_US],
}


def login(machine: Machine, tmp_path: Path) -> Login:
    return Login(pins=Pins(tmp_path / "known_hosts"), confirm=lambda host, shown: False, key_file=machine.key)


def inventory(machine: Machine) -> Inventory:
    host = Host(name=machine.name, address=machine.v4, user=OPERATOR, host_key=machine.host_key)
    return Inventory(host=(host,))


def prepare(
    machine: Machine,
    tmp_path: Path,
    *,
    progress: Progress | None = None,
    check: bool = False,
    parts: Sequence[str] = (),
    **variables: Any,
) -> Outcome:
    how, values = login(machine, tmp_path), {**IN_A_LAB, **variables}
    return play("prepare", inventory(machine), how, values, progress or Silent(), check=check, parts=parts)


def gets_in(machine: Machine, tmp_path: Path) -> bool:
    with connect(inventory(machine).host, login(machine, tmp_path)) as connection:
        return connection.run("id -un").stdout.strip() == OPERATOR


def snapshot(machine: Machine) -> str:
    """Return every file of the configuration with its content's hash, and what is installed."""
    files = machine.run("sh", "-c", "find /etc /var/lib/cloister -type f 2>/dev/null | sort | xargs sha256sum")
    return files.stdout + machine.run("dpkg-query", "--show").stdout


def listener(space: Namespace, address: str, port: int) -> contextlib.AbstractContextManager[None]:
    return served(("ip", "netns", "exec", space.name), address, port, lambda: space.reaches(address, port))


def listener_on(machine: Machine, address: str, port: int) -> contextlib.AbstractContextManager[None]:
    inside = ("ip", "netns", "exec", machine.name)
    command = ("python3", "-c", "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 1)")
    probe = (*command, "::1" if ":" in address else "127.0.0.1", str(port))
    return served(inside, address, port, lambda: machine.run(*probe, check=False).returncode == 0)


@contextmanager
def served(where: tuple[str, ...], address: str, port: int, ready: Callable[[], bool]) -> Iterator[None]:
    bind = "::" if ":" in address else "0.0.0.0"
    process = psutil.Popen(
        [*where, "/usr/bin/python3", "-m", "http.server", "--bind", bind, str(port)], stdout=-3, stderr=-3
    )
    try:
        wait_until(ready, 10)
        yield
    finally:
        process.kill()
        process.wait(10)


def reaches(machine: Machine, address: str, port: int) -> bool:
    code = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)"
    return machine.run("python3", "-c", code, address, str(port), check=False).returncode == 0


@pytest.mark.parametrize("release", ["bookworm", "trixie"])
def test_a_host_is_prepared_once_and_holds(lab: Lab, release: Release, tmp_path: Path) -> None:
    machine, stranger, friend = lab.host(release), lab.onlooker("stranger"), lab.onlooker("friend")
    allowed = {"name": "a friend's service", "protocol": "tcp", "port": 8100, "networks": [friend.v4, friend.v6]}
    how: dict[str, Any] = {"firewall_out": [allowed]}

    before = snapshot(machine)
    outcome = prepare(machine, tmp_path, check=True, **how)
    assert snapshot(machine) == before
    assert outcome.changed > 5
    assert any("+PasswordAuthentication no" in diff.text for diff in outcome.diffs)
    assert any("policy drop" in diff.text for diff in outcome.diffs)

    assert prepare(machine, tmp_path, **how).changed > 5
    after = snapshot(machine)
    again = prepare(machine, tmp_path, **how)
    assert [result for result in again.results if result.state == "changed"] == []
    assert prepare(machine, tmp_path, check=True, **how).changed == 0
    assert snapshot(machine) == after

    holds(machine, stranger, friend, tmp_path)
    machine.reboot()
    holds(machine, stranger, friend, tmp_path)


def holds(machine: Machine, stranger: Namespace, friend: Namespace, tmp_path: Path) -> None:
    """Probe from outside and from inside, over both families."""
    assert gets_in(machine, tmp_path)
    settings = machine.run("sshd", "-T").stdout
    for line in ("passwordauthentication no", "x11forwarding no", "permitrootlogin no", "allowagentforwarding no"):
        assert line in settings.splitlines()
    for address, theirs, strange in (
        (machine.v4, friend.v4, stranger.v4),
        (machine.v6, friend.v6, stranger.v6),
    ):
        with listener_on(machine, address, 8000):
            assert not stranger.reaches(address, 8000)
            assert not stranger.reaches(address, 22)
        with listener(friend, theirs, 8100), listener(stranger, strange, 8100):
            assert reaches(machine, theirs, 8100)
            assert not reaches(machine, strange, 8100)
        with listener(friend, theirs, 8101):
            assert not reaches(machine, theirs, 8101)


def test_who_would_be_locked_out_gets_in_again(lab: Lab, tmp_path: Path) -> None:
    machine, stranger = lab.host("bookworm"), lab.onlooker("stranger")
    nowhere = {**SSH_FROM_US, "networks": ["192.0.2.0/24"]}

    with pytest.raises(PlaybookError):
        prepare(machine, tmp_path, parts=["firewall"], firewall_in=[nowhere], firewall_confirm_seconds=8)
    wait_until(lambda: machine.run("nft", "list", "table", "inet", "cloister", check=False).returncode != 0, 60, 0.2)
    assert stranger.reaches(machine.v4, 22)
    assert gets_in(machine, tmp_path)
    assert not (machine.root / "etc/cloister/firewall.nft").exists()
    machine.reboot()
    assert gets_in(machine, tmp_path)

    prepare(machine, tmp_path, parts=["firewall"])
    good = machine.read("/etc/cloister/firewall.nft")
    with pytest.raises(PlaybookError):
        prepare(machine, tmp_path, parts=["firewall"], firewall_in=[nowhere], firewall_confirm_seconds=8)
    wait_until(lambda: machine.read("/etc/cloister/firewall.nft") == good, 60, 0.2)
    wait_until(
        lambda: "10.213.0.1" in machine.run("nft", "list", "table", "inet", "cloister", check=False).stdout, 60, 0.2
    )
    assert gets_in(machine, tmp_path)
    assert not stranger.reaches(machine.v4, 22)

    with pytest.raises(PlaybookError):
        prepare(machine, tmp_path, parts=["ssh"], ssh_users=["somebody-else"], ssh_confirm_seconds=8)
    wait_until(lambda: not (machine.root / "etc/ssh/sshd_config.d/00-cloister.conf").exists(), 60, 0.2)
    wait_until(lambda: "allowusers" not in machine.run("sshd", "-T").stdout, 60, 0.2)
    wait_until(lambda: gets_in_or_not(machine, tmp_path), 60, 0.2)


def gets_in_or_not(machine: Machine, tmp_path: Path) -> bool:
    from planner.errors import DeployError

    try:
        return gets_in(machine, tmp_path)
    except DeployError:
        return False


def test_settings_that_the_programs_refuse_replace_nothing(lab: Lab, tmp_path: Path) -> None:
    machine = lab.host("trixie")
    with pytest.raises(PlaybookError, match="failed to validate"):
        prepare(machine, tmp_path, parts=["ssh"], ssh_ciphers=["rot13"])
    assert not (machine.root / "etc/ssh/sshd_config.d/00-cloister.conf").exists()
    with pytest.raises(PlaybookError, match="failed to validate"):
        prepare(machine, tmp_path, parts=["firewall"], firewall_in=[{**SSH_FROM_US, "networks": ["10.213.0.0/99"]}])
    assert not (machine.root / "etc/cloister/firewall.nft").exists()
    with pytest.raises(PlaybookError, match="firewall_in"):
        prepare(machine, tmp_path, parts=["firewall"], firewall_in=[{"port": 22}])
    # As Ubuntu has it: a socket of systemd listens, and the server's own addresses would be of no effect.
    (machine.root / "etc/systemd/system/ssh.socket").write_text("[Socket]\nListenStream=2222\nAccept=yes\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "ssh.socket")
    with pytest.raises(PlaybookError, match=r"ssh\.socket listens in the server's place"):
        prepare(machine, tmp_path, parts=["ssh"], ssh_listen=[machine.v4])
    assert not (machine.root / "etc/ssh/sshd_config.d/00-cloister.conf").exists()
    assert gets_in(machine, tmp_path)


def test_a_disk_is_mounted_where_data_lies_now_and_after_a_reboot(lab: Lab, tmp_path: Path) -> None:
    machine = lab.host("bookworm")
    machine.run("mkdir", "/srv/disk")
    disk: dict[str, Any] = {
        "storage_device": "/srv/disk",
        "storage_filesystem": "none",
        "storage_options": ["bind", "nodev", "nosuid"],
    }
    assert prepare(machine, tmp_path, parts=["storage"], **disk).changed > 0
    assert prepare(machine, tmp_path, parts=["storage"], **disk).changed == 0
    machine.reboot()
    machine.run("touch", "/var/lib/cloister/weights/tensor")
    machine.run("test", "-e", "/srv/disk/weights/tensor")
    assert "nosuid" in machine.run("findmnt", "--noheadings", "--output=OPTIONS", "/var/lib/cloister").stdout


class Watching(Silent):
    """Looks at all command lines whenever a task begins; may interrupt like Ctrl-C."""

    def __init__(self, *, stop_at: int = 0) -> None:
        self.lines: set[str] = set()
        self.steps = 0
        self.stop_at = stop_at

    def step(self, title: str) -> contextlib.AbstractContextManager[None]:
        self.steps += 1
        for process in psutil.process_iter(["cmdline"]):
            self.lines.add(" ".join(process.info["cmdline"] or []))
        if self.steps == self.stop_at:
            raise KeyboardInterrupt
        return super().step(title)


def ours_running() -> list[str]:
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    return [line for line in lines if "/tmp/cl-" in line]


def folders_of_runs() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("cl-*"))


def test_no_variable_stands_on_a_command_line_and_ctrl_c_leaves_nothing(lab: Lab, tmp_path: Path) -> None:
    machine = lab.host("bookworm")
    watching, before = Watching(), folders_of_runs()
    prepare(machine, tmp_path, progress=watching, parts=["storage"], some_secret="hush-hush-hush")
    assert any("ansible" in line for line in watching.lines)
    assert not any("hush-hush-hush" in line for line in watching.lines)
    assert ours_running() == []

    with pytest.raises(KeyboardInterrupt):
        prepare(machine, tmp_path, progress=Watching(stop_at=3), parts=["storage"])
    assert ours_running() == []
    assert folders_of_runs() <= before  # a run that was killed leaves one, until the next
    prepare(machine, tmp_path, parts=["storage"])


def test_a_changed_host_key_stops_ansible_as_well(lab: Lab, tmp_path: Path) -> None:
    machine = lab.host("bookworm")
    old = inventory(machine)
    machine.make_host_key()
    machine.run("systemctl", "restart", "ssh")
    with pytest.raises(PlaybookError, match=f"(?s){machine.name}.*unreachable.*IDENTIFICATION HAS CHANGED"):
        play("prepare", old, login(machine, tmp_path), IN_A_LAB, Silent(), parts=["storage"])
    assert not (machine.root / "var/lib/cloister").exists()
