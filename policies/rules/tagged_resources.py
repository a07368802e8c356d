"""What a stack makes can be told apart from everything else."""

from __future__ import annotations

from collections.abc import Iterator

from planner.resources import UNKNOWN, Resource
from planner.tags import STACK_TAG
from policies import examples
from policies.rule import Answer, Example, NotKnown, Rule, Stack, Violated
from policies.values import at

TAGGED = (
    "aws:autoscaling/group:Group",
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
    "aws:ec2/flowLog:FlowLog",
    "aws:ec2/instance:Instance",
    "aws:ec2/launchTemplate:LaunchTemplate",
    "aws:ec2/networkInterface:NetworkInterface",
    "aws:ec2/routeTable:RouteTable",
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:ec2/subnet:Subnet",
    "aws:ec2/vpc:Vpc",
    "aws:ec2/vpcEndpoint:VpcEndpoint",
    "aws:ec2/vpcEndpointService:VpcEndpointService",
    "aws:ec2/vpcPeeringConnection:VpcPeeringConnection",
    "aws:ec2transitgateway/instanceConnectEndpoint:InstanceConnectEndpoint",
    "aws:ec2transitgateway/vpcAttachment:VpcAttachment",
    "aws:iam/instanceProfile:InstanceProfile",
    "aws:iam/role:Role",
    "aws:kms/key:Key",
    "aws:lb/loadBalancer:LoadBalancer",
    "aws:lb/targetGroup:TargetGroup",
    "aws:route53/zone:Zone",
    "aws:s3/bucket:Bucket",
    "aws:secretsmanager/secret:Secret",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
)
"""Types that carry tags of their own."""


def on_stack(stack: Stack) -> Iterator[Answer]:
    """Judge whose every resource says that it is."""
    wanted = stack.plan.tags if stack.plan else {}
    if STACK_TAG not in wanted:
        return  # a plan without tags is of no stack that was ever made
    for resource in stack.of_type(*TAGGED):
        if at(resource.inputs, "tags") is UNKNOWN:
            yield NotKnown("tags", resource)
            continue
        tags = _tags(resource)
        for name, value in wanted.items():
            if tags.get(name) != value:
                yield Violated(f"its tag {name} is {tags.get(name) or 'missing'}, not {value}", resource)


def _tags(resource: Resource) -> dict[str, object]:
    tags = at(resource.inputs, "tags")
    if isinstance(tags, list):  # an Auto Scaling group's
        return {str(at(tag, "key")): at(tag, "value") for tag in tags}
    return dict(tags or {})


_PLAN = examples.changed(tags={STACK_TAG: "example", "owner": "ml-platform"})
_VPC = "aws:ec2/vpc:Vpc"

RULE = Rule(
    id="tagged-resources",
    title="Every resource carries the stack's tags",
    family="lifecycle",
    severity="medium",
    why=(
        "What carries no tag is found by no sweep, and by no policy that allows changes to tagged things alone. "
        "It stays, open or paid for, when the stack is gone."
    ),
    remediation="Set tags in the profile's `tags`; every component passes them on. `deploy sweep` finds what has none.",
    controls=("nist CM-8", "iso27001 A.5.9", "soc2 CC6.1"),
    references=("https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html",),
    good=(
        Example(
            "all of them",
            (examples.resource(_VPC, "main", tags={STACK_TAG: "example", "owner": "ml-platform", "Name": "x"}),),
            _PLAN,
        ),
        Example("a type without tags", (examples.resource("aws:kms/alias:Alias", "main"),), _PLAN),
    ),
    bad=(
        Example("none", (examples.resource(_VPC, "main"),), _PLAN),
        Example("the owner's is missing", (examples.resource(_VPC, "main", tags={STACK_TAG: "example"}),), _PLAN),
        Example(
            "another stack's",
            (examples.resource(_VPC, "main", tags={STACK_TAG: "other", "owner": "ml-platform"}),),
            _PLAN,
        ),
    ),
    on_stack=on_stack,
)
