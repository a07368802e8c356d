"""A bare host with no route anywhere runs its engine from an image, by Podman, through a whole life.

A person's commands alone bring it there: pushed to a registry, taken from there by `bundle make`, installed by `up`.
The image holds the engine's imitation. Control groups are of version 1 beneath test hosts, which containers cannot have
by themselves there: a drop-in of the test's own leaves them where their unit is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from lifecycle.bundle.collect.wheels import collect_environment
from lifecycle.hosts.fit import SPARE_WITHOUT_ENGINE_GIB
from planner.catalogue import load_catalogue
from planner.plan import Image
from tests.hosts.containers import DROP_IN, bundle_of_profile, ready_for_containers
from tests.hosts.images import engine_image
from tests.hosts.lab import Lab
from tests.hosts.machine import Machine
from tests.hosts.person import PROFILE, Operator
from tests.hosts.test_metal import checks, snapshot, started
from tests.registry import push, running_registry
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("hosts")]

UNIT = "cloister-engine.service"


class World(msgspec.Struct):
    """A host, who works on it, and what they have."""

    lab: Lab
    machine: Machine
    operator: Operator
    image: Image
    bundle: Path
    before: str


@pytest.fixture(scope="module")
def world(can_boot: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A host, and a bundle that was made of an image in a registry; the registry is gone by then."""
    with Lab() as lab:
        machine, folder = lab.host("trixie", name="q"), tmp_path_factory.mktemp("operator")
        assert "default" not in machine.run("ip", "route").stdout + machine.run("ip", "-6", "route").stdout
        ready_for_containers(machine, "engine")
        before = snapshot(machine)
        operator = Operator(folder / "one", machine)
        with running_registry(folder / "registry") as registry:
            image = pushed(registry, folder / "made")
            write_profile(operator, image)
            made = bundle_of_profile(operator, folder)
        yield World(lab, machine, operator, image, made, before)


def pushed(registry: str, folder: Path) -> Image:
    """Build the engine's image, and push it."""
    wheels = collect_environment("gateway", (load_catalogue().release("trixie"),)).files.values()
    image = engine_image(folder, [path for path in wheels if isinstance(path, Path)], f"{registry}/cloister/vllm-sim")
    push(image, folder, tag="1.0")
    return image


def write_profile(operator: Operator, image: Image) -> None:
    text = PROFILE.format(max_in_flight=64)
    (operator.folder / "lab.toml").write_text(text.replace("[engine]\n", f'[engine]\nimage = "{image.reference}"\n'))


def inside(machine: Machine) -> dict[str, str]:
    """Return what the kernel says of the program in the engine's container."""
    found = machine.run("pgrep", "--exact", "--full", "python3 -P -m sandbox.vllm_sim .*").stdout.split()
    text = machine.run("cat", f"/proc/{found[0]}/status").stdout
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def test_a_disk_without_room_for_what_podman_unpacks_is_refused_before_anything_is_changed(world: World) -> None:
    """There is room for all else."""
    bundle = ("--bundle", str(world.bundle))
    with world.lab.free(int(SPARE_WITHOUT_ENGINE_GIB * 2**30)):
        where = ("--inventory", "hosts.toml", "--key", str(world.machine.key))
        code, report, _ = world.operator.deploy("hosts", "check", *where, "--profile", "./lab.toml", *bundle)
        refused = [one for one in report["hosts"][0]["verdicts"] if one["state"] == "no"]
        assert (code, [one["what"] for one in refused]) == (1, ["disk"])
        assert "/var/lib/containers needs 0." in refused[0]["remedy"]
        code, report, told = world.operator.up(*bundle).end()
        assert (code, report["error"]["code"]) == (1, "host_does_not_fit"), told
        assert "1 GiB free at / (overlay), 0." in report["error"]["message"]
    assert snapshot(world.machine) == world.before


def test_up_runs_the_engine_from_its_image(world: World) -> None:
    code, report, told = world.operator.up("--bundle", str(world.bundle)).end()
    assert code == 0, (str(report) + told)[-3000:]
    assert report["models"] == ["llama-3.1-8b-instruct"]
    assert world.machine.run("podman", "image", "exists", world.image.reference).returncode == 0


def test_up_again_changes_nothing(world: World) -> None:
    before = started(world.machine)
    code, report, told = world.operator.up().end()
    assert (code, report["changes"]) == (0, {}), told
    assert started(world.machine) == before


def test_the_container_is_nobody_and_sees_nothing(world: World) -> None:
    run, said = world.machine.run, inside(world.machine)
    number = run("id", "--user", "cloister-engine").stdout.strip()
    assert said["Uid"].split() == [number] * 4
    assert {said[name] for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (said["NoNewPrivs"], said["Seccomp"]) == ("1", "2")
    assert run("systemctl", "show", "--value", "--property=ControlGroup", UNIT).stdout.strip().endswith(UNIT)
    into = ("podman", "exec", "cloister-engine", "python3", "-c")
    for path in ("/x", "/usr/x", "/etc/x", "/usr/local/lib/cloister/with-secrets"):
        failed = run(*into, f"open({path!r}, 'a')", check=False).stderr
        assert "Read-only file system" in failed or "Permission denied" in failed, path
    assert "No such file" in run(*into, "open('/etc/cloister/gateway/gateway.toml')", check=False).stderr


def test_the_container_gets_out_no_more_than_any_service(world: World) -> None:
    """The firewall holds for it: whatever is not loopback is refused."""
    ask = "import socket; socket.create_connection(('10.213.0.1', 22), 3)"
    said = world.machine.run("podman", "exec", "cloister-engine", "python3", "-c", ask, check=False)
    assert said.returncode
    assert "Error" in said.stderr
    heard = world.machine.run("ss", "-Hlnt").stdout
    assert {line.split()[3] for line in heard.splitlines() if ":8000" in line} == {"127.0.0.1:8000"}


def test_its_key_is_in_no_file_that_stays_and_on_no_command_line(world: World) -> None:
    run = world.machine.run
    key = run("cat", "/run/credentials/cloister-engine.service/engine-api-key").stdout
    assert len(key) > 20
    at_rest = ("/etc", "/var", "/usr/local", "/opt/cloister/runtime", "/run/containers", "/run/crun", "/run/libpod")
    found = run("grep", "--recursive", "--files-with-matches", "--fixed-strings", "-e", key, *at_rest, check=False)
    assert found.stdout == ""
    assert key not in run("sh", "-c", "cat /proc/[0-9]*/cmdline", check=False).stdout
    assert key not in run("podman", "container", "inspect", "cloister-engine").stdout
    assert key not in run("journalctl", "--output=cat").stdout
    handed = "/run/cloister-engine/credentials/engine-api-key"
    assert run("stat", "--format=%U %a", handed).stdout.strip() == "cloister-engine 400"
    url = "http://127.0.0.1:8000/v1/models"
    ask = f"import urllib.request as r; print(r.urlopen(r.Request('{url}', headers={{!r}})).status)"
    assert run("python3", "-c", ask.format({"Authorization": f"Bearer {key}"})).stdout.strip() == "200"
    assert "401" in run("python3", "-c", ask.format({}), check=False).stderr


def test_what_the_generator_makes_is_sound(world: World) -> None:
    units = (f"/run/systemd/generator/{UNIT}", "/etc/systemd/system/cloister.target")
    assert world.machine.run("systemd-analyze", "verify", *units, check=False).stderr == ""
    dry = world.machine.run("sh", "-c", "/usr/libexec/podman/quadlet --dryrun 2>&1 >/dev/null", check=False)
    assert [line for line in dry.stdout.splitlines() if "rror" in line or "nsupported" in line] == []


def test_everything_that_verify_and_an_audit_look_at_holds(world: World) -> None:
    code, report, told = world.operator.deploy("verify")
    assert code == 0, str(checks(report, ok=False)) + told[-2000:]
    assert {"host.cl-q.contained.engine", "host.cl-q.sandboxed", "inference.stream"} <= set(checks(report, ok=True))
    _, report, told = world.operator.deploy("audit")
    ours = {(one["rule"], one["resource"]) for one in report["findings"] if one["resource"].startswith("cl-q:")}
    # The test's own drop-in is nobody's that was rendered, and might have opened the container.
    assert ours == {("only-rendered-files", f"cl-q:{DROP_IN.format(service='engine')}")}, (
        str(report["findings"]) + told[-2000:]
    )


def test_verify_and_an_audit_find_a_container_that_was_opened_by_hand(world: World) -> None:
    quadlet = "/etc/containers/systemd/cloister-engine.container"
    good = world.machine.read(quadlet)
    bad = good.replace("DropCapability=all\n", "AddCapability=CAP_NET_RAW\n").replace("ReadOnly=true\n", "")
    world.machine.run("tee", quadlet, text=bad)
    world.machine.run("systemctl", "daemon-reload")
    world.machine.run("systemctl", "restart", UNIT)
    _, report, _ = world.operator.deploy("verify")
    assert "write to its image" in checks(report, ok=False)["host.cl-q.contained.engine"]
    assert "capabilities" in checks(report, ok=False)["host.cl-q.contained.engine"]
    _, report, _ = world.operator.deploy("audit")
    found = {one["rule"] for one in report["findings"] if one["resource"] == f"cl-q:{quadlet}"}
    assert "containers-contained" in found
    world.machine.run("tee", quadlet, text=good)
    world.machine.run("systemctl", "daemon-reload")
    world.machine.run("systemctl", "restart", UNIT)


def test_a_container_that_dies_comes_back(world: World) -> None:
    before = started(world.machine)
    world.machine.run("podman", "kill", "cloister-engine")
    wait_until(lambda: started(world.machine)["engine"] not in {"", before["engine"]}, 30, 0.2)
    wait_until(lambda: world.operator.deploy("status")[1]["state"] == "running", 60, 0.5)


def test_after_a_reboot_all_comes_back_by_itself(world: World) -> None:
    world.machine.reboot()
    wait_until(lambda: world.operator.deploy("status")[1]["state"] == "running", 90, 1)
    _, report, told = world.operator.deploy("verify")
    assert not checks(report, ok=False), str(checks(report, ok=False)) + told[-2000:]


def test_down_gives_the_host_back(world: World) -> None:
    code, report, told = world.operator.deploy("down")
    assert code == 0, (str(report) + told)[-3000:]
    page = Path(report["certificate"]).with_suffix(".md").read_text()
    assert "Nothing is left." in page
    assert snapshot(world.machine) == world.before
    left = "ls -d /var/lib/containers /var/lib/cni /run/containers /run/libpod /run/crun /run/podman 2>/dev/null; true"
    assert world.machine.run("sh", "-c", left).stdout == ""
