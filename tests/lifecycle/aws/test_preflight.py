"""What a given network lacks room for is said before anything is made."""

from __future__ import annotations

import pytest

from lifecycle.aws.preflight import check_entrances
from lifecycle.aws.session import AwsSession
from planner.errors import DeployError
from planner.tags import STACK_TAG
from tests.sandbox.aws.account import REGION, Account
from tests.sandbox.aws.settings import lead_aws


def test_a_vpc_has_one_instance_connect_endpoint(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    lead_aws(monkeypatch, account.url)
    session = AwsSession(REGION)
    ec2 = session.ec2
    vpc, other = (ec2.create_vpc(CidrBlock="10.60.0.0/16")["Vpc"]["VpcId"] for _ in range(2))
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.60.1.0/24")["Subnet"]["SubnetId"]
    check_entrances(session, vpc, "mine")
    made = ec2.create_instance_connect_endpoint(
        SubnetId=subnet,
        TagSpecifications=[
            {"ResourceType": "instance-connect-endpoint", "Tags": [{"Key": STACK_TAG, "Value": "mine"}]}
        ],
    )["InstanceConnectEndpoint"]["InstanceConnectEndpointId"]
    check_entrances(session, vpc, "mine")
    check_entrances(session, other, "theirs")
    with pytest.raises(DeployError, match=made) as refused:
        check_entrances(session, vpc, "theirs")
    assert refused.value.code == "entrance_taken"
