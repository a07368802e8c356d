"""What a node does at boot: only what the id names gets on its disks, and an interruption loses nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lifecycle.bundle.check import seal
from lifecycle.bundle.push import push
from lifecycle.home import Home
from planner.bundle import MANIFEST, bundle_id, manifest_key, object_key
from planner.progress import Silent
from tests.bundle.folders import MIB, make
from tests.bundle.node import Metadata, Node
from tests.bundle.recorder import DENIED, Answer, Recorder, Seen
from tests.bundle.stack_bucket import ACCOUNT_ID, StackBucket
from tests.sandbox.aws.account import REGION
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

RANGE = MIB
WEIGHTS = "weights/tiny/model-0.safetensors"


@dataclass(frozen=True)
class Case:
    """A bundle in its bucket, and a node that is to have it."""

    folder: Path
    bucket: StackBucket
    bundle: str
    node: Node

    def key(self, path: str = WEIGHTS) -> str:
        return object_key(bundle_id((self.folder / path).read_bytes()))

    def put(self, key: str, body: bytes) -> None:
        self.bucket.s3.put_object(Bucket=self.bucket.name, Key=key, Body=body)


@pytest.fixture
def metadata() -> Iterator[Metadata]:
    with Metadata() as running:
        yield running


@pytest.fixture
def case(home: Home, tmp_path: Path, recorder: Recorder, bucket: StackBucket, metadata: Metadata) -> Case:
    folder = make(tmp_path / "bundle", shard_bytes=3 * MIB)
    bundle = seal(home, folder, {}, Silent()).bundle
    push(home, folder, "2xh200", bucket.stack, Silent())
    recorder.forget()
    settings = {
        "bundle": bundle,
        "url": f"{recorder.url}/{bucket.name}",
        "owner": ACCOUNT_ID,
        "region": REGION,
        "metadata": metadata.url,
        "processes": 2,
        "range_bytes": RANGE,
        "pause_s": 0.001,
    }
    return Case(folder, bucket, bundle, Node(tmp_path, settings))


def test_a_node_has_the_bundle(case: Case, recorder: Recorder, metadata: Metadata) -> None:
    assert case.node.pull() == (0, f"bundle {case.bundle}: 4 files, all as the manifest says\n")
    assert case.node.holds(case.folder)
    assert case.node.current.readlink() == Path(case.bundle)
    assert not (case.node.bundles / "incoming").exists()
    assert metadata.refused == 0
    ranges = [one for one in recorder.seen if one.path.endswith(case.key())]
    assert len(ranges) == 4
    assert all(one.headers["x-amz-expected-bucket-owner"] == ACCOUNT_ID for one in recorder.seen)
    assert all(one.headers["x-amz-security-token"] == "token" for one in recorder.seen)


def test_at_the_next_boot_all_is_verified_and_nothing_fetched(case: Case, recorder: Recorder) -> None:
    case.node.pull()
    recorder.forget()
    assert case.node.pull()[0] == 0
    assert [one.path for one in recorder.seen] == [f"/{case.bucket.name}/{manifest_key(case.bundle)}"]


def test_what_rotted_on_disk_is_fetched_again(case: Case, recorder: Recorder) -> None:
    case.node.pull()
    (case.node.current / "notes.txt").write_text("READ ME\n")
    recorder.forget()
    assert case.node.pull()[0] == 0
    assert case.node.holds(case.folder)
    assert {one.path.rpartition("/")[2] for one in recorder.seen} == {
        MANIFEST,
        case.key("notes.txt").rpartition("/")[2],
    }


def test_not_in_the_bucket_yet(case: Case) -> None:
    code, said = case.node.pull(bundle="0" * 64)
    assert code == 75
    assert "S3 answers 404 NoSuchKey; not there yet?" in said
    assert not case.node.current.exists()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (lambda content: content[:-1] + bytes([content[-1] ^ 1]), "has another digest"),
        (lambda content: content[:-1000], "is shorter than"),
        (lambda content: b"", "is shorter than"),
    ],
    ids=["one bit", "truncated", "empty"],
)
def test_an_object_that_was_tampered_with_is_refused(case: Case, body: object, told: str) -> None:
    assert callable(body)
    case.put(case.key(), body((case.folder / WEIGHTS).read_bytes()))
    code, said = case.node.pull()
    assert (code, told in said) == (1, True), said
    assert not case.node.current.exists()
    assert not (case.node.bundles / case.bundle).exists()


def test_a_manifest_in_anothers_place_is_refused(case: Case) -> None:
    manifest = (case.folder / MANIFEST).read_bytes().replace(b'"data"', b'"image"')
    case.put(manifest_key(case.bundle), manifest)
    code, said = case.node.pull()
    assert code == 1
    assert f"the manifest is not that of bundle {case.bundle}" in said
    assert not case.node.current.exists()


def test_a_failed_pull_leaves_what_is_current(case: Case, home: Home, tmp_path: Path) -> None:
    case.node.pull()
    (case.folder / "notes.txt").write_text("another bundle\n")
    newer = seal(home, case.folder, {}, Silent()).bundle
    push(home, case.folder, "2xh200", case.bucket.stack, Silent())
    case.put(case.key("notes.txt"), b"another bundlE\n")
    assert case.node.pull(bundle=newer)[0] == 1
    assert case.node.current.readlink() == Path(case.bundle)
    case.put(case.key("notes.txt"), b"another bundle\n")
    assert case.node.pull(bundle=newer)[0] == 0
    assert case.node.current.readlink() == Path(newer)
    assert case.node.holds(case.folder)


def test_an_interrupted_pull_goes_on(case: Case, recorder: Recorder) -> None:
    """Killed while the last range is on its way: the next run asks for that alone."""
    reached = threading.Event()
    held = threading.Event()

    def hold(seen: Seen) -> Answer | None:
        if seen.path.endswith(case.key()) and seen.headers["range"].startswith(f"bytes={3 * RANGE}-"):
            reached.set()
            held.wait(30)
            return DENIED
        return None

    recorder.before = hold
    process = case.node.start(processes=1)  # one at a time: whatever comes before the last has been noted
    assert reached.wait(30)
    case.node.kill(process)
    held.set()
    wait_until(lambda: any(one.headers.get("range", "").startswith(f"bytes={3 * RANGE}-") for one in recorder.seen))
    assert not case.node.current.exists()

    recorder.before = lambda seen: None
    recorder.forget()
    assert case.node.pull()[0] == 0
    assert case.node.holds(case.folder)
    asked = [one.headers["range"] for one in recorder.seen if one.path.endswith(case.key())]
    assert asked[0].startswith(f"bytes={3 * RANGE}-")
    assert len(asked) == 1


def test_what_an_interrupted_run_noted_wrongly_is_fetched_once_more(case: Case) -> None:
    incoming = case.node.bundles / "incoming"
    incoming.mkdir(parents=True)
    sha256 = case.key().rpartition("/")[2]
    (incoming / f"{sha256}.part").write_bytes(b"rubbish")
    (incoming / "ranges").write_text("".join(f"{sha256} {start}\n" for start in range(0, 4 * RANGE, RANGE)))
    assert case.node.pull()[0] == 0
    assert case.node.holds(case.folder)


def test_lost_connections_and_server_errors_are_tried_again(case: Case, recorder: Recorder) -> None:
    failures: list[Answer | None] = [None, (503, [], b"slow down")]

    def fail(seen: Seen, answer: Answer) -> Answer | None:
        return failures.pop() if failures and seen.path.endswith(case.key()) else answer

    recorder.meddle = fail
    assert case.node.pull()[0] == 0
    assert failures == []
    assert case.node.holds(case.folder)
