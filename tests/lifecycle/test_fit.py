"""A host is judged by its facts alone: one case is one host and one plan."""

from __future__ import annotations

import functools
from pathlib import Path

import msgspec
import pytest

from lifecycle.hosts.facts import Disk, Facts
from lifecycle.hosts.fit import SPARE_DISK_GIB, Needs, but_for_our_own, fit, fits, needs_of, plan_for_a_host
from lifecycle.hosts.image_room import Kept, PackedImage, rooms_of
from lifecycle.hosts.inventory import Host
from lifecycle.profiles import load_profile
from planner.catalogue import load_catalogue
from tests.langfuse import langfuse_plan

HERE = Path(__file__).parent
FACTS = sorted((HERE / "facts").glob("*.json"))


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    facts: str
    profiles: tuple[str, ...]
    no: tuple[str, ...] = ()
    note: tuple[str, ...] = ()
    gpus: int | None = None
    gpu: str = ""


class Cases(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    case: tuple[Case, ...]


CASES = msgspec.toml.decode((HERE / "fit.toml").read_bytes(), type=Cases).case
EACH = [(case, profile) for case in CASES for profile in case.profiles]
IDS = [f"{case.facts}-{profile or 'alone'}{case.gpu and '-said-' + case.gpu}" for case, profile in EACH]


def facts_of(name: str) -> Facts:
    return msgspec.json.decode((HERE / "facts" / f"{name}.json").read_bytes(), type=Facts)


@functools.cache
def needs(profile: str) -> Needs | None:
    if not profile:
        return None
    return needs_of(plan_for_a_host(load_profile(profile)), load_catalogue())


@pytest.mark.parametrize(("case", "profile"), EACH, ids=IDS)
def test_what_speaks_against_a_host(case: Case, profile: str) -> None:
    host = Host(name="h", address="192.0.2.1", user="root", gpus=case.gpus, gpu=case.gpu)
    verdicts = fit(host, facts_of(case.facts), needs(profile), load_catalogue())
    assert tuple(verdict.what for verdict in verdicts if verdict.state == "no") == case.no
    assert tuple(verdict.what for verdict in verdicts if verdict.state == "note") == case.note
    assert fits(verdicts) == (not case.no)
    assert all(verdict.found for verdict in verdicts)
    assert all(bool(verdict.remedy) == (verdict.state != "ok") for verdict in verdicts)


@pytest.mark.parametrize("path", FACTS, ids=lambda path: path.stem)
def test_every_machine_is_in_a_case_and_comes_back_from_json_as_it_was(path: Path) -> None:
    assert path.stem in {case.facts for case in CASES}
    facts = facts_of(path.stem)
    assert msgspec.json.decode(msgspec.json.encode(facts), type=Facts) == facts


def test_a_plan_of_two_gpus_needs_two_and_room_for_its_weights() -> None:
    wanted = needs("2xh200")
    assert wanted is not None
    assert wanted.gpus == 2
    assert wanted.weights_gib > 200
    assert wanted.published_ports == (443,)


def test_a_stand_in_needs_no_gpu_and_the_stack_itself_takes_the_endpoints_port() -> None:
    profile = load_profile("2xh200")
    profile = msgspec.structs.replace(profile, engine=msgspec.structs.replace(profile.engine, stand_in=True))
    wanted = needs_of(plan_for_a_host(profile), load_catalogue())
    assert (wanted.gpus, wanted.weights_gib) == (0, 0.0)
    host, facts = Host(name="h", address="192.0.2.1", user="root"), facts_of("port-taken")
    assert [one.what for one in fit(host, facts, wanted, load_catalogue()) if one.state == "no"] == ["ports"]
    assert fits(fit(host, facts, but_for_our_own(wanted), load_catalogue()))


@pytest.mark.parametrize(
    ("os", "release", "found"),
    [
        ("debian", "12", "4.3, of Debian 12"),
        ("debian", "13", ""),
        ("ubuntu", "22.04", "3.4, of Ubuntu 22.04"),
        ("ubuntu", "24.04", ""),
    ],
)
def test_images_take_a_release_whose_podman_knows_quadlets(os: str, release: str, found: str) -> None:
    profile = load_profile("poc")
    image = f"registry.example/vllm@sha256:{'a' * 64}"
    engine = msgspec.structs.replace(profile.engine, stand_in=True, image=image)
    profile = msgspec.structs.replace(profile, engine=engine)
    wanted = needs_of(plan_for_a_host(profile), load_catalogue())
    facts = msgspec.structs.replace(facts_of("no-gpu"), os=os, release=release)
    said = {one.what: one for one in fit(Host(name="h", address="192.0.2.1", user="root"), facts, wanted, CATALOGUE)}
    assert said["Podman"].state == ("no" if found else "ok")
    if found:
        assert said["Podman"].found == found
        assert "Debian 13, Ubuntu 24.04" in said["Podman"].remedy
        assert "engine.image" in said["Podman"].remedy
    without = msgspec.structs.replace(wanted, images=False)
    assert "Podman" not in {
        one.what for one in fit(Host(name="h", address="a", user="root"), facts, without, CATALOGUE)
    }


DISKS = (Disk(mount="/", kind="ext4", total_gib=100.0, free_gib=60.0, writable=True),)
OWN = Disk(mount="/var/lib/containers", kind="ext4", total_gib=40.0, free_gib=35.0, writable=True)


@pytest.mark.parametrize(
    ("disks", "gib", "missing"),
    [
        (DISKS, 10.0, ""),
        (DISKS, 12.0, "60 GiB free at / (ext4), 6.0 GiB too few"),  # 6 for the rest, 12 packed, 12 copied, 36 unpacked
        ((*DISKS, OWN), 11.0, ""),
        ((*DISKS, OWN), 12.0, "35 GiB free at /var/lib/containers (ext4), 1.0 GiB too few"),
    ],
)
def test_images_take_room_packed_copied_and_unpacked_on_whichever_disk(
    disks: tuple[Disk, ...], gib: float, missing: str
) -> None:
    wanted = needs("1xh200")
    assert wanted is not None
    rooms = rooms_of([PackedImage(reference="r", files={"b": int(gib * 2**30)})], Kept())
    wanted = msgspec.structs.replace(wanted, weights_gib=0.0, images=True, engine_in_image=True, rooms=rooms)
    facts = msgspec.structs.replace(facts_of("h200-sxm-x8"), os="debian", release="13", disks=disks)
    verdicts = fit(Host(name="h", address="192.0.2.1", user="root"), facts, wanted, CATALOGUE)
    assert [(one.what, one.found) for one in verdicts if one.state != "ok"] == ([("disk", missing)] if missing else [])
    if missing:
        remedy = "".join(one.remedy for one in verdicts)
        assert "/var/lib/containers needs 36.0 GiB (images, unpacked)" in remedy
        assert ("/var/tmp needs 12.0 GiB (a copy while Podman loads one)" in remedy) == (disks == DISKS)


def test_images_of_a_bundle_that_nobody_named_are_noted() -> None:
    wanted = needs("1xh200")
    assert wanted is not None
    wanted = msgspec.structs.replace(wanted, images=True)
    facts = msgspec.structs.replace(facts_of("h200-sxm-x8"), os="debian", release="13")
    verdicts = fit(Host(name="h", address="192.0.2.1", user="root"), facts, wanted, CATALOGUE)
    assert [(one.what, "--bundle" in one.remedy) for one in verdicts if one.state != "ok"] == [("images", True)]


CATALOGUE = load_catalogue()


def test_langfuse_takes_memory_and_the_disk_that_its_owner_says() -> None:
    host, facts = Host(name="h", address="192.0.2.1", user="root"), facts_of("h200-sxm-x8")
    plain, wanted = (
        needs_of(plan, load_catalogue()) for plan in (plan_for_a_host(load_profile("2xh200")), langfuse_plan())
    )
    assert wanted.kept_gib - plain.kept_gib == 50
    assert wanted.memory_gib - plain.memory_gib == 13
    disk = facts.disk_of("/var/lib/cloister")
    assert disk is not None
    much = msgspec.structs.replace(wanted, kept_gib=disk.free_gib)
    said = {one.what: one.state for one in fit(host, facts, much, load_catalogue())}
    assert said["disk"] == "no"
    # What is there already may have grown to that: another `up` asks for none of it.
    for needed in (plain, but_for_our_own(much)):
        assert {one.what: one.state for one in fit(host, facts, needed, load_catalogue())}["disk"] == "ok"
    # Images of Langfuse take nothing from the room for an engine that is installed on the host itself.
    tight = msgspec.structs.replace(wanted, kept_gib=0.0, weights_gib=disk.free_gib - SPARE_DISK_GIB + 1, rooms=())
    assert {one.what: one.state for one in fit(host, facts, tight, load_catalogue())}["disk"] == "no"
