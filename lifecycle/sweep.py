"""Looking through a whole account for what carries a stack's tag, and deleting it: the net below the state file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from lifecycle.switches import groups_of
from planner.deadline import alarm_name
from sandbox.handlers.base import Clients
from sandbox.handlers.registry import default_registry

TAG = "cloister:stack"
EC2_TYPES = {
    "instance": "aws:ec2/instance:Instance",
    "instance-connect-endpoint": "aws:ec2transitgateway/instanceConnectEndpoint:InstanceConnectEndpoint",
    "vpc-endpoint": "aws:ec2/vpcEndpoint:VpcEndpoint",
    "launch-template": "aws:ec2/launchTemplate:LaunchTemplate",
    "placement-group": "aws:ec2/placementGroup:PlacementGroup",
    "capacity-reservation": "aws:ec2/capacityReservation:CapacityReservation",
    "vpc-flow-log": "aws:ec2/flowLog:FlowLog",
    "security-group": "aws:ec2/securityGroup:SecurityGroup",
    "subnet": "aws:ec2/subnet:Subnet",
    "route-table": "aws:ec2/routeTable:RouteTable",
    "vpc": "aws:ec2/vpc:Vpc",
}
"""Resource type of DescribeTags -> ours, in the order in which they can be deleted."""
GOES_WITH_ITS_OWNER = {"security-group-rule", "network-interface", "volume", "key-pair"}
"""Tagged things that end with what they belong to."""
BUDGET = "aws:budgets/budget:Budget"
GROUP = "aws:autoscaling/group:Group"
ROLE, PROFILE = "aws:iam/role:Role", "aws:iam/instanceProfile:InstanceProfile"
LOG_GROUP, KEY, ALIAS = "aws:cloudwatch/logGroup:LogGroup", "aws:kms/key:Key", "aws:kms/alias:Alias"
BUCKET, ZONE = "aws:s3/bucket:Bucket", "aws:route53/zone:Zone"
ORDER = (GROUP, BUDGET, ZONE, *EC2_TYPES.values(), PROFILE, ROLE, LOG_GROUP, BUCKET, ALIAS, KEY)
INPUTS = {BUCKET: {"forceDestroy": True}, ZONE: {"forceDestroy": True}}
"""Inputs without which a kind cannot be deleted as it is found."""
CALLS = (
    "autoscaling:DescribeAutoScalingGroups",
    "budgets:DescribeBudgets",
    "ec2:DescribeTags",
    "iam:ListInstanceProfiles",
    "iam:ListRoles",
    "kms:ListAliases",
    "logs:DescribeLogGroups",
    "route53:ListHostedZones",
    "tag:GetResources",
)
"""What is asked: together they list every kind of resource that a stack makes."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Something that carries the stack's tag."""

    kind: str
    id: str


def tagged(clients: Clients, stack: str) -> tuple[Found, ...]:
    """Return everything in the account and region that carries the stack's tag and still lives, in deletion order."""
    kinds = (_groups, _budgets, _ec2, _iam, _log_groups, _buckets, _zones, _keys)
    found = {item for look in kinds for item in look(clients, stack)}
    return tuple(sorted(found, key=lambda item: (_rank(item.kind), item.id)))


def delete(clients: Clients, found: Iterable[Found]) -> tuple[Found, ...]:
    """Delete what can be deleted, in order; return what was. What refuses is found again by the next look."""
    registry, gone = default_registry(), []
    found = tuple(found)
    _empty_groups(clients, [item.id for item in found if item.kind == EC2_TYPES["security-group"]])
    _free_tables(clients, [item.id for item in found if item.kind == EC2_TYPES["route-table"]])
    for item in found:
        if item.kind in registry:
            try:
                registry[item.kind].delete(clients, item.id, INPUTS.get(item.kind, {}))
            except (ClientError, TimeoutError):
                continue
            gone.append(item)
    return tuple(gone)


def _rank(kind: str) -> int:
    return ORDER.index(kind) if kind in ORDER else len(ORDER)


def _ec2(clients: Clients, stack: str) -> Iterator[Found]:
    """List EC2's own: DescribeTags knows every kind of resource."""
    filters = [{"Name": f"tag:{TAG}", "Values": [stack]}]
    ids: dict[str, str] = {}
    for page in clients.client("ec2").get_paginator("describe_tags").paginate(Filters=filters):
        ids |= {tag["ResourceId"]: tag["ResourceType"] for tag in page["Tags"]}
    passed_over = _terminated(clients, [i for i, kind in ids.items() if kind == "instance"])
    passed_over |= _default_groups(clients, [i for i, kind in ids.items() if kind == "security-group"])
    for resource_id, kind in ids.items():
        if kind not in GOES_WITH_ITS_OWNER and resource_id not in passed_over:
            yield Found(kind=EC2_TYPES.get(kind, f"ec2:{kind}"), id=resource_id)


def _groups(clients: Clients, stack: str) -> Iterator[Found]:
    """List Auto Scaling groups; they go before their instances, which they would start anew."""
    for name in groups_of(clients, stack):
        yield Found(kind=GROUP, id=name)


def _budgets(clients: Clients, stack: str) -> Iterator[Found]:
    """Find the stack's budget by its name: no list of budgets holds their tags."""
    account = clients.client("sts").get_caller_identity()["Account"]
    for page in clients.client("budgets").get_paginator("describe_budgets").paginate(AccountId=account):
        for budget in page.get("Budgets", []):
            if budget["BudgetName"] == alarm_name(stack):
                yield Found(kind=BUDGET, id=f"{account}:{budget['BudgetName']}")


def _terminated(clients: Clients, ids: list[str]) -> set[str]:
    """Return the instances that have ended: EC2 shows them, tags and all, for about an hour."""
    if not ids:
        return set()
    answer: Any = clients.client("ec2").describe_instances(Filters=[{"Name": "instance-id", "Values": ids}])
    instances = [instance for group in answer["Reservations"] for instance in group["Instances"]]
    living = {instance["InstanceId"] for instance in instances if instance["State"]["Name"] != "terminated"}
    return set(ids) - living


def _default_groups(clients: Clients, ids: list[str]) -> set[str]:
    """Return the groups that go with their VPC, and not before."""
    if not ids:
        return set()
    groups = clients.client("ec2").describe_security_groups(GroupIds=ids)["SecurityGroups"]
    return {group["GroupId"] for group in groups if group["GroupName"] == "default"}


def _empty_groups(clients: Clients, ids: list[str]) -> None:
    """Take all rules out of groups: two that name each other could not be deleted, whichever comes first."""
    if not ids:
        return
    ec2 = clients.client("ec2")
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": ids}])["SecurityGroupRules"]
    for rule in rules:
        revoke = ec2.revoke_security_group_egress if rule["IsEgress"] else ec2.revoke_security_group_ingress
        revoke(GroupId=rule["GroupId"], SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])


def _free_tables(clients: Clients, ids: list[str]) -> None:
    """Take route tables from their subnets: a table in use cannot be deleted."""
    if not ids:
        return
    ec2 = clients.client("ec2")
    for table in ec2.describe_route_tables(RouteTableIds=ids)["RouteTables"]:
        for association in table["Associations"]:
            if not association["Main"]:
                ec2.disassociate_route_table(AssociationId=association["RouteTableAssociationId"])


def _iam(clients: Clients, stack: str) -> Iterator[Found]:
    """List roles and instance profiles by name, then by tag: IAM's lists leave tags out.

    How the names begin is the profile's choice, which may not be known any more.
    """
    iam = clients.client("iam")
    part = f"{stack}-"
    for page in iam.get_paginator("list_instance_profiles").paginate():
        for profile in page["InstanceProfiles"]:
            name = profile["InstanceProfileName"]
            if part in name and _has_tag(iam.get_instance_profile(InstanceProfileName=name), stack):
                yield Found(kind=PROFILE, id=name)
    for page in iam.get_paginator("list_roles").paginate():
        for role in page["Roles"]:
            name = role["RoleName"]
            if part in name and _has_tag(iam.list_role_tags(RoleName=name), stack):
                yield Found(kind=ROLE, id=name)


def _log_groups(clients: Clients, stack: str) -> Iterator[Found]:
    logs = clients.client("logs")
    for page in logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=f"/cloister/{stack}/"):
        for group in page["logGroups"]:
            yield Found(kind=LOG_GROUP, id=group["logGroupName"])


def _buckets(clients: Clients, stack: str) -> Iterator[Found]:
    tagging, filters = clients.client("resourcegroupstaggingapi"), [{"Key": TAG, "Values": [stack]}]
    for page in tagging.get_paginator("get_resources").paginate(TagFilters=filters, ResourceTypeFilters=["s3"]):
        for mapping in page["ResourceTagMappingList"]:
            yield Found(kind=BUCKET, id=mapping["ResourceARN"].rpartition(":")[2])


def _zones(clients: Clients, stack: str) -> Iterator[Found]:
    """List zones by tag: Route 53's lists leave tags out, and it alone knows them in every region."""
    route53 = clients.client("route53")
    for page in route53.get_paginator("list_hosted_zones").paginate():
        for zone in page["HostedZones"]:
            zone_id = zone["Id"].rpartition("/")[2]
            answer = route53.list_tags_for_resource(ResourceType="hostedzone", ResourceId=zone_id)
            if _has_tag(answer["ResourceTagSet"], stack):
                yield Found(kind=ZONE, id=zone_id)


def _keys(clients: Clients, stack: str) -> Iterator[Found]:
    """List keys by tag; a key that waits for its deletion is as good as gone: nobody can use it.

    Aliases take no tags: the stack's has the stack's name.
    """
    tagging, kms = clients.client("resourcegroupstaggingapi"), clients.client("kms")
    for page in kms.get_paginator("list_aliases").paginate():
        for alias in page["Aliases"]:
            if alias["AliasName"] == f"alias/cloister-{stack}":
                yield Found(kind=ALIAS, id=alias["AliasName"])
    filters = [{"Key": TAG, "Values": [stack]}]
    pages = tagging.get_paginator("get_resources").paginate(TagFilters=filters, ResourceTypeFilters=["kms:key"])
    for page in pages:
        for mapping in page["ResourceTagMappingList"]:
            key_id = mapping["ResourceARN"].rsplit("/", 1)[-1]
            if kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] != "PendingDeletion":
                yield Found(kind=KEY, id=key_id)


def _has_tag(answer: dict[str, Any], stack: str) -> bool:
    """Look in an answer that holds tags, or the thing that has them."""
    tags = answer.get("Tags") or answer.get("InstanceProfile", {}).get("Tags", [])
    return {"Key": TAG, "Value": stack} in tags
