"""What the program registers for each shipped profile, before any of it exists."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import msgspec
import pulumi
import pytest

from lifecycle import files
from lifecycle.profiles import load_profile, shipped_names
from planner.catalogue import load_catalogue
from planner.make_plan import Site, make_plan
from planner.plan import Plan
from planner.profile import AwsSection, BundleSection
from planner.resources import UNKNOWN, Resource
from policies.run import evaluate, refusals
from sandbox.engine import Engine, StateFile
from sandbox.engine.offline import EMULATED_ACCOUNT, offline_answers
from sandbox.handlers.invokes import INVOKES
from sandbox.handlers.registry import default_registry
from tests.stacks.test_life import spanning

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:pulumi_aws")]

UNTAGGED = {
    "aws:ec2/routeTableAssociation:RouteTableAssociation",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:kms/alias:Alias",
    "aws:route53/record:Record",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketVersioning:BucketVersioning",
}
"""Types that AWS gives no tags."""


def plan_of(profile: str, **aws: Any) -> Plan:
    changed = msgspec.structs.replace(load_profile(profile), aws=AwsSection(**aws)) if aws else load_profile(profile)
    return make_plan(changed, load_catalogue(), Site(stack="tested"))


def registered(plan: Plan, folder: Path, account: str = EMULATED_ACCOUNT) -> dict[str, Resource]:
    from stacks.deploy import deploy

    engine = Engine(
        project="cloister",
        stack=plan.stack,
        state=StateFile(folder / "resources.json", files.write),
        registry=default_registry(),
        invokes=INVOKES,
        offline=offline_answers(plan.network.region, account),
        clients=None,
    )
    resources = engine.preview(lambda: deploy(plan)).resources
    return {resource.name: resource for resource in resources}


@pytest.mark.parametrize("profile", shipped_names())
def test_a_shipped_profile_registers_a_private_tagged_lawful_stack(profile: str, tmp_path: Path) -> None:
    plan = plan_of(profile)
    resources = registered(plan, tmp_path)
    types = {resource.type for resource in resources.values()}
    assert not types & {
        "aws:ec2/internetGateway:InternetGateway",
        "aws:ec2/natGateway:NatGateway",
        "aws:ec2/eip:Eip",
        "aws:ec2/route:Route",
    }
    for resource in resources.values():
        assert "0.0.0.0/0" not in str(resource.inputs), resource.name
        assert "::/0" not in str(resource.inputs), resource.name
        if resource.type.startswith("aws:") and resource.type not in UNTAGGED:
            tags = resource.inputs["tags"]
            assert (tags["cloister:stack"], tags["cloister:resource"]) == ("tested", resource.name)
            assert tags["cloister:profile"] == profile
    children = [resource for resource in resources.values() if resource.type.startswith("aws:")]
    assert all("cloister:aws:" in child.parent for child in children), "every resource belongs to a component"
    assert refusals(evaluate(plan, resources.values())) == ()


def test_the_nodes_launch_template_says_what_keeps_it_private(tmp_path: Path) -> None:
    template = registered(plan_of("2xh200"), tmp_path)["node-0-template"].inputs
    assert template["metadataOptions"] == {
        "httpEndpoint": "enabled",
        "httpTokens": "required",
        "httpPutResponseHopLimit": 1,
    }
    assert "keyName" not in template
    (interface,) = template["networkInterfaces"]
    assert (interface["associatePublicIpAddress"], interface["interfaceType"]) == ("false", "interface")
    (disk,) = template["blockDeviceMappings"]
    assert (disk["ebs"]["encrypted"], disk["ebs"]["volumeType"]) == ("true", "gp3")
    assert "instanceMarketOptions" not in template


def test_a_capacity_block_is_named_as_market_and_as_target(tmp_path: Path) -> None:
    plan = plan_of("2xh200", capacity="capacity-block", reservation_id="cr-0123456789abcdef0")
    template = registered(plan, tmp_path)["node-0-template"].inputs
    assert template["instanceMarketOptions"] == {"marketType": "capacity-block"}
    target = template["capacityReservationSpecification"]["capacityReservationTarget"]
    assert target == {"capacityReservationId": "cr-0123456789abcdef0"}


def test_a_reservation_is_used_and_nothing_else(tmp_path: Path) -> None:
    plan = plan_of("2xh200", capacity="reservation", reservation_id="cr-0123456789abcdef0")
    template = registered(plan, tmp_path)["node-0-template"].inputs
    assert template["capacityReservationSpecification"]["capacityReservationPreference"] == "capacity-reservations-only"
    assert "instanceMarketOptions" not in template


def test_nodes_that_no_replica_spans_are_not_joined(tmp_path: Path) -> None:
    resources = registered(plan_of("2xh200"), tmp_path)
    assert not {"neighbours", "groups-peers", "groups-peers-in", "groups-peers-out"} & resources.keys()
    assert "placement" not in resources["node-0-template"].inputs


@pytest.mark.parametrize(
    ("host", "cards"), [("p5e.48xlarge", 32), ("p5en.48xlarge", 16), ("g6e.12xlarge", 1), ("g6e.xlarge", 0)]
)
def test_nodes_that_a_replica_spans_are_joined_to_each_other_alone(host: str, cards: int, tmp_path: Path) -> None:
    plan = spanning(plan_of("2xh200"), host)
    resources = registered(plan, tmp_path)
    (placement,) = (one for one in resources.values() if one.type == "aws:ec2/placementGroup:PlacementGroup")
    assert placement.inputs["strategy"] == "cluster"
    for direction in ("in", "out"):
        rule = resources[f"groups-peers-{direction}"]
        assert rule.inputs["ipProtocol"] == "-1"
        assert not {"cidrIpv4", "cidrIpv6", "prefixListId"} & rule.inputs.keys()
        assert [urn for urn in rule.dependencies if "securityGroup:" in urn] == [resources["groups-peers"].urn]
    for node in plan.nodes:
        assert node.subnet == plan.network.subnets[0].name
        template = resources[f"{node.name}-template"].inputs
        assert "placement" in template
        primary, *efa = template["networkInterfaces"]
        assert (primary["deviceIndex"], primary["networkCardIndex"], primary["interfaceType"]) == (0, 0, "interface")
        assert len(primary["securityGroups"]) == 2
        places = [(one["networkCardIndex"], one["deviceIndex"], one["interfaceType"]) for one in efa]
        assert places == [(card, int(card == 0), "efa-only") for card in range(cards)]
        assert all(len(one["securityGroups"]) == 1 for one in efa)
        # EC2 refuses the word beside a second interface, whatever it says.
        assert all(("associatePublicIpAddress" in one) == (not efa) for one in (primary, *efa))
    assert refusals(evaluate(plan, resources.values())) == ()


def test_policies_of_endpoints_hold_for_the_own_account_and_the_stacks_own_things(tmp_path: Path) -> None:
    from stacks.account import Account
    from stacks.endpoint_policies import interface_policy

    plan = plan_of("2xh200")
    resources = registered(plan, tmp_path)
    endpoints = {r.name.rpartition("-")[2]: r for r in resources.values() if "vpcEndpoint:VpcEndpoint" in r.type}
    assert endpoints.keys() == {*plan.network.gateway_endpoints, *plan.network.interface_endpoints}
    assert endpoints["kms"].inputs["policy"] is UNKNOWN  # it names the key, which has no id yet
    account = Account(id="123456789012", partition="aws", dns_suffix="amazonaws.com", region="us-east-2")
    key = "arn:aws:kms:us-east-2:123456789012:key/1"
    policies = {name: json.loads(one.inputs["policy"]) for name, one in endpoints.items() if name != "kms"}
    policies["kms"] = interface_policy("kms", plan, account, key)
    for name, policy in policies.items():
        (statement,) = policy["Statement"]
        assert statement["Condition"]["StringEquals"]["aws:PrincipalAccount"] == "123456789012"
        assert not [action for action in statement["Action"] if "*" in action]
        if name != "sts":
            assert statement["Condition"]["StringEquals"]["aws:ResourceAccount"] == "123456789012"
            assert all("tested" in resource or resource == key for resource in statement["Resource"])


def test_nobody_opens_anything_with_the_key_itself(tmp_path: Path) -> None:
    policy = json.loads(registered(plan_of("2xh200"), tmp_path)["keys-key"].inputs["policy"])
    opening = {"kms:Decrypt", "kms:ReEncryptFrom", "kms:CreateGrant"}
    for statement in policy["Statement"]:
        conditions = {key for keys in statement.get("Condition", {}).values() for key in keys}
        if opening & set(statement["Action"]):
            assert conditions & {"kms:ViaService", "kms:EncryptionContext:aws:logs:arn"}, statement["Sid"]
        assert not [action for action in statement["Action"] if "*" in action]
    (logs,) = (one for one in policy["Statement"] if "Service" in one["Principal"])
    pattern = logs["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
    assert pattern == "arn:aws:logs:us-east-2:123456789012:log-group:/cloister/tested/*"


def test_spot_machines_are_started_by_a_role_that_may_use_the_key_for_disks_alone(tmp_path: Path) -> None:
    plan = plan_of("poc", capacity="spot")
    policy = json.loads(registered(plan, tmp_path)["keys-key"].inputs["policy"])
    disks, grants = (one for one in policy["Statement"] if one["Sid"].endswith("OfSpot"))
    role = "arn:aws:iam::123456789012:role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot"
    for statement in (disks, grants):
        assert statement["Condition"]["ArnEquals"] == {"aws:PrincipalArn": role}
        assert statement["Condition"]["StringEquals"] == {"kms:CallerAccount": "123456789012"}
    assert (grants["Action"], grants["Condition"]["Bool"]) == (
        ["kms:CreateGrant"],
        {"kms:GrantIsForAWSResource": "true"},
    )
    lasting = json.loads(registered(plan_of("poc"), tmp_path / "lasting")["keys-key"].inputs["policy"])
    assert not [one for one in lasting["Statement"] if one["Sid"].endswith("OfSpot")]


def test_hosts_have_a_place_for_their_records_and_secrets_and_no_more(tmp_path: Path) -> None:
    plan = plan_of("2xh200")
    resources = registered(plan, tmp_path).values()
    groups = {r.inputs["name"]: r.inputs for r in resources if "logGroup:LogGroup" in r.type}
    assert groups.keys() == {f"/cloister/tested/{one}" for one in ("admin", "audit", "flows", "gateway", "sshd")}
    assert {group["retentionInDays"] for group in groups.values()} == {90}
    assert all("kmsKeyId" in group for group in groups.values())
    entries = [r.inputs for r in resources if "secret:Secret" in r.type]
    assert {one["name"] for one in entries} == {"cloister/tested/engine-api-key", "cloister/tested/tls-key"}
    assert all(one["recoveryWindowInDays"] == 0 and "kmsKeyId" in one for one in entries)
    assert not [r for r in resources if "secretVersion" in r.type]


def test_nodes_reach_the_bundle_alone_and_can_only_read_it(tmp_path: Path) -> None:
    resources = registered(plan_of("2xh200"), tmp_path)
    arn = f"arn:aws:s3:::{resources['storage-bundle'].inputs['bucket']}"
    (statement,) = json.loads(resources["gateway-endpoints-s3"].inputs["policy"])["Statement"]
    assert statement["Action"] == ["s3:GetObject", "s3:ListBucket"]
    assert statement["Resource"] == [arn, f"{arn}/*"]


def test_what_a_company_asks_of_roles_and_tags_reaches_every_one_of_them(tmp_path: Path) -> None:
    boundary = "arn:aws:iam::123456789012:policy/company/boundary"
    profile = load_profile("2xh200")
    aws = AwsSection(permission_boundary=boundary, role_name_prefix="corp.", mandatory_tags=("CostCentre",))
    tagged = msgspec.structs.replace(profile, aws=aws, tags={"CostCentre": "4711"})
    resources = registered(make_plan(tagged, load_catalogue(), Site(stack="tested")), tmp_path).values()
    roles = [resource.inputs for resource in resources if resource.type == "aws:iam/role:Role"]
    assert [role["name"] for role in roles] == ["corp.tested-flows", "corp.tested-node"]
    assert {role["permissionsBoundary"] for role in roles} == {boundary}
    profiles = [r.inputs["name"] for r in resources if r.type == "aws:iam/instanceProfile:InstanceProfile"]
    assert profiles == ["corp.tested-node"]
    untagged = {r.type for r in resources if r.type.startswith("aws:") and "CostCentre" not in r.inputs.get("tags", {})}
    assert untagged == UNTAGGED


@pytest.mark.parametrize("region", ["us-gov-west-1", "cn-north-1"])
def test_arns_are_those_of_the_regions_partition(region: str, tmp_path: Path) -> None:
    plan = plan_of("2xh200")
    elsewhere = msgspec.structs.replace(plan, network=msgspec.structs.replace(plan.network, region=region))
    resources = registered(elsewhere, tmp_path)
    partition = {"us-gov-west-1": "aws-us-gov", "cn-north-1": "aws-cn"}[region]
    texts = "".join(str(resource.inputs) for resource in resources.values())
    arns = set(re.findall(r"arn:([a-z-]*):", texts))
    assert arns == {partition}
    policy = json.loads(resources["keys-key"].inputs["policy"])
    (logs,) = (one["Principal"]["Service"] for one in policy["Statement"] if "Service" in one["Principal"])
    suffix = {"aws-cn": "amazonaws.com.cn", "aws-us-gov": "amazonaws.com"}[partition]
    assert logs == f"logs.{region}.{suffix}"
    via = {service for one in policy["Statement"] for service in _via(one)}
    assert via == {f"{service}.{region}.{suffix}" for service in ("ec2", "s3", "secretsmanager")}
    named = {r.inputs["serviceName"] for r in resources.values() if "vpcEndpoint:VpcEndpoint" in r.type}
    sts = "cn.com.amazonaws.cn-north-1.sts" if partition == "aws-cn" else f"com.amazonaws.{region}.sts"
    assert named == {sts, *(f"com.amazonaws.{region}.{one}" for one in ("kms", "logs", "s3", "secretsmanager"))}
    assert refusals(evaluate(elsewhere, resources.values())) == ()
    principal = json.loads(resources["identity-role"].inputs["assumeRolePolicy"])["Statement"][0]["Principal"]
    assert principal["Service"] == {"aws-cn": "ec2.amazonaws.com.cn", "aws-us-gov": "ec2.amazonaws.com"}[partition]


def _via(statement: Any) -> list[str]:
    named: list[str] = statement.get("Condition", {}).get("StringEquals", {}).get("kms:ViaService", [])
    return named


def test_what_the_node_may_do_is_spelled_out() -> None:
    from stacks.account import Account
    from stacks.identity import node_policy

    account = Account(id="123456789012", partition="aws-cn", dns_suffix="amazonaws.com.cn", region="cn-north-1")
    key = "arn:aws-cn:kms:cn-north-1:123456789012:key/1"
    statements: Any = node_policy(plan_of("2xh200"), account, key)
    granted = {action: one["Resource"] for one in statements["Statement"] for action in one["Action"]}
    assert granted["s3:GetObject"] == "arn:aws-cn:s3:::cloister-tested-123456789012/*"
    assert granted["s3:ListBucket"] == "arn:aws-cn:s3:::cloister-tested-123456789012"
    assert not [action for action in granted if action.startswith("s3:") and action[3:6] not in ("Get", "Lis")]
    logs = "arn:aws-cn:logs:cn-north-1:123456789012:log-group:/cloister/tested"
    assert granted["logs:PutLogEvents"] == [
        f"{logs}/{name}:log-stream:*" for name in ("audit", "sshd", "gateway", "admin")
    ]
    secrets = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:cloister/tested"
    assert granted["secretsmanager:GetSecretValue"] == [f"{secrets}/engine-api-key-??????", f"{secrets}/tls-key-??????"]
    assert granted["kms:Decrypt"] == key
    (use,) = (one for one in statements["Statement"] if "kms:Decrypt" in one["Action"])
    via = use["Condition"]["StringEquals"]["kms:ViaService"]
    assert via == ["s3.cn-north-1.amazonaws.com.cn", "secretsmanager.cn-north-1.amazonaws.com.cn"]


def test_the_program_itself_refuses_another_account(tmp_path: Path) -> None:
    plan = plan_of("2xh200")
    plan = msgspec.structs.replace(plan, account=msgspec.structs.replace(plan.account, number="210987654321"))
    assert "cloister-tested-210987654321" in str(registered(plan, tmp_path, "210987654321")["storage-bundle"].inputs)
    with pytest.raises(pulumi.RunError, match="of account 123456789012, the plan names 210987654321"):
        registered(plan, tmp_path)


@pytest.mark.parametrize("bundle", ["", "0123456789abcdef" * 4])
def test_a_node_gets_user_data_where_the_plan_names_a_bundle(bundle: str, tmp_path: Path) -> None:
    """And the launch template carries it encoded, as EC2 wants it there."""
    profile = msgspec.structs.replace(load_profile("2xh200"), bundle=BundleSection(id=bundle))
    plan = make_plan(profile, load_catalogue(), Site(stack="tested"))
    resources = registered(plan, tmp_path)
    template = next(r for r in resources.values() if r.type == "aws:ec2/launchTemplate:LaunchTemplate")
    if not bundle:
        assert "userData" not in template.inputs
        return
    text = b64decode(template.inputs["userData"]).decode()
    assert text.startswith("#cloud-config\n")
    assert bundle in text
    assert len(text) < 16 * 1024
