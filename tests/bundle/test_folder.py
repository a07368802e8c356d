"""`bundle seal` and `bundle verify`: a manifest names exact content, and nothing that runs when it is read."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lifecycle.bundle import digests
from lifecycle.bundle.check import notes_of, seal, verify
from lifecycle.home import Home
from planner.bundle import MANIFEST, BundleError, bundle_id, decode, encode, path_fault
from planner.progress import Silent
from planner.upload import MOST_PARTS, PART_BYTES, SMALLEST_PART, part_bytes, windows
from tests.bundle.folders import MIB, make, safetensors

WEIGHTS = "weights/tiny/model-0.safetensors"


@pytest.fixture
def bundle(home: Home, tmp_path: Path) -> Path:
    folder = make(tmp_path / "sealed", shard_bytes=MIB)
    seal(home, folder, {"weights": "apache-2.0", "weights/tiny/config.json": "mit"}, Silent())
    return folder


def test_the_manifest_says_what_each_file_is(bundle: Path) -> None:
    files = {file.path: file for file in decode((bundle / MANIFEST).read_bytes(), "it").files}
    assert list(files) == sorted(files)
    assert {path: (file.kind, file.licence) for path, file in files.items()} == {
        WEIGHTS: ("weights", "apache-2.0"),
        "weights/tiny/config.json": ("weights", "mit"),
        "wheels/empty-1.0-py3-none-any.whl": ("wheel", ""),
        "notes.txt": ("data", ""),
    }
    assert files["notes.txt"].sha256 == bundle_id(b"read me\n")


def test_the_same_files_have_the_same_id(home: Home, bundle: Path, tmp_path: Path) -> None:
    again = make(tmp_path / "again", shard_bytes=MIB)
    licences = {"weights": "apache-2.0", "weights/tiny/config.json": "mit"}
    assert seal(home, again, licences, Silent()).bundle == bundle_id((bundle / MANIFEST).read_bytes())
    (again / "notes.txt").write_text("read me!\n")
    assert seal(home, again, licences, Silent()).bundle != bundle_id((bundle / MANIFEST).read_bytes())


def test_each_missing_changed_and_extra_file_is_named(home: Home, bundle: Path) -> None:
    assert verify(home, bundle, Silent()).ok
    (bundle / "notes.txt").unlink()
    (bundle / "more.txt").touch()
    content = bytearray((bundle / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (bundle / WEIGHTS).write_bytes(content)
    report = verify(home, bundle, Silent())
    assert not report.ok
    assert (report.missing, report.changed, report.extra) == (("notes.txt",), (WEIGHTS,), ("more.txt",))


def test_a_file_of_another_length_is_not_read(home: Home, bundle: Path) -> None:
    (bundle / WEIGHTS).write_bytes(b"")
    assert verify(home, bundle, Silent()).changed == (WEIGHTS,)


def test_another_id_is_refused(home: Home, bundle: Path) -> None:
    with pytest.raises(BundleError, match="not 0000"):
        verify(home, bundle, Silent(), expected="0" * 64)


@pytest.mark.parametrize("target", ["notes.txt", "/etc/passwd", "../outside", "nowhere"])
def test_symbolic_links_are_refused(home: Home, bundle: Path, target: str) -> None:
    (bundle / "link").symlink_to(target)
    with pytest.raises(BundleError, match="'link' is a symbolic link"):
        verify(home, bundle, Silent())
    with pytest.raises(BundleError, match="'link' is a symbolic link"):
        seal(home, bundle, {}, Silent())


def test_a_linked_folder_and_a_linked_manifest_are_refused(home: Home, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(bundle)
    with pytest.raises(BundleError, match="is no folder"):
        verify(home, tmp_path / "alias", Silent())
    (bundle / MANIFEST).rename(tmp_path / MANIFEST)
    (bundle / MANIFEST).symlink_to(tmp_path / MANIFEST)
    with pytest.raises(BundleError, match="symbolic link"):
        verify(home, bundle, Silent())


def test_what_is_no_file_is_refused(home: Home, bundle: Path) -> None:
    os.mkfifo(bundle / "pipe")
    with pytest.raises(BundleError, match="neither a file nor a folder"):
        verify(home, bundle, Silent())


def _archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("data.pkl", pickle.dumps([]))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.PT", "optimizer.pkl", "weights.npz"])
def test_pickles_among_weights_are_refused_by_name(home: Home, bundle: Path, name: str) -> None:
    (bundle / "weights" / name).write_bytes(b"anything")
    with pytest.raises(BundleError, match="is a pickle"):
        seal(home, bundle, {}, Silent())


def test_pickles_among_weights_are_refused_whatever_their_name(home: Home, bundle: Path) -> None:
    _archive(bundle / "weights" / "tokenizer.model")
    with pytest.raises(BundleError, match="is a pickle"):
        seal(home, bundle, {}, Silent())
    (bundle / "weights" / "tokenizer.model").write_bytes(pickle.dumps([]))
    with pytest.raises(BundleError, match="is a pickle"):
        seal(home, bundle, {}, Silent())
    (bundle / "weights" / "tokenizer.model").rename(bundle / "weights" / "other.safetensors")
    with pytest.raises(BundleError, match="is no safetensors file"):
        seal(home, bundle, {}, Silent())


def test_a_manifest_cannot_call_a_pickle_something_allowed(home: Home, bundle: Path) -> None:
    """Whoever writes the manifest by hand gets no pickle past `verify` either."""
    _archive(bundle / "weights" / "x.model")
    said = json.loads((bundle / MANIFEST).read_bytes())
    content = (bundle / "weights" / "x.model").read_bytes()
    entry = {"path": "weights/x.model", "size": len(content), "sha256": bundle_id(content), "kind": "weights"}
    said["files"].append({**entry, "licence": ""})
    (bundle / MANIFEST).write_text(json.dumps(said))
    with pytest.raises(BundleError, match="is a pickle"):
        verify(home, bundle, Silent())


def test_archives_outside_weights_are_allowed(home: Home, bundle: Path) -> None:
    _archive(bundle / "wheels" / "some-1.0-py3-none-any.whl")
    seal(home, bundle, {}, Silent())
    assert verify(home, bundle, Silent()).ok


@pytest.mark.parametrize(
    "path",
    ["../x", "/x", "a/../b", "a//b", "./a", "a/", "", "a\\b", "a\nb", "-rf", MANIFEST, "a" * 513, "ü", "a\x1b[0m"],
)
def test_paths_that_lead_elsewhere_are_refused(path: str) -> None:
    said = {"path": path, "size": 0, "sha256": "0" * 64, "kind": "data", "licence": ""}
    with pytest.raises(BundleError):
        decode(json.dumps({"schema": 1, "files": [said]}).encode(), "it")
    assert path_fault(path)


def test_paths_twice_and_below_a_file_are_refused() -> None:
    one = {"path": "a", "size": 0, "sha256": "0" * 64, "kind": "data", "licence": ""}
    with pytest.raises(BundleError, match="twice"):
        decode(json.dumps({"schema": 1, "files": [one, one]}).encode(), "it")
    with pytest.raises(BundleError, match="stands below 'a'"):
        decode(json.dumps({"schema": 1, "files": [one, {**one, "path": "a/b"}]}).encode(), "it")


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"schema": 2, "files": []}', b'{"schema": 1}', b'{"files": [], "x": 1}'])
def test_what_is_no_manifest(raw: bytes) -> None:
    with pytest.raises(BundleError, match="is no manifest"):
        decode(raw, "it")


def test_a_manifest_without_files_is_one() -> None:
    assert decode(encode([]), "it").files == ()


def test_an_interrupted_run_digests_no_file_twice(home: Home, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted at the smallest file, which is the last: the next run reads that one alone."""
    read: list[str] = []
    real = digests.digest

    def one(path: Path, part_bytes: int, advance: Callable[[int], None]) -> digests.Digest:
        read.append(path.name)
        if path.suffix == ".whl" and read.count(path.name) == 1:
            raise KeyboardInterrupt
        return real(path, part_bytes, advance)

    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.setattr(digests, "digest", one)
    with pytest.raises(KeyboardInterrupt):
        seal(home, bundle, {}, Silent())
    assert len(read) == 4
    seal(home, bundle, {}, Silent())
    assert read[4:] == ["empty-1.0-py3-none-any.whl"]


def test_notes_count_only_for_files_that_did_not_change(home: Home, bundle: Path) -> None:
    notes = notes_of(home, bundle)
    path = bundle / "notes.txt"
    made = digests.digest(path, PART_BYTES, lambda count: None)
    notes.add(path, path.lstat(), PART_BYTES, made)
    assert notes_of(home, bundle).known(path, PART_BYTES) == made
    assert notes_of(home, bundle).known(path, PART_BYTES + 1) is None
    before = path.stat()
    path.write_text("READ ME\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert notes_of(home, bundle).known(path, PART_BYTES) is None


def test_a_finished_verification_leaves_no_notes(home: Home, bundle: Path) -> None:
    verify(home, bundle, Silent())
    assert list((home.root / "bundles").iterdir()) == []


@pytest.mark.parametrize("size", [0, 1, SMALLEST_PART, 10 * 2**30, 5 * 2**40])
def test_parts_cover_a_file_and_are_not_too_many(size: int) -> None:
    length = part_bytes(size)
    cut = windows(size, length)
    assert sum(count for _, count in cut) == size
    assert [start for start, _ in cut] == [length * number for number in range(len(cut))]
    assert 1 <= len(cut) <= MOST_PARTS
    assert length >= SMALLEST_PART


def test_safetensors_of_the_tests_are_what_the_format_says() -> None:
    content = safetensors(100)
    header = int.from_bytes(content[:8], "little")
    assert json.loads(content[8 : 8 + header])["w"]["data_offsets"] == [0, 100]
