"""Every request of a fresh `up`: as recorded, lawful to AWS's own models, tagged and repeatable."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session

from lifecycle.profiles import shipped_names
from tests.proofs.golden_requests import golden
from tests.proofs.lives import GIVEN, Life, fresh_up, profile_with
from tests.proofs.recorder import Call
from tests.proofs.service_model import faults
from tests.sandbox.aws.account import Account
from tests.stacks.test_life import spanning

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:pulumi_aws")]

GOLDEN = Path(__file__).parent / "golden"
LIVES = (*shipped_names(), GIVEN)
CREATES = ("Allocate", "Authorize", "Create", "Run", "Request")
TAG_MEMBERS = {"TagSpecifications", "Tags", "tags", "Tagging"}
TOKEN_MEMBERS = {"ClientToken", "CallerReference", "ClientRequestToken", "CreatorRequestId"}
TAGGED_BY_A_SECOND_CALL = {"route53:CreateHostedZone": "route53:ChangeTagsForResource"}
"""What cannot carry the stack's tags when it is made -> what gives it tags next."""

LifeOf = Callable[[str], Life]


def written(recorded: dict[str, Any]) -> str:
    return json.dumps(recorded, indent=1, sort_keys=True) + "\n"


def is_create(call: Call) -> bool:
    return call.operation.startswith(CREATES)


@pytest.mark.parametrize("profile", LIVES)
def test_a_fresh_up_sends_what_the_golden_list_says(profile: str, life_of: LifeOf) -> None:
    """Say `UPDATE_GOLDEN=1` to write the lists anew; the difference is what is to be reviewed."""
    recorded, path = written(golden(life_of(profile))), GOLDEN / f"{profile}.json"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text(recorded, encoding="utf-8")
    assert recorded == path.read_text(encoding="utf-8")


def test_every_golden_list_is_of_a_life_that_is_lived() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.json")) == sorted(LIVES)


@pytest.mark.parametrize("profile", LIVES)
def test_every_request_is_lawful_to_the_service_models(profile: str, life_of: LifeOf) -> None:
    calls = life_of(profile).calls
    assert len(calls) > (60 if profile == GIVEN else 100)
    assert [f"{call.name}{fault}" for call in calls for fault in faults(call)] == []


@pytest.mark.parametrize("profile", LIVES)
def test_whatever_is_made_carries_the_stacks_tags_and_a_token_that_makes_it_repeatable(
    profile: str, life_of: LifeOf
) -> None:
    calls = life_of(profile).calls
    sent = {call.name for call in calls}
    for call in filter(is_create, calls):
        assert call.model.input_shape is not None
        takes = set(call.model.input_shape.members)
        if call.name in TAGGED_BY_A_SECOND_CALL:
            assert TAGGED_BY_A_SECOND_CALL[call.name] in sent
        elif takes & TAG_MEMBERS or call.name == "s3:CreateBucket":  # a bucket's are within its configuration
            assert "cloister:resource" in json.dumps(call.parameters), f"{call.name} is sent without the stack's tags"
        if takes & TOKEN_MEMBERS:
            assert call.parameters.keys() & TOKEN_MEMBERS, f"{call.name} is sent without a token"


def test_a_node_is_launched_from_its_template_and_nothing_else(life_of: LifeOf) -> None:
    recorded = golden(life_of("2xh200"))
    (launch,) = (change["ec2:RunInstances"] for change in recorded["changes"] if "ec2:RunInstances" in change)
    assert launch == {
        "ClientToken": "<token>",
        "LaunchTemplate": {"LaunchTemplateId": "<node-0-template>", "Version": "1"},
        "MaxCount": 1,
        "MinCount": 1,
        "TagSpecifications": [{"ResourceType": "instance", "Tags": "tags of node-0"}],
    }


def template_of(life: Life) -> Any:
    (first, *_) = (
        change["ec2:CreateLaunchTemplate"]
        for change in golden(life)["changes"]
        if change.get("ec2:CreateLaunchTemplate", {}).get("LaunchTemplateName", "").endswith("node-0")
    )
    return first["LaunchTemplateData"]


TEMPLATE = {
    "BlockDeviceMappings": [
        {
            "DeviceName": "/dev/sda1",
            "Ebs": {
                "DeleteOnTermination": True,
                "Encrypted": True,
                "KmsKeyId": "arn:aws:kms:us-east-2:123456789012:key/<keys-key>",
                "VolumeSize": 200,
                "VolumeType": "gp3",
            },
        }
    ],
    "IamInstanceProfile": {"Name": "cloister-golden-node"},
    "ImageId": "<ami>",
    "InstanceType": "p5en.48xlarge",
    "MetadataOptions": {"HttpEndpoint": "enabled", "HttpPutResponseHopLimit": 1, "HttpTokens": "required"},
    "Monitoring": {"Enabled": True},
    "NetworkInterfaces": [
        {
            "AssociatePublicIpAddress": False,
            "DeleteOnTermination": True,
            "DeviceIndex": 0,
            "Groups": ["<groups-node>"],
            "InterfaceType": "interface",
            "NetworkCardIndex": 0,
            "SubnetId": "<network-private-a>",
        }
    ],
    "TagSpecifications": [
        {"ResourceType": kind, "Tags": "tags of node-0"} for kind in ("instance", "volume", "network-interface")
    ],
}
"""What a node's template says in full: moto would accept anything."""


def test_a_template_of_capacity_on_demand_in_full(life_of: LifeOf) -> None:
    assert template_of(life_of("2xh200")) == TEMPLATE


@pytest.fixture
def reserved(account: Account) -> str:
    """A reservation that the account holds."""
    made = (
        account.clients()
        .client("ec2")
        .create_capacity_reservation(
            InstanceType="p5en.48xlarge",
            InstancePlatform="Linux/UNIX",
            AvailabilityZone="us-east-2a",
            InstanceCount=1,
            InstanceMatchCriteria="targeted",
        )
    )
    return str(made["CapacityReservation"]["CapacityReservationId"])


def test_a_template_of_a_reservation_in_full(account: Account, reserved: str, tmp_path: Path) -> None:
    profile = profile_with("2xh200", capacity="reservation", reservation_id=reserved)
    life = fresh_up(profile, account, tmp_path)
    assert template_of(life) == {
        **TEMPLATE,
        "CapacityReservationSpecification": {
            "CapacityReservationPreference": "capacity-reservations-only",
            "CapacityReservationTarget": {"CapacityReservationId": "<cr>"},
        },
    }
    assert reserved in json.dumps([call.parameters for call in life.calls if call.operation == "CreateLaunchTemplate"])
    assert [fault for call in life.calls for fault in faults(call)] == []


def test_a_template_of_a_capacity_block_in_full(account: Account, tmp_path: Path) -> None:
    ec2 = account.clients().client("ec2")
    offered = ec2.describe_capacity_block_offerings(
        InstanceType="p5en.48xlarge", InstanceCount=1, CapacityDurationHours=24
    )["CapacityBlockOfferings"]
    bought = ec2.purchase_capacity_block(
        CapacityBlockOfferingId=offered[0]["CapacityBlockOfferingId"], InstancePlatform="Linux/UNIX"
    )["CapacityReservation"]["CapacityReservationId"]
    profile = profile_with("2xh200", capacity="capacity-block", reservation_id=bought)
    life = fresh_up(profile, account, tmp_path)
    assert template_of(life) == {
        **TEMPLATE,
        "CapacityReservationSpecification": {"CapacityReservationTarget": {"CapacityReservationId": "<cr>"}},
        "InstanceMarketOptions": {"MarketType": "capacity-block"},
    }
    assert bought in json.dumps([call.parameters for call in life.calls if call.operation == "CreateLaunchTemplate"])
    assert [fault for call in life.calls for fault in faults(call)] == []


def test_a_template_of_spot_capacity_in_full(account: Account, tmp_path: Path) -> None:
    said = template_of(fresh_up(profile_with("poc", capacity="spot", root_volume_gib=200), account, tmp_path))
    assert said["InstanceMarketOptions"] == {
        "MarketType": "spot",
        "SpotOptions": {"InstanceInterruptionBehavior": "terminate", "SpotInstanceType": "one-time"},
    }
    differing = {key for key in said if said[key] != TEMPLATE.get(key)}
    assert differing == {"InstanceMarketOptions", "InstanceType"}


@pytest.mark.parametrize(("host", "cards"), [("p5e.48xlarge", 32), ("p5en.48xlarge", 16)])
def test_a_template_of_nodes_that_a_replica_spans_in_full(
    host: str, cards: int, account: Account, tmp_path: Path
) -> None:
    life = fresh_up(profile_with("2xh200"), account, tmp_path, lambda plan: spanning(plan, host))
    efa = [
        {
            "DeleteOnTermination": True,
            "DeviceIndex": int(card == 0),
            "Groups": ["<groups-peers>"],
            "InterfaceType": "efa-only",
            "NetworkCardIndex": card,
            "SubnetId": "<network-private-a>",
        }
        for card in range(cards)
    ]
    (primary,) = TEMPLATE["NetworkInterfaces"]
    assert isinstance(primary, dict)
    # EC2 takes no word about public addresses beside a second interface.
    first = {key: value for key, value in primary.items() if key != "AssociatePublicIpAddress"}
    said = template_of(life)
    interfaces = [{**first, "Groups": ["<groups-node>", "<groups-peers>"]}, *efa]
    assert said["NetworkInterfaces"] == interfaces
    assert said["Placement"] == {"GroupName": "cloister-golden"}
    assert [fault for call in life.calls for fault in faults(call)] == []


@pytest.mark.parametrize(
    ("operation", "parameters", "told"),
    [
        ("RunInstances", {"MinCount": 1, "MaxCount": 1, "InstanceInitiatedShutdownBehavior": "halt"}, "is none of"),
        ("RunInstances", {"MinCount": 1}, "MaxCount"),
        ("RunInstances", {"MinCount": 1, "MaxCount": 1, "Spot": True}, "Spot"),
    ],
)
def test_an_unlawful_request_is_told(operation: str, parameters: dict[str, Any], told: str) -> None:
    model = Session().get_service_model("ec2").operation_model(operation)
    assert any(told in fault for fault in faults(Call("ec2", operation, parameters, model)))


def test_a_value_that_no_pattern_allows_is_told() -> None:
    model = Session().get_service_model("iam").operation_model("GetRole")
    (fault,) = faults(Call("iam", "GetRole", {"RoleName": "two words"}, model))
    assert "does not fit" in fault
