"""KMS keys and their aliases."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from botocore.exceptions import ClientError

from sandbox.handlers.base import Clients, Properties
from sandbox.handlers.resource import Change, Record, Resource, Target, own_tags
from sandbox.handlers.waiting import is_gone, remove_when_free

_LEAST_WINDOW_DAYS, _WINDOW_DAYS = 7, 30
"""Days between the request to delete a key and its end: the fewest that AWS allows, and its default."""


def _kms_tags(tags: Properties | None) -> list[dict[str, str]]:
    return [{"TagKey": key, "TagValue": value} for key, value in (tags or {}).items()]


class Key(Resource):
    """`aws:kms/key:Key`. Deleting one means asking for it: the key lingers, unusable, until its window is over."""

    type = "aws:kms/key:Key"
    fixed = frozenset({"customerMasterKeySpec", "keyUsage", "multiRegion"})
    in_place = frozenset(
        {
            "bypassPolicyLockoutSafetyCheck",
            "deletionWindowInDays",
            "description",
            "enableKeyRotation",
            "isEnabled",
            "policy",
            "rotationPeriodInDays",
            "tags",
        }
    )
    documents = frozenset({"policy"})

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the key."""
        names = {
            "description": "Description",
            "multiRegion": "MultiRegion",
            "policy": "Policy",
            "bypassPolicyLockoutSafetyCheck": "BypassPolicyLockoutSafetyCheck",
        }
        arguments: dict[str, Any] = {api_name: inputs[name] for name, api_name in names.items() if inputs.get(name)}
        made = clients.client("kms").create_key(
            KeySpec=inputs.get("customerMasterKeySpec", "SYMMETRIC_DEFAULT"),
            KeyUsage=inputs.get("keyUsage", "ENCRYPT_DECRYPT"),
            Tags=_kms_tags(inputs.get("tags")),
            **arguments,
        )
        return str(made["KeyMetadata"]["KeyId"])

    def complete(self, target: Target) -> None:
        """Turn rotation on, or the key off."""
        if target.inputs.get("enableKeyRotation"):
            self._rotate(target)
        if target.inputs.get("isEnabled") is False:
            target.clients.client("kms").disable_key(KeyId=target.id)

    @staticmethod
    def _rotate(target: Target) -> None:
        kms, days = target.clients.client("kms"), target.inputs.get("rotationPeriodInDays")
        if target.inputs.get("enableKeyRotation"):
            kms.enable_key_rotation(KeyId=target.id, **({"RotationPeriodInDays": days} if days else {}))
        else:
            kms.disable_key_rotation(KeyId=target.id)

    def change(self, change: Change) -> None:
        """Change what differs."""
        kms, new = change.clients.client("kms"), change.inputs
        if "description" in change.names:
            kms.update_key_description(KeyId=change.id, Description=new.get("description") or "")
        if "policy" in change.names and new.get("policy"):
            kms.put_key_policy(KeyId=change.id, PolicyName="default", Policy=new["policy"])
        if change.names & {"enableKeyRotation", "rotationPeriodInDays"}:
            self._rotate(change)
        if "isEnabled" in change.names:
            (kms.disable_key if new.get("isEnabled") is False else kms.enable_key)(KeyId=change.id)

    def retag(self, change: Change) -> None:
        """Change the tags."""
        kms, old, new = change.clients.client("kms"), change.old.get("tags") or {}, change.inputs.get("tags") or {}
        dropped = [key for key in old if key not in new]
        if dropped:
            kms.untag_resource(KeyId=change.id, TagKeys=dropped)
        if new:
            kms.tag_resource(KeyId=change.id, Tags=_kms_tags(new))

    def describe(self, target: Target) -> Record | None:
        """Return the key's metadata; None when it is gone or on its way out."""
        try:
            record: Record = target.clients.client("kms").describe_key(KeyId=target.id)["KeyMetadata"]
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        return None if record["KeyState"] in {"PendingDeletion", "PendingReplicaDeletion"} else record

    def candidates(self, clients: Clients, inputs: Properties) -> Iterable[tuple[str, Record]]:
        """Return the keys that carry the resource's own tags."""
        mine = own_tags(inputs)
        if not mine:
            return
        filters = [{"Key": key, "Values": [value]} for key, value in mine.items()]
        pages = clients.client("resourcegroupstaggingapi").get_paginator("get_resources")
        for page in pages.paginate(ResourceTypeFilters=["kms"], TagFilters=filters):
            for mapping in page["ResourceTagMappingList"]:
                key_id = mapping["ResourceARN"].rpartition("/")[2]
                record = self.describe(Target(clients, key_id, inputs))
                if record is not None:
                    yield key_id, record

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        kms = target.clients.client("kms")
        tags = {tag["TagKey"]: tag["TagValue"] for tag in kms.list_resource_tags(KeyId=target.id)["Tags"]}
        return {
            "arn": record["Arn"],
            "keyId": record["KeyId"],
            "keyUsage": record["KeyUsage"],
            "customerMasterKeySpec": record["KeySpec"],
            "multiRegion": bool(record.get("MultiRegion")),
            "description": record.get("Description") or "",
            "isEnabled": record["Enabled"],
            "enableKeyRotation": kms.get_key_rotation_status(KeyId=target.id)["KeyRotationEnabled"],
            "policy": kms.get_key_policy(KeyId=target.id, PolicyName="default")["Policy"],
            "tags": tags,
            "tagsAll": tags,
        }

    def remove(self, target: Target) -> None:
        """Ask for the key's deletion, after the window that the inputs name."""
        if self.describe(target) is None:
            return
        days = max(_LEAST_WINDOW_DAYS, target.inputs.get("deletionWindowInDays") or _WINDOW_DAYS)
        schedule = target.clients.client("kms").schedule_key_deletion
        remove_when_free(lambda: schedule(KeyId=target.id, PendingWindowInDays=days), target.id)


class Alias(Resource):
    """`aws:kms/alias:Alias`. Its id is its name."""

    type = "aws:kms/alias:Alias"
    fixed = frozenset({"name"})
    in_place = frozenset({"targetKeyId"})
    required = frozenset({"name", "targetKeyId"})

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the alias."""
        clients.client("kms").create_alias(AliasName=inputs["name"], TargetKeyId=inputs["targetKeyId"])
        return str(inputs["name"])

    def describe(self, target: Target) -> Record | None:
        """Return the alias; None when it is gone."""
        for page in target.clients.client("kms").get_paginator("list_aliases").paginate():
            for record in page["Aliases"]:
                if record["AliasName"] == target.id:
                    found: Record = record
                    return found
        return None

    def candidates(self, clients: Clients, inputs: Properties) -> Iterable[tuple[str, Record]]:
        """Return the alias of that name, if it stands for the wanted key."""
        record = self.describe(Target(clients, inputs["name"], inputs))
        if record is not None and record.get("TargetKeyId") == inputs["targetKeyId"].rpartition("/")[2]:
            yield inputs["name"], record

    def change(self, change: Change) -> None:
        """Let the alias stand for another key."""
        change.clients.client("kms").update_alias(AliasName=change.id, TargetKeyId=change.inputs["targetKeyId"])

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        key_arn = record["AliasArn"].replace(record["AliasName"], f"key/{record['TargetKeyId']}")
        return {"arn": record["AliasArn"], "name": target.id, "targetKeyArn": key_arn}

    def remove(self, target: Target) -> None:
        """Delete the alias."""
        kms = target.clients.client("kms")
        remove_when_free(lambda: kms.delete_alias(AliasName=target.id), target.id)
