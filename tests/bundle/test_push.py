"""`bundle push`: what arrives is what the manifest names, encrypted as it must be, and nothing is sent twice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from lifecycle.bundle.check import seal
from lifecycle.bundle.push import PushReport, push
from lifecycle.home import Home
from planner.bundle import bundle_id, manifest_key, object_key
from planner.errors import DeployError
from planner.progress import Silent
from tests.bundle.folders import MIB
from tests.bundle.recorder import DENIED, Recorder, Seen
from tests.bundle.stack_bucket import ACCOUNT_ID, StackBucket

PART = 5 * MIB
"""The shortest that S3 takes: the weights are three parts."""


@dataclass(frozen=True)
class Case:
    """A sealed bundle, and where it goes."""

    home: Home
    folder: Path
    bucket: StackBucket
    sealed: str

    def push(self, profile: str = "2xh200", *, connections: int = 2) -> PushReport:
        return push(self.home, self.folder, profile, self.bucket.stack, Silent(), part=PART, connections=connections)

    def content(self, path: str = "weights/tiny/model-0.safetensors") -> tuple[str, bytes]:
        """Return a file's key in the bucket, and its content."""
        content = (self.folder / path).read_bytes()
        return object_key(bundle_id(content)), content


@pytest.fixture
def case(home: Home, folder: Path, bucket: StackBucket) -> Case:
    return Case(home, folder, bucket, seal(home, folder, {}, Silent()).bundle)


def test_everything_arrives_under_its_digest_the_manifest_last(case: Case, recorder: Recorder) -> None:
    report = case.push()
    raw = (case.folder / "manifest.json").read_bytes()
    assert report.bundle == case.sealed == bundle_id(raw)
    assert report.uploaded == report.size
    assert report.already_there == 0
    assert case.bucket.body(manifest_key(case.sealed)) == raw
    for path in ("notes.txt", "weights/tiny/model-0.safetensors", "wheels/empty-1.0-py3-none-any.whl"):
        key, content = case.content(path)
        assert case.bucket.body(key) == content
    writes = recorder.of("PutObject", "UploadPart", "Complete")
    assert writes[-1].path.endswith(f"/{manifest_key(case.sealed)}")
    assert len(recorder.of("UploadPart")) == 3


def test_each_write_names_key_digest_and_owner(case: Case, recorder: Recorder) -> None:
    case.push()
    for one in recorder.of("PutObject", "Create"):
        assert one.headers["x-amz-server-side-encryption"] == "aws:kms"
        assert one.headers["x-amz-server-side-encryption-aws-kms-key-id"] == case.bucket.key_arn
        assert one.headers["x-amz-server-side-encryption-bucket-key-enabled"] == "true"
    for one in recorder.of("PutObject", "UploadPart"):
        assert len(one.headers["x-amz-checksum-sha256"]) == 44
    assert {one.headers["x-amz-checksum-algorithm"] for one in recorder.of("Create")} == {"SHA256"}
    for one in recorder.seen:
        if case.bucket.name in one.path:
            assert one.headers["x-amz-expected-bucket-owner"] == ACCOUNT_ID


def test_a_second_push_sends_the_manifest_alone(case: Case, recorder: Recorder) -> None:
    case.push()
    recorder.forget()
    report = case.push()
    assert report.uploaded == 0
    assert report.already_there == report.size
    assert [one.path for one in recorder.of("PutObject", "UploadPart", "Create")] == [
        f"/{case.bucket.name}/{manifest_key(case.sealed)}"
    ]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_push_interrupted_at_a_part_goes_on_with_it(case: Case, recorder: Recorder, number: int) -> None:
    recorder.before = lambda seen: DENIED if seen.query.get("partNumber") == [str(number)] else None
    with pytest.raises(DeployError, match="may not call s3:PutObject"):
        case.push(connections=1)
    (begun,) = case.bucket.unfinished()
    arrived = case.bucket.parts(begun)
    assert number not in arrived
    assert manifest_key(case.sealed) not in case.bucket.names()

    recorder.before = lambda seen: None
    recorder.forget()
    report = case.push()
    assert case.bucket.unfinished() == []
    assert {int(one.query["partNumber"][0]) for one in recorder.of("UploadPart")} == {1, 2, 3} - arrived
    assert recorder.of("Create") == []
    assert report.uploaded + report.already_there == report.size
    key, content = case.content()
    assert case.bucket.body(key) == content


def test_a_part_that_arrived_wrong_is_sent_again(case: Case, recorder: Recorder) -> None:
    key, content = case.content()
    begun = case.bucket.s3.create_multipart_upload(Bucket=case.bucket.name, Key=key, ChecksumAlgorithm="SHA256")
    for number, body in ((1, content[:PART]), (2, b"x" * PART)):
        case.bucket.s3.upload_part(
            Bucket=case.bucket.name, Key=key, UploadId=begun["UploadId"], PartNumber=number, Body=body
        )
    report = case.push()
    assert sorted(int(one.query["partNumber"][0]) for one in recorder.of("UploadPart")) == [2, 3]
    assert report.aborted == 0
    assert case.bucket.body(key) == content


def test_an_upload_cut_in_another_way_is_dropped_and_others_are_named(case: Case, recorder: Recorder) -> None:
    key, content = case.content()
    begun = case.bucket.s3.create_multipart_upload(Bucket=case.bucket.name, Key=key, ChecksumAlgorithm="SHA256")
    case.bucket.s3.upload_part(
        Bucket=case.bucket.name, Key=key, UploadId=begun["UploadId"], PartNumber=7, Body=b"x" * PART
    )
    case.bucket.s3.create_multipart_upload(Bucket=case.bucket.name, Key="objects/other", ChecksumAlgorithm="SHA256")
    report = case.push()
    assert report.aborted == 1
    assert report.unfinished == ("objects/other",)
    assert [upload["Key"] for upload in case.bucket.unfinished()] == ["objects/other"]
    assert case.bucket.body(key) == content


def test_an_object_that_is_not_what_its_name_says_is_replaced(case: Case, recorder: Recorder) -> None:
    key, content = case.content("notes.txt")
    case.bucket.s3.put_object(
        Bucket=case.bucket.name,
        Key=key,
        Body=b"READ ME\n",
        ServerSideEncryption="aws:kms",
        SSEKMSKeyId=case.bucket.key_arn,
    )
    case.push()
    assert case.bucket.body(key) == content


def test_a_changed_file_stops_the_push_before_anything_is_sent(case: Case, recorder: Recorder) -> None:
    (case.folder / "notes.txt").write_text("READ ME\n")
    with pytest.raises(DeployError, match=r"1 of its files differ, the first is 'notes\.txt'"):
        case.push()
    assert case.bucket.names() == []


def test_a_file_that_changes_while_it_is_sent_is_refused_by_s3(case: Case, recorder: Recorder) -> None:
    def change(seen: Seen) -> None:
        if seen.operation == "Head":  # digests are made by now, and nothing is sent yet
            (case.folder / "notes.txt").write_text("READ ME\n")

    recorder.before = change
    with pytest.raises(DeployError, match="BadDigest"):
        case.push()
    assert manifest_key(case.sealed) not in case.bucket.names()


def test_no_bucket(case: Case, recorder: Recorder) -> None:
    with pytest.raises(DeployError, match="has not been made") as refused:
        push(case.home, case.folder, "2xh200", "nowhere", Silent())
    assert refused.value.code == "no_bucket"


def test_a_bucket_of_another_stack(case: Case, recorder: Recorder) -> None:
    case.bucket.tag("other")
    with pytest.raises(DeployError, match="not this stack's") as refused:
        case.push()
    assert refused.value.code == "wrong_bucket"
    assert case.bucket.names() == []


def test_a_bucket_under_another_key(case: Case, recorder: Recorder) -> None:
    case.bucket.encrypt(str(case.bucket.kms.create_key()["KeyMetadata"]["Arn"]))
    with pytest.raises(DeployError, match="is not encrypted with the key of stack"):
        case.push()
    assert case.bucket.names() == []


def test_another_account_is_refused_first(case: Case, recorder: Recorder, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('extends = "2xh200"\n[aws]\naccount = "999999999999"\n')
    with pytest.raises(DeployError) as refused:
        case.push(str(own))
    assert refused.value.code == "wrong_account"
    assert all(case.bucket.name not in one.path for one in recorder.seen)
