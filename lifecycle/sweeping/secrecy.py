"""Keys, their aliases, and secrets. What waits for its deletion is as good as gone: nobody can use it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lifecycle.sweeping.records import Kind, Place, Thing, pages, refs, tags_of
from lifecycle.sweeping.tagged import tagged_arns
from sandbox.handlers.kms import Key

WINDOW_DAYS = 7
"""The shortest time that KMS and Secrets Manager keep what is to be deleted."""
_PREFIX = "alias/cloister-"
"""How the names of the toolkit's aliases begin."""
_PENDING = {"PendingDeletion", "PendingReplicaDeletion"}


def _aliases(place: Place) -> list[dict[str, Any]]:
    return [one for page in pages(place.client("kms"), "list_aliases") for one in page["Aliases"]]


def _candidates(place: Place) -> set[str]:
    """Return the keys that may be a stack's: a stranger's may turn even its own administrators away."""
    named = {arn.rpartition("/")[2] for arn in tagged_arns(place, "kms:key")}
    return named | {
        one["TargetKeyId"] for one in _aliases(place) if one["AliasName"].startswith(_PREFIX) and one.get("TargetKeyId")
    }


def _key_tags(place: Place, key_id: str) -> dict[str, str]:
    kms = place.client("kms")
    return {k: v for page in pages(kms, "list_resource_tags", KeyId=key_id) for k, v in tags_of(page["Tags"]).items()}


def _keys(place: Place) -> Iterator[Thing]:
    kms, may_be = place.client("kms"), _candidates(place)
    listed = [one["KeyId"] for page in pages(kms, "list_keys") for one in page["Keys"]]

    def look(key_id: str) -> Thing:
        if key_id not in may_be:
            return Thing(kind="kms-key", id=key_id, tags={})
        record = kms.describe_key(KeyId=key_id)["KeyMetadata"]
        return Thing(
            kind="kms-key",
            id=key_id,
            tags=_key_tags(place, key_id),
            gone_on=record.get("DeletionDate") if record["KeyState"] in _PENDING else None,
            detail=record["KeyState"],
            costs=(("kms-key", 1),) if record["KeyState"] not in _PENDING else (),
            record=record,
        )

    yield from place.each(look, listed)


def _delete_key(place: Place, thing: Thing) -> None:
    Key().delete(place.clients, thing.id, {"deletionWindowInDays": WINDOW_DAYS})


def _key_aliases(place: Place) -> Iterator[Thing]:
    """List aliases; they take no tags, and are their key's."""
    may_be = _candidates(place)
    own = [one for one in _aliases(place) if not one["AliasName"].startswith("alias/aws/")]
    keys = sorted({one["TargetKeyId"] for one in own if one.get("TargetKeyId") in may_be})
    tags = dict(zip(keys, place.each(lambda key_id: _key_tags(place, key_id), keys), strict=True))
    for record in own:
        key_id = record.get("TargetKeyId", "")
        yield Thing(
            kind="kms-alias", id=record["AliasName"], tags=tags.get(key_id, {}), refs=refs(key_id), record=record
        )


def _delete_alias(place: Place, thing: Thing) -> None:
    place.client("kms").delete_alias(AliasName=thing.id)


def _secrets(place: Place) -> Iterator[Thing]:
    for page in pages(place.client("secretsmanager"), "list_secrets", IncludePlannedDeletion=True):
        for record in page["SecretList"]:
            deleted = record.get("DeletedDate")  # that of a secret in its recovery window
            yield Thing(
                kind="secret",
                id=record["ARN"],
                tags=tags_of(record.get("Tags")),
                refs=refs(record.get("KmsKeyId")),
                gone_on=deleted,
                detail=record["Name"],
                costs=() if deleted else (("secret", 1),),
                record=record,
            )


def _delete_secret(place: Place, thing: Thing) -> None:
    """Delete a secret at once: its name is free again, and its value cannot be brought back."""
    place.client("secretsmanager").delete_secret(SecretId=thing.id, ForceDeleteWithoutRecovery=True)


SECRECY: tuple[Kind, ...] = (
    Kind(
        "secret",
        "secrets",
        "secretsmanager",
        ("secretsmanager:ListSecrets",),
        _secrets,
        _delete_secret,
    ),
    Kind(
        "kms-alias",
        "key aliases",
        "kms",
        ("kms:ListAliases", "kms:ListResourceTags", "tag:GetResources"),
        _key_aliases,
        _delete_alias,
    ),
    Kind(
        "kms-key",
        "keys",
        "kms",
        ("kms:ListKeys", "kms:ListAliases", "kms:DescribeKey", "kms:ListResourceTags", "tag:GetResources"),
        _keys,
        _delete_key,
    ),
)
"""Keys last: until then, what they encrypt can still be read and deleted."""
