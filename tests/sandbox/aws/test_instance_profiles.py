"""A role that is in no instance profile, or not in this one."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from sandbox.handlers.clients import Boto3Clients


def test_a_role_leaves_its_profile_once(clients: Boto3Clients) -> None:
    iam = clients.client("iam")
    iam.create_role(RoleName="leaves", AssumeRolePolicyDocument="{}")
    iam.create_instance_profile(InstanceProfileName="leaves")
    iam.add_role_to_instance_profile(InstanceProfileName="leaves", RoleName="leaves")
    iam.remove_role_from_instance_profile(InstanceProfileName="leaves", RoleName="leaves")
    assert iam.get_instance_profile(InstanceProfileName="leaves")["InstanceProfile"]["Roles"] == []
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.remove_role_from_instance_profile(InstanceProfileName="leaves", RoleName="leaves")
    iam.delete_instance_profile(InstanceProfileName="leaves")
    iam.delete_role(RoleName="leaves")
