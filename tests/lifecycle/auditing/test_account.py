"""Whatever somebody changes or adds by hand in the account is found by the rule that forbids it, by looking alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.main import run
from lifecycle.audit import AuditReport, audit
from lifecycle.operator_policy.actions import action_of
from lifecycle.operator_policy.document import audit_policy
from lifecycle.stack import Stack
from planner.progress import Silent
from sandbox.handlers.clients import Boto3Clients
from tests.lifecycle.auditing.conftest import NAME
from tests.proofs.recorder import recording

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:pulumi_aws")]

Undo = Callable[[], Any]
ANYWHERE = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
ALL = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


class Hand:
    """Somebody with rights to change everything."""

    def __init__(self, stack: Stack, clients: Boto3Clients) -> None:
        self.ec2, self.iam, self.s3 = (clients.client(name) for name in ("ec2", "iam", "s3"))
        self.kms, self.logs, self.secrets = (clients.client(name) for name in ("kms", "logs", "secretsmanager"))
        self.resources = {f"{one.type.rpartition(':')[2]}::{one.name}": one for one in stack.provisioner().resources()}
        self.vpc = self.id("Vpc::network-vpc")
        self.role, self.bucket = self.id("Role::identity-role"), self.id("Bucket::storage-bundle")

    def id(self, place: str) -> str:
        return self.resources[place].id

    def open_group(self) -> Undo:
        group = self.id("SecurityGroup::groups-node")
        self.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=ANYWHERE)
        return lambda: self.ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=ANYWHERE)

    def widen_rule(self) -> Undo:
        rule = self.resources["SecurityGroupIngressRule::groups-clients-0"]

        def cidr(network: str) -> None:
            said = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIpv4": network}
            self.ec2.modify_security_group_rules(
                GroupId=rule.inputs["securityGroupId"],
                SecurityGroupRules=[{"SecurityGroupRuleId": rule.id, "SecurityGroupRule": said}],
            )

        cidr("172.16.0.0/12")
        return lambda: cidr(rule.inputs["cidrIpv4"])

    def gateway(self) -> Undo:
        gateway = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        self.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=self.vpc)

        def undo() -> None:
            self.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=self.vpc)
            self.ec2.delete_internet_gateway(InternetGatewayId=gateway)

        return undo

    def route(self) -> Undo:
        table = self.id("RouteTable::network-private-a-routes")
        end = self.ec2.create_network_interface(SubnetId=self.id("Subnet::network-private-a"))
        card = end["NetworkInterface"]["NetworkInterfaceId"]
        self.ec2.create_route(RouteTableId=table, DestinationCidrBlock="128.0.0.0/1", NetworkInterfaceId=card)

        def undo() -> None:
            self.ec2.delete_route(RouteTableId=table, DestinationCidrBlock="128.0.0.0/1")
            self.ec2.delete_network_interface(NetworkInterfaceId=card)

        return undo

    def main_table(self) -> Undo:
        filters = [{"Name": "vpc-id", "Values": [self.vpc]}, {"Name": "association.main", "Values": ["true"]}]
        (table,) = self.ec2.describe_route_tables(Filters=filters)["RouteTables"]
        gateway = self.ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
        route = {"RouteTableId": table["RouteTableId"], "DestinationCidrBlock": "8.8.8.0/24"}
        self.ec2.create_route(**route, GatewayId=gateway)

        def undo() -> None:
            self.ec2.delete_route(**route)
            self.ec2.delete_vpn_gateway(VpnGatewayId=gateway)

        return undo

    def public_subnet(self) -> Undo:
        subnet = self.id("Subnet::network-private-a")

        def public(*, on: bool) -> None:
            self.ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": on})

        public(on=True)
        return lambda: public(on=False)

    def widen_policy(self) -> Undo:
        policy = self.resources["RolePolicy::identity-policy"].inputs["policy"]
        self.iam.put_role_policy(RoleName=self.role, PolicyName="node", PolicyDocument=ALL)
        return lambda: self.iam.put_role_policy(RoleName=self.role, PolicyName="node", PolicyDocument=policy)

    def second_policy(self) -> Undo:
        self.iam.put_role_policy(RoleName=self.role, PolicyName="more", PolicyDocument=ALL)
        return lambda: self.iam.delete_role_policy(RoleName=self.role, PolicyName="more")

    def attached_policy(self) -> Undo:
        arn = self.iam.create_policy(PolicyName="wide", PolicyDocument=ALL)["Policy"]["Arn"]
        self.iam.attach_role_policy(RoleName=self.role, PolicyArn=arn)

        def undo() -> None:
            self.iam.detach_role_policy(RoleName=self.role, PolicyArn=arn)
            self.iam.delete_policy(PolicyArn=arn)

        return undo

    def no_rotation(self) -> Undo:
        key = self.id("Key::keys-key")
        self.kms.disable_key_rotation(KeyId=key)
        return lambda: self.kms.enable_key_rotation(KeyId=key)

    def foreign_encryption(self) -> Undo:
        def encrypted(rule: dict[str, Any]) -> None:
            rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": rule}]}
            self.s3.put_bucket_encryption(Bucket=self.bucket, ServerSideEncryptionConfiguration=rules)

        key = self.resources["Key::keys-key"].outputs["arn"]
        encrypted({"SSEAlgorithm": "AES256"})
        return lambda: encrypted({"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key})

    def no_public_block(self) -> Undo:
        self.s3.delete_public_access_block(Bucket=self.bucket)
        switches = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        shut = dict.fromkeys(switches, True)
        return lambda: self.s3.put_public_access_block(Bucket=self.bucket, PublicAccessBlockConfiguration=shut)

    def secret_for_all(self) -> Undo:
        secret = self.id("Secret::secrets-engine-api-key")
        statement = {"Effect": "Allow", "Principal": "*", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.secrets.put_resource_policy(SecretId=secret, ResourcePolicy=policy)
        return lambda: self.secrets.delete_resource_policy(SecretId=secret)

    def forgetful_logs(self) -> Undo:
        group = self.id("LogGroup::network-flows")
        days = self.resources["LogGroup::network-flows"].inputs["retentionInDays"]
        self.logs.delete_retention_policy(logGroupName=group)
        return lambda: self.logs.put_retention_policy(logGroupName=group, retentionInDays=days)

    def weak_template(self) -> Undo:
        template = self.id("LaunchTemplate::node-0-template")
        asked = {"LaunchTemplateId": template, "Versions": ["1"]}
        (first,) = self.ec2.describe_launch_template_versions(**asked)["LaunchTemplateVersions"]

        def version(data: Any) -> None:
            self.ec2.create_launch_template_version(LaunchTemplateId=template, LaunchTemplateData=data)

        data = first["LaunchTemplateData"]
        version({**data, "MetadataOptions": {**data["MetadataOptions"], "HttpTokens": "optional"}})
        return lambda: version(data)

    def weak_metadata(self) -> Undo:
        node = self.id("Instance::node-0")
        self.ec2.modify_instance_metadata_options(InstanceId=node, HttpTokens="optional")
        return lambda: self.ec2.modify_instance_metadata_options(InstanceId=node, HttpTokens="required")

    def plain_disk(self) -> Undo:
        tags = [{"Key": "cloister:stack", "Value": NAME}]
        asked = {"AvailabilityZone": "us-east-2a", "Size": 1, "Encrypted": False}
        volume = self.ec2.create_volume(**asked, TagSpecifications=[{"ResourceType": "volume", "Tags": tags}])
        return lambda: self.ec2.delete_volume(VolumeId=volume["VolumeId"])

    def endpoint_for_all(self) -> Undo:
        endpoint = self.resources["VpcEndpoint::endpoints-secretsmanager"]
        self.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint.id, PolicyDocument=ALL)
        return lambda: self.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint.id, PolicyDocument=endpoint.inputs["policy"])


CHANGES = {
    "open_group": ("only-named-networks", "SecurityGroupIngressRule::sgr-"),
    "widen_rule": ("only-named-networks", "SecurityGroupIngressRule::groups-clients-0"),
    "gateway": ("no-internet-path", "InternetGateway::igw-"),
    "route": ("no-internet-path", "RouteTable::network-private-a-routes"),
    "main_table": ("no-internet-path", "DefaultRouteTable::rtb-"),
    "public_subnet": ("no-internet-path", "Subnet::network-private-a"),
    "widen_policy": ("least-privilege", "RolePolicy::identity-policy"),
    "second_policy": ("least-privilege", ":more"),
    "attached_policy": ("least-privilege", "policy/wide"),
    "no_rotation": ("encrypted-at-rest", "Key::keys-key"),
    "foreign_encryption": ("encrypted-at-rest", "storage-encryption"),
    "no_public_block": ("private-buckets", "Bucket::storage-bundle"),
    "secret_for_all": ("least-privilege", "SecretPolicy::"),
    "forgetful_logs": ("log-retention", "LogGroup::network-flows"),
    "weak_template": ("instance-metadata-v2", "LaunchTemplate::node-0-template"),
    "weak_metadata": ("instance-metadata-v2", "Instance::node-0"),
    "plain_disk": ("encrypted-at-rest", "Volume::vol-"),
    "endpoint_for_all": ("least-privilege", "VpcEndpoint::endpoints-secretsmanager"),
}
"""What is done by hand -> the rule that finds it, and where."""


@pytest.fixture(scope="module")
def hand(stack: Stack, clients: Boto3Clients) -> Hand:
    return Hand(stack, clients)


@pytest.fixture(scope="module")
def clean(stack: Stack) -> AuditReport:
    return audit(stack, Silent())


def test_what_nobody_touched_is_sound(clean: AuditReport) -> None:
    assert clean.findings == ()
    assert clean.ok
    assert (clean.strangers, clean.gone, clean.unread) == ((), (), ())
    assert len(clean.resources) > 40
    assert len(clean.files) == 5


def test_everything_that_the_state_knows_is_read(clean: AuditReport, stack: Stack) -> None:
    made = {f"{one.type}::{one.name}" for one in stack.provisioner().resources() if one.id}
    (born,) = set(clean.resources) - made
    assert born.startswith("aws:ec2/defaultRouteTable:DefaultRouteTable::rtb-")
    assert made <= set(clean.resources)


@contextmanager
def done(hand: Hand, *changes: str) -> Iterator[None]:
    """Change the account, and change it back."""
    with ExitStack() as undone:
        for change in changes:
            undone.callback(getattr(hand, change)())
        yield


def test_every_change_by_hand_is_found(hand: Hand, stack: Stack) -> None:
    with done(hand, *CHANGES):
        report = audit(stack, Silent())
    assert not report.ok
    for change, (rule, where) in CHANGES.items():
        found = [one.status for one in report.findings if one.rule == rule and where in one.resource]
        assert "violated" in found, (change, report.findings)
    assert not [one for one in report.findings if one.status in {"broken", "undecidable"}], report.findings
    assert {place.rpartition(":")[2].partition("-")[0] for place in report.strangers} >= {"sgr", "igw", "vol"}


def test_what_was_changed_back_is_sound_again(stack: Stack) -> None:
    report = audit(stack, Silent())
    assert report.ok, report.findings


def test_only_reading_calls_are_made_and_the_reviewers_policy_allows_them(stack: Stack) -> None:
    with recording() as calls:
        audit(stack, Silent())
    assert len({call.name for call in calls}) > 30
    assert [call.name for call in calls if call.changes] == []
    policies = audit_policy(stack.plan, "123456789012").policies
    allowed = {name for one in policies for statement in one.document["Statement"] for name in statement["Action"]}
    assert {action_of(call.name) for call in calls} - FREE <= allowed


FREE = {"sts:GetCallerIdentity"}
"""What needs no permission."""


class Refusing:
    """Clients of an account that lets nobody see some of it."""

    def __init__(self, clients: Boto3Clients, *operations: str) -> None:
        self.clients, self.operations, self.region = clients, operations, clients.region
        self._made: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        if service not in self._made:
            self._made[service] = self.clients._make(service)
            self._made[service].meta.events.register("before-call", self._refuse)
        return self._made[service]

    def _refuse(self, model: Any, **_: Any) -> None:
        if model.name in self.operations:
            said: Any = {"Error": {"Code": "AccessDenied", "Message": "not you"}}
            raise ClientError(said, model.name)


REFUSED = {
    "GetKeyPolicy": ("kms:GetKeyPolicy", "aws:kms/key:Key::keys-key"),
    "DescribeSecurityGroupRules": ("ec2:DescribeSecurityGroupRules", "rules of security groups"),
    "GetPublicAccessBlock": ("s3:GetBucketPublicAccessBlock", "storage-public-access"),
    "GetBucketEncryption": ("s3:GetEncryptionConfiguration", "storage-encryption"),
    "DescribeInternetGateways": ("ec2:DescribeInternetGateways", "aws:ec2/internetGateway:InternetGateway"),
    "ListRolePolicies": ("iam:ListRolePolicies", "policies of aws:iam/role:Role::identity-role"),
    "GetResourcePolicy": ("secretsmanager:GetResourcePolicy", "secrets-engine-api-key"),
    "DescribeLaunchTemplateVersions": ("ec2:DescribeLaunchTemplateVersions", "node-0-template"),
    "ListSecrets": ("secretsmanager:ListSecrets", "secrets"),
}
"""Operation that is refused -> the action to ask for, and what cannot be read without it."""


def test_what_may_not_be_read_is_undecidable_and_no_pass(
    stack: Stack, clients: Boto3Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lifecycle.provision.Provisioner.clients", lambda _: Refusing(clients, *REFUSED))
    report = audit(stack, Silent())
    assert not report.ok
    for operation, (action, place) in REFUSED.items():
        found = [one for one in report.findings if one.rule == "audit-complete" and place in one.resource]
        assert {one.status for one in found} == {"undecidable"}, operation
        assert any(action in one.message for one in found), operation
    by_rule = {(one.rule, one.resource.rpartition(":")[2]) for one in report.findings if one.status == "undecidable"}
    assert {("least-privilege", "keys-key"), ("private-buckets", "storage-public-access")} <= by_rule
    assert not [one for one in report.findings if one.status == "broken"], report.findings


def test_the_command_says_so(
    hand: Hand, stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLOISTER_HOME", str(stack.home.home.root))
    monkeypatch.setenv("COLUMNS", "200")
    assert run(["audit", "--stack", NAME]) == 0
    assert "every mandatory rule holds" in capsys.readouterr().out
    with done(hand, "gateway"):
        assert run(["audit", "--stack", NAME, "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert {"rule", "severity", "level", "resource", "message", "remediation", "status"} == set(told["findings"][0])
    assert told["findings"][0]["rule"] == "no-internet-path"
