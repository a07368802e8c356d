"""All that `up`, `verify` and `down` may ask of an account: made, made again, changed, crashed, lost, taken away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from lifecycle import sweep
from lifecycle.aws.account import check_account
from lifecycle.aws.capacity import describe
from lifecycle.aws.quotas import check_offered, check_quota
from lifecycle.aws.session import AwsSession
from lifecycle.exposure.verb import prove_account
from lifecycle.provision import Provisioner
from planner.profile import Profile
from sandbox.handlers.registry import default_registry
from tests.proofs.lives import STACK, Change, provisioner, same
from tests.proofs.recorder import recording
from tests.sandbox.aws.account import Account


def whole_life(profile: Profile, account: Account, folder: Path, change: Change = same) -> dict[str, set[str]]:
    """Return the operations that each verb was seen to call."""
    made = provisioner(profile, account, folder / "first", change)
    seen = {
        "up": operations(lambda: _up(made, account)),
        "verify": operations(lambda: _verify(made)),
    }
    _fill(made)
    seen["down"] = operations(made.destroy)
    lost = provisioner(profile, account, folder / "lost", change)
    lost.up()
    _fill(lost)
    seen["down"] |= operations(lambda: _sweep(lost))
    lost.destroy()
    return seen


def operations(work: Callable[[], object]) -> set[str]:
    """Return what is called while something is done."""
    with recording() as calls:
        work()
    return {call.name for call in calls}


def _up(made: Provisioner, account: Account) -> None:
    """Check what is checked beforehand; make, find unchanged, change in place, and find what a crash left."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("ENDPOINT_URL", account.url), ("ACCESS_KEY_ID", "id"), ("SECRET_ACCESS_KEY", "key")):
            patch.setenv(f"AWS_{name}", value)
        session, node = AwsSession(made.plan.network.region), made.plan.nodes[0]
        check_account(session, "")
        check_offered(session, node.instance_type, tuple(subnet.zone for subnet in made.plan.network.subnets))
        check_quota(session, made.plan.nodes)
        if node.reservation_id:
            describe(session, node.reservation_id)
    made.up()
    made.up()
    made.plan = msgspec.structs.replace(made.plan, tags={**made.plan.tags, "added": "later"})
    made.up()
    registry, clients = default_registry(), made.clients()
    for resource in made.resources():
        if resource.id:
            registry[resource.type].find(clients, dict(resource.inputs))


def _verify(made: Provisioner) -> None:
    (vpc,) = (resource.id for resource in made.resources() if resource.type == "aws:ec2/vpc:Vpc")
    prove_account(made.clients(), vpc, made.plan)


def _fill(made: Provisioner) -> None:
    """Put a bundle into the bucket, and begin another one: others do that, and deleting the bucket has to face it."""
    bucket = next(resource.id for resource in made.resources() if resource.type == "aws:s3/bucket:Bucket")
    s3 = made.clients().client("s3")
    s3.put_object(Bucket=bucket, Key="manifest.json", Body=b"{}")
    s3.create_multipart_upload(Bucket=bucket, Key="weights")


def _sweep(lost: Provisioner) -> None:
    """Delete what no state knows."""
    for _ in range(2):
        sweep.delete(lost.clients(), sweep.tagged(lost.clients(), STACK))
