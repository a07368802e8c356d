"""Roles, instance profiles and policies. IAM's listings leave tags out: what may be a stack's is asked for its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from lifecycle.sweeping.ec2 import code_of
from lifecycle.sweeping.records import Kind, Place, Thing, pages, tags_of
from sandbox.handlers.iam import InstanceProfile, Role

_OF_AWS = ("/aws-service-role/", "/aws-reserved/")
"""Paths of roles that AWS makes for itself."""


def _look(
    name: str, operation: str, records: str, key: str, tags: Callable[[Any, str], Iterator[Mapping[str, Any]]]
) -> Callable[[Place], Iterator[Thing]]:
    """Return a look that asks for the tags of every name that may be a stack's."""

    def look(place: Place) -> Iterator[Thing]:
        iam = place.client("iam")
        asked = {"Scope": "Local"} if operation == "list_policies" else {}
        listed = [one for page in pages(iam, operation, **asked) for one in page[records]]
        own = [one for one in listed if not str(one.get("Path", "/")).startswith(_OF_AWS)]

        def tagged(record: dict[str, Any]) -> dict[str, str]:
            if not place.may_name(record[key].rpartition("/")[2]):
                return {}
            try:
                return {k: v for page in tags(iam, record[key]) for k, v in tags_of(page.get("Tags")).items()}
            except ClientError as error:
                if code_of(error) == "NoSuchEntity":  # it went between the two calls
                    return {}
                raise

        for record, found in zip(own, place.each(tagged, own), strict=True):
            yield Thing(kind=name, id=record[key], tags=found, record=record)

    return look


def _delete_policy(place: Place, thing: Thing) -> None:
    """Delete a policy with its versions; whoever else it is attached to keeps it, and it stays."""
    iam = place.client("iam")
    for page in pages(iam, "list_policy_versions", PolicyArn=thing.id):
        for version in page["Versions"]:
            if not version["IsDefaultVersion"]:
                iam.delete_policy_version(PolicyArn=thing.id, VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=thing.id)


IDENTITY: tuple[Kind, ...] = (
    Kind(
        "instance-profile",
        "instance profiles",
        "iam",
        ("iam:ListInstanceProfiles", "iam:GetInstanceProfile"),
        _look(
            "instance-profile",
            "list_instance_profiles",
            "InstanceProfiles",
            "InstanceProfileName",
            lambda iam, name: iter([iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]]),
        ),
        lambda place, thing: InstanceProfile().delete(place.clients, thing.id, {}),
        everywhere=True,
    ),
    Kind(
        "role",
        "roles",
        "iam",
        ("iam:ListRoles", "iam:ListRoleTags"),
        _look(
            "role",
            "list_roles",
            "Roles",
            "RoleName",
            lambda iam, name: pages(iam, "list_role_tags", RoleName=name),
        ),
        lambda place, thing: Role().delete(place.clients, thing.id, {}),
        everywhere=True,
    ),
    Kind(
        "policy",
        "policies",
        "iam",
        ("iam:ListPolicies", "iam:ListPolicyTags"),
        _look(
            "policy",
            "list_policies",
            "Policies",
            "Arn",
            lambda iam, arn: pages(iam, "list_policy_tags", PolicyArn=arn),
        ),
        _delete_policy,
        everywhere=True,
    ),
)
"""In the order in which they can go: a role leaves its profiles and policies first."""
