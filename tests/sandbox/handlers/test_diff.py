"""Comparing inputs: pure, and as the provider does it."""

from __future__ import annotations

import pytest

from planner.resources import UNKNOWN
from sandbox.handlers.base import Difference, Properties
from sandbox.handlers.registry import default_registry
from tests.sandbox.handlers.recording import RecordingClients

REGISTRY = default_registry()
INSTANCE = "aws:ec2/instance:Instance"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
DISK = {"volumeSize": 100, "encrypted": True}


@pytest.mark.parametrize(
    ("token", "old", "new", "difference"),
    [
        ("aws:ec2/vpc:Vpc", {"cidrBlock": "a", "instanceTenancy": None}, {"cidrBlock": "a"}, Difference()),
        ("aws:ec2/vpc:Vpc", {"tags": {"a": "1"}}, {"tags": {"a": "2"}}, Difference(("tags",))),
        ("aws:ec2/vpc:Vpc", {"cidrBlock": "a"}, {"cidrBlock": "b"}, Difference(("cidrBlock",), replace=True)),
        ("aws:ec2/vpcEndpoint:VpcEndpoint", {"subnetIds": ["a", "b"]}, {"subnetIds": ["b", "a"]}, Difference()),
        ("aws:ec2/vpcEndpoint:VpcEndpoint", {"policy": '{"a":1}'}, {"policy": '{ "a": 1 }'}, Difference()),
        ("aws:kms/key:Key", {"policy": '{"a":1}'}, {"policy": '{"a":2}'}, Difference(("policy",))),
        (INSTANCE, {"instanceType": "a"}, {"instanceType": "b"}, Difference(("instanceType",))),
        (INSTANCE, {"ami": "a"}, {"ami": "b"}, Difference(("ami",), replace=True)),
        (INSTANCE, {"userData": "a"}, {"userData": "b"}, Difference(("userData",))),
        (
            INSTANCE,
            {"userData": "a", "userDataReplaceOnChange": True},
            {"userData": "b", "userDataReplaceOnChange": True},
            Difference(("userData",), replace=True),
        ),
        (
            INSTANCE,
            {"rootBlockDevice": DISK},
            {"rootBlockDevice": {**DISK, "volumeSize": 200}},
            Difference(("rootBlockDevice",)),
        ),
        (
            INSTANCE,
            {"rootBlockDevice": DISK},
            {"rootBlockDevice": {**DISK, "encrypted": False}},
            Difference(("rootBlockDevice",), replace=True),
        ),
        (
            INSTANCE,
            {"launchTemplate": {"id": "a", "version": "1"}, "tags": {}},
            {"launchTemplate": {"id": "a", "version": "2"}, "tags": {"a": "1"}},
            Difference(("launchTemplate", "tags"), replace=True),
        ),
    ],
)
def test_diff(token: str, old: Properties, new: Properties, difference: Difference) -> None:
    assert REGISTRY[token].diff(old, new) == difference
    assert REGISTRY[token].diff(new, old) == difference


@pytest.mark.parametrize(
    ("token", "name", "renewed"),
    [
        ("aws:ec2/vpc:Vpc", "tags", ("tagsAll",)),
        ("aws:ec2/vpc:Vpc", "enableDnsSupport", ()),
        (TEMPLATE, "imageId", ("defaultVersion", "latestVersion")),
        (TEMPLATE, "description", ("defaultVersion", "latestVersion")),
        (TEMPLATE, "tags", ("tagsAll",)),
    ],
)
def test_outputs_that_a_change_renews(token: str, name: str, renewed: tuple[str, ...]) -> None:
    assert REGISTRY[token].diff({name: "a"}, {name: "b"}).renewed == renewed


def test_a_disk_that_is_decided_later_may_be_another() -> None:
    assert REGISTRY[INSTANCE].diff({"rootBlockDevice": DISK}, {"rootBlockDevice": UNKNOWN}).replace


def test_what_is_decided_later_differs_from_what_is_known() -> None:
    groups = REGISTRY["aws:ec2/vpcEndpoint:VpcEndpoint"].diff(
        {"securityGroupIds": ["sg-1", "sg-2"]}, {"securityGroupIds": ["sg-1", UNKNOWN]}
    )
    assert groups.changed == ("securityGroupIds",)


@pytest.mark.parametrize(
    ("token", "inputs", "words"),
    [
        ("aws:ec2/vpc:Vpc", {"cidrBlock": "10.0.0.0/16", "ipv4IpamPoolId": "p"}, "does not carry out ipv4IpamPoolId"),
        ("aws:ec2/vpc:Vpc", {"cidrBlock": "10.0.0.0/16", "region": "eu-north-1"}, "region eu-north-1 is not us-east-2"),
        ("aws:ec2/vpc:Vpc", {"cidrBlock": None}, "needs cidrBlock"),
        ("aws:iam/role:Role", {"assumeRolePolicy": "{}", "namePrefix": "n"}, "does not carry out namePrefix"),
        ("aws:iam/role:Role", {"assumeRolePolicy": "{}"}, "needs name"),
    ],
)
def test_inputs_that_cannot_be_carried_out_are_refused(token: str, inputs: Properties, words: str) -> None:
    clients = RecordingClients()
    with pytest.raises(ValueError, match=words):
        REGISTRY[token].create(clients, inputs)
    with pytest.raises(ValueError, match=words):
        REGISTRY[token].update(clients, "id", inputs, inputs)
    assert clients.calls == []


def test_an_unknown_type_is_an_error() -> None:
    with pytest.raises(LookupError, match="aws:lambda/function:Function"):
        REGISTRY["aws:lambda/function:Function"]
