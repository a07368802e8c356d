"""Changes of security groups that moto carries out by halves."""

from __future__ import annotations

from moto.ec2.models.security_groups import SecurityGroupRule

from sandbox.aws.call import Call, Operation
from sandbox.aws.errors import AwsError, not_found
from sandbox.aws.region import Region


def _rule(region: Region, group_id: str, rule_id: str) -> SecurityGroupRule:
    group = region.ec2.get_security_group_from_id(group_id)
    if group is None:
        raise AwsError("InvalidGroup.NotFound", f"The security group '{group_id}' does not exist")
    rule = group.get_rule(rule_id)
    if rule is None:
        raise not_found("InvalidSecurityGroupRuleId.NotFound", "security group rule", rule_id)
    return rule


def _modify_rules(call: Call) -> object:
    """Rewrite rules. moto knows IPv4 peers alone, and no rule for all protocols."""
    for change in call.parameters["SecurityGroupRules"]:
        rule = _rule(call.region, call.parameters["GroupId"], change["SecurityGroupRuleId"])
        new = change["SecurityGroupRule"]
        ranges = {"CidrIpv4": "CidrIp", "CidrIpv6": "CidrIpv6"}
        peer = {name: new[asked] for asked, name in ranges.items() if asked in new}
        rule.ip_protocol = new["IpProtocol"]
        everything = new["IpProtocol"] == "-1"
        rule.from_port = None if everything else new["FromPort"]
        rule.to_port = None if everything else new["ToPort"]
        rule.ip_range = {**peer, "Description": new["Description"]} if peer and new.get("Description") else peer
        rule.source_group = {"GroupId": new["ReferencedGroupId"]} if "ReferencedGroupId" in new else {}
        rule.prefix_list_id = new.get("PrefixListId")
    return {"Return": True}


OPERATIONS: dict[tuple[str, str], Operation] = {("ec2", "ModifySecurityGroupRules"): _modify_rules}
