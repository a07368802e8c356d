"""The bucket's policy, judged as IAM judges it: parts of an upload carry no word of encryption, and must pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from stacks.account import Account
from stacks.storage import bucket_policy

HEADER = "s3:x-amz-server-side-encryption"
ACCOUNT = Account(id="123456789012", partition="aws", dns_suffix="amazonaws.com", region="us-east-2")


def holds(operator: str, key: str, wanted: str, context: Mapping[str, str]) -> bool:
    """Tell whether a condition holds (IAM user guide, condition operators): negated ones do for absent keys."""
    value = context.get(key)
    match operator:
        case "Null":
            return (value is None) == (wanted == "true")
        case "StringNotEquals":
            return value != wanted
        case "NumericLessThan":
            return value is not None and float(value) < float(wanted)
        case "Bool":
            return value is not None and value == wanted
        case _:
            raise AssertionError(operator)


def denied(action: str, **context: str) -> list[str]:
    """Return the ids of the statements that deny a request."""
    usual = {"aws:SecureTransport": "true", "s3:TlsVersion": "1.3", "aws:PrincipalAccount": ACCOUNT.id}
    said = {**usual, **({HEADER: context["encryption"]} if "encryption" in context else {})}
    said |= {"aws:PrincipalAccount": context["account"]} if "account" in context else {}
    said |= {"s3:TlsVersion": context["tls"]} if "tls" in context else {}
    statements: Any = bucket_policy("arn:aws:s3:::bucket", ACCOUNT)["Statement"]
    return [
        one["Sid"]
        for one in statements
        if one["Action"] in {"s3:*", action}
        and all(
            holds(operator, key, wanted, said)
            for operator, conditions in one["Condition"].items()
            for key, wanted in conditions.items()
        )
    ]


@pytest.mark.parametrize(
    ("request_says", "refused_by"),
    [
        ({}, []),
        ({"encryption": "aws:kms"}, []),
        ({"encryption": "AES256"}, ["CustomerKeyOnly"]),
        ({"encryption": "aws:kms", "account": "999999999999"}, ["OwnAccountOnly"]),
        ({"encryption": "aws:kms", "tls": "1.1"}, ["RecentTlsOnly"]),
    ],
    ids=["a part of an upload", "under a key of KMS", "under S3's own key", "another account", "old TLS"],
)
def test_who_may_put(request_says: dict[str, str], refused_by: list[str]) -> None:
    assert denied("s3:PutObject", **request_says) == refused_by


def test_reading_needs_no_word_of_encryption() -> None:
    assert denied("s3:GetObject") == []
