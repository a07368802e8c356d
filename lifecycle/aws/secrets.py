"""Values of secrets go into the account's store, to the entries that the program made; nothing else holds them."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lifecycle.aws.errors import told
from planner.errors import DeployError
from planner.layout import Layout
from planner.plan import Plan
from planner.secrets import secret_id
from planner.tags import STACK_TAG

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

CURRENT = "AWSCURRENT"
"""The stage whose version hosts are given."""

_SCRYPT = {"n": 2**14, "r": 8, "p": 1, "dklen": 16}
"""16 MiB and some 50 ms: a version's id can be seen by whoever lists versions, and must not help to guess a value."""


def host_secrets(plan: Plan, layout: Layout) -> dict[str, bytes]:
    """Read what hosts need from where the stack keeps it.

    Raises:
        FileNotFoundError: it was not made yet.

    """
    files = {"tls-key": Path(layout.tls, "leaf.key")}
    wanted = (secret.name for secret in plan.secrets if secret.on_hosts)
    return {name: files.get(name, Path(layout.secrets, name)).read_bytes() for name in wanted}


def put_host_secrets(client: SecretsManagerClient, plan: Plan, values: Mapping[str, bytes]) -> tuple[str, ...]:
    """Bring the values into their entries; return the names of those that were not there already.

    It can be repeated: the same value is the same version, even when an answer was lost.

    Args:
        client: of the plan's account and region.
        plan: names the entries; the program has made them.
        values: name -> value, for every secret that hosts read.

    Raises:
        DeployError: an entry is missing, or is not this stack's; a value is missing or empty.

    """
    wanted = [secret.name for secret in plan.secrets if secret.on_hosts]
    if absent := [name for name in wanted if not values.get(name)]:
        raise DeployError(
            f"no value for {', '.join(absent)}",
            hint="Run `deploy up` again: it makes what is secret before it is needed.",
            code="secret_missing",
        )
    return tuple(name for name in wanted if _put(client, plan, secret_id(plan.stack, name), values[name]))


def _put(client: SecretsManagerClient, plan: Plan, entry: str, value: bytes) -> bool:
    """Make a value the current one; return whether it was not yet."""
    arn, stages = _entry(client, plan, entry)
    version = version_of(arn, value)
    if CURRENT in stages.get(version, ()):
        return False
    region = plan.network.region
    if version not in stages:
        with told("secretsmanager:PutSecretValue", region):
            answer = client.put_secret_value(SecretId=arn, ClientRequestToken=version, SecretBinary=value)
        if CURRENT in answer["VersionStages"]:
            return True
    # An earlier value comes back: putting it again changes nothing, whether or not its version is still listed.
    with told("secretsmanager:UpdateSecretVersionStage", region):
        client.update_secret_version_stage(SecretId=arn, VersionStage=CURRENT, MoveToVersionId=version, **_from(stages))
    return True


def _entry(client: SecretsManagerClient, plan: Plan, entry: str) -> tuple[str, Mapping[str, list[str]]]:
    """Return an entry's ARN and its versions, if it is this stack's own.

    Raises:
        DeployError: it is not.

    """
    with told("secretsmanager:DescribeSecret", plan.network.region):
        found = client.describe_secret(SecretId=entry)
    tags = {tag.get("Key"): tag.get("Value") for tag in found.get("Tags", [])}
    if tags.get(STACK_TAG) != plan.stack or not found.get("KmsKeyId"):
        raise DeployError(
            f"the secret {entry} was not made by this stack: it lacks the stack's tag or key; nothing was put there",
            hint="Remove or rename it, then run `deploy up` again.",
            code="foreign_secret",
        )
    return found["ARN"], found.get("VersionIdsToStages", {})


def _from(stages: Mapping[str, list[str]]) -> dict[str, str]:
    current = next((version for version, names in stages.items() if CURRENT in names), None)
    return {"RemoveFromVersionId": current} if current else {}


def version_of(arn: str, value: bytes) -> str:
    """Return the id of a value's version: the same for the same value, and of no use in guessing it."""
    return str(uuid.UUID(bytes=hashlib.scrypt(value, salt=arn.encode(), **_SCRYPT)))
