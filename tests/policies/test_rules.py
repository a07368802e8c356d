"""Each rule fires on each bad example, is silent on each good one, and says what a person can do."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
import typer

from cli.app import app
from planner.plan import Plan
from planner.resources import UNKNOWN, Resource
from policies import examples
from policies.proof import faults
from policies.rule import Rule
from policies.rules import RULES
from policies.rules.judged_types_only import JUDGED
from policies.run import evaluate

FOLDER = Path(__file__).parents[2] / "policies" / "rules"
VERBS = frozenset(getattr(typer.main.get_command(app), "commands", {}))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_rule_is_complete_and_its_examples_prove_it(rule: Rule) -> None:
    assert list(faults(rule, file=rule.id.replace("-", "_"), verbs=VERBS)) == []


def test_every_file_is_a_rule_and_every_rule_a_file() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} - {"__init__"} == {rule.id.replace("-", "_") for rule in RULES}
    assert len({rule.id for rule in RULES}) == len(RULES)


def test_there_are_at_least_sixty() -> None:
    assert len(RULES) >= 60


# What is not known yet is neither a violation nor silence.
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"

UNDECIDED: list[tuple[str, Resource, Plan | None]] = [
    (
        "no-internet-path",
        examples.resource("aws:ec2/subnet:Subnet", "a", vpcId=UNKNOWN, mapPublicIpOnLaunch=UNKNOWN),
        None,
    ),
    ("no-internet-path", examples.resource("aws:ec2/routeTable:RouteTable", "t", routes=UNKNOWN), None),
    ("no-internet-path", examples.resource("aws:ec2/routeTable:RouteTable", "t", routes=[UNKNOWN]), None),
    ("no-internet-path", examples.resource("aws:ec2/route:Route", "r", destinationCidrBlock=UNKNOWN), None),
    ("no-internet-path", examples.resource("aws:ec2/instance:Instance", "i", subnetId=UNKNOWN), None),
    ("least-privilege", examples.resource("aws:ec2/instance:Instance", "i", iamInstanceProfile=UNKNOWN), None),
    ("least-privilege", examples.resource("aws:iam/instanceProfile:InstanceProfile", "i", role=UNKNOWN), None),
    ("encrypted-at-rest", examples.resource("aws:ec2/flowLog:FlowLog", "f", logDestinationType=UNKNOWN), None),
    ("least-privilege", examples.resource("aws:iam/rolePolicy:RolePolicy", "p", policy={"Statement": UNKNOWN}), None),
    (
        "least-privilege",
        examples.resource(
            "aws:kms/key:Key",
            "p",
            policy={
                "Statement": {"Effect": "Allow", "Principal": UNKNOWN, "Action": "kms:Decrypt", "Condition": UNKNOWN}
            },
        ),
        None,
    ),
    (
        "least-privilege",
        examples.resource(
            "aws:ec2/vpcEndpoint:VpcEndpoint",
            "p",
            policy={
                "Statement": {
                    "Effect": "Allow",
                    "Action": "kms:Decrypt",
                    "Resource": UNKNOWN,
                    "Condition": {"StringEquals": {"aws:PrincipalAccount": UNKNOWN}},
                }
            },
        ),
        None,
    ),
    ("only-named-networks", examples.resource("aws:ec2/securityGroup:SecurityGroup", "g", ingress=UNKNOWN), None),
    (
        "only-named-networks",
        examples.resource("aws:ec2/securityGroup:SecurityGroup", "g", ingress=[{"cidrBlocks": [UNKNOWN]}]),
        None,
    ),
    (
        "only-named-networks",
        examples.resource("aws:ec2/securityGroupRule:SecurityGroupRule", "g", type=UNKNOWN, cidrBlocks=["10.0.0.0/8"]),
        None,
    ),
    (
        "only-named-networks",
        examples.resource(
            "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
            "g",
            ipProtocol="tcp",
            fromPort=UNKNOWN,
            toPort=8443,
            cidrIpv4="10.20.0.0/16",
        ),
        examples.plan(),
    ),
    (
        "instance-metadata-v2",
        examples.resource(TEMPLATE, "t", metadataOptions=UNKNOWN),
        None,
    ),
    ("instance-metadata-v2", examples.resource("aws:ec2/instance:Instance", "i", launchTemplate={"id": UNKNOWN}), None),
    ("encrypted-at-rest", examples.resource("aws:ssm/parameter:Parameter", "p", type=UNKNOWN, keyId=UNKNOWN), None),
    ("no-internet-path", examples.resource("aws:ec2/vpcEndpoint:VpcEndpoint", "e", serviceName=UNKNOWN), None),
    ("encrypted-at-rest", examples.resource("aws:cloudwatch/logGroup:LogGroup", "l", kmsKeyId=UNKNOWN), None),
    (
        "encrypted-at-rest",
        examples.resource(TEMPLATE, "t", blockDeviceMappings=UNKNOWN),
        None,
    ),
    ("least-privilege", examples.resource("aws:iam/rolePolicy:RolePolicy", "p", policy=UNKNOWN), None),
    (
        "least-privilege",
        examples.resource(
            "aws:iam/rolePolicy:RolePolicy",
            "p",
            policy={"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": [UNKNOWN]}},
        ),
        None,
    ),
    (
        "least-privilege",
        examples.resource(ATTACHMENT, "p", policyArn=UNKNOWN),
        None,
    ),
]


@pytest.mark.parametrize(("rule_id", "resource", "plan"), UNDECIDED)
def test_unknown_values_are_told_as_such(rule_id: str, resource: Resource, plan: Plan | None) -> None:
    rule = next(rule for rule in RULES if rule.id == rule_id)
    statuses = {finding.status for finding in evaluate(plan, (resource,), rules=(rule,))}
    assert statuses == {"unknown"}


@pytest.mark.parametrize("type_", JUDGED)
def test_types_are_judged_by_the_rules_that_claim_them(type_: str) -> None:
    """A type may be called judged only by rules that mention it in their file."""
    for rule_id in JUDGED[type_].split(", "):
        assert rule_id in {rule.id for rule in RULES}
        assert f'"{type_}"' in (FOLDER / f"{rule_id.replace('-', '_')}.py").read_text()


def test_severities_are_those_of_the_engine() -> None:
    from policies.rule import Level, Severity

    assert get_args(Severity) == ("low", "medium", "high", "critical")
    assert get_args(Level) == ("mandatory", "advisory")
