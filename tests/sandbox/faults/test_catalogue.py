"""The faults as they are written down: each can happen, and says what it must."""

from __future__ import annotations

import fnmatch
from functools import cache

import botocore.session
import pytest

from sandbox.faults.catalogue import Fault, changes, load_faults
from sandbox.handlers.registry import default_registry

pytestmark = pytest.mark.slow

FAULTS = load_faults()
SERVICES = {
    "ec2": "ec2", "iam": "iam", "kms": "kms", "logs": "logs", "secretsmanager": "secretsmanager", "ssm": "ssm",
    "tagging": "resourcegroupstaggingapi",
}  # fmt: skip


@cache
def operations() -> tuple[str, ...]:
    session = botocore.session.Session()
    return tuple(
        f"{sign}:{name}"
        for sign, model in SERVICES.items()
        for name in session.get_service_model(model).operation_names
    )


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_can_happen(fault: Fault) -> None:
    assert (fault.does == "refuse") == bool(fault.code and fault.message)
    assert (fault.does == "by hand") == (fault.by_hand is not None)
    assert fault.stops == bool(fault.says), "whoever is stopped is told why"
    for pattern in fault.operations:
        assert any(fnmatch.fnmatchcase(name, pattern) for name in operations()), pattern
    if fault.each:
        assert "*" not in fault.operations or fault.changes_only
    if fault.by_hand is not None:
        assert fault.by_hand.resource in default_registry()
        client = botocore.session.Session().create_client(fault.by_hand.service, region_name="us-east-2")
        assert callable(getattr(client, fault.by_hand.call))


def test_the_faults_that_were_asked_for_are_there() -> None:
    codes = {fault.code for fault in FAULTS.values()}
    assert codes >= {
        "AccessDeniedException", "DependencyViolation", "InsufficientInstanceCapacity", "InternalError",
        "RequestExpired", "RequestLimitExceeded", "ThrottlingException", "UnauthorizedOperation", "VcpuLimitExceeded",
    }  # fmt: skip
    assert {fault.does for fault in FAULTS.values()} == {"refuse", "reset", "lose", "hang", "hang after", "by hand"}
    assert {fault.during for fault in FAULTS.values()} == {"up", "down"}


@pytest.mark.parametrize(
    ("call", "changed"),
    [("ec2:DescribeVpcs", False), ("s3:HeadBucket", False), ("s3:ListBuckets", False), ("tagging:GetResources", False),
     ("ec2:CreateVpc", True), ("iam:PutRolePolicy", True), ("ec2:RunInstances", True),
     ("kms:ScheduleKeyDeletion", True)],
)  # fmt: skip
def test_what_changes_is_told_by_name(call: str, changed: bool) -> None:
    assert changes(call) is changed
