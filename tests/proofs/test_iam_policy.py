"""What the operator needs to be allowed: all that the verbs call, nothing besides, and as narrow as AWS lets it be."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import pytest
from botocore import xform_name

import lifecycle
from lifecycle.exposure.verb import resources_of
from lifecycle.operator_policy.actions import Action, load_actions
from lifecycle.operator_policy.document import LONGEST, audit_policy, operator_policy
from lifecycle.operator_policy.state import state_statements
from lifecycle.operator_policy.verb import policy_of, types_of
from lifecycle.profiles import load_profile, shipped_names
from lifecycle.pulumi_place import StateChoice
from lifecycle.rehearsal.given import make_given, renamed
from planner.catalogue import load_catalogue
from planner.deadline import Lifetime
from planner.errors import UsageError
from planner.make_plan import Site, make_plan
from planner.plan import AlarmPlan, GivenNetworkPlan, Plan
from planner.progress import Silent
from planner.resources import Resource
from policies.exposure.tunnel import ACTION as TUNNEL
from policies.exposure.tunnel import missing_conditions
from tests.proofs import linter
from tests.proofs.lives import GIVEN, STACK, Life, given_profile
from tests.proofs.reference import condition_keys, privilege, reference, resource_types
from tests.proofs.whole_life import Seen, Wanted, purchases, sweep_of_everything, whole_life
from tests.sandbox.aws.account import Account
from tests.stacks.test_consumers import GATEWAY, PEER, joined
from tests.stacks.test_consumers import profile as consumers_profile
from tests.stacks.test_life import spanning
from tests.stacks.test_program import plan_of

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:pulumi_aws")]

ELSEWHERE = {
    "ec2:DescribeCarrierGateways": "`audit`, which is tried by itself",
    "iam:GetPolicy": "`audit`: a policy that somebody attached to a role",
    "iam:GetPolicyVersion": "`audit`: what such a policy says",
    "secretsmanager:GetResourcePolicy": "`audit`: a policy that somebody gave a secret",
    "ec2:CancelSpotInstanceRequests": "a request that outlives its instance",
    "ec2:DescribeCapacityBlockOfferings": "`capacity find`, which is tried by itself",
    "ec2:DescribeCapacityReservations": "nodes in reserved capacity",
    "ec2:DescribePrefixLists": "nodes that are configured: what their firewall lets out",
    "ec2:DetachNetworkInterface": "an interface that outlives its instance",
    "ec2:DisassociateAddress": "an address that somebody attached",
    "ec2:ModifyCapacityReservation": "a reservation that the stack was given, and that ends with it",
    "ec2:RejectVpcEndpointConnections": "consumers who are connected when the service goes",
    "route53:AssociateVPCWithHostedZone": "networks of consumers that are to know the stack's name",
    "ec2:RunInstances": "with a deadline it is Auto Scaling that calls it, for those alone who may",
    "s3:ListMultipartUploadParts": "an upload that was interrupted",
}
"""Actions that no life here comes to -> what it takes."""
OPERATIONS = {name: name.partition(":")[2] for name in ELSEWHERE} | {"s3:ListMultipartUploadParts": "ListParts"}
MOST_ATTACHED = 10
"""Managed policies of a role or user, unless a higher quota was asked for (IAM quotas)."""
LifeOf = Callable[[str], Life]
ACCOUNT = "123456789012"
TABLE = load_actions()
ACTIONS = TABLE.policy.actions
TAGGABLE, TAGGED = "aws:RequestTag/${TagKey}", "aws:ResourceTag/${TagKey}"
NOT_DEPENDENT = {
    "billing:GetBillingViewData": "budgets of billing views, which are not used",
    "ecs:ListClusters": "flow logs of ECS, which is not used",
    "ecs:ListContainerInstances": "flow logs of ECS, which is not used",
    "ecs:ListServices": "flow logs of ECS, which is not used",
    "ecs:ListTaskDefinitions": "flow logs of ECS, which is not used",
    "ecs:ListTasks": "flow logs of ECS, which is not used",
    "kms:PutKeyPolicy": "a policy that is given when the key is made needs no more than CreateKey (API CreateKey)",
}
"""Actions that the reference calls dependent on one of ours -> why the operator needs them not."""
NOT_DEPENDENT_OF = {
    ("kms:CreateKey", "iam:CreateServiceLinkedRole"): "keys of several regions, which are not used",
    **{
        ("servicequotas:GetServiceQuota", f"{service}:{name}"): "quotas of other services"
        for service, name in (
            ("autoscaling", "DescribeAccountLimits"), ("cloudformation", "DescribeAccountLimits"),
            ("dynamodb", "DescribeLimits"), ("elasticloadbalancing", "DescribeAccountLimits"),
            ("iam", "GetAccountSummary"), ("kinesis", "DescribeLimits"), ("rds", "DescribeAccountAttributes"),
            ("route53", "GetAccountLimit"),
        )
    },
}  # fmt: skip
ALTERNATIVES = {
    "elasticloadbalancing:DeleteListener": {"listener/app", "listener/gwy"},
    "route53:ChangeTagsForResource": {"healthcheck"},
}
"""Resource types that the reference says an action needs, though either of them will do."""


@cache
def stack_of(profile: str) -> tuple[Resource, ...]:
    return resources_of(plan_of(profile))


each_action = pytest.mark.parametrize(
    "action", ACTIONS, ids=[f"{action.name}-{number}" for number, action in enumerate(ACTIONS)]
)


def alarmed(plan: Plan) -> Plan:
    """Return the plan with somebody who is told of costs."""
    alarm = AlarmPlan(limit_usd=500.0, at_percent=(50.0, 100.0), emails=("operators@example.com",))
    return msgspec.structs.replace(plan, alarm=alarm)


def wanted(
    gateway: str = GATEWAY, peer: str = PEER, ids: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Wanted]:
    """Return the stacks whose lives are lived: as shipped, over several nodes, with a deadline, consumers, or as guest.

    Args:
        gateway: a company's transit gateway.
        peer: a consumer's VPC.
        ids: id in the profile of a given network -> id of what stands for it in the account.

    """
    profile, now = load_profile("2xh200"), datetime.now(UTC).replace(second=0, microsecond=0)
    return {
        "shipped": Wanted(profile),
        "spanning": Wanted(profile, change=lambda plan: spanning(plan, "p5en.48xlarge")),
        "deadline": Wanted(profile, lifetime=Lifetime(since=now, until=now + timedelta(hours=8)), change=alarmed),
        "consumers": Wanted(consumers_profile(consumer_vpc_ids=[peer], **joined(gateway, peer))),
        GIVEN: Wanted(given_profile(), change=lambda plan: renamed(plan, ids)),
    }


LIVES = tuple(wanted())


class Lived:
    """The lives that were asked for, each lived once."""

    def __init__(self, account: Account, folder: Path) -> None:
        self.account, self.folder = account, folder
        ec2 = account.clients().client("ec2")
        gateway = ec2.create_transit_gateway(Description="a company's")["TransitGateway"]["TransitGatewayId"]
        peer = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
        ids = make_given(make_plan(given_profile(), load_catalogue(), Site(stack=STACK)), account.clients())
        self.wanted, self._seen = wanted(gateway, peer, ids), dict[str, Seen]()
        self._swept: set[str] = set()

    def of(self, life: str) -> Seen:
        """Return what the verbs called in one life."""
        if life not in self._seen:
            self._seen[life] = whole_life(self.wanted[life], self.account, self.folder / life)
        return self._seen[life]

    @property
    def swept(self) -> set[str]:
        """What a sweep calls that has one of everything to delete."""
        self._swept = self._swept or sweep_of_everything(self.account)
        return self._swept


@pytest.fixture(scope="module")
def lived(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    return Lived(account, tmp_path_factory.mktemp("lives"))


@cache
def planned(life: str) -> tuple[Plan, frozenset[str]]:
    """Return a life's plan, and the types of what its program registers."""
    plan = wanted()[life].plan(0)
    return plan, types_of(plan)


def operations_of(plan: Plan, types: Iterable[str], *, buys: bool = False) -> set[str]:
    """Return the operations that a plan's policies allow."""
    report = operator_policy(plan, ACCOUNT, types, buys=buys)
    names = {
        name for policy in report.policies for statement in policy.document["Statement"] for name in statement["Action"]
    }
    there = {type_.rpartition(":")[2] for type_ in types} | {node.capacity for node in plan.nodes}
    needed = (action for action in ACTIONS if not action.only or there & {*action.only})
    return {call for action in needed if action.name in names for call in action.operations}


def allowed(plan: Plan) -> dict[str, list[dict[str, Any]]]:
    """Return action -> the statements that allow it."""
    more = {"aws:ec2/placementGroup:PlacementGroup"} if plan.nodes[0].placement_group else set()
    types = {resource.type for resource in stack_of("2xh200")} | more
    statements = [
        statement
        for policy in operator_policy(plan, ACCOUNT, types).policies
        for statement in policy.document["Statement"]
    ]
    found: dict[str, list[dict[str, Any]]] = {}
    for statement in statements:
        for action in statement["Action"]:
            found.setdefault(action, []).append(statement)
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("life", LIVES)
def test_the_verbs_use_nothing_outside_the_policy_and_the_policy_holds_nothing_they_do_not_use(
    life: str, lived: Lived
) -> None:
    granted = operations_of(*planned(life))
    seen = lived.of(life)
    for verb, calls in seen.items():
        assert sorted(calls - granted) == [], f"`{verb}` calls what actions.toml has no line for"
    if life != GIVEN:  # a guest's stack cannot have one of everything: nothing of a network is its own
        assert sorted(lived.swept - granted) == [], "a sweep calls what actions.toml has no line for"
    called_at_all = lived.swept.union(*seen.values())
    asked = {action.name for action in ACTIONS if called_at_all & {*action.operations}}
    given = {action.name for action in ACTIONS if granted & {*action.operations}}
    assert sorted(given - asked - ELSEWHERE.keys()) == []


@pytest.mark.parametrize("action", sorted(ELSEWHERE))
def test_what_no_life_comes_to_is_called_somewhere(action: str) -> None:
    called_there = xform_name(OPERATIONS[action])
    root = Path(lifecycle.__file__).parents[1]
    sources = (file for folder in ("lifecycle", "sandbox/handlers") for file in (root / folder).rglob("*.py"))
    assert any(re.search(rf"\b{called_there}\b", source.read_text()) for source in sources)


@pytest.mark.slow
def test_blocks_are_looked_for_by_everybody_and_bought_by_those_who_may(account: Account) -> None:
    plan, types = planned("shipped")
    looking, buying = purchases(account, plan.network.region)
    may, may_buy = operations_of(plan, types), operations_of(plan, types, buys=True)
    assert looking <= may
    assert sorted(buying - may_buy) == []
    purchase = {"ec2:PurchaseCapacityBlock", "ec2:PurchaseCapacityBlockExtension"}
    assert purchase <= buying
    assert not purchase & may
    assert may_buy - may <= buying


def test_what_is_made_with_its_tags_may_be_tagged_as_it_is_made() -> None:
    (listed,) = (action for action in ACTIONS if action.name == "ec2:CreateTags" and "*" in action.new)
    made = {action.name.removeprefix("ec2:") for action in ACTIONS if action.new and action.name.startswith("ec2:")}
    assert set(listed.when["StringEquals"]["ec2:CreateAction"]) == made - {"CreateTags"}


@each_action
def test_a_line_of_the_table_is_as_aws_says(action: Action) -> None:
    """Hold actions, resource types and condition keys against the service authorization reference."""
    types = resource_types(action.name)
    kinds = {called(kind) for kind in (*action.new, *action.own, *action.any) if kind != "*"}
    assert kinds <= set(types), "the action knows no such resource type"
    required = {name for name, said in types.items() if said["required"]} - ALTERNATIVES.get(action.name, set())
    assert required <= kinds or "*" in (*action.new, *action.own), "a resource type that it needs is missing"
    if "*" in action.any:
        assert not types, "the action knows resources: name them"
    for kind in action.new:
        whole = (types or [""]) if kind == "*" else [called(kind)]
        assert all(TAGGABLE in condition_keys(action.name, one) for one in whole)
    for kind in action.own:
        assert all(TAGGED in condition_keys(action.name, one) for one in (types if kind == "*" else [called(kind)]))
    for keys in action.when.values():
        asked = {re.sub(r"^(aws:(Request|Resource)Tag/).*", r"\1${TagKey}", key) for key in keys}
        assert all(asked <= condition_keys(action.name, one) for one in (kinds or types or [""]))


def called(kind: str) -> str:
    """Return what AWS calls a resource type of the table."""
    return TABLE.kind(kind).type or kind


@each_action
def test_what_is_not_told_by_tags_is_told_by_name_or_has_a_reason(action: Action) -> None:
    for kind in action.any:
        if kind == "*" or TABLE.kind(kind).named or action.why:
            continue
        assert TAGGED not in condition_keys(action.name, called(kind))
        assert TAGGABLE not in condition_keys(action.name, called(kind))


def test_what_aws_asks_in_the_name_of_another_action_is_allowed() -> None:
    names = {action.name for action in ACTIONS}
    for action in ACTIONS:
        types = privilege(action.name)["resource_types"].values()
        dependent = {one for said in types for one in said["dependent_actions"]} - NOT_DEPENDENT.keys()
        dependent -= {one for maker, one in NOT_DEPENDENT_OF if maker == action.name}
        assert dependent <= names, action.name
    for action in ACTIONS:
        assert set(action.implied) <= names


@pytest.mark.parametrize("profile", shipped_names())
def test_the_policies_of_a_profile_pass_the_linter_and_fit(profile: str) -> None:
    report = operator_policy(plan_of(profile), ACCOUNT, {resource.type for resource in stack_of(profile)})
    for policy in report.policies:
        assert len(json.dumps(policy.document, separators=(",", ":"))) <= LONGEST
        assert linter.faults("identity", policy.document) == []


@pytest.mark.parametrize("life", LIVES)
def test_the_policies_of_every_kind_of_stack_pass_the_linter_and_can_all_be_attached(life: str) -> None:
    plan, types = planned(life)
    policies = operator_policy(plan, ACCOUNT, types, buys=True).policies
    assert len(policies) <= MOST_ATTACHED
    for policy in policies:
        assert len(json.dumps(policy.document, separators=(",", ":"))) <= LONGEST
        assert linter.faults("identity", policy.document) == []


@pytest.mark.parametrize("life", LIVES)
def test_a_reviewer_may_look_and_read_nothing_that_is_kept(life: str) -> None:
    policies = audit_policy(planned(life)[0], ACCOUNT).policies
    actions = {name for one in policies for statement in one.document["Statement"] for name in statement["Action"]}
    assert len(policies) <= MOST_ATTACHED
    assert all(re.match(r"[a-z0-9-]+:(Describe|Get|List|View)", name) for name in actions)
    telling = {"s3:GetObject", "secretsmanager:GetSecretValue", "ssm:GetParameter", "logs:GetLogEvents", "kms:Decrypt"}
    assert not telling & actions
    for policy in policies:
        assert len(json.dumps(policy.document, separators=(",", ":"))) <= LONGEST
        assert linter.faults("identity", policy.document) == []


def test_a_stack_with_a_deadline_may_make_what_follows_its_nodes() -> None:
    plan, types = planned("deadline")
    assert {"aws:route53/zone:Zone", "aws:autoscaling/group:Group"} <= types
    assert "route53:CreateHostedZone" in operations_of(plan, types)
    assert "autoscaling:SetDesiredCapacity" not in operations_of(*planned("shipped"))


def test_roles_are_passed_to_two_services_and_by_the_stacks_name_alone() -> None:
    (statement,) = allowed(plan_of("2xh200"))["iam:PassRole"]
    assert statement["Resource"] == f"arn:aws:iam::{ACCOUNT}:role/cloister-tested-*"
    assert statement["Condition"] == {
        "StringEquals": {"iam:PassedToService": ["ec2.amazonaws.com", "vpc-flow-logs.amazonaws.com"]}
    }


def test_nothing_that_changes_anything_is_allowed_on_everything() -> None:
    for action, statements in allowed(plan_of("2xh200")).items():
        level = privilege(action)["access_level"]
        for statement in statements:
            if statement["Resource"] == "*" and "Condition" not in statement:
                assert level in {"List", "Read"} or action == "route53:CreateHostedZone", action


@pytest.mark.parametrize(
    ("action", "kind"),
    [("ec2:TerminateInstances", "instance/*"), ("ec2:DeleteVpc", "vpc/*"), ("kms:ScheduleKeyDeletion", "key/*")],
)
def test_another_stacks_resources_are_out_of_reach(action: str, kind: str) -> None:
    for statement in allowed(plan_of("2xh200"))[action]:
        assert statement["Condition"]["StringEquals"]["aws:ResourceTag/cloister:stack"] == "tested"
        assert statement["Resource"].endswith(kind)


def test_a_permission_boundary_bounds_every_role_that_is_made_or_changed() -> None:
    boundary = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
    found = allowed(plan_of("2xh200", permission_boundary=boundary, role_name_prefix="corp."))
    for action in ("iam:CreateRole", "iam:PutRolePolicy"):
        (statement,) = found[action]
        assert statement["Condition"] == {"StringEquals": {"iam:PermissionsBoundary": boundary}}
        assert statement["Resource"] == f"arn:aws:iam::{ACCOUNT}:role/corp.tested-*"


def test_a_given_network_is_used_and_left_alone() -> None:
    plan = plan_of("2xh200")
    given = GivenNetworkPlan(vpc_id="vpc-0a", subnet_ids=("subnet-0b",), endpoints={}, endpoint_group_ids=())
    network = msgspec.structs.replace(plan.network, given=given)
    types = {"aws:ec2/securityGroup:SecurityGroup", "aws:ec2/launchTemplate:LaunchTemplate"}
    report = operator_policy(msgspec.structs.replace(plan, network=network), ACCOUNT, types)
    statements = [one for policy in report.policies for one in policy.document["Statement"]]
    actions = {action for one in statements for action in one["Action"]}
    assert not actions & {"ec2:CreateVpc", "ec2:DeleteVpc", "ec2:CreateSubnet", "ec2:CreateVpcEndpoint"}
    places = {arn for one in statements if "ec2:CreateSecurityGroup" in one["Action"] for arn in _listed(one)}
    assert f"arn:aws:ec2:us-east-2:{ACCOUNT}:vpc/vpc-0a" in places
    assert f"arn:aws:ec2:us-east-2:{ACCOUNT}:vpc/*" not in places


@pytest.mark.parametrize("networks", [(), ("203.0.113.0/24",)])
def test_the_way_to_the_nodes_is_allowed_under_every_condition(networks: tuple[str, ...]) -> None:
    report = policy_of(plan_of("2xh200"), load_profile("2xh200"), ACCOUNT, Silent(), networks=networks)
    statements = [statement for policy in report.policies for statement in policy.document["Statement"]]
    assert [one["Sid"] for one in statements if one.get("Action") == TUNNEL] == ["OpenTunnelToTheNodes"]
    assert missing_conditions(statements) == ()


BACKEND = "s3://team-state/llm?region=us-east-2"
KEYS = {
    "awskms://alias/team?region=us-west-2": (f"arn:aws:kms:us-west-2:{ACCOUNT}:key/*", "alias/team"),
    "awskms:///arn:aws:kms:us-east-2:210987654321:alias/team": (
        "arn:aws:kms:us-east-2:210987654321:key/*",
        "alias/team",
    ),
    "awskms://1234abcd-12ab-34cd-56ef-1234567890ab": (
        f"arn:aws:kms:us-east-2:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "",
    ),
    "awskms:///arn:aws:kms:us-east-2:210987654321:key/1234abcd-12ab-34cd-56ef-1234567890ab": (
        "arn:aws:kms:us-east-2:210987654321:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "",
    ),
}
"""How a team's key is named -> on which key it may be used, and by which alias."""


@pytest.mark.parametrize("key", KEYS)
def test_a_team_reaches_its_state_alone_and_one_key(key: str) -> None:
    state = StateChoice(backend=BACKEND, secrets_provider=key)
    report = policy_of(plan_of("2xh200"), load_profile("2xh200"), ACCOUNT, Silent(), state=state)
    assert [fault for policy in report.policies for fault in linter.faults("identity", policy.document)] == []
    statements = [one for policy in report.policies for one in policy.document["Statement"]]
    listing, objects, sealing = statements[-3:]
    assert (listing["Action"], listing["Resource"]) == ("s3:ListBucket", "arn:aws:s3:::team-state")
    assert listing["Condition"] == {"StringLike": {"s3:prefix": "llm/*"}}
    assert objects["Resource"] == "arn:aws:s3:::team-state/llm/.pulumi/*"
    resource, alias = KEYS[key]
    condition = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}} if alias else None
    assert (sealing["Action"], sealing["Resource"]) == (["kms:Decrypt", "kms:Encrypt"], resource)
    assert sealing.get("Condition") == condition
    alone = policy_of(plan_of("2xh200"), load_profile("2xh200"), ACCOUNT, Silent())
    assert [one for policy in alone.policies for one in policy.document["Statement"]] == statements[:-3]


def test_a_state_at_the_top_of_its_bucket_is_all_that_is_reached_there() -> None:
    choice = StateChoice(backend="s3://team-state", secrets_provider="awskms://alias/team")
    listing, objects, _ = state_statements(choice, ACCOUNT, "us-east-2")
    assert "Condition" not in listing
    assert objects["Resource"] == "arn:aws:s3:::team-state/.pulumi/*"


def test_a_key_that_is_named_in_no_known_way_is_refused() -> None:
    with pytest.raises(UsageError, match="names no key"):
        list(state_statements(StateChoice(backend=BACKEND, secrets_provider="awskms://*"), ACCOUNT, "us-east-2"))


@pytest.mark.parametrize("number", ["", "12345", "12345678901x"])
def test_an_account_is_asked_for(number: str) -> None:
    with pytest.raises(UsageError):
        policy_of(plan_of("2xh200"), load_profile("2xh200"), number, Silent())


def documents(resources: tuple[Resource, ...]) -> Iterator[tuple[str, linter.Kind, dict[str, Any]]]:
    """Return every IAM document of a stack, with what kind it is."""
    kinds: dict[str, dict[str, linter.Kind]] = {
        "aws:iam/role:Role": {"assumeRolePolicy": "trust"},
        "aws:iam/rolePolicy:RolePolicy": {"policy": "identity"},
        "aws:kms/key:Key": {"policy": "key"},
        "aws:s3/bucketPolicy:BucketPolicy": {"policy": "bucket"},
        "aws:ec2/vpcEndpoint:VpcEndpoint": {"policy": "endpoint"},
    }
    for resource in resources:
        for place, kind in kinds.get(resource.type, {}).items():
            yield resource.name, kind, json.loads(resource.inputs[place])


def test_the_stacks_own_documents_pass_the_linter(life_of: LifeOf) -> None:
    """Judge them as they are once what they name exists. Profiles differ in nothing that they say."""
    found = list(documents(life_of("2xh200").resources))
    assert {kind for _, kind, _ in found} == {"identity", "trust", "key", "bucket", "endpoint"}
    assert [(name, fault) for name, kind, document in found for fault in linter.faults(kind, document)] == []


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ({"Effect": "Allow", "Action": "ec2:LaunchRockets", "Resource": "*"}, "W3037"),
        ({"Effect": "Permit", "Action": "ec2:RunInstances", "Resource": "*"}, "E3510"),
        ({"Effect": "Allow", "Action": "ec2:CreateVpc", "Resource": "arn:aws:s3:::bucket"}, "I3510"),
        ({"Effect": "Allow", "Action": "ec2:RunInstances"}, "E3510"),
    ],
)
def test_the_linter_finds_what_it_is_there_for(statement: dict[str, Any], told: str) -> None:
    found = linter.faults("identity", {"Version": "2012-10-17", "Statement": [statement]})
    assert any(fault.startswith(told) for fault in found)


def _listed(statement: dict[str, Any]) -> list[str]:
    resource = statement["Resource"]
    return [resource] if isinstance(resource, str) else resource


def test_arns_of_the_table_are_those_of_the_reference() -> None:
    """Hold every pattern against the reference's for its type."""
    for action in ACTIONS:
        service = action.name.partition(":")[0]
        for kind in {*action.new, *action.own, *action.any} - {"*"}:
            said = reference()[service]["resources"][called(kind)]["arn"]
            ours = TABLE.kind(kind).arn.format_map(_Something(parameter="/x"))
            pattern = "*".join(
                part.partition("}")[2] if number else part for number, part in enumerate(said.split("${"))
            )
            assert fnmatchcase(ours, pattern), (kind, ours, said)


class _Something(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "x"
