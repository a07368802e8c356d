"""Each rule fires on each bad example, is silent on each good one, and says what a person can do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from planner.plan import Plan
from planner.profile import Profile
from planner.resources import UNKNOWN, Resource
from policies import examples
from policies.rule import Example, Rule
from policies.rules import RULES
from policies.rules.judged_types_only import JUDGED
from policies.run import Finding, evaluate

FOLDER = Path(__file__).parents[2] / "policies" / "rules"
VERBS = {"up", "plan", "status", "verify", "doctor", "profiles", "down"}


def judge(rule: Rule, example: Example) -> tuple[Finding, ...]:
    return evaluate(example.plan, example.resources, rules=(rule,))


def examples_of(kind: str) -> list[Any]:
    return [
        pytest.param(rule, example, id=f"{rule.id}: {example.shows}")
        for rule in RULES
        for example in getattr(rule, kind)
    ]


@pytest.mark.parametrize(("rule", "example"), examples_of("bad"))
def test_fires_on_bad(rule: Rule, example: Example) -> None:
    findings = judge(rule, example)
    assert any(finding.status == "violated" for finding in findings), findings
    assert not any(finding.status == "broken" for finding in findings), findings


@pytest.mark.parametrize(("rule", "example"), examples_of("good"))
def test_silent_on_good(rule: Rule, example: Example) -> None:
    assert [finding for finding in judge(rule, example) if finding.status != "unknown"] == []


def test_every_file_is_a_rule_and_every_rule_a_file() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} - {"__init__"} == {rule.id.replace("-", "_") for rule in RULES}
    assert len({rule.id for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_rule_is_complete(rule: Rule) -> None:
    assert len(rule.good) >= 2
    assert len(rule.bad) >= 2
    assert rule.on_resource or rule.on_stack or rule.on_plan
    assert all(reference.startswith("https://") for reference in rule.references)
    assert rule.references
    assert len(re.findall(r"[.!](?= |$)", rule.why)) == 2, "the attack, in two sentences"
    assert not rule.title.endswith(".")


def profile_fields(record: type[msgspec.Struct] = Profile, prefix: str = "") -> Iterator[str]:
    for name, annotation in get_type_hints(record).items():
        yield f"{prefix}{name}"
        if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
            yield from profile_fields(annotation, f"{prefix}{name}.")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_remediation_names_a_profile_field_or_a_command(rule: Rule) -> None:
    quoted = re.findall(r"`([^`]+)`", rule.remediation)
    fields = set(profile_fields())
    assert any(text in fields or text.startswith("deploy ") for text in quoted)
    for text in quoted:
        if text.startswith("deploy "):
            assert text.split()[1] in VERBS
        elif "." in text:
            assert text in fields, f"{text} is no field of a profile"


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
