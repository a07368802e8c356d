"""What a person is told when AWS stops a verb: what failed, what exists and costs, and what to run next."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from lifecycle.failing import in_words, missing_action, telling_what_exists, telling_which_call, what_exists
from lifecycle.profiles import load_profile
from planner.catalogue import load_catalogue
from planner.errors import DeployError
from planner.make_plan import Site, make_plan
from planner.plan import Plan
from planner.resources import Resource
from sandbox.engine.failures import ResourcesFailedError

PLAN = make_plan(load_profile("2xh200"), load_catalogue(), Site(stack="one"))
TYPE = PLAN.nodes[0].instance_type
URN = "urn:pulumi:s::cloister::cloister:Node$aws:ec2/instance:Instance::node-0"
OTHER = "urn:pulumi:s::cloister::aws:iam/role:Role::identity-role"
SMALLEST = '{"Effect": "Allow", "Action": "ec2:RunInstances", "Resource": "*"}'
UNPRICED = "1 of 2 nodes among them, whose price in USD per hour the catalogue does not know, were this AWS itself."
PASS_ROLE = "x is not authorized to perform: iam:PassRole on resource: y"


def refused(code: str, message: str = "said AWS", operation: str = "RunInstances") -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": message}}
    return ClientError(answer, operation)


def resource(kind: str, resource_id: str = "id-1") -> Resource:
    return Resource(type=kind, name="one", urn=f"urn::{kind}::{resource_id}", inputs={}, id=resource_id)


NODE, VPC = resource("aws:ec2/instance:Instance"), resource("aws:ec2/vpc:Vpc")


def priced(usd_per_hour: float | None, nodes: int = 2) -> Plan:
    cost = msgspec.structs.replace(PLAN.cost, usd_per_hour=usd_per_hour or 0.0, usd_per_hour_on_aws=usd_per_hour)
    return msgspec.structs.replace(PLAN, cost=cost, nodes=PLAN.nodes[:1] * nodes)


@pytest.mark.parametrize(
    ("code", "stable", "parts"),
    [
        (
            "UnauthorizedOperation",
            "not_allowed",
            [SMALLEST],
        ),
        ("RequestExpired", "credentials_expired", ["Sign in again", "aws sso login"]),
        ("VcpuLimitExceeded", "quota_exceeded", ["Service Quotas", TYPE, PLAN.network.region]),
        ("InsufficientInstanceCapacity", "no_capacity", ["deploy capacity find", TYPE]),
        ("InvalidParameterValue", "resource_failed", []),
    ],
)
def test_each_cause_has_its_remedy(code: str, stable: str, parts: list[str]) -> None:
    error = in_words({URN: refused(code)}, 3, PLAN, (VPC,), "up")
    assert error.message == f"aws:ec2/instance:Instance 'node-0' failed: {code}: said AWS"
    assert error.code == stable
    for part in (*parts, "3 resources that need it", "1 resources exist", "`deploy up` goes on", "`deploy down`"):
        assert part in error.hint


def test_of_several_the_one_with_an_answer_comes_first() -> None:
    error = in_words({OTHER: TimeoutError("waited"), URN: refused("VcpuLimitExceeded")}, 0, PLAN, (), "up")
    assert error.message.startswith("aws:ec2/instance:Instance 'node-0' failed: VcpuLimitExceeded")
    assert "also failed: aws:iam/role:Role 'identity-role'" in error.message


@pytest.mark.parametrize(
    ("plan", "resources", "told"),
    [
        (priced(80.0), (NODE, VPC), "1 of 2 nodes among them: 40.00 USD per hour."),
        (priced(80.0), (VPC,), "no node among them: less than 1 USD per hour."),
        (priced(None), (NODE,), UNPRICED),
        (priced(80.0), (), "no node among them: less than 1 USD per hour."),
    ],
)
def test_what_exists_costs(plan: Plan, resources: tuple[Resource, ...], told: str) -> None:
    assert what_exists(plan, resources) == f"{len(resources)} resources exist and are recorded, {told}"


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (
            refused("UnauthorizedOperation", "x is not authorized to perform: iam:PassRole on resource: y"),
            "iam:PassRole",
        ),
        (refused("UnauthorizedOperation"), "ec2:RunInstances"),
        (refused("AccessDenied", operation="CreateRole"), "iam:CreateRole"),
        (refused("AccessDeniedException", operation="CreateKey"), "kms:CreateKey"),
        (refused("AccessDenied", operation="PutBucketEncryption"), "s3:PutEncryptionConfiguration"),
        (refused("AccessDenied", operation="ListObjectVersions"), "s3:ListBucketVersions"),
    ],
)
def test_the_missing_action_is_named_as_policies_write_it(error: ClientError, action: str) -> None:
    assert missing_action(error) == action


class Engine:
    """An engine that knows one resource."""

    def resources(self) -> tuple[Resource, ...]:
        return (VPC,)


@pytest.mark.parametrize(("verb", "told"), [("up", "`deploy up` goes on"), ("down", "`deploy down` again")])
@pytest.mark.parametrize(
    "raised",
    [
        ResourcesFailedError("x", hint="", code="c", failures={URN: refused("RequestExpired")}, skipped=0),
        refused("RequestExpired"),
    ],
)
def test_whatever_stops_a_verb_is_told_in_words(verb: Any, told: str, raised: Exception) -> None:
    with pytest.raises(DeployError, match="RequestExpired") as stopped, telling_what_exists(PLAN, Engine(), verb):  # type: ignore[arg-type]  # only `resources` is asked
        raise raised
    assert told in stopped.value.hint
    assert "1 resources exist" in stopped.value.hint


def test_what_is_in_words_already_stays() -> None:
    with pytest.raises(DeployError, match=r"^mine$"), telling_what_exists(PLAN, Engine(), "up"):  # type: ignore[arg-type]  # as above
        raise DeployError("mine")


def test_a_refused_look_names_its_call() -> None:
    words = r"may not call ec2:DescribeRouteTables in eu-west-1"
    with pytest.raises(DeployError, match=words) as told, telling_which_call("eu-west-1"):
        raise refused("UnauthorizedOperation", operation="DescribeRouteTables")
    assert told.value.code == "not_allowed"
    assert '"Action": "ec2:DescribeRouteTables"' in told.value.hint


def test_an_account_that_does_not_answer_while_it_is_looked_at_is_told() -> None:
    with pytest.raises(DeployError, match="eu-west-1") as told, telling_which_call("eu-west-1"):
        raise EndpointConnectionError(endpoint_url="https://ec2")
    assert told.value.code == "aws_unreachable"
