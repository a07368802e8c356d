"""Single rules of security groups."""

from __future__ import annotations

from typing import Any

from sandbox.handlers.base import Clients, Properties
from sandbox.handlers.ec2 import Ec2Resource, account_id
from sandbox.handlers.resource import Change, Record, Target, tag_outputs
from sandbox.handlers.waiting import remove_when_free

_PEERS = {
    "cidrIpv4": "CidrIpv4",
    "cidrIpv6": "CidrIpv6",
    "prefixListId": "PrefixListId",
    "referencedSecurityGroupId": "ReferencedGroupId",
}


def _ports(inputs: Properties) -> dict[str, int]:
    names = {"fromPort": "FromPort", "toPort": "ToPort"}
    return {api_name: inputs[name] for name, api_name in names.items() if inputs.get(name) is not None}


def _permission(inputs: Properties) -> dict[str, Any]:
    """Return a rule as EC2 takes a new one."""
    said = {"Description": inputs["description"]} if inputs.get("description") else {}
    peers: dict[str, Any] = {}
    if inputs.get("cidrIpv4"):
        peers["IpRanges"] = [{"CidrIp": inputs["cidrIpv4"], **said}]
    if inputs.get("cidrIpv6"):
        peers["Ipv6Ranges"] = [{"CidrIpv6": inputs["cidrIpv6"], **said}]
    if inputs.get("prefixListId"):
        peers["PrefixListIds"] = [{"PrefixListId": inputs["prefixListId"], **said}]
    if inputs.get("referencedSecurityGroupId"):
        peers["UserIdGroupPairs"] = [{"GroupId": inputs["referencedSecurityGroupId"], **said}]
    return {"IpProtocol": inputs["ipProtocol"], **_ports(inputs), **peers}


class _Rule(Ec2Resource):
    """What both directions do alike."""

    fixed = frozenset({"securityGroupId"})
    in_place = frozenset({*_PEERS, "description", "fromPort", "ipProtocol", "tags", "toPort"})
    required = frozenset({"securityGroupId", "ipProtocol"})
    kind = "security-group-rule"
    describe_call, records_key = "describe_security_group_rules", "SecurityGroupRules"
    ids_argument, id_key = "SecurityGroupRuleIds", "SecurityGroupRuleId"
    direction: str

    def replaces(self, name: str, old: Properties, new: Properties) -> bool:
        """Tell whether a change means replacement: a rule keeps its kind of peer."""
        if name in _PEERS:
            return bool(old.get(name)) != bool(new.get(name))
        return super().replaces(name, old, new)

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the rule."""
        authorize = getattr(clients.client("ec2"), f"authorize_security_group_{self.direction}")
        made = authorize(GroupId=inputs["securityGroupId"], IpPermissions=[_permission(inputs)], **self.tagged(inputs))
        return str(made["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def change(self, change: Change) -> None:
        """Rewrite the rule."""
        if change.names <= {"tags"}:
            return
        new = change.inputs
        peer = {api_name: new[name] for name, api_name in _PEERS.items() if new.get(name)}
        rule = {"IpProtocol": new["ipProtocol"], "Description": new.get("description") or "", **_ports(new), **peer}
        change.ec2.modify_security_group_rules(
            GroupId=new["securityGroupId"],
            SecurityGroupRules=[{"SecurityGroupRuleId": change.id, "SecurityGroupRule": rule}],
        )

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        seen = {name: record[api_name] for name, api_name in _PEERS.items() if record.get(api_name)}
        if record.get("ReferencedGroupInfo"):
            seen["referencedSecurityGroupId"] = record["ReferencedGroupInfo"]["GroupId"]
        if record["IpProtocol"] != "-1":
            seen.update(fromPort=record["FromPort"], toPort=record["ToPort"])
        return {
            "arn": self.arn(target, account_id(target.clients)),
            "securityGroupId": record["GroupId"],
            "securityGroupRuleId": target.id,
            "ipProtocol": record["IpProtocol"],
            **seen,
            **tag_outputs(record.get("Tags")),
        }

    def alive(self, record: Record) -> bool:
        """Tell whether a rule that carries the tags is of this direction."""
        return bool(record["IsEgress"] == (self.direction == "egress"))

    def remove(self, target: Target) -> None:
        """Revoke the rule."""
        revoke = getattr(target.ec2, f"revoke_security_group_{self.direction}")
        group_id = target.inputs["securityGroupId"]
        remove_when_free(lambda: revoke(GroupId=group_id, SecurityGroupRuleIds=[target.id]), target.id)


class SecurityGroupIngressRule(_Rule):
    """`aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule`."""

    type = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    direction = "ingress"


class SecurityGroupEgressRule(_Rule):
    """`aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule`."""

    type = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
    direction = "egress"
