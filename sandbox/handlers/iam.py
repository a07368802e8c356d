"""IAM: roles, their inline policies, instance profiles. Ids are names."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from sandbox.handlers.base import Clients, Properties
from sandbox.handlers.resource import Change, Record, Resource, Target, own_tags, tag_list, tag_outputs
from sandbox.handlers.waiting import is_gone, remove_when_free, unless_gone


def _document(value: Any) -> str:
    """Return a policy as JSON text; botocore may have parsed it."""
    if isinstance(value, Mapping):
        return json.dumps(value)
    text = str(value)
    return text if text.lstrip().startswith("{") else urllib.parse.unquote(text)


class _Named(Resource):
    """What roles and instance profiles do alike: they are known by name, and tagged when they are made."""

    noun: str
    record_key: str
    name_argument: str

    def describe(self, target: Target) -> Record | None:
        """Return it as IAM describes it; None when it is gone."""
        get = getattr(target.clients.client("iam"), f"get_{self.noun}")
        try:
            record: Record = get(**{self.name_argument: target.id})[self.record_key]
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        return record

    def candidates(self, clients: Clients, inputs: Properties) -> Iterable[tuple[str, Record]]:
        """Return the one of that name, if it carries the resource's own tags."""
        record, mine = self.describe(Target(clients, inputs["name"], inputs)), own_tags(inputs)
        if record is not None and mine and mine.items() <= tag_outputs(record.get("Tags"))["tags"].items():
            yield inputs["name"], record

    def retag(self, change: Change) -> None:
        """Change the tags."""
        iam, which = change.clients.client("iam"), {self.name_argument: change.id}
        old, new = change.old.get("tags") or {}, change.inputs.get("tags") or {}
        dropped = [key for key in old if key not in new]
        if dropped:
            getattr(iam, f"untag_{self.noun}")(**which, TagKeys=dropped)
        if new:
            getattr(iam, f"tag_{self.noun}")(**which, Tags=tag_list(new))


class Role(_Named):
    """`aws:iam/role:Role`."""

    type = "aws:iam/role:Role"
    fixed = frozenset({"name", "path"})
    in_place = frozenset(
        {
            "assumeRolePolicy",
            "description",
            "forceDetachPolicies",
            "inlinePolicies",
            "managedPolicyArns",
            "maxSessionDuration",
            "permissionsBoundary",
            "tags",
        }
    )
    required = frozenset({"name", "assumeRolePolicy"})
    unordered = frozenset({"inlinePolicies", "managedPolicyArns"})
    documents = frozenset({"assumeRolePolicy"})
    noun, record_key, name_argument = "role", "Role", "RoleName"

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the role."""
        names = {
            "description": "Description",
            "maxSessionDuration": "MaxSessionDuration",
            "path": "Path",
            "permissionsBoundary": "PermissionsBoundary",
        }
        arguments: dict[str, Any] = {api_name: inputs[name] for name, api_name in names.items() if inputs.get(name)}
        clients.client("iam").create_role(
            RoleName=inputs["name"],
            AssumeRolePolicyDocument=_document(inputs["assumeRolePolicy"]),
            Tags=tag_list(inputs.get("tags")),
            **arguments,
        )
        return str(inputs["name"])

    def complete(self, target: Target) -> None:
        """Put in the inline policies and attach the managed ones."""
        iam = target.clients.client("iam")
        for policy in target.inputs.get("inlinePolicies") or []:
            iam.put_role_policy(
                RoleName=target.id, PolicyName=policy["name"], PolicyDocument=_document(policy["policy"])
            )
        for arn in target.inputs.get("managedPolicyArns") or []:
            iam.attach_role_policy(RoleName=target.id, PolicyArn=arn)

    def change(self, change: Change) -> None:
        """Change what differs."""
        iam, new = change.clients.client("iam"), change.inputs
        if "assumeRolePolicy" in change.names:
            iam.update_assume_role_policy(RoleName=change.id, PolicyDocument=_document(new["assumeRolePolicy"]))
        if change.names & {"description", "maxSessionDuration"}:
            iam.update_role(
                RoleName=change.id,
                Description=new.get("description") or "",
                MaxSessionDuration=new.get("maxSessionDuration") or 3600,
            )
        if "permissionsBoundary" in change.names:
            if new.get("permissionsBoundary"):
                iam.put_role_permissions_boundary(RoleName=change.id, PermissionsBoundary=new["permissionsBoundary"])
            else:
                iam.delete_role_permissions_boundary(RoleName=change.id)
        if change.names & {"inlinePolicies", "managedPolicyArns"}:
            self._drop_policies(change)
            self.complete(change)

    @staticmethod
    def _drop_policies(change: Change) -> None:
        """Drop the inline and managed policies that are no longer wanted."""
        iam = change.clients.client("iam")
        kept = {policy["name"] for policy in change.inputs.get("inlinePolicies") or []}
        for policy in change.old.get("inlinePolicies") or []:
            if policy["name"] not in kept:
                unless_gone(partial(iam.delete_role_policy, RoleName=change.id, PolicyName=policy["name"]))
        for arn in set(change.old.get("managedPolicyArns") or []) - set(change.inputs.get("managedPolicyArns") or []):
            unless_gone(partial(iam.detach_role_policy, RoleName=change.id, PolicyArn=arn))

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        return {
            "arn": record["Arn"],
            "name": record["RoleName"],
            "path": record["Path"],
            "uniqueId": record["RoleId"],
            "createDate": record["CreateDate"].isoformat(),
            "description": record.get("Description", ""),
            "assumeRolePolicy": _document(record["AssumeRolePolicyDocument"]),
            "maxSessionDuration": record.get("MaxSessionDuration", 3600),
            "permissionsBoundary": record.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
            **tag_outputs(record.get("Tags")),
        }

    def remove(self, target: Target) -> None:
        """Delete the role, once it is out of its instance profiles, with the policies that are only its own."""
        iam = target.clients.client("iam")
        if self.describe(target) is None:
            return
        for arn in [
            one["PolicyArn"] for one in iam.list_attached_role_policies(RoleName=target.id)["AttachedPolicies"]
        ]:
            unless_gone(partial(iam.detach_role_policy, RoleName=target.id, PolicyArn=arn))
        for name in iam.list_role_policies(RoleName=target.id)["PolicyNames"]:
            unless_gone(partial(iam.delete_role_policy, RoleName=target.id, PolicyName=name))
        remove_when_free(lambda: iam.delete_role(RoleName=target.id), target.id)


class RolePolicy(Resource):
    """`aws:iam/rolePolicy:RolePolicy`. Its id is `role:name`."""

    type = "aws:iam/rolePolicy:RolePolicy"
    fixed = frozenset({"name", "role"})
    in_place = frozenset({"policy"})
    required = frozenset({"name", "role", "policy"})
    documents = frozenset({"policy"})

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Put the policy into its role."""
        clients.client("iam").put_role_policy(
            RoleName=inputs["role"], PolicyName=inputs["name"], PolicyDocument=_document(inputs["policy"])
        )
        return f"{inputs['role']}:{inputs['name']}"

    def describe(self, target: Target) -> Record | None:
        """Return the policy; None when it or its role is gone."""
        role, _, name = target.id.partition(":")
        try:
            record: Record = target.clients.client("iam").get_role_policy(RoleName=role, PolicyName=name)
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        return record

    def candidates(self, clients: Clients, inputs: Properties) -> Iterable[tuple[str, Record]]:
        """Return the policy of that name in the role, which is the stack's own."""
        target = Target(clients, f"{inputs['role']}:{inputs['name']}", inputs)
        record = self.describe(target)
        if record is not None:
            yield target.id, record

    def complete(self, target: Target) -> None:
        """Say it again: a policy that was found may be older than the inputs."""
        self.make(target.clients, target.inputs)

    def change(self, change: Change) -> None:
        """Replace the policy's text."""
        self.make(change.clients, change.inputs)

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        return {
            "name": record["PolicyName"],
            "role": record["RoleName"],
            "policy": _document(record["PolicyDocument"]),
        }

    def remove(self, target: Target) -> None:
        """Take the policy out of its role."""
        role, _, name = target.id.partition(":")
        iam = target.clients.client("iam")
        remove_when_free(lambda: iam.delete_role_policy(RoleName=role, PolicyName=name), target.id)


class InstanceProfile(_Named):
    """`aws:iam/instanceProfile:InstanceProfile`."""

    type = "aws:iam/instanceProfile:InstanceProfile"
    fixed = frozenset({"name", "path"})
    in_place = frozenset({"role", "tags"})
    required = frozenset({"name"})
    noun, record_key, name_argument = "instance_profile", "InstanceProfile", "InstanceProfileName"

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the profile."""
        path = {"Path": inputs["path"]} if inputs.get("path") else {}
        clients.client("iam").create_instance_profile(
            InstanceProfileName=inputs["name"], Tags=tag_list(inputs.get("tags")), **path
        )
        return str(inputs["name"])

    def complete(self, target: Target) -> None:
        """Put exactly the wanted role into the profile."""
        iam, wanted = target.clients.client("iam"), target.inputs.get("role")
        there = {role["RoleName"] for role in (self.describe(target) or {}).get("Roles", [])}
        for role in there - {wanted}:
            unless_gone(partial(iam.remove_role_from_instance_profile, InstanceProfileName=target.id, RoleName=role))
        if wanted and wanted not in there:
            iam.add_role_to_instance_profile(InstanceProfileName=target.id, RoleName=wanted)

    def change(self, change: Change) -> None:
        """Put another role into the profile."""
        if "role" in change.names:
            self.complete(change)

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        roles = record.get("Roles", [])
        return {
            "arn": record["Arn"],
            "name": record["InstanceProfileName"],
            "path": record["Path"],
            "uniqueId": record["InstanceProfileId"],
            "createDate": record["CreateDate"].isoformat(),
            "role": roles[0]["RoleName"] if roles else "",
            **tag_outputs(record.get("Tags")),
        }

    def remove(self, target: Target) -> None:
        """Empty and delete the profile."""
        iam = target.clients.client("iam")
        for role in (self.describe(target) or {}).get("Roles", []):
            name = role["RoleName"]
            unless_gone(partial(iam.remove_role_from_instance_profile, InstanceProfileName=target.id, RoleName=name))
        remove_when_free(lambda: iam.delete_instance_profile(InstanceProfileName=target.id), target.id)
