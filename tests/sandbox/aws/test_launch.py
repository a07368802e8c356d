"""RunInstances: what a template says is done, and what AWS would refuse is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws.images import IMAGES
from tests.sandbox.aws.network import Network, code_of, until

IMAGE = IMAGES[0].id
EFA_CARDS = {"p5e.48xlarge": 32, "p5en.48xlarge": 16}


def _run(network: Network, **arguments: Any) -> dict[str, Any]:
    defaults = {"ImageId": IMAGE, "InstanceType": "g6e.xlarge", "MinCount": 1, "MaxCount": 1}
    if not {"NetworkInterfaces", "LaunchTemplate"} & arguments.keys():
        defaults["SubnetId"] = network.subnet_id
    if "LaunchTemplate" in arguments:
        defaults = {"MinCount": 1, "MaxCount": 1}
    made: dict[str, Any] = network.ec2.run_instances(**{**defaults, **arguments})["Instances"][0]
    return made


def _describe(network: Network, instance_id: str) -> dict[str, Any]:
    found = network.ec2.describe_instances(InstanceIds=[instance_id])
    one: dict[str, Any] = found["Reservations"][0]["Instances"][0]
    return one


def _cards(network: Network, instance_type: str, group: str) -> list[dict[str, Any]]:
    """Return a plain primary interface, and an EFA-only one for every card."""

    def nic(card: int, device: int, kind: str) -> dict[str, Any]:
        place = {"NetworkCardIndex": card, "DeviceIndex": device, "InterfaceType": kind}
        return {**place, "SubnetId": network.subnet_id, "Groups": [group]}

    others = [nic(card, 0, "efa-only") for card in range(1, EFA_CARDS[instance_type])]
    return [nic(0, 0, "interface"), nic(0, 1, "efa-only"), *others]


@pytest.mark.parametrize("instance_type", sorted(EFA_CARDS))
def test_everything_in_a_template_is_done(network: Network, instance_type: str) -> None:
    ec2, group = network.ec2, network.group()
    ec2.create_placement_group(GroupName=network.name, Strategy="cluster")
    ec2.create_launch_template(
        LaunchTemplateName=network.name,
        LaunchTemplateData={
            "ImageId": IMAGE,
            "InstanceType": instance_type,
            "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
            "NetworkInterfaces": _cards(network, instance_type, group),
            "Placement": {"GroupName": network.name},
            "BlockDeviceMappings": [
                {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 500, "VolumeType": "gp3", "Encrypted": True}}
            ],
            "DisableApiTermination": True,
            "TagSpecifications": [
                *network.tagged("instance"),
                *network.tagged("volume"),
                *network.tagged("network-interface"),
            ],
        },
    )
    made = _run(network, LaunchTemplate={"LaunchTemplateName": network.name})
    assert made["State"]["Name"] == "pending"
    until(lambda: _describe(network, made["InstanceId"])["State"]["Name"] == "running")
    seen = _describe(network, made["InstanceId"])

    interfaces = seen["NetworkInterfaces"]
    assert len(interfaces) == EFA_CARDS[instance_type] + 1
    places = [(one["Attachment"]["NetworkCardIndex"], one["Attachment"]["DeviceIndex"]) for one in interfaces]
    assert places == [(0, 0), (0, 1), *((card, 0) for card in range(1, EFA_CARDS[instance_type]))]
    assert [one["InterfaceType"] for one in interfaces] == ["interface"] + ["efa-only"] * EFA_CARDS[instance_type]
    assert [bool(one.get("PrivateIpAddress")) for one in interfaces] == [True] + [False] * EFA_CARDS[instance_type]
    assert {one["GroupId"] for nic in interfaces for one in nic["Groups"]} == {group}
    assert seen["MetadataOptions"]["HttpTokens"] == "required"
    assert seen["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
    assert (seen["SubnetId"], seen["Placement"]["GroupName"]) == (network.subnet_id, network.name)
    by_tag = [{"Name": "tag:cloister:stack", "Values": [network.name]}]
    (volume,) = ec2.describe_volumes(Filters=by_tag)["Volumes"]
    assert (volume["Size"], volume["VolumeType"], volume["Encrypted"]) == (500, "gp3", True)
    assert len(ec2.describe_network_interfaces(Filters=by_tag)["NetworkInterfaces"]) == len(interfaces)

    with pytest.raises(ClientError) as refusal:
        ec2.terminate_instances(InstanceIds=[made["InstanceId"]])
    assert code_of(refusal.value) == "OperationNotPermitted"
    ec2.modify_instance_attribute(InstanceId=made["InstanceId"], DisableApiTermination={"Value": False})
    ec2.terminate_instances(InstanceIds=[made["InstanceId"]])
    until(lambda: _describe(network, made["InstanceId"])["State"]["Name"] == "terminated")
    assert network.interfaces() == []
    assert ec2.describe_volumes(Filters=by_tag)["Volumes"] == []
    ec2.delete_placement_group(GroupName=network.name)
    ec2.delete_launch_template(LaunchTemplateName=network.name)


def test_the_request_wins_over_the_template(network: Network) -> None:
    network.ec2.create_launch_template(
        LaunchTemplateName=network.name,
        LaunchTemplateData={"ImageId": IMAGE, "InstanceType": "g6e.xlarge", "UserData": "dGVtcGxhdGU="},
    )
    template = {"LaunchTemplateName": network.name}
    made = _run(network, LaunchTemplate=template, InstanceType="g6e.12xlarge", SubnetId=network.subnet_id)
    assert made["InstanceType"] == "g6e.12xlarge"
    data = network.ec2.describe_instance_attribute(InstanceId=made["InstanceId"], Attribute="userData")
    assert data["UserData"]["Value"] == "dGVtcGxhdGU="
    marks = {tag["Key"]: tag["Value"] for tag in made["Tags"]}
    assert marks["aws:ec2launchtemplate:version"] == "1"
    network.ec2.delete_launch_template(LaunchTemplateName=network.name)


def test_a_root_volume_is_always_there_and_goes_with_its_instance(network: Network) -> None:
    made = _run(network, BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 10}}])
    devices = {one["DeviceName"]: one["Ebs"]["DeleteOnTermination"] for one in made["BlockDeviceMappings"]}
    assert devices == {"/dev/sda1": True, "/dev/sdf": False}


NIC = {"DeviceIndex": 0, "SubnetId": "(subnet)"}
CR = {"CapacityReservationTarget": {"CapacityReservationId": "cr-0123456789abcdef0"}}
REFUSED = {
    "type-that-does-not-exist": ({"InstanceType": "p5e.4xlarge"}, "InvalidParameterValue"),
    "type-that-is-not-in-the-region": ({"InstanceType": "p4de.24xlarge"}, "InvalidParameterValue"),
    "no-type": ({"InstanceType": ""}, "MissingParameter"),
    "image-that-does-not-exist": ({"ImageId": "ami-0123456789abcdef0"}, "InvalidAMIID.NotFound"),
    "subnet-that-does-not-exist": ({"SubnetId": "subnet-0123456789abcdef0"}, "InvalidSubnetID.NotFound"),
    "group-that-does-not-exist": ({"SecurityGroupIds": ["sg-0123456789abcdef0"]}, "InvalidGroup.NotFound"),
    "placement-group-that-does-not-exist": ({"Placement": {"GroupName": "nobody"}}, "InvalidPlacementGroup.Unknown"),
    "another-zone": ({"Placement": {"AvailabilityZone": "us-east-2b"}}, "InvalidParameterValue"),
    "template-that-does-not-exist": (
        {"LaunchTemplate": {"LaunchTemplateId": "lt-0123456789abcdef0"}},
        "InvalidLaunchTemplateId.NotFound",
    ),
    "subnet-beside-interfaces": ({"SubnetId": "(subnet)", "NetworkInterfaces": [NIC]}, "InvalidParameterCombination"),
    "no-primary-interface": ({"NetworkInterfaces": [{**NIC, "DeviceIndex": 1}]}, "InvalidParameterValue"),
    "primary-without-addresses": (
        {"InstanceType": "p5en.48xlarge", "NetworkInterfaces": [{**NIC, "InterfaceType": "efa-only"}]},
        "InvalidParameterValue",
    ),
    "two-interfaces-at-one-place": ({"NetworkInterfaces": [NIC, NIC]}, "InvalidParameterValue"),
    "card-that-does-not-exist": (
        {"InstanceType": "p5en.48xlarge", "NetworkInterfaces": [NIC, {**NIC, "NetworkCardIndex": 16}]},
        "InvalidParameterValue",
    ),
    "efa-where-there-is-none": (
        {"NetworkInterfaces": [NIC, {**NIC, "DeviceIndex": 1, "InterfaceType": "efa-only"}]},
        "AttachmentLimitExceeded",
    ),
    "public-address-with-several-interfaces": (
        {"NetworkInterfaces": [{**NIC, "AssociatePublicIpAddress": True}, {**NIC, "DeviceIndex": 1}]},
        "InvalidParameterCombination",
    ),
    "block-without-its-reservation": (
        {"InstanceMarketOptions": {"MarketType": "capacity-block"}},
        "InvalidParameterCombination",
    ),
    "reservation-that-does-not-exist": (
        {"CapacityReservationSpecification": CR},
        "InvalidCapacityReservationId.NotFound",
    ),
    "reserved-capacity-alone-where-there-is-none": (
        {"CapacityReservationSpecification": {"CapacityReservationPreference": "capacity-reservations-only"}},
        "ReservationCapacityExceeded",
    ),
    "beyond-the-quota": ({"InstanceType": "p5en.48xlarge", "MinCount": 5, "MaxCount": 5}, "VcpuLimitExceeded"),
    "dry-run": ({"DryRun": True}, "DryRunOperation"),
}


def _place(value: Any, subnet_id: str) -> Any:
    """Put the test's own subnet into a case."""
    if isinstance(value, dict):
        return {name: _place(inner, subnet_id) for name, inner in value.items()}
    if isinstance(value, list):
        return [_place(inner, subnet_id) for inner in value]
    return subnet_id if value == "(subnet)" else value


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_launches_that_aws_refuses(network: Network, name: str) -> None:
    arguments, code = REFUSED[name]
    with pytest.raises(ClientError) as refusal:
        _run(network, **_place(arguments, network.subnet_id))
    assert code_of(refusal.value) == code
    assert network.interfaces() == []


def test_a_group_of_another_network_is_refused(network: Network) -> None:
    other = Network(network.ec2)
    with pytest.raises(ClientError) as refusal:
        _run(network, SecurityGroupIds=[other.group()])
    assert code_of(refusal.value) == "InvalidParameter"
    other.clear()


def test_a_type_that_is_not_in_the_zone_is_refused(network: Network) -> None:
    """g7e.8xlarge is offered in two of the region's three zones."""
    elsewhere = network.subnet("10.0.3.0/24", "us-east-2c")
    with pytest.raises(ClientError) as refusal:
        _run(network, InstanceType="g7e.8xlarge", SubnetId=elsewhere)
    assert code_of(refusal.value) == "Unsupported"
    assert _run(network, InstanceType="g7e.8xlarge")["InstanceType"] == "g7e.8xlarge"


def test_a_reservation_is_used_up_and_given_back(network: Network) -> None:
    ec2 = network.ec2
    made = ec2.create_capacity_reservation(
        InstanceType="p5en.48xlarge",
        InstancePlatform="Linux/UNIX",
        AvailabilityZone="us-east-2a",
        InstanceCount=1,
        InstanceMatchCriteria="targeted",
    )["CapacityReservation"]
    reservation_id = made["CapacityReservationId"]
    target = {"CapacityReservationTarget": {"CapacityReservationId": reservation_id}}

    def free() -> int:
        found = ec2.describe_capacity_reservations(CapacityReservationIds=[reservation_id])
        return int(found["CapacityReservations"][0]["AvailableInstanceCount"])

    instance = _run(network, InstanceType="p5en.48xlarge", CapacityReservationSpecification=target)
    assert instance["CapacityReservationId"] == reservation_id
    assert free() == 0
    for arguments, code in (
        ({"InstanceType": "p5en.48xlarge"}, "ReservationCapacityExceeded"),
        ({"InstanceType": "p5e.48xlarge"}, "InvalidParameterValue"),
        (
            {"InstanceType": "p5en.48xlarge", "InstanceMarketOptions": {"MarketType": "capacity-block"}},
            "InvalidParameterValue",
        ),
    ):
        with pytest.raises(ClientError) as refusal:
            _run(network, CapacityReservationSpecification=target, **arguments)
        assert code_of(refusal.value) == code
    ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
    until(lambda: free() == 1)
    ec2.cancel_capacity_reservation(CapacityReservationId=reservation_id)
    with pytest.raises(ClientError) as refusal:
        _run(network, InstanceType="p5en.48xlarge", CapacityReservationSpecification=target)
    assert code_of(refusal.value) == "IncorrectState"


def test_the_last_place_is_taken_once(network: Network) -> None:
    """Eight launch at the same moment: a call is seen whole or not at all."""
    ec2 = network.ec2
    made = ec2.create_capacity_reservation(
        InstanceType="g6e.xlarge",
        InstancePlatform="Linux/UNIX",
        AvailabilityZone="us-east-2a",
        InstanceCount=1,
        InstanceMatchCriteria="targeted",
    )["CapacityReservation"]
    target = {"CapacityReservationTarget": {"CapacityReservationId": made["CapacityReservationId"]}}

    def launch(_: int) -> str:
        try:
            _run(network, CapacityReservationSpecification=target)
        except ClientError as error:
            return code_of(error)
        return "launched"

    with ThreadPoolExecutor(8) as pool:
        results = sorted(pool.map(launch, range(8)))
    assert results == ["ReservationCapacityExceeded"] * 7 + ["launched"]
    ec2.cancel_capacity_reservation(CapacityReservationId=made["CapacityReservationId"])


def test_an_open_reservation_is_used_unless_told_not_to(network: Network) -> None:
    ec2 = network.ec2
    made = ec2.create_capacity_reservation(
        InstanceType="g6e.xlarge", InstancePlatform="Linux/UNIX", AvailabilityZone="us-east-2a", InstanceCount=1
    )["CapacityReservation"]
    declined = _run(network, CapacityReservationSpecification={"CapacityReservationPreference": "none"})
    assert "CapacityReservationId" not in declined
    assert _run(network)["CapacityReservationId"] == made["CapacityReservationId"]
    ec2.cancel_capacity_reservation(CapacityReservationId=made["CapacityReservationId"])


def _block(network: Network, **arguments: Any) -> str:
    ec2 = network.ec2
    offerings = ec2.describe_capacity_block_offerings(
        InstanceType="p5en.48xlarge", InstanceCount=1, CapacityDurationHours=48, **arguments
    )["CapacityBlockOfferings"]
    offering = next(one for one in offerings if one["AvailabilityZone"] == "us-east-2a")
    bought = ec2.purchase_capacity_block(
        CapacityBlockOfferingId=offering["CapacityBlockOfferingId"], InstancePlatform="Linux/UNIX"
    )
    return str(bought["CapacityReservation"]["CapacityReservationId"])


def _in_block(network: Network, reservation_id: str) -> dict[str, Any]:
    return _run(
        network,
        InstanceType="p5en.48xlarge",
        InstanceMarketOptions={"MarketType": "capacity-block"},
        CapacityReservationSpecification={"CapacityReservationTarget": {"CapacityReservationId": reservation_id}},
    )


def test_a_launch_into_a_capacity_block(network: Network) -> None:
    reservation_id = _block(network)
    instance = _in_block(network, reservation_id)
    assert instance["InstanceLifecycle"] == "capacity-block"
    assert instance["CapacityReservationId"] == reservation_id
    with pytest.raises(ClientError) as refusal:
        _run(
            network,
            InstanceType="p5en.48xlarge",
            CapacityReservationSpecification={"CapacityReservationTarget": {"CapacityReservationId": reservation_id}},
        )
    assert code_of(refusal.value) == "InvalidParameterValue"


def test_a_launch_before_the_block_begins(network: Network) -> None:
    later = _block(network, StartDateRange=datetime.now(UTC) + timedelta(days=2))
    with pytest.raises(ClientError) as refusal:
        _in_block(network, later)
    assert code_of(refusal.value) == "InvalidCapacityReservationState.PendingActivation"


def test_new_groups_are_those_of_the_primary_interface(network: Network) -> None:
    old, new = network.group("old"), network.group("new")
    instance = _run(network, SecurityGroupIds=[old])
    network.ec2.modify_instance_attribute(InstanceId=instance["InstanceId"], Groups=[new])
    (interface,) = network.interfaces()
    assert [group["GroupId"] for group in interface["Groups"]] == [new]
    network.ec2.delete_security_group(GroupId=old)


def test_metadata_options_that_are_not_named_stay(network: Network) -> None:
    instance = _run(network, MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 1})
    network.ec2.modify_instance_metadata_options(InstanceId=instance["InstanceId"], HttpPutResponseHopLimit=2)
    options = _describe(network, instance["InstanceId"])["MetadataOptions"]
    assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 2)


def test_monitoring(network: Network) -> None:
    instance_id = _run(network)["InstanceId"]
    network.ec2.monitor_instances(InstanceIds=[instance_id])
    assert _describe(network, instance_id)["Monitoring"]["State"] == "enabled"
    network.ec2.unmonitor_instances(InstanceIds=[instance_id])
    assert _describe(network, instance_id)["Monitoring"]["State"] == "disabled"


def test_a_retry_is_the_same_launch(network: Network) -> None:
    first = _run(network, ClientToken="once-" + network.name)
    assert _run(network, ClientToken="once-" + network.name)["InstanceId"] == first["InstanceId"]
    assert len(network.interfaces()) == 1
    with pytest.raises(ClientError) as refusal:
        _run(network, ClientToken="once-" + network.name, InstanceType="g6e.12xlarge")
    assert code_of(refusal.value) == "IdempotentParameterMismatch"
