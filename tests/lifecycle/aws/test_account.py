"""Whose account it is, what it may run, and how refusals are told."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError, UnauthorizedSSOTokenError

from lifecycle.aws.account import check_account
from lifecycle.aws.errors import told
from lifecycle.aws.quotas import check_offered, check_quota, quota_of
from lifecycle.aws.session import AwsSession
from lifecycle.profiles import load_profile
from planner.catalogue import load_catalogue
from planner.errors import DeployError
from planner.make_plan import Site, make_plan
from planner.plan import NodePlan
from tests.lifecycle.aws.conftest import Stubs

pytestmark = pytest.mark.slow

CALLER = {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/ops", "UserId": "AIDA"}
RUNNING = {"Filters": [{"Name": "instance-state-name", "Values": ["pending", "running"]}]}


@pytest.fixture(scope="module")
def node() -> NodePlan:
    return make_plan(load_profile("2xh200"), load_catalogue(), Site(stack="case")).nodes[0]


@pytest.mark.parametrize("named", ["", "123456789012"])
def test_the_account_that_is_named(stubs: Stubs, named: str) -> None:
    stubs.sts.add_response("get_caller_identity", CALLER, {})
    caller = check_account(stubs.session, named)
    assert (caller.account, caller.region) == ("123456789012", "us-east-2")


def test_another_account(stubs: Stubs) -> None:
    stubs.sts.add_response("get_caller_identity", CALLER, {})
    with pytest.raises(DeployError) as refused:
        check_account(stubs.session, "210987654321")
    assert refused.value.code == "wrong_account"
    assert "123456789012" in refused.value.message
    assert "210987654321" in refused.value.message


def test_the_plans_region_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    session = AwsSession("eu-north-1")
    assert session.ec2.meta.endpoint_url == "https://ec2.eu-north-1.amazonaws.com"
    assert session.sts.meta.endpoint_url == "https://sts.eu-north-1.amazonaws.com"


@pytest.mark.parametrize(
    ("code", "told_code", "words"),
    [
        ("ExpiredToken", "credentials_expired", "Sign in again"),
        ("AccessDenied", "not_allowed", '{"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}'),
        ("InvalidClientTokenId", "bad_credentials", "Is us-east-2 enabled"),
        ("Throttling", "aws_refused", ""),
    ],
)
def test_refusals_of_aws(stubs: Stubs, code: str, told_code: str, words: str) -> None:
    stubs.sts.add_client_error("get_caller_identity", code, "said", http_status_code=403)
    with pytest.raises(DeployError) as refused:
        check_account(stubs.session, "")
    assert refused.value.code == told_code
    assert words in refused.value.hint


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NoCredentialsError(), "no_credentials"),
        (UnauthorizedSSOTokenError(), "credentials_expired"),
        (EndpointConnectionError(endpoint_url="https://sts"), "aws_unreachable"),
    ],
)
def test_refusals_of_the_sdk(error: Exception, code: str) -> None:
    with pytest.raises(DeployError) as refused, told("sts:GetCallerIdentity", "us-east-2"):
        raise error
    assert refused.value.code == code
    assert refused.value.hint


def test_settings_that_name_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "there-is-none")
    with pytest.raises(DeployError, match="there-is-none") as refused:
        check_account(AwsSession("us-east-2"), "")
    assert refused.value.code == "aws_settings"


@pytest.mark.parametrize(
    ("instance_type", "on_demand", "spot"),
    [
        ("p5en.48xlarge", "L-417A185B", "L-C4BD4855"),
        ("p4d.24xlarge", "L-417A185B", "L-7212CCBC"),
        ("p6-b200.48xlarge", "L-417A185B", None),
        ("g6e.2xlarge", "L-DB2E81BA", "L-3819A6DF"),
        ("m7i.large", "L-1216C47A", "L-34B43A08"),
        ("inf2.xlarge", None, None),
        ("trn1.32xlarge", None, None),
        ("hpc7a.96xlarge", None, None),
        ("dl1.24xlarge", None, None),
    ],
)
def test_quota_of_a_type(instance_type: str, on_demand: str | None, spot: str | None) -> None:
    codes = [getattr(quota_of(instance_type, spot=wanted), "code", None) for wanted in (False, True)]
    assert codes == [on_demand, spot]


def _answers(stubs: Stubs, code: str, limit: float, instances: list[dict[str, Any]]) -> None:
    asked = {"ServiceCode": "ec2", "QuotaCode": code}
    stubs.quotas.add_response("get_service_quota", {"Quota": {"QuotaCode": code, "Value": limit}}, asked)
    stubs.ec2.add_response("describe_instances", {"Reservations": [{"Instances": instances}]}, RUNNING)
    types = sorted({"p5en.48xlarge"} | {one["InstanceType"] for one in instances if one["InstanceType"][0] == "p"})
    said = [{"InstanceType": one, "VCpuInfo": {"DefaultVCpus": 192 if "48" in one else 96}} for one in types]
    stubs.ec2.add_response("describe_instance_types", {"InstanceTypes": said})


def test_a_quota_that_suffices(stubs: Stubs, node: NodePlan) -> None:
    others = [
        {"InstanceType": "p5en.48xlarge"},
        {"InstanceType": "g6e.2xlarge"},
        {"InstanceType": "p5en.48xlarge", "InstanceLifecycle": "capacity-block"},
    ]
    _answers(stubs, "L-417A185B", 384.0, others)
    use = check_quota(stubs.session, (node,))
    assert use is not None
    assert (use.limit, use.running, use.wanted) == (384, 192, 192)


def test_a_quota_that_is_too_low(stubs: Stubs, node: NodePlan) -> None:
    _answers(stubs, "L-417A185B", 383.0, [{"InstanceType": "p5en.48xlarge"}])
    with pytest.raises(DeployError) as refused:
        check_quota(stubs.session, (node,))
    assert "L-417A185B (Running On-Demand P instances) is 383 in us-east-2, and 192 are in use" in refused.value.message
    assert "at least 384" in refused.value.hint
    assert "/servicequotas/home/services/ec2/quotas/L-417A185B" in refused.value.hint
    assert refused.value.code == "quota_too_low"


def test_spot_has_a_quota_of_its_own(stubs: Stubs, node: NodePlan) -> None:
    _answers(stubs, "L-C4BD4855", 0.0, [{"InstanceType": "p5en.48xlarge"}])
    with pytest.raises(DeployError, match="All P5 Spot Instance Requests"):
        check_quota(stubs.session, (msgspec.structs.replace(node, capacity="spot"),))


@pytest.mark.parametrize("capacity", ["reservation", "capacity-block"])
def test_reserved_capacity_takes_nothing_of_a_quota(stubs: Stubs, node: NodePlan, capacity: str) -> None:
    assert check_quota(stubs.session, (msgspec.structs.replace(node, capacity=capacity),)) is None


def test_quota_in_the_emulated_account(emulated: AwsSession, node: NodePlan) -> None:
    use = check_quota(emulated, (node,))
    assert use is not None
    assert (use.limit, use.wanted) == (768, 192)
    with pytest.raises(DeployError, match="L-417A185B"):
        check_quota(emulated, (node,) * 5)


def test_zones_that_offer_a_type(emulated: AwsSession) -> None:
    check_offered(emulated, "p5en.48xlarge", ("us-east-2a", "us-east-2c"))
    with pytest.raises(DeployError, match="is not offered in us-east-2z") as refused:
        check_offered(emulated, "p5en.48xlarge", ("us-east-2a", "us-east-2z"))
    assert "us-east-2a, us-east-2b, us-east-2c" in refused.value.hint


def test_zone_offerings_are_asked_for_in_full(stubs: Stubs) -> None:
    asked = {
        "LocationType": "availability-zone",
        "Filters": [{"Name": "instance-type", "Values": ["p5e.48xlarge"]}],
    }
    stubs.ec2.add_response("describe_instance_type_offerings", {"InstanceTypeOfferings": []}, asked)
    with pytest.raises(DeployError) as refused:
        check_offered(stubs.session, "p5e.48xlarge", ("us-east-2a",))
    assert "No zone does" in refused.value.hint
