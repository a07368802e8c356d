"""Images take what a host has not got of them yet, and nothing once they are loaded."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from lifecycle.bundle.check import seal
from lifecycle.home import Home
from lifecycle.hosts.fit import plan_for_a_host
from lifecycle.hosts.image_room import Kept, PackedImage, packed_images, parse_kept, rooms_of
from lifecycle.profiles import load_profile
from planner.bundle import BundleError
from planner.plan import Image, Plan
from planner.progress import Silent
from planner.units import GIB
from tests.images import write_image

ONE = PackedImage(reference="r/one@sha256:1", files={"a": 2 * GIB, "b": GIB})
TWO = PackedImage(reference="r/two@sha256:2", files={"c": GIB})


def sizes(*images: PackedImage, kept: Kept) -> list[float]:
    return [room.gib for room in rooms_of(images, kept)]


def test_packed_in_the_bundle_once_more_while_it_is_loaded_and_unpacked() -> None:
    rooms = rooms_of([ONE, TWO], Kept())
    assert [room.path for room in rooms] == ["/opt/cloister/bundles", "/var/tmp", "/var/lib/containers"]
    assert [room.gib for room in rooms] == [4.0, 3.0, 12.0]  # one is loaded after the other


def test_what_is_there_takes_no_more_room() -> None:
    assert sizes(ONE, TWO, kept=Kept(images=frozenset({ONE.reference}))) == [1.0, 1.0, 3.0]
    assert rooms_of([ONE], Kept(images=frozenset({ONE.reference}))) == ()
    begun = parse_kept(f"blob a.part {GIB}\nblob b {GIB}\nblob b.part 7\nimage {TWO.reference}\n")
    assert begun.images == {TWO.reference}
    assert sizes(ONE, TWO, kept=begun) == [1.0, 3.0, 9.0]


def planned(image: Image) -> Plan:
    profile = load_profile("poc")
    engine = msgspec.structs.replace(profile.engine, stand_in=True, image=image.reference)
    return plan_for_a_host(msgspec.structs.replace(profile, engine=engine))


def test_sizes_are_those_of_the_bundle_and_one_without_the_image_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    image = write_image(folder, "registry.example/tests/hello", b"x" * 5000)
    other = write_image(tmp_path / "other", "registry.example/tests/hello", b"y")
    (folder / "wheels").mkdir()
    (folder / "wheels" / "some.whl").write_bytes(b"z" * 10**6)
    seal(Home(tmp_path / "home"), folder, {}, Silent())
    (packed,) = packed_images(planned(image), folder)
    assert packed.reference == image.reference
    assert packed.size == sum(path.stat().st_size for path in (folder / "images").rglob("*") if path.is_file())
    with pytest.raises(BundleError) as refused:
        packed_images(planned(other), folder)
    assert refused.value.code == "image_not_in_bundle"
    assert packed_images(plan_for_a_host(load_profile("poc")), tmp_path / "nowhere") == ()
