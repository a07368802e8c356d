"""Security groups, the default one of a VPC included, with the rules they are declared with.

Rules that are resources of their own are in `security_group_rules`; a group leaves those alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from planner.tags import STACK_TAG
from sandbox.handlers.base import Clients, Properties
from sandbox.handlers.ec2 import Ec2Resource
from sandbox.handlers.resource import Change, Record, Target, own_tags, tag_list, tag_outputs
from sandbox.handlers.waiting import code_of, is_gone, remove_when_free, unless_gone

_ANYWHERE = frozenset({"0.0.0.0/0", "::/0"})
_INGRESS, _EGRESS = "ingress", "egress"


def _permission(rule: Properties, group_id: str) -> dict[str, Any]:
    """Return a rule of a group's own list as EC2 writes it."""
    said = {"Description": rule["description"]} if rule.get("description") else {}
    groups = [*(rule.get("securityGroups") or []), *([group_id] if rule.get("self") else [])]
    permission: dict[str, Any] = {
        "IpProtocol": rule["protocol"],
        "IpRanges": [{"CidrIp": cidr, **said} for cidr in rule.get("cidrBlocks") or []],
        "Ipv6Ranges": [{"CidrIpv6": cidr, **said} for cidr in rule.get("ipv6CidrBlocks") or []],
        "PrefixListIds": [{"PrefixListId": one, **said} for one in rule.get("prefixListIds") or []],
        "UserIdGroupPairs": [{"GroupId": one, **said} for one in groups],
    }
    if rule["protocol"] != "-1":
        permission.update(FromPort=rule["fromPort"], ToPort=rule["toPort"])
    return {name: value for name, value in permission.items() if value or name in {"FromPort", "ToPort"}}


def _rules(target: Target) -> list[Record]:
    found = target.ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [target.id]}])
    return list(found["SecurityGroupRules"])


def _revoke(target: Target, rules: Iterable[Record]) -> None:
    """Revoke rules of the group by their ids."""
    by_direction: dict[bool, list[str]] = {}
    for rule in rules:
        by_direction.setdefault(rule["IsEgress"], []).append(rule["SecurityGroupRuleId"])
    for is_egress, ids in by_direction.items():
        revoke = target.ec2.revoke_security_group_egress if is_egress else target.ec2.revoke_security_group_ingress
        try:
            revoke(GroupId=target.id, SecurityGroupRuleIds=ids)
        except ClientError as error:
            if not is_gone(error):
                raise
            for rule_id in ids:  # at least one of them is gone, by whosever hand
                unless_gone(partial(revoke, GroupId=target.id, SecurityGroupRuleIds=[rule_id]))


def _authorize(target: Target, direction: str, rules: Iterable[Properties]) -> None:
    """Allow what the rules say, one rule at a time: one that is there already refuses the whole request."""
    ec2 = target.ec2
    authorize = ec2.authorize_security_group_egress if direction == _EGRESS else ec2.authorize_security_group_ingress
    for rule in rules:
        try:
            authorize(GroupId=target.id, IpPermissions=[_permission(rule, target.id)])
        except ClientError as error:
            if code_of(error) != "InvalidPermission.Duplicate":
                raise


def _is_a_resource(rule: Record) -> bool:
    """Tell whether a rule is a resource of its own."""
    return any(tag["Key"] == STACK_TAG for tag in rule.get("Tags", []))


class _Group(Ec2Resource):
    """What both kinds of group do alike."""

    kind = "security-group"
    describe_call, records_key, ids_argument, id_key = (
        "describe_security_groups",
        "SecurityGroups",
        "GroupIds",
        "GroupId",
    )

    def change(self, change: Change) -> None:
        """Bring the group's own rules to what they should be."""
        for direction in {_INGRESS, _EGRESS} & change.names:
            stale = [
                rule
                for rule in _rules(change)
                if rule["IsEgress"] == (direction == _EGRESS) and not _is_a_resource(rule)
            ]
            _revoke(change, stale)
            _authorize(change, direction, change.inputs.get(direction) or [])

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        return {
            "arn": self.arn(target, record["OwnerId"]),
            "name": record["GroupName"],
            "description": record["Description"],
            "vpcId": record["VpcId"],
            "ownerId": record["OwnerId"],
            **tag_outputs(record.get("Tags")),
        }


class SecurityGroup(_Group):
    """`aws:ec2/securityGroup:SecurityGroup`."""

    type = "aws:ec2/securityGroup:SecurityGroup"
    fixed = frozenset({"name", "description", "vpcId"})
    in_place = frozenset({"ingress", "egress", "revokeRulesOnDelete", "tags"})
    required = frozenset({"name", "vpcId"})
    unordered = frozenset({"ingress", "egress"})

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the group."""
        made = clients.client("ec2").create_security_group(
            GroupName=inputs["name"],
            Description=inputs.get("description") or "Managed by Pulumi",
            VpcId=inputs["vpcId"],
            **self.tagged(inputs),
        )
        return str(made["GroupId"])

    def complete(self, target: Target) -> None:
        """Take back the rule with which AWS lets a new group out to anywhere, and add the group's own."""
        born_with = [
            rule
            for rule in _rules(target)
            if rule["IsEgress"]
            and rule["IpProtocol"] == "-1"
            and {rule.get("CidrIpv4"), rule.get("CidrIpv6")} & _ANYWHERE
            and not _is_a_resource(rule)
        ]
        _revoke(target, born_with)
        for direction in (_INGRESS, _EGRESS):
            _authorize(target, direction, target.inputs.get(direction) or [])

    def remove(self, target: Target) -> None:
        """Delete the group once nothing uses it."""
        if target.inputs.get("revokeRulesOnDelete") and self.describe(target) is not None:
            _revoke(target, _rules(target))
        remove_when_free(lambda: target.ec2.delete_security_group(GroupId=target.id), target.id)


class DefaultSecurityGroup(_Group):
    """`aws:ec2/defaultSecurityGroup:DefaultSecurityGroup`: the group that a VPC is born with, adopted and emptied."""

    type = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
    fixed = frozenset({"vpcId"})
    in_place = frozenset({"ingress", "egress", "revokeRulesOnDelete", "tags"})
    required = frozenset({"vpcId"})
    unordered = frozenset({"ingress", "egress"})

    @staticmethod
    def _of_vpc(clients: Clients, vpc_id: str) -> Record:
        filters = [{"Name": "vpc-id", "Values": [vpc_id]}, {"Name": "group-name", "Values": ["default"]}]
        groups = clients.client("ec2").describe_security_groups(Filters=filters)["SecurityGroups"]
        if not groups:
            raise LookupError(f"{vpc_id} does not exist, so it has no default security group")
        group: Record = groups[0]
        return group

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Adopt the VPC's default group."""
        return str(self._of_vpc(clients, inputs["vpcId"])["GroupId"])

    def complete(self, target: Target) -> None:
        """Empty the group, put in its own rules, tag it."""
        _revoke(target, _rules(target))
        for direction in (_INGRESS, _EGRESS):
            _authorize(target, direction, target.inputs.get(direction) or [])
        if target.inputs.get("tags"):
            target.ec2.create_tags(Resources=[target.id], Tags=tag_list(target.inputs["tags"]))

    def candidates(self, clients: Clients, inputs: Properties) -> Iterable[tuple[str, Record]]:
        """Return the VPC's default group, if it was adopted already."""
        for group_id, record in super().candidates(clients, inputs):
            if own_tags(inputs) and record["GroupName"] == "default":
                yield group_id, record

    def remove(self, target: Target) -> None:
        """Do nothing: the group goes with its VPC."""
