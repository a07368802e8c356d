"""What the node's program refuses before anything is fetched, and how it signs."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from planner.bundle import bundle_id, encode
from stacks.user_data.pull_bundle import EMPTY, WrongError, files_of, signed
from tests.bundle.stack_bucket import ACCOUNT_ID
from tests.sandbox.aws.account import REGION


def test_requests_are_signed_as_the_sdk_signs_them() -> None:
    """The signature is what AWS's own SDK makes of the same request."""
    url, now = f"https://bucket.s3.{REGION}.amazonaws.com/objects/{EMPTY}", datetime.now(UTC)
    made = signed(url, REGION, ACCOUNT_ID, {"AccessKeyId": "AKID", "SecretAccessKey": "secret", "Token": "t/+="}, now)
    request = AWSRequest("GET", url, headers={k: v for k, v in made.items() if k != "authorization"})
    request.context["timestamp"] = made["x-amz-date"]
    auth = SigV4Auth(Credentials("AKID", "secret", "t/+="), "s3", REGION)
    canonical = auth.canonical_request(request)
    assert auth.signature(auth.string_to_sign(request, canonical), request) in made["authorization"]


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "a//b", "a/./b", "", "a\\b", "a\nb", "-rf"])
def test_a_node_refuses_paths_that_lead_elsewhere(path: str) -> None:
    """Even of a manifest that has the right digest."""
    said = json.loads(encode([]))
    said["files"] = [{"path": path, "size": 0, "sha256": EMPTY, "kind": "data", "licence": ""}]
    raw = json.dumps(said).encode()
    with pytest.raises(WrongError, match="may not be in a bundle"):
        files_of(raw, bundle_id(raw))
