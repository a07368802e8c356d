"""Secrets: their names and policies. Their values are nobody's business here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from botocore.exceptions import ClientError

from sandbox.handlers.base import Clients, Properties
from sandbox.handlers.resource import Change, Record, Resource, Target, own_tags, tag_list, tag_outputs
from sandbox.handlers.waiting import is_gone, remove_when_free

_RECOVERY_DAYS = 30


class Secret(Resource):
    """`aws:secretsmanager/secret:Secret`. Its id is its ARN."""

    type = "aws:secretsmanager/secret:Secret"
    fixed = frozenset({"name"})
    in_place = frozenset({"description", "kmsKeyId", "policy", "recoveryWindowInDays", "tags"})
    required = frozenset({"name"})
    documents = frozenset({"policy"})

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the secret, without a value."""
        names = {"description": "Description", "kmsKeyId": "KmsKeyId"}
        arguments: dict[str, Any] = {api_name: inputs[name] for name, api_name in names.items() if inputs.get(name)}
        tags = {"Tags": tag_list(inputs["tags"])} if inputs.get("tags") else {}
        made = clients.client("secretsmanager").create_secret(Name=inputs["name"], **arguments, **tags)
        return str(made["ARN"])

    def complete(self, target: Target) -> None:
        """Put the policy on the secret."""
        if target.inputs.get("policy"):
            client = target.clients.client("secretsmanager")
            client.put_resource_policy(SecretId=target.id, ResourcePolicy=target.inputs["policy"])

    def change(self, change: Change) -> None:
        """Change what differs."""
        client, new = change.clients.client("secretsmanager"), change.inputs
        if change.names & {"description", "kmsKeyId"}:
            arguments = {"KmsKeyId": new["kmsKeyId"]} if new.get("kmsKeyId") else {}
            client.update_secret(SecretId=change.id, Description=new.get("description") or "", **arguments)
        if "policy" in change.names:
            if new.get("policy"):
                self.complete(change)
            else:
                client.delete_resource_policy(SecretId=change.id)

    def retag(self, change: Change) -> None:
        """Change the tags."""
        client = change.clients.client("secretsmanager")
        old, new = change.old.get("tags") or {}, change.inputs.get("tags") or {}
        dropped = [key for key in old if key not in new]
        if dropped:
            client.untag_resource(SecretId=change.id, TagKeys=dropped)
        if new:
            client.tag_resource(SecretId=change.id, Tags=tag_list(new))

    def describe(self, target: Target) -> Record | None:
        """Return the secret; None when it is gone or on its way out."""
        try:
            record: Record = target.clients.client("secretsmanager").describe_secret(SecretId=target.id)
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        return None if record.get("DeletedDate") else record

    def candidates(self, clients: Clients, inputs: Properties) -> Iterable[tuple[str, Record]]:
        """Return the secret of that name, if it carries the resource's own tags."""
        record, mine = self.describe(Target(clients, inputs["name"], inputs)), own_tags(inputs)
        if record is not None and mine and mine.items() <= tag_outputs(record.get("Tags"))["tags"].items():
            yield str(record["ARN"]), record

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        return {
            "arn": record["ARN"],
            "name": record["Name"],
            "description": record.get("Description", ""),
            "kmsKeyId": record.get("KmsKeyId", ""),
            **tag_outputs(record.get("Tags")),
        }

    def remove(self, target: Target) -> None:
        """Delete the secret: at once if its recovery window is 0 days, else after it."""
        if self.describe(target) is None:
            return
        days = target.inputs.get("recoveryWindowInDays", _RECOVERY_DAYS)
        how = {"RecoveryWindowInDays": days} if days else {"ForceDeleteWithoutRecovery": True}
        client = target.clients.client("secretsmanager")
        remove_when_free(lambda: client.delete_secret(SecretId=target.id, **how), target.id)
