"""Instance profiles: AWS says that a role is in none where moto fails."""

from __future__ import annotations

from collections.abc import Mapping

from moto.iam.models import iam_backends

from planner.partitions import partition_of
from sandbox.aws.call import Call, Operation
from sandbox.aws.environment import ACCOUNT_ID
from sandbox.aws.errors import AwsError


def _remove_role(call: Call) -> object:
    name, role = call.parameters["InstanceProfileName"], call.parameters["RoleName"]
    profile = iam_backends[ACCOUNT_ID][partition_of(call.region.name).name].get_instance_profile(name)
    if role not in {one.name for one in profile.roles}:
        raise AwsError("NoSuchEntity", f"Role {role} in Instance Profile {name} not found.")
    return call.forward()


OPERATIONS: Mapping[tuple[str, str], Operation] = {("iam", "RemoveRoleFromInstanceProfile"): _remove_role}
