"""`deploy sweep` as a person runs it: their own credentials, one region, nothing deleted unless agreed to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.main import run
from sandbox.handlers.clients import Boto3Clients
from tests.lifecycle.sweeping.makers import Maker
from tests.sandbox.aws.account import Account, account, clients
from tests.sandbox.aws.settings import lead_aws

__all__ = ["account", "clients"]
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def own_credentials(account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    lead_aws(monkeypatch, account.url)
    monkeypatch.setenv("CLOISTER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(["sweep", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_lost_stack_is_found_then_deleted(
    clients: Boto3Clients, own_credentials: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    region = "eu-north-1"  # where no other test makes anything
    there = Boto3Clients(clients.endpoint_url, region)
    code, out, _ = call(capsys, "--all-stacks", "--region", region, "--json")
    assert (code, json.loads(out)["ok"]) == (0, True)
    tags = {"cloister:stack": "lost"}
    lost, key = there.client("ec2"), Maker(there.client, "lost", tags).kms_key()
    address = lost.allocate_address(
        Domain="vpc",
        TagSpecifications=[{"ResourceType": "elastic-ip", "Tags": [{"Key": "cloister:stack", "Value": "lost"}]}],
    )["AllocationId"]
    stranger = lost.allocate_address(Domain="vpc")["AllocationId"]

    code, out, _ = call(capsys, "--all-stacks", "--region", region, "--json")
    report = json.loads(out)
    assert (code, report["ok"], report["region"]) == (5, False, region)
    (stack,) = report["stacks"]
    assert {(one["kind"], one["id"], one["usd_per_month"]) for one in stack["things"]} == {
        ("elastic-ip", address, 3.65),
        ("kms-key", key, 1.0),
    }
    code, out, _ = call(capsys, "--all-stacks", "--region", region)
    assert code == 5
    assert "2 things are left, 4.65 USD/month" in out

    code, _, err = call(capsys, "--all-stacks", "--region", region, "--delete")
    assert (code, "nothing is deleted without being agreed to" in err) == (2, True)
    assert address in {one["AllocationId"] for one in lost.describe_addresses()["Addresses"]}

    code, out, _ = call(capsys, "--all-stacks", "--region", region, "--delete", "--yes", "--json")
    report = json.loads(out)
    assert (code, report["ok"]) == (0, True)
    assert [one["id"] for one in report["swept"][0]["scheduled"]] == [key]
    assert [one["AllocationId"] for one in lost.describe_addresses()["Addresses"]] == [stranger]
    (certificate,) = report["certificates"]
    assert Path(certificate).parent == own_credentials / "archive"
    assert "Nothing is left." in Path(certificate).with_suffix(".md").read_text()
    code, out, _ = call(capsys, "--stack", "lost", "--region", region)
    assert code == 0
    assert "nothing is left" in out
    assert f"kms-key {key} cannot be used any more, and is gone on" in out
    lost.release_address(AllocationId=stranger)
