"""Looking: page after page, and what may not be looked at is named and never counted as gone."""

from __future__ import annotations

from typing import Any

import pytest

from lifecycle import teardown_certificate
from lifecycle.sweeping.kinds import KINDS
from lifecycle.sweeping.looking import look
from lifecycle.sweeping.records import Kind, Place
from lifecycle.sweeping.swept import sweep
from lifecycle.teardown_certificate import Certificate
from planner.progress import Silent
from planner.tags import STACK_TAG
from sandbox.handlers.clients import Boto3Clients
from tests.lifecycle.sweeping.scripted import Scripted, refusal

MINE = [{"Key": STACK_TAG, "Value": "mine"}]


class Refusing:
    """Clients that may not do anything, or not call one service."""

    region = "us-east-2"

    def __init__(self, service: str = "", code: str = "AccessDenied") -> None:
        self.service, self.code, self.others = service, code, Scripted({})

    def client(self, service: str) -> Any:
        return _Refusing(self.code) if service == self.service or not self.service else self.others.client(service)


class _Refusing:
    def __init__(self, code: str) -> None:
        self.code = code

    def can_paginate(self, _: str) -> bool:
        return False

    def __getattr__(self, method: str) -> Any:
        def call(**_: Any) -> None:
            raise refusal(self.code, "".join(part.capitalize() for part in method.split("_")))

        return call


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_kind_that_may_not_be_looked_at_is_said_to_be_and_never_gone(kind: Kind) -> None:
    place = Place(Refusing(), "123456789012", "mine")
    (looked,) = look(place, [kind])
    assert looked.things == ()
    assert any(call.split(":")[0] in looked.why_not for call in kind.calls), looked.why_not
    assert "may not call" in looked.why_not


@pytest.mark.parametrize("code", ["AccessDenied", "UnauthorizedOperation", "AccessDeniedException", "InternalError"])
def test_the_certificate_says_not_looked_at(code: str) -> None:
    swept = sweep(Place(Refusing("ec2", code), "123456789012", "mine"), Silent(), delete=True)
    assert not swept.clean
    assert {"instances", "VPCs", "volumes"} <= {kind.title for kind in swept.not_looked_at}
    assert all(kind.looked_at is None for kind in swept.not_looked_at)
    assert any(kind.looked_at == 0 for kind in swept.kinds)
    page = teardown_certificate.page(
        Certificate(
            stack="mine",
            profile="",
            begun_at="",
            ended_at="",
            removed=(),
            leftovers=teardown_certificate.leftovers_of(swept),
            looked=(teardown_certificate.sentence(swept),),
            remarks=(),
            swept=swept,
        )
    )
    assert "Nothing is left" not in page
    assert "nobody can say that nothing is left" in page
    assert "| instances | **not looked at**: " in page
    assert "ec2:DescribeInstances" in page


def test_an_answer_that_cannot_be_read_is_no_answer() -> None:
    from botocore.parsers import ResponseParserError

    def page(_: dict[str, Any]) -> Any:
        raise ResponseParserError("a proxy's page")

    (looked,) = look(Place(Scripted({("ec2", "describe_vpcs"): page}), "1", "mine"), [_kind("vpc")])
    assert "cannot be read" in looked.why_not


def test_what_goes_between_two_calls_is_looked_at_again() -> None:
    balancers = [{"LoadBalancers": [{"LoadBalancerArn": "arn-1"}]}, {"LoadBalancers": []}]

    def tags(_: dict[str, Any]) -> None:
        raise refusal("LoadBalancerNotFound", "DescribeTags")

    script: dict[tuple[str, str], Any] = {
        ("elbv2", "describe_load_balancers"): lambda _: balancers.pop(0),
        ("elbv2", "describe_tags"): tags,
    }
    (looked,) = look(Place(Scripted(script), "1", "mine"), [_kind("load-balancer")])
    assert (looked.things, looked.why_not) == ((), "")


def _kind(name: str) -> Kind:
    return next(kind for kind in KINDS if kind.name == name)


def _zone(number: int) -> dict[str, Any]:
    return {"Id": f"/hostedzone/Z{number}", "Name": f"{number}.", "Config": {"PrivateZone": True}}


PAGED: dict[str, dict[tuple[str, str], Any]] = {
    "vpc": {("ec2", "describe_vpcs"): [{"Vpcs": [{"VpcId": f"vpc-{n}", "Tags": MINE}]} for n in range(3)]},
    "instance": {
        ("ec2", "describe_instances"): [
            {
                "Reservations": [
                    {
                        "Instances": [
                            {"InstanceId": f"i-{n}", "InstanceType": "x", "State": {"Name": "running"}, "Tags": MINE}
                        ]
                    }
                ]
            }
            for n in range(3)
        ]
    },
    "role": {
        ("iam", "list_roles"): [{"Roles": [{"RoleName": f"mine-{n}", "Path": "/"}]} for n in range(3)],
        ("iam", "list_role_tags"): [{"Tags": [{"Key": "a", "Value": "b"}]}, {"Tags": MINE}],
    },
    "hosted-zone": {
        ("route53", "list_hosted_zones"): [{"HostedZones": [_zone(n), _zone(n + 10)]} for n in range(6)],
        ("route53", "list_tags_for_resources"): lambda asked: {
            "ResourceTagSets": [{"ResourceId": one, "Tags": MINE} for one in asked["ResourceIds"]]
        },
    },
    "kms-key": {
        ("kms", "list_keys"): [{"Keys": [{"KeyId": f"key-{n}"}]} for n in range(3)],
        ("resourcegroupstaggingapi", "get_resources"): [
            {"ResourceTagMappingList": [{"ResourceARN": f"arn:aws:kms:us-east-2:1:key/key-{n}"}]} for n in range(3)
        ],
        ("kms", "describe_key"): lambda asked: {"KeyMetadata": {"KeyId": asked["KeyId"], "KeyState": "Enabled"}},
        ("kms", "list_resource_tags"): [{"Tags": []}, {"Tags": [{"TagKey": STACK_TAG, "TagValue": "mine"}]}],
    },
    "target-group": {
        ("elbv2", "describe_target_groups"): [
            {"TargetGroups": [{"TargetGroupArn": f"arn-{page}-{n}"} for n in range(15)]} for page in range(3)
        ],
        ("elbv2", "describe_tags"): lambda asked: {
            "TagDescriptions": [{"ResourceArn": arn, "Tags": MINE} for arn in asked["ResourceArns"]]
        },
    },
    "scheduled-action": {
        ("autoscaling", "describe_auto_scaling_groups"): [
            {"AutoScalingGroups": [{"AutoScalingGroupName": "g", "Tags": MINE, "DesiredCapacity": 0, "MaxSize": 1}]}
        ],
        ("autoscaling", "describe_scheduled_actions"): [
            {"ScheduledUpdateGroupActions": [{"AutoScalingGroupName": "g", "ScheduledActionName": str(n)}]}
            for n in range(3)
        ],
    },
    "budget": {
        ("budgets", "describe_budgets"): [{"Budgets": [{"BudgetName": f"b{n}"}]} for n in range(3)],
        ("budgets", "list_tags_for_resource"): lambda _: {"ResourceTags": MINE},
    },
}


@pytest.mark.parametrize("kind", sorted(PAGED))
def test_all_pages_are_read(kind: str) -> None:
    clients = Scripted(PAGED[kind])
    (looked,) = look(Place(clients, "123456789012", "mine"), [_kind(kind)])
    assert looked.why_not == ""
    expected = {"hosted-zone": 12, "target-group": 45}.get(kind, 3)
    assert len(looked.of(Place(clients, "123456789012", "mine"))) == expected
    for asked in clients.asked("describe_tags"):
        assert len(asked["ResourceArns"]) <= 20
    for asked in clients.asked("list_tags_for_resources"):
        assert len(asked["ResourceIds"]) <= 10


class OnlyPaginators:
    """Real clients, but a listing without its paginator is an error."""

    def __init__(self, clients: Boto3Clients) -> None:
        self.clients, self.region = clients, clients.region

    def client(self, service: str) -> Any:
        return _OnlyPaginators(self.clients.client(service))


class _OnlyPaginators:
    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, method: str) -> Any:
        assert not self._client.can_paginate(method), f"{method} has pages"
        return getattr(self._client, method)

    def can_paginate(self, method: str) -> bool:
        return bool(self._client.can_paginate(method))

    def get_paginator(self, method: str) -> Any:
        return self._client.get_paginator(method)


@pytest.mark.slow
def test_no_listing_goes_without_its_paginator(clients: Boto3Clients) -> None:
    for stack in ("mine", None):
        looked = look(Place(OnlyPaginators(clients), "123456789012", stack))
        assert [one.why_not for one in looked if one.why_not] == []


def test_the_calls_that_are_named_are_iams_own_words() -> None:
    for kind in KINDS:
        assert all(call.count(":") == 1 and call.partition(":")[2][0].isupper() for call in kind.calls), kind.name
