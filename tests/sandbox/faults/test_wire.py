"""What becomes of a call that a fault hits: seen from the client, and from the account behind."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, HTTPClientError, ReadTimeoutError
from botocore.session import Session

from sandbox.aws.wire import SERVICES
from sandbox.faults.catalogue import Fault
from sandbox.faults.wire import _ERRORS
from tests.sandbox.faults.cut import Noting, client, faulty

pytestmark = pytest.mark.slow

REFUSE = Fault(name="refuse", means="", does="refuse", status=503, code="SomeCode", message="Some words.")


class Site:
    """The injector, the account behind it, and clients."""

    def __init__(self, injector: Any, account: Noting, url: str) -> None:
        self.injector, self.account, self.url = injector, account, url

    @property
    def ec2(self) -> Any:
        return client("ec2", self.url)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with faulty(monkeypatch) as parts:
        yield Site(*parts)


CALLS: dict[str, Callable[[Any], object]] = {
    "ec2:CreateVpc": lambda at: client("ec2", at).create_vpc(CidrBlock="10.0.0.0/16"),
    "iam:GetRole": lambda at: client("iam", at).get_role(RoleName="one"),
    "kms:CreateKey": lambda at: client("kms", at).create_key(),
    "route53:ChangeResourceRecordSets": lambda at: client("route53", at).change_resource_record_sets(
        HostedZoneId="Z1",
        ChangeBatch={"Changes": [{"Action": "UPSERT", "ResourceRecordSet": {"Name": "a.", "Type": "A"}}]},
    ),
    "route53:CreateHostedZone": lambda at: client("route53", at).create_hosted_zone(Name="a.", CallerReference="1"),
    "s3:CreateBucket": lambda at: client("s3", at).create_bucket(
        Bucket="one", CreateBucketConfiguration={"LocationConstraint": "us-east-2"}
    ),
    "s3:DeleteBucketPolicy": lambda at: client("s3", at).delete_bucket_policy(Bucket="one"),
    "s3:HeadBucket": lambda at: client("s3", at).head_bucket(Bucket="one"),
    "s3:ListBuckets": lambda at: client("s3", at).list_buckets(),
    "s3:ListObjectVersions": lambda at: client("s3", at).list_object_versions(Bucket="one"),
    "s3:ListObjectsV2": lambda at: client("s3", at).list_objects_v2(Bucket="one"),
    "s3:PutBucketPolicy": lambda at: client("s3", at).put_bucket_policy(Bucket="one", Policy="{}"),
    "s3:PutObject": lambda at: client("s3", at).put_object(Bucket="one", Key="a/b", Body=b"1"),
    "sts:GetCallerIdentity": lambda at: client("sts", at).get_caller_identity(),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_are_known_by_name_and_refusals_are_read_by_every_sdk_client(name: str, site: Site) -> None:
    site.injector.set(REFUSE)
    with pytest.raises(ClientError) as refused:
        CALLS[name](site.url)
    assert site.injector.calls == site.injector.hit == [name]
    assert site.account.reached == 0
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    if name != "s3:HeadBucket":  # the answer to HEAD has no body
        assert refused.value.response["Error"]["Code"] == "SomeCode"
        assert refused.value.response["Error"]["Message"] == "Some words."


def _raw(url: str, body: bytes = b"Action=DescribeVpcs&Version=2016-11-15") -> socket.socket:
    """Send a request by hand, to see what comes back on the wire."""
    host, _, port = url.removeprefix("http://").partition(":")
    connection = socket.create_connection((host, int(port)), timeout=5)
    scope = "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-2/ec2/aws4_request"
    head = f"POST / HTTP/1.1\r\nHost: {host}\r\nAuthorization: {scope}\r\nContent-Length: {len(body)}\r\n"
    connection.sendall(f"{head}Content-Type: application/x-www-form-urlencoded\r\n\r\n".encode() + body)
    return connection


def test_a_reset_is_a_reset(site: Site) -> None:
    site.injector.set(Fault(name="reset", means="", does="reset"))
    with _raw(site.url) as connection, pytest.raises(ConnectionResetError):
        connection.recv(100)
    assert site.account.reached == 0


def test_a_lost_answer_is_a_change_and_an_end_without_a_byte(site: Site) -> None:
    site.injector.set(Fault(name="lose", means="", does="lose"))
    with _raw(site.url) as connection:
        assert connection.recv(100) == b""
    assert site.account.reached == 1
    site.injector.set(Fault(name="lose", means="", does="lose"))
    with pytest.raises(ConnectionClosedError):
        site.ec2.describe_vpcs()


@pytest.mark.parametrize(("does", "reached"), [("hang", 0), ("hang after", 1)])
def test_who_waits_for_an_answer_waits_as_long_as_they_will(does: Any, reached: int, site: Site) -> None:
    site.injector.set(Fault(name="hang", means="", does=does))
    started = time.monotonic()
    with pytest.raises(ReadTimeoutError):
        site.ec2.describe_vpcs()
    assert time.monotonic() - started >= 0.5
    assert site.account.reached == reached


def outcomes(site: Site, *calls: str) -> list[bool]:
    """Make calls of EC2, and tell which were answered."""
    ec2, answered = site.ec2, []
    for call in calls:
        try:
            getattr(ec2, call)()
        except (ClientError, HTTPClientError):
            answered.append(False)
        else:
            answered.append(True)
    return answered


@pytest.mark.parametrize(
    ("fields", "at", "answered"),
    [
        ({}, "", [False, False, True, True]),
        ({"times": 2, "operations": ("ec2:DescribeV*",)}, "", [False, True, False, True]),
        ({"times": 0}, "", [False, False, False, False]),
        ({"operations": ("ec2:DescribeVpcs",)}, "", [False, True, True, True]),
        ({"operations": ("ec2:DescribeSubnets",), "whole": True}, "", [True, False, False, False]),
        ({"changes_only": True}, "", [True, True, True, True]),
        ({}, "ec2:DescribeSubnets", [True, False, True, True]),
        ({}, "3", [True, True, False, True]),
        ({"times": 0}, "1", [False, True, False, True]),
        ({"whole": True}, "2", [True, False, False, False]),
    ],
)
def test_a_fault_hits_what_it_is_told_to(fields: dict[str, Any], at: str, answered: list[bool], site: Site) -> None:
    fault = Fault(**{"name": "one", "means": "", "does": "refuse", "status": 400, "code": "No", **fields})
    site.injector.set(fault, at)
    assert outcomes(site, *["describe_vpcs", "describe_subnets"] * 2) == answered


def test_what_is_no_call_of_the_account_passes(site: Site) -> None:
    import urllib.request

    site.injector.set(REFUSE)
    with urllib.request.urlopen(f"{site.url}/_cloister/health", timeout=5) as answer:
        assert answer.status == 200
    assert site.injector.calls == []


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_refusals_are_worded_as_the_services_protocol_has_them(service: str) -> None:
    protocol = Session().get_service_model(SERVICES[service]).protocol
    assert (service in _ERRORS) == (protocol in {"ec2", "query", "rest-xml"})
