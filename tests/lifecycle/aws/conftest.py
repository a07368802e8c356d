"""Sessions of AWS for tests: with stubbed answers, and of the emulated account."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.stub import Stubber

from lifecycle.aws.session import AwsSession
from tests.sandbox.aws.account import REGION, Account, account
from tests.sandbox.aws.settings import lead_aws

__all__ = ["account"]


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the person has, and give what leads nowhere."""
    lead_aws(monkeypatch)


class Stubs:
    """A session whose clients answer what they are told, in order; each request is compared in full."""

    def __init__(self) -> None:
        self.session = AwsSession(REGION)
        self.ec2 = Stubber(self.session.ec2)
        self.ec2_once = Stubber(self.session.ec2_once)
        self.sts = Stubber(self.session.sts)
        self.quotas = Stubber(self.session.quotas)

    @property
    def all(self) -> tuple[Stubber, ...]:
        return (self.ec2, self.ec2_once, self.sts, self.quotas)


@pytest.fixture
def stubs() -> Iterator[Stubs]:
    made = Stubs()
    for stubber in made.all:
        stubber.activate()
    yield made
    for stubber in made.all:
        stubber.assert_no_pending_responses()


@pytest.fixture
def emulated(account: Account, monkeypatch: pytest.MonkeyPatch) -> AwsSession:
    """A session that the environment leads to the emulated account."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", account.url)
    return AwsSession(REGION)
