"""The public SSM parameters that name machine images, which moto lacks."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sandbox.aws.call import Call, Operation
from sandbox.aws.images import IMAGE_BY_PARAMETER

_RELEASED = datetime(2026, 11, 12, tzinfo=UTC)


def _describe(call: Call, name: str) -> dict[str, Any]:
    return {
        "Name": name,
        "Type": "String",
        "Value": IMAGE_BY_PARAMETER[name].id,
        "Version": 1,
        "LastModifiedDate": _RELEASED,
        "ARN": f"arn:{call.region.ec2.partition}:ssm:{call.region.name}::parameter{name}",
        "DataType": "aws:ec2:image",
    }


def _get_one(call: Call) -> object:
    name = call.parameters["Name"]
    return {"Parameter": _describe(call, name)} if name in IMAGE_BY_PARAMETER else call.forward()


def _get_many(call: Call) -> object:
    names = call.parameters["Names"]
    ours = [_describe(call, name) for name in names if name in IMAGE_BY_PARAMETER]
    others = [name for name in names if name not in IMAGE_BY_PARAMETER]
    if not others:
        return {"Parameters": ours, "InvalidParameters": []}
    response = call.forward({**call.parameters, "Names": others})
    if response.status != 200 or not ours:
        return response
    theirs = json.loads(response.body)
    return {**theirs, "Parameters": [*ours, *theirs["Parameters"]]}


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("ssm", "GetParameter"): _get_one,
    ("ssm", "GetParameters"): _get_many,
}
