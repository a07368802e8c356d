"""What the engine is told of a failure: whether it can be sure that nothing was done."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from sandbox.provider.failing import _status


def refused(code: str, status: int) -> ClientError:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "CreateVpc")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (refused("VcpuLimitExceeded", 400), grpc.StatusCode.FAILED_PRECONDITION),
        (refused("InsufficientInstanceCapacity", 500), grpc.StatusCode.FAILED_PRECONDITION),
        (refused("InternalError", 500), grpc.StatusCode.UNKNOWN),
        (ReadTimeoutError(endpoint_url="http://127.0.0.1"), grpc.StatusCode.UNKNOWN),
        (ValueError("not carried out"), grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
def test_only_an_answer_is_certain(error: Exception, status: grpc.StatusCode) -> None:
    assert _status(error) is status
