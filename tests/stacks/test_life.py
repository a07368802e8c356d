"""The program carried out in the emulated account: made, left alone, taken away, and nothing stays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from lifecycle import sweep
from lifecycle.home import Home
from lifecycle.profiles import load_profile
from lifecycle.provision import Provisioner
from planner.catalogue import load_catalogue
from planner.make_plan import Site, make_plan
from planner.outputs import Outputs
from planner.placement import Placed, plan_nodes
from planner.plan import Plan
from planner.profile import AwsSection, Profile
from planner.progress import Silent
from policies.run import evaluate, refusals
from sandbox.handlers.clients import Boto3Clients
from tests.sandbox.aws.account import Account

OTHER_IMAGE = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-amazon-linux-2023/latest/ami-id"

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:pulumi_aws")]


def provisioner(profile: Profile, stack: str, account: Account, folder: Path) -> Provisioner:
    port = urlsplit(account.url).port
    assert port is not None
    plan = make_plan(profile, load_catalogue(), Site(stack=stack, ports={"aws.http": port}))
    home = Home(folder).stack(stack)
    home.folder.mkdir(parents=True)
    return Provisioner(plan, home, Silent())


def spanning(plan: Plan, host: str) -> Plan:
    """Return the plan with two nodes that one replica spans."""
    row = load_catalogue().host(host)
    profile = load_profile("2xh200")
    wide = msgspec.structs.replace(profile, hardware=msgspec.structs.replace(profile.hardware, count=2 * row.gpus))
    placed = Placed(replicas=1, nodes=2, decisions=())
    return msgspec.structs.replace(plan, nodes=plan_nodes(wide, row, plan.network, placed))


@contextmanager
def up(made: Provisioner) -> Iterator[Outputs]:
    """Bring a stack up for as long as it is looked at."""
    try:
        yield made.up()[0]
    finally:
        made.destroy()


def test_the_bundles_bucket_is_private_and_goes_with_all_its_versions(
    account: Account, clients: Boto3Clients, tmp_path: Path
) -> None:
    s3 = clients.client("s3")
    made = provisioner(load_profile("2xh200"), "storage-life", account, tmp_path)
    with up(made) as outputs:
        bucket = outputs.bundle_bucket
        assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
        (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        default = rule["ApplyServerSideEncryptionByDefault"]
        assert (default["SSEAlgorithm"], default["KMSMasterKeyID"]) == ("aws:kms", outputs.kms_key_arn)
        for body in (b"first", b"second"):
            s3.put_object(Bucket=bucket, Key="manifest.json", Body=body)
        s3.create_multipart_upload(Bucket=bucket, Key="weights")
        assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == 2
        assert {change.op for change in made.up()[1]} == {"same"}
    assert bucket not in [one["Name"] for one in s3.list_buckets()["Buckets"]]
    assert sweep.tagged(clients, "storage-life") == ()


def test_a_lost_stack_is_swept_whatever_its_roles_are_called(
    account: Account, clients: Boto3Clients, tmp_path: Path
) -> None:
    asked = msgspec.structs.replace(load_profile("2xh200"), aws=AwsSection(role_name_prefix="corp."))
    made = provisioner(asked, "swept", account, tmp_path)
    with up(made) as outputs:
        clients.client("s3").put_object(Bucket=outputs.bundle_bucket, Key="manifest.json", Body=b"{}")
        found = sweep.tagged(clients, "swept")
        names = {item.id for item in found}
        assert {outputs.bundle_bucket, outputs.vpc_id, "corp.swept-node", "corp.swept-flows"} <= names
        assert set(sweep.delete(clients, found)) == set(found)
        assert sweep.tagged(clients, "swept") == ()


def test_nodes_that_a_replica_spans_come_up_with_their_cards(
    account: Account, clients: Boto3Clients, tmp_path: Path
) -> None:
    made = provisioner(load_profile("2xh200"), "spanned", account, tmp_path)
    made.plan = spanning(made.plan, "p5en.48xlarge")
    with up(made) as outputs:
        groups = clients.client("ec2").describe_security_groups(
            Filters=[{"Name": "vpc-id", "Values": [outputs.vpc_id]}]
        )
        (peers,) = (one for one in groups["SecurityGroups"] if one["GroupName"] == "cloister-spanned-peers")
        for way in ("IpPermissions", "IpPermissionsEgress"):
            (rule,) = peers[way]
            assert (rule["IpProtocol"], rule["IpRanges"], rule["Ipv6Ranges"], rule["PrefixListIds"]) == (
                "-1",
                [],
                [],
                [],
            )
            assert [pair["GroupId"] for pair in rule["UserIdGroupPairs"]] == [peers["GroupId"]]
        ids = [node.instance_id for node in outputs.nodes]
        found = clients.client("ec2").describe_instances(InstanceIds=ids)["Reservations"]
        instances = [instance for reservation in found for instance in reservation["Instances"]]
        assert {instance["Placement"]["GroupName"] for instance in instances} == {"cloister-spanned"}
        assert [len(instance["NetworkInterfaces"]) for instance in instances] == [17, 17]
    assert sweep.tagged(clients, "spanned") == ()


def test_a_nodes_image_is_resolved_once_and_kept(account: Account, clients: Boto3Clients, tmp_path: Path) -> None:
    made = provisioner(load_profile("2xh200"), "kept", account, tmp_path)
    with up(made) as outputs:
        (node,) = outputs.nodes
        assert node.image_id.startswith("ami-")
        (planned,) = made.plan.nodes
        newer = msgspec.structs.replace(planned, ami_parameter=OTHER_IMAGE, root_volume_gib=300)
        made.plan = msgspec.structs.replace(made.plan, nodes=(newer,))
        assert clients.client("ssm").get_parameter(Name=OTHER_IMAGE)["Parameter"]["Value"] != node.image_id
        (after,) = made.up()[0].nodes
        assert after.image_id == node.image_id
        found = clients.client("ec2").describe_instances(InstanceIds=[after.instance_id])["Reservations"]
        (instance,) = found[0]["Instances"]
        assert instance["ImageId"] == node.image_id
        assert "KeyName" not in instance
        assert "PublicIpAddress" not in instance
        assert instance["Monitoring"]["State"] == "enabled"
        options = instance["MetadataOptions"]
        assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 1)
        (volume,) = clients.client("ec2").describe_volumes(
            Filters=[{"Name": "attachment.instance-id", "Values": [after.instance_id]}]
        )["Volumes"]
        assert (volume["Encrypted"], volume["KmsKeyId"]) == (True, outputs.kms_key_arn)
        assert not [r for r in made.resources() if r.type == "aws:ec2/keyPair:KeyPair"]


def test_the_endpoints_name_is_known_in_the_vpcs_that_use_it(
    account: Account, clients: Boto3Clients, tmp_path: Path
) -> None:
    ec2, route53 = clients.client("ec2"), clients.client("route53")
    consumer = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    asked = msgspec.structs.replace(load_profile("2xh200"), aws=AwsSection(consumer_vpc_ids=(consumer,)))
    made = provisioner(asked, "named", account, tmp_path)
    with up(made) as outputs:
        assert refusals(evaluate(made.plan, made.resources())) == ()
        zones = route53.list_hosted_zones_by_name(DNSName="named.cloister.internal.")["HostedZones"]
        zone = route53.get_hosted_zone(Id=zones[0]["Id"])
        assert zone["HostedZone"]["Name"] == "named.cloister.internal."
        assert {vpc["VPCId"] for vpc in zone["VPCs"]} == {outputs.vpc_id, consumer}
        records = route53.list_resource_record_sets(HostedZoneId=zones[0]["Id"])["ResourceRecordSets"]
        (record,) = (one for one in records if one["Type"] == "A")
        assert record["Name"] == "named.cloister.internal."
        assert record["ResourceRecords"] == [{"Value": outputs.nodes[0].private_ip}]
    assert sweep.tagged(clients, "named") == ()
    ec2.delete_vpc(VpcId=consumer)
