"""`deploy bundle`: what a person types, and Ctrl-C in the middle."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cli.main import run
from tests.bundle.conftest import account, bucket, folder, recorder
from tests.bundle.recorder import DENIED, Answer, Recorder, Seen
from tests.bundle.stack_bucket import StackBucket

__all__ = ["account", "bucket", "folder", "recorder"]

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOISTER_HOME", str(tmp_path / "home"))


def sealed(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert run(["bundle", "seal", str(folder), "--licence", "weights=apache-2.0", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["without_licence"] == 2
    return str(report["bundle"])


def test_seal_and_verify(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = sealed(folder, capsys)
    assert run(["bundle", "verify", str(folder), "--id", bundle]) == 0
    assert bundle in capsys.readouterr().out
    (folder / "more.txt").touch()
    assert run(["bundle", "verify", str(folder)]) == 1
    out = capsys.readouterr().out
    assert "more.txt" in out
    assert "extra" in out
    assert run(["bundle", "verify", str(folder), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["extra"] == ["more.txt"]


def test_a_licence_that_is_no_pair(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bundle", "seal", str(folder), "--licence", "mit"]) == 2
    assert "PATH=NAME" in capsys.readouterr().err


def test_push_says_what_the_profile_needs(
    folder: Path, recorder: Recorder, bucket: StackBucket, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = sealed(folder, capsys)
    assert run(["bundle", "push", str(folder), "-p", "2xh200", "-s", bucket.stack, "--part-mib", "5"]) == 0
    out = capsys.readouterr()
    assert f'[bundle]\nid = "{bundle}"\n' in out.out
    assert "uploaded: " in out.err
    assert run(["bundle", "push", str(folder), "-p", "2xh200", "-s", bucket.stack, "--part-mib", "5", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["uploaded"], report["bucket"]) == (0, bucket.name)


@pytest.mark.slow
def test_ctrl_c_in_the_middle_of_a_push_loses_nothing(
    folder: Path, recorder: Recorder, bucket: StackBucket, capsys: pytest.CaptureFixture[str]
) -> None:
    sealed(folder, capsys)
    reached, released = threading.Event(), threading.Event()

    def hold(seen: Seen) -> Answer | None:
        if seen.query.get("partNumber") == ["2"]:
            reached.set()
            released.wait(30)
        return None

    recorder.before = hold
    words = ["bundle", "push", str(folder), "-p", "2xh200", "-s", bucket.stack, "--part-mib", "5", "--connections", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", *words],
        cwd=ROOT,
        env=os.environ.copy(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert reached.wait(60)
        process.send_signal(signal.SIGINT)
        threading.Timer(0.5, released.set).start()
        _, told = process.communicate(timeout=60)
    finally:
        released.set()
        process.kill()
    assert process.returncode == 130, told
    assert "run the same command again" in told
    (begun,) = bucket.unfinished()
    assert bucket.parts(begun) == {1, 2}

    recorder.forget()
    assert run(words) == 0
    assert [one.query["partNumber"] for one in recorder.of("UploadPart")] == [["3"]]
    assert bucket.unfinished() == []


def test_what_credentials_may_not_do_is_named(
    folder: Path, recorder: Recorder, bucket: StackBucket, capsys: pytest.CaptureFixture[str]
) -> None:
    sealed(folder, capsys)
    recorder.before = lambda seen: DENIED if seen.operation == "PutObject" else None
    assert run(["bundle", "push", str(folder), "-p", "2xh200", "-s", bucket.stack, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "not_allowed"


def test_make_says_what_is_wrong_before_anything_is_fetched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make = ["bundle", "make", "--profile", "2xh200", "--out", str(tmp_path / "bundle")]
    assert run([*make, "--mirror", "noble"]) == 2
    assert "CODENAME=URL" in capsys.readouterr().err
    assert run([*make, "--codename", "jammy"]) == 1
    assert "3.10" in capsys.readouterr().err
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "thesis.txt").touch()
    assert run(make) == 1
    assert "thesis.txt" in capsys.readouterr().err


def test_weights_are_verified_against_what_was_fetched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["weights", "fetch", "llama-3.3-70b-instruct"]) == 2
    assert run(["weights", "fetch", "no-such-model"]) == 2
    capsys.readouterr()
    assert run(["weights", "verify", "gpt-oss-20b", "--out", str(tmp_path)]) == 1
    assert "deploy weights fetch" in capsys.readouterr().err
    good = {"path": "config.json", "size": 2, "sha256": hashlib.sha256(b"{}").hexdigest()}
    record = {"model": "m", "repository": "o/m", "revision": "c0ffee", "licence": "MIT", "files": [good]}
    (tmp_path / ".cloister-weights.json").write_text(json.dumps(record))
    (tmp_path / "config.json").write_text("{}")
    assert run(["weights", "verify", "gpt-oss-20b", "--out", str(tmp_path)]) == 0
    assert "c0ffee" in capsys.readouterr().out
    (tmp_path / "config.json").write_text("[]")
    assert run(["weights", "verify", "gpt-oss-20b", "--out", str(tmp_path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["changed"] == ["config.json"]
    assert run(["weights", "verify", "gpt-oss-20b", "--out", str(tmp_path)]) == 1
    assert "config.json" in capsys.readouterr().out
