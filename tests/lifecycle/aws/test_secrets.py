"""Values of secrets: into the entries that the program made, once, and nowhere else."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifecycle.aws.secrets import host_secrets, put_host_secrets, version_of
from planner.errors import DeployError
from planner.plan import Plan, SecretRef
from planner.secrets import secret_id
from policies import examples
from tests.lifecycle.stack import layout_in
from tests.sandbox.aws.account import Account

FIRST, SECOND, THIRD = b"first-value-of-the-key", b"second-value-of-the-key", b"third-value-of-the-key"


@pytest.fixture
def plan() -> Plan:
    secrets = (
        SecretRef(name="ca-key", purpose="signs certificates"),
        SecretRef(name="engine-api-key", purpose="asks the engine", on_hosts=True),
    )
    return msgspec.structs.replace(examples.plan(), stack=f"s-{uuid.uuid4().hex[:8]}", secrets=secrets)


@pytest.fixture
def store(account: Account) -> Any:
    return account.clients().client("secretsmanager")


@pytest.fixture
def entry(plan: Plan, store: Any) -> Iterator[str]:
    made = store.create_secret(
        Name=secret_id(plan.stack, "engine-api-key"),
        KmsKeyId="arn:aws:kms:us-east-2:123456789012:key/1",
        Tags=[{"Key": "cloister:stack", "Value": plan.stack}],
    )["ARN"]
    yield made
    store.delete_secret(SecretId=made, ForceDeleteWithoutRecovery=True)


def read(store: Any, entry: str) -> bytes:
    return bytes(store.get_secret_value(SecretId=entry, VersionStage="AWSCURRENT")["SecretBinary"])


def test_a_value_is_put_once_and_only_those_that_hosts_need(plan: Plan, store: Any, entry: str) -> None:
    values = {"engine-api-key": FIRST, "ca-key": b"never leaves"}
    assert put_host_secrets(store, plan, values) == ("engine-api-key",)
    assert read(store, entry) == FIRST
    assert put_host_secrets(store, plan, values) == ()
    assert len(store.list_secret_version_ids(SecretId=entry)["Versions"]) == 1
    assert [one["Name"] for one in store.list_secrets()["SecretList"] if plan.stack in one["Name"]] == [
        secret_id(plan.stack, "engine-api-key")
    ]


def test_a_new_value_takes_the_old_ones_place_and_an_old_one_can_come_back(plan: Plan, store: Any, entry: str) -> None:
    for value in (FIRST, SECOND, THIRD, SECOND, FIRST):
        assert put_host_secrets(store, plan, {"engine-api-key": value}) == ("engine-api-key",)
        assert read(store, entry) == value


def test_an_answer_that_was_lost_costs_no_second_version(plan: Plan, store: Any, entry: str) -> None:
    version = version_of(entry, FIRST)
    store.put_secret_value(SecretId=entry, ClientRequestToken=version, SecretBinary=FIRST)
    assert put_host_secrets(store, plan, {"engine-api-key": FIRST}) == ()
    assert len(store.list_secret_version_ids(SecretId=entry)["Versions"]) == 1


@pytest.mark.parametrize("values", [{}, {"engine-api-key": b""}, {"ca-key": FIRST}])
def test_a_missing_value_puts_nothing(values: dict[str, bytes], plan: Plan, store: Any, entry: str) -> None:
    with pytest.raises(DeployError, match="no value for engine-api-key") as refusal:
        put_host_secrets(store, plan, values)
    assert refusal.value.code == "secret_missing"
    assert store.describe_secret(SecretId=entry).get("VersionIdsToStages", {}) == {}


@pytest.mark.parametrize("spoilt", ["tag", "key"])
def test_somebody_elses_entry_is_left_alone(spoilt: str, plan: Plan, store: Any) -> None:
    key = {} if spoilt == "key" else {"KmsKeyId": "arn:aws:kms:us-east-2:123456789012:key/1"}
    owner = "another" if spoilt == "tag" else plan.stack
    tags = [{"Key": "cloister:stack", "Value": owner}]
    made = store.create_secret(Name=secret_id(plan.stack, "engine-api-key"), Tags=tags, **key)["ARN"]
    try:
        with pytest.raises(DeployError, match="was not made by this stack") as refusal:
            put_host_secrets(store, plan, {"engine-api-key": FIRST})
        assert refusal.value.code == "foreign_secret"
        assert FIRST.decode() not in str(refusal.value)
        assert store.describe_secret(SecretId=made).get("VersionIdsToStages", {}) == {}
    finally:
        store.delete_secret(SecretId=made, ForceDeleteWithoutRecovery=True)


def test_an_entry_that_the_program_did_not_make_is_told(plan: Plan, store: Any) -> None:
    with pytest.raises(DeployError, match="secretsmanager:DescribeSecret"):
        put_host_secrets(store, plan, {"engine-api-key": FIRST})


def test_a_versions_id_tells_nothing_across_entries() -> None:
    assert version_of("one", FIRST) == version_of("one", FIRST)
    assert len({version_of("one", FIRST), version_of("other", FIRST), version_of("one", SECOND)}) == 3


def test_what_hosts_need_is_read_from_where_the_stack_keeps_it(plan: Plan, tmp_path: Path) -> None:
    layout = layout_in(tmp_path)
    for folder, name, value in ((layout.secrets, "engine-api-key", FIRST), (layout.tls, "leaf.key", SECOND)):
        Path(folder).mkdir(parents=True)
        Path(folder, name).write_bytes(value)
    secrets = (*plan.secrets, SecretRef(name="tls-key", purpose="the endpoint's", on_hosts=True))
    read_values = host_secrets(msgspec.structs.replace(plan, secrets=secrets), layout)
    assert read_values == {"engine-api-key": FIRST, "tls-key": SECOND}
