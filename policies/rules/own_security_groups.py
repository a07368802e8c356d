"""Whatever stands in the network is guarded by groups of this stack."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.resources import UNKNOWN, Resource
from policies import examples
from policies.rule import Answer, Example, Rule, Stack
from policies.values import at, each, own_value

GROUP = "aws:ec2/securityGroup:SecurityGroup"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
GUARDED = {
    "aws:ec2/instance:Instance": "vpcSecurityGroupIds",
    "aws:ec2/networkInterface:NetworkInterface": "securityGroups",
    "aws:ec2/vpcEndpoint:VpcEndpoint": "securityGroupIds",
    "aws:ec2transitgateway/instanceConnectEndpoint:InstanceConnectEndpoint": "securityGroupIds",
}
"""Types, and where they name their groups."""


def on_stack(stack: Stack) -> Iterator[Answer]:
    """Judge whose groups are named: nobody judges what stands in another's."""
    for type_, name in GUARDED.items():
        for resource in stack.of_type(type_):
            yield from _groups(stack, resource, resource.inputs, name, "")
    for template in stack.of_type(TEMPLATE):
        yield from _groups(stack, template, template.inputs, "vpcSecurityGroupIds", "")
        for path, interface in each(template.inputs, "networkInterfaces"):
            yield from _groups(stack, template, interface, "securityGroups", f"{path}.")


def _groups(stack: Stack, resource: Resource, properties: Any, name: str, prefix: str) -> Iterator[Answer]:
    if properties is UNKNOWN or at(properties, name) is UNKNOWN:
        return  # nobody has named a foreign one: what is not known yet comes from this stack's own resources
    for path, group in each(properties, name):
        yield from own_value(stack, resource, f"{prefix}{path}", group, GROUP)


_GROUP = examples.resource(GROUP, "node")


def _template(*groups: object) -> tuple[Resource, ...]:
    interface = {"deviceIndex": 0, "deleteOnTermination": "true", "securityGroups": list(groups)}
    return _GROUP, examples.resource(TEMPLATE, "node", after=(_GROUP,), networkInterfaces=[interface])


RULE = Rule(
    id="own-security-groups",
    title="Nodes and endpoints stand in security groups of this stack alone",
    family="network",
    severity="high",
    why=(
        "A group from elsewhere may let in anybody, and changes whenever its owner likes. Groups add up: one that is "
        "open opens the node, however narrow the others are."
    ),
    remediation="Give the interface groups of the stack; more clients are let in by `network.client_cidrs`.",
    controls=("cis-aws 5.3", "nist SC-7", "iso27001 A.8.22", "soc2 CC6.6"),
    references=("https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html",),
    good=(
        Example("a group of the stack", _template(UNKNOWN)),
        Example("an endpoint in one", (_GROUP, examples.resource("aws:ec2/vpcEndpoint:VpcEndpoint", "kms"))),
    ),
    bad=(
        Example("a group from elsewhere", _template("sg-0123456789abcdef0")),
        Example("one of each", _template(UNKNOWN, "sg-0123456789abcdef0")),
        Example(
            "an entrance in a group from elsewhere",
            (
                examples.resource(
                    "aws:ec2transitgateway/instanceConnectEndpoint:InstanceConnectEndpoint",
                    "entrance",
                    securityGroupIds=["sg-0123456789abcdef0"],
                ),
            ),
        ),
    ),
    on_stack=on_stack,
)
