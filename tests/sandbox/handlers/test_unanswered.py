"""Calls whose answer is lost: what makes something anew is sent once, and then asked after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, HTTPClientError

from sandbox.faults.catalogue import Fault
from sandbox.handlers import unanswered
from sandbox.handlers.clients import Boto3Clients
from tests.sandbox.faults.cut import faulty

LOSE = Fault(name="lose", means="", does="lose")
CALLS: dict[str, tuple[str, Callable[[Any], object], bool]] = {
    "no token": ("ec2", lambda ec2: ec2.create_vpc(CidrBlock="10.0.0.0/16"), False),
    "named": ("iam", lambda iam: iam.create_role(RoleName="one", AssumeRolePolicyDocument="{}"), False),
    "a rule": ("ec2", lambda ec2: ec2.authorize_security_group_egress(GroupId="sg-1", IpPermissions=[]), False),
    "a token": ("ec2", lambda ec2: ec2.run_instances(MinCount=1, MaxCount=1), True),
    "a look": ("ec2", lambda ec2: ec2.describe_vpcs(), True),
    "an end": ("ec2", lambda ec2: ec2.delete_vpc(VpcId="vpc-1"), True),
    "the same again": ("iam", lambda iam: iam.put_role_policy(RoleName="a", PolicyName="b", PolicyDocument="{}"), True),
}


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    with faulty(monkeypatch) as (injector, _, url):
        yield injector, Boto3Clients(url, "us-east-2", 0.5)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    "fault", [LOSE, Fault(name="broken", means="", does="refuse", status=500, code="InternalError", message="...")]
)
def test_only_what_may_be_repeated_is_sent_again(name: str, fault: Fault, site: Any) -> None:
    injector, clients = site
    service, call, again = CALLS[name]
    injector.set(fault)
    if again:
        call(clients.client(service))
    else:
        with pytest.raises((ClientError, HTTPClientError)):
            call(clients.client(service))
    assert len(injector.calls) == 1 + again


def test_throttling_is_an_answer_and_sent_again(site: Any) -> None:
    injector, clients = site
    injector.set(Fault(name="slow", means="", does="refuse", status=503, code="RequestLimitExceeded", message="..."))
    clients.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")
    assert len(injector.calls) == 2


def lost() -> ConnectionClosedError:
    return ConnectionClosedError(endpoint_url="http://127.0.0.1")


def refused(code: str, status: int = 500) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "CreateVpc")  # type: ignore[typeddict-item]  # the rest is not read


@pytest.mark.parametrize(
    ("error", "unknown"),
    [
        (lost(), True), (refused("InternalError"), True), (refused("503", 503), True),
        (refused("Unavailable", 503), True),
        (refused("InsufficientInstanceCapacity"), False), (refused("RequestLimitExceeded", 503), False),
        (refused("InternalError", 400), False), (ValueError("ours"), False),
    ],
)  # fmt: skip
def test_which_failures_leave_it_open(error: Exception, unknown: bool) -> None:
    assert unanswered.is_unanswered(error) is unknown


class Script:
    """Fails as often as told, and tells what it then finds."""

    def __init__(self, *errors: Exception, found: str | None = None) -> None:
        self.errors, self.there, self.made = list(errors), found, 0

    def make(self) -> str:
        self.made += 1
        if self.errors:
            raise self.errors.pop(0)
        return "made"

    def find(self) -> str | None:
        return self.there


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unanswered, "PAUSE_S", 0.0)


def test_what_was_made_is_found_and_not_made_again() -> None:
    script = Script(lost(), found="there")
    assert (unanswered.insist(script.make, script.find), script.made) == ("there", 1)


def test_what_was_not_made_is_made_again_a_few_times_at_most() -> None:
    script = Script(lost(), lost())
    assert (unanswered.insist(script.make, script.find), script.made) == ("made", 3)
    script = Script(*[lost()] * 9)
    with pytest.raises(ConnectionClosedError):
        unanswered.insist(script.make, script.find)
    assert script.made == unanswered.TRIES


def test_an_answer_is_an_answer() -> None:
    script = Script(refused("VcpuLimitExceeded", 400), found="somebody else's")
    with pytest.raises(ClientError, match="VcpuLimitExceeded"):
        unanswered.insist(script.make, script.find)
    assert script.made == 1
