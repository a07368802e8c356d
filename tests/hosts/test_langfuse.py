"""A bare host with no route anywhere runs Langfuse's six services by Podman. All six are stand-ins, made on the spot.

They take the command lines, files and passwords of the real programs, and ask each other for the passwords. Nothing
here says that Langfuse itself works. Control groups are left where the unit is, as for every container on test hosts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from planner.langfuse import IMAGES, PORTS
from planner.plan import Image
from tests.hosts.containers import bundle_of_profile, ready_for_containers
from tests.hosts.images import langfuse_stand_in
from tests.hosts.lab import Lab
from tests.hosts.machine import Machine
from tests.hosts.person import PROFILE, Operator
from tests.hosts.test_metal import checks, snapshot
from tests.registry import push, running_registry
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("hosts")]

SIX = tuple(f"langfuse-{name}" for name in IMAGES)


class World(msgspec.Struct):
    """A host, who works on it, and what was there before."""

    machine: Machine
    operator: Operator
    bundle: Path
    before: str


@pytest.fixture(scope="module")
def world(can_boot: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A host, a bundle with the image, and a profile that names them."""
    with Lab() as lab:
        machine, folder = lab.host("trixie", name="q"), tmp_path_factory.mktemp("operator")
        ready_for_containers(machine, *SIX)
        before = snapshot(machine)
        operator = Operator(folder / "one", machine)
        with running_registry(folder / "registry") as registry:
            stand_in = langfuse_stand_in(folder / "made", f"{registry}/cloister/langfuse-stand-in")
            push(stand_in, folder / "made", tag="1.0")
            (operator.folder / "lab.toml").write_text(profile_text(stand_in))
            made = bundle_of_profile(operator, folder)
        yield World(machine, operator, made, before)


def shown(machine: Machine, what: str) -> dict[str, str]:
    """Return a property of each of the six units."""
    units = [f"cloister-{name}.service" for name in SIX]
    said = machine.run("systemctl", "show", f"--property={what}", "--value", *units).stdout
    return dict(zip(SIX, (line for line in said.splitlines() if line), strict=True))


def started(machine: Machine) -> dict[str, str]:
    """Return what tells one start of each from the next."""
    return shown(machine, "InvocationID")


def profile_text(stand_in: Image) -> str:
    text = PROFILE.format(max_in_flight=64)
    named = "".join(f'{name} = "{stand_in.reference}"\n' for name in IMAGES)
    return f'{text}\n[langfuse]\nuser = "operator@example.com"\ndisk_gib = 1\n{named}'


def test_up_runs_all_six_once_what_they_need_answers(world: World) -> None:
    code, report, told = world.operator.up("--bundle", str(world.bundle)).end(400)
    assert code == 0, (str(report) + told)[-3000:]
    assert set(shown(world.machine, "ActiveState").values()) == {"active"}
    active, begun = (
        shown(world.machine, "ActiveEnterTimestampMonotonic"),
        shown(world.machine, "ExecMainStartTimestampMonotonic"),
    )
    stores = max(int(active[f"langfuse-{name}"]) for name in ("postgres", "clickhouse", "valkey", "store"))
    assert stores < int(begun["langfuse-web"])
    assert int(active["langfuse-web"]) < int(begun["langfuse-worker"])


def test_they_listen_on_loopback_alone(world: World) -> None:
    heard = {line.split()[3] for line in world.machine.run("ss", "-Hlnt").stdout.splitlines()}
    assert {one for one in heard if int(one.rpartition(":")[2]) in PORTS.values()} == {
        f"127.0.0.1:{number}" for number in PORTS.values()
    }


def test_everything_that_verify_looks_at_holds(world: World) -> None:
    code, report, told = world.operator.deploy("verify")
    assert code == 0, str(checks(report, ok=False)) + told[-2000:]
    assert {f"host.cl-q.contained.{name}" for name in SIX} <= set(checks(report, ok=True))
    _, report, told = world.operator.deploy("audit")
    ours = {one["rule"] for one in report["findings"] if one["resource"].startswith("cl-q:")}
    # The test's own drop-ins, which nobody has rendered.
    assert ours == {"only-rendered-files"}, str(report["findings"]) + told[-2000:]


def test_what_the_generator_makes_is_sound(world: World) -> None:
    units = (f"/run/systemd/generator/cloister-{name}.service" for name in SIX)
    assert world.machine.run("systemd-analyze", "verify", *units, check=False).stderr == ""


def test_no_secret_is_in_a_file_that_stays_or_on_a_command_line(world: World) -> None:
    run = world.machine.run
    names = run("sh", "-c", "ls /etc/cloister/credentials").stdout.split()
    ours = [name for name in names if name.startswith("langfuse") and not name.endswith("-sha256")]
    values = {run("sh", "-c", f"cat /run/credentials/*/{name} 2>/dev/null | head -c 36; true").stdout for name in ours}
    values -= {""}
    assert len(values) >= 9
    at_rest = ("/etc", "/usr/local", "/var/lib/cloister", "/var/lib/containers", "/run/containers", "/run/libpod")
    words = [word for one in values for word in ("-e", one)]
    found = run("grep", "--recursive", "--files-with-matches", "--fixed-strings", *words, *at_rest, check=False)
    assert found.stdout == ""
    told = run("sh", "-c", "cat /proc/[0-9]*/cmdline; journalctl --output=cat", check=False).stdout
    told += run("podman", "container", "inspect", *(f"cloister-{name}" for name in SIX)).stdout
    assert not [one for one in values if one in told]


def test_what_dies_comes_back_with_what_it_kept(world: World) -> None:
    before = started(world.machine)
    for name in ("langfuse-postgres", "langfuse-web"):
        world.machine.run("podman", "kill", f"cloister-{name}")
    wait_until(lambda: came_back(world.machine, before), 90, 0.5)


def came_back(machine: Machine, before: dict[str, str]) -> bool:
    """Tell whether all six run, and two of them anew."""
    if set(shown(machine, "ActiveState").values()) != {"active"}:
        return False
    now = started(machine)
    return {name for name in SIX if now[name] != before[name]} == {"langfuse-postgres", "langfuse-web"}


def test_down_leaves_nothing(world: World) -> None:
    code, report, told = world.operator.deploy("down")
    assert code == 0, (str(report) + told)[-3000:]
    assert "Nothing is left." in Path(report["certificate"]).with_suffix(".md").read_text()
    assert snapshot(world.machine) == world.before
