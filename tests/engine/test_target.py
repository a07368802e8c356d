"""The aws target's verbs with Pulumi's own engine: its life, and its repair after everything was killed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import parse_qs, unquote

import msgspec
import psutil
import pytest

from lifecycle import up_aws
from lifecycle.down import down
from lifecycle.home import Home, StackHome
from lifecycle.journal import read
from lifecycle.operator_policy.state import state_statements
from lifecycle.planning import Request
from lifecycle.pulumi_cli import BACKEND_VARIABLE
from lifecycle.pulumi_place import state_choice
from lifecycle.repair import repair
from lifecycle.stack import Stack
from lifecycle.up import up
from planner.errors import DeployError, LockedError
from planner.progress import Silent
from tests.engine.site import MARKS, Site
from tests.engine.target import install_plugin
from tests.sandbox.aws.account import Account
from tests.sandbox.aws.settings import lead_aws

pytestmark = [*MARKS, pytest.mark.timeout(300)]  # each starts the engine half a dozen times
ROOT = Path(__file__).parents[2]
REQUEST = Request(profile="2xh200", target="aws")


@pytest.fixture
def home(site: Site, monkeypatch: pytest.MonkeyPatch) -> StackHome:
    """A home that has the plugin, and credentials that lead to the emulated account."""
    lead_aws(monkeypatch, site.url)
    monkeypatch.setenv("CLOISTER_HOME", str(site.folder / "home"))
    monkeypatch.setattr(up_aws, "configure_nodes", lambda *_: ("a-model",))
    made = Home.of_user()
    install_plugin(made)
    return made.stack(site.stack)


def killed(stack: str, operations: int) -> None:
    command = [sys.executable, "-m", "tests.engine.target", stack, str(operations)]
    ran = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert ran.returncode == -9, ran.stderr


def of_the_stack(home: StackHome) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if str(home.folder) in process.environ().get(BACKEND_VARIABLE, ""):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_the_life_of_a_stack(site: Site, home: StackHome) -> None:
    report = up(home, REQUEST, Silent())
    assert (report.models, set(report.changes)) == (("a-model",), {"create"})
    assert set(site.tagged().values()) == {1}
    settings = (home.folder / "pulumi" / f"Pulumi.{site.stack}.yaml").read_text()
    assert '["123456789012"]' in settings, "the plugin itself is told the account"
    again = up(home, Request(), Silent())
    assert set(again.changes) == {"same"}
    gone = down(home, Silent())
    assert (gone.ok, site.tagged(), site.named()) == (True, {}, [])


def test_repair_after_everything_was_killed(site: Site, home: StackHome) -> None:
    killed(site.stack, 12)
    report = repair(home, Silent())
    assert report.engine == "pulumi"
    assert report.lock_released
    assert report.adopted or report.forgotten
    assert of_the_stack(home) == []
    steps = [entry.step for entry in read(home.journal)[0] if entry.verb == "repair" and entry.phase == "done"]
    assert "released a lock that nobody held" in steps
    done = sum(step.endswith("what was interrupted") for step in steps)
    assert done == len(report.adopted) + len(report.forgotten)
    known = {resource.id for resource in Stack.load(home).provisioner().resources()}
    own = [{"Name": "tag:cloister:stack", "Values": [site.stack]}]
    assert {vpc["VpcId"] for vpc in site.clients.client("ec2").describe_vpcs(Filters=own)["Vpcs"]} <= known

    nothing = repair(home, Silent())
    assert (nothing.lock_released, nothing.adopted, nothing.forgotten) == (False, (), ())
    up(home, Request(), Silent())
    assert set(site.tagged().values()) == {1}
    assert down(home, Silent()).ok
    assert (site.tagged(), site.named()) == ({}, [])


def test_settings_that_a_killed_run_never_wrote(site: Site, home: StackHome) -> None:
    up(home, REQUEST, Silent())
    settings = home.folder / "pulumi" / f"Pulumi.{site.stack}.yaml"
    for lost in (settings.unlink, lambda: settings.write_text("")):
        lost()
        assert repair(home, Silent()).engine == "pulumi"
    assert set(up(home, Request(), Silent()).changes) == {"same"}
    assert down(home, Silent()).ok


def test_a_missing_plugin_is_said_and_never_fetched(home: StackHome) -> None:
    plugin = next((home.home.pulumi / "plugins").glob("*/pulumi-resource-aws"))
    plugin.unlink()
    with pytest.raises(DeployError) as refused:
        up(home, REQUEST, Silent())
    assert refused.value.code == "plugin_missing"
    assert "deploy doctor" in refused.value.hint


def test_repair_refuses_another_account(home: StackHome) -> None:
    up(home, REQUEST, Silent())
    plan = Stack.load(home).plan
    other = msgspec.structs.replace(plan, account=msgspec.structs.replace(plan.account, number="210987654321"))
    home.plan.write_bytes(msgspec.json.encode(other))
    with pytest.raises(DeployError) as refused:
        repair(home, Silent())
    assert refused.value.code == "wrong_account"
    home.plan.write_bytes(msgspec.json.encode(plan))
    assert down(home, Silent()).ok


def asked_of_the_state(log: str, bucket: str) -> set[tuple[str, str]]:
    """Return (IAM action, object or listed prefix) of every request for the state's bucket; of the key, the action."""
    asked = {(f"kms:{operation}", "") for operation in re.findall(r" kms (Encrypt|Decrypt|GenerateDataKey) ", log)}
    for method, path, query in re.findall(rf" s3 (\w+) /{bucket}/?([^? ]*)\??(\S*) \d+ ", log):
        said = parse_qs(query, keep_blank_values=True)
        if path:
            action = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject"}[method]
            asked.add((f"s3:{action}", unquote(path)))
        elif method == "POST" and "delete" in said:
            asked.add(("s3:DeleteObject", "many at once"))
        else:
            asked.add((f"s3:{'ListBucket' if 'list-type' in said else method}", said.get("prefix", [""])[0]))
    return asked


def test_a_state_that_a_team_shares(site: Site, home: StackHome, account: Account) -> None:
    s3, kms = site.clients.client("s3"), site.clients.client("kms")
    bucket, alias = f"state-{site.stack}", f"alias/state-{site.stack}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": site.clients.region})
    kms.create_alias(AliasName=alias, TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
    query = f"region={site.clients.region}"
    choice = state_choice(f"s3://{bucket}/cloister?{query}&s3ForcePathStyle=true", f"awskms://{alias}?{query}")
    before = len(account.log.read_text())
    up(home, msgspec.structs.replace(REQUEST, state=choice), Silent())
    state = f"cloister/.pulumi/stacks/cloister/{site.stack}.json"
    assert json.loads(s3.get_object(Bucket=bucket, Key=state)["Body"].read())["version"]
    assert not (home.folder / "pulumi" / "state" / ".pulumi").exists()

    lock = f"cloister/.pulumi/locks/organization/cloister/{site.stack}/mate.json"
    s3.put_object(Bucket=bucket, Key=lock, Body=b'{"pid": 1, "username": "mate", "hostname": "other"}')
    with pytest.raises(LockedError) as locked:
        down(home, Silent())
    assert "--break-lock" in locked.value.hint
    assert set(site.tagged().values()) == {1}, "nothing is swept under the feet of whoever holds the lock"
    assert not repair(home, Silent()).lock_released
    assert repair(home, Silent(), break_lock=True).lock_released

    (home.folder / "pulumi" / f"Pulumi.{site.stack}.yaml").unlink()  # as on the machine of somebody else
    assert down(home, Silent()).ok
    assert site.tagged() == {}

    assert choice is not None
    listing, objects, sealing = state_statements(choice, "123456789012", site.clients.region)
    asked = asked_of_the_state(account.log.read_text()[before:], bucket)
    used = {action for action, _ in asked if not action.startswith("kms:Generate")}
    granted = {listing["Action"], *objects["Action"], *sealing["Action"]}
    assert used <= granted
    assert granted - used <= {"s3:AbortMultipartUpload"}, "nothing is granted that is not asked for"
    for action, what in asked:
        if action == "s3:ListBucket":
            assert fnmatchcase(what, listing["Condition"]["StringLike"]["s3:prefix"])
        elif action in objects["Action"]:
            assert fnmatchcase(f"arn:aws:s3:::{bucket}/{what}", objects["Resource"])
    kms.delete_alias(AliasName=alias)
