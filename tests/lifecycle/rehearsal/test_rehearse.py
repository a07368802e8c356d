"""Rehearsals as a user runs them: processes of their own, a real account behind the faults, nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import msgspec
import psutil
import pytest

from lifecycle.profiles import shipped_names
from lifecycle.rehearsal.records import RehearsalReport, Run
from lifecycle.rehearsal.rehearse import Wish, rehearse
from planner.errors import UsageError
from planner.progress import Silent
from sandbox.faults.catalogue import changes, load_faults

PROFILE = "2xh200"
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("wish", "code", "told"),
    [
        (Wish(profile=PROFILE, faults=("thunder",)), "unknown_fault", "response-lost"),
        (Wish(profile="none-such"), "unknown_profile", "deploy profiles"),
    ],
)
def test_what_cannot_be_rehearsed_is_said_before_anything_is_loaded(wish: Wish, code: str, told: str) -> None:
    with pytest.raises(UsageError) as refused:
        rehearse(wish, Silent())
    assert refused.value.code == code
    assert told in refused.value.hint


def failures(report: RehearsalReport) -> list[Run]:
    return [run for run in report.runs if not run.ok or run.leftovers]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_few_faults_at_calls_of_their_own() -> None:
    faults = ("response-lost@RunInstances", "response-lost@CreateVpc", "no-capacity", "credentials-expired@40")
    report = rehearse(Wish(profile=PROFILE, faults=faults, nodes=2), Silent())
    assert failures(report) == []
    assert (report.nodes, report.up_calls > 100, report.down_calls > 50) == (2, True, True)
    assert [(run.fault, run.outcome) for run in report.runs] == [
        ("none", "went on"),
        ("response-lost", "went on"),
        ("response-lost", "went on"),
        ("no-capacity", "stopped"),
        ("credentials-expired", "stopped"),
    ]
    assert "InsufficientInstanceCapacity" in report.runs[3].message
    with pytest.raises(UsageError, match="has no call 'CreateMoon'"):
        rehearse(Wish(profile=PROFILE, faults=("response-lost@CreateMoon",)), Silent())


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_fault_ends_with_nothing_left() -> None:
    report = rehearse(Wish(profile=PROFILE), Silent())
    assert failures(report) == []
    assert {run.fault for run in report.runs} == {"none", *load_faults()}
    assert [run for run in report.runs if run.outcome == "not reached"] == []


DEADLINE = Wish(profile="poc", ttl="8h")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_stack_with_a_deadline_is_made_again_and_ends_with_nothing_left() -> None:
    lost = tuple(
        f"response-lost@{call}"
        for call in ("CreateAutoScalingGroup", "PutScheduledUpdateGroupAction", "SetDesiredCapacity")
    )
    faults = (*lost, "instance-terminated-by-hand", "internal-error")
    report = rehearse(msgspec.structs.replace(DEADLINE, faults=faults), Silent())
    assert failures(report) == []
    assert [run.outcome for run in report.runs] == ["went on", *["went on"] * len(lost), "repaired", "went on"]
    assert "node-0 does not run" in report.runs[-2].message


GOLDEN = ROOT / "tests/proofs/golden"
GIVEN = ROOT / "tests/proofs/given.toml"
"""A company's own network, by ids that no emulated account has."""
LIVES = {
    PROFILE: (Wish(profile=PROFILE), {"ec2:CreateVpc", "ec2:RunInstances", "s3:CreateBucket", "ec2:DeleteVpc"}),
    "deadline": (
        DEADLINE,
        {
            "autoscaling:CreateAutoScalingGroup",
            "autoscaling:PutScheduledUpdateGroupAction",
            "autoscaling:SetDesiredCapacity",
            "autoscaling:UpdateAutoScalingGroup",
            "autoscaling:DeleteAutoScalingGroup",
        },
    ),
    "given-network": (Wish(profile=str(GIVEN)), {"ec2:CreateSecurityGroup", "ec2:RunInstances", "kms:CreateKey"}),
}
"""A life, and changes that it is to be killed at."""


@pytest.mark.parametrize("profile", shipped_names())
def test_every_shipped_life_makes_the_changes_of_the_one_that_is_killed(profile: str) -> None:
    """The lists of what a fresh `up` sends are held against what it does send: kills of one life are those of all."""
    assert changes_of(profile) == changes_of(PROFILE)


def changes_of(profile: str) -> Counter[str]:
    """Return what a fresh `up` changes, by the names that the emulated account gives requests."""
    recorded = json.loads((GOLDEN / f"{profile}.json").read_text(encoding="utf-8"))
    # A request does not tell which of the two operations it is, which have one path and one body.
    same = {"s3:PutBucketLifecycleConfiguration": "s3:PutBucketLifecycle"}
    return Counter(same.get(call, call) for change in recorded["changes"] for call in change)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("life", LIVES)
def test_killed_at_every_call_of_up_and_of_down_nothing_is_left(life: str) -> None:
    """All calls, not a sample; `same_as` names the run that stands for another one, which left just the same."""
    wish, some = LIVES[life]
    report = rehearse(msgspec.structs.replace(wish, kill_each_call=True), Silent())
    assert failures(report) == []
    kills = [run for run in report.runs if run.fault != "none"]
    assert {run.outcome for run in kills} == {"killed"}
    before, after = (
        {(run.during, run.at) for run in kills if run.fault == fault} for fault in ("killed-before", "killed-after")
    )
    # What is waited for is asked for as often as it takes: a life that halts at every call asks less often.
    for verb, calls in (("up", report.up_calls), ("down", report.down_calls)):
        assert len([at for during, at in before if during == verb]) >= 0.75 * calls
    # Changes do not differ from life to life.
    if (GOLDEN / f"{life}.json").exists():
        assert Counter(at.partition("#")[0] for verb, at in after if verb == "up") == changes_of(life)
    assert after == {(verb, at) for verb, at in before if changes(at)}
    assert some <= {at.partition("#")[0] for _, at in after}
    own = {f"{run.fault} {run.at}" for run in kills if not run.same_as}
    assert {run.same_as for run in kills if run.same_as} <= own
    # Each change leaves what no other has left.
    assert len(own) > len(after)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_ctrl_c_and_worse_leave_no_process(ending: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cli", "rehearse", "--profile", PROFILE, "--kill-each-call"]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "nothing goes wrong" in line:
                break
        below = psutil.Process(process.pid).children(recursive=True)
        assert below
        process.send_signal(ending)
        process.wait(timeout=60)
        deadline = time.monotonic() + 30
        while [one for one in below if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]:
            assert time.monotonic() < deadline, "processes stayed behind"
            time.sleep(0.1)
        said = process.stderr.read()
        process.stderr.close()
    assert process.returncode == (130 if ending is signal.SIGINT else -signal.SIGKILL)
    if ending is signal.SIGINT:
        assert list(tmp_path.glob("cloister-rehearsal-*")) == []
        assert "the rehearsal did not end" in said
        assert "deploy down" not in said
