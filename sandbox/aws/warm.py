"""One harmless call of every service, so that what it needs is loaded before anybody waits for it."""

from __future__ import annotations

import json
from http import HTTPStatus

from moto.backends import get_backend
from werkzeug.test import Client

from sandbox.aws.environment import ACCOUNT_ID
from sandbox.aws.wire import Application

_QUERIES = {
    "autoscaling": "Action=DescribeAutoScalingGroups&Version=2011-01-01",
    "ec2": "Action=DescribeVpcs&Version=2016-11-15",
    "iam": "Action=ListRoles&Version=2010-05-08",
    "sts": "Action=GetCallerIdentity&Version=2011-06-15",
}
_TARGETS = {
    "budgets": ("AWSBudgetServiceGateway.DescribeBudgets", json.dumps({"AccountId": ACCOUNT_ID})),
    "kms": ("TrentService.ListKeys", "{}"),
    "logs": ("Logs_20140328.DescribeLogGroups", "{}"),
    "secretsmanager": ("secretsmanager.ListSecrets", "{}"),
    "servicequotas": ("ServiceQuotasV20190624.ListServiceQuotas", '{"ServiceCode": "ec2"}'),
    "ssm": ("AmazonSSM.DescribeParameters", "{}"),
    "tagging": ("ResourceGroupsTaggingAPI_20170126.GetResources", "{}"),
}
_NEEDED_BY_EC2 = ("autoscaling", "elbv2")
"""Backends that moto's EC2 tells about terminated instances."""


def warm(application: Application, region: str) -> None:
    """Make the calls.

    Raises:
        RuntimeError: one of them failed.

    """
    for service in _NEEDED_BY_EC2:
        get_backend(service)[ACCOUNT_ID]  # type: ignore[call-overload]  # moto types the names of its services
    client = Client(application)
    for service in ("s3", *_QUERIES, *_TARGETS):
        headers = {"Authorization": f"AWS4-HMAC-SHA256 Credential=warm/20260101/{region}/{service}/aws4_request"}
        if service == "s3":
            response = client.get("/", headers=headers)
        elif service in _QUERIES:
            form = "application/x-www-form-urlencoded"
            response = client.post("/", data=_QUERIES[service], content_type=form, headers=headers)
        else:
            headers["X-Amz-Target"], data = _TARGETS[service]
            response = client.post("/", data=data, content_type="application/x-amz-json-1.1", headers=headers)
        if response.status_code != HTTPStatus.OK:
            raise RuntimeError(f"{service} does not answer: {response.status_code} {response.text}")
