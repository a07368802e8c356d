"""A stack's place under the real engine, and what of it exists in the emulated account."""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifecycle import files
from lifecycle.profiles import load_profile
from lifecycle.real_engine import Place, RealEngine
from planner.catalogue import load_catalogue
from planner.make_plan import Site as PlanSite
from planner.make_plan import make_plan
from planner.plan import Plan, to_json
from planner.resources import Resource
from sandbox.engine import Change, Engine, StateFile
from sandbox.engine.offline import offline_answers
from sandbox.handlers.clients import Boto3Clients
from sandbox.handlers.invokes import INVOKES
from sandbox.handlers.registry import default_registry
from sandbox.provider import launcher

MARKS = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:pulumi_aws"),
    # Pulumi's SDK leaves the event loops of its threads behind; they are collected when the test ends, and not later.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
POLICIES = Path(__file__).parents[2] / "policies"
REGISTRY = default_registry()
_PARTS = re.compile(":(volume|network-interface)/")
"""In the ARNs of what comes and goes with an instance, and carries its tags."""


def plan_of(stack: str, profile: str = "2xh200", **network: Any) -> Plan:
    plan = make_plan(load_profile(profile), load_catalogue(), PlanSite(stack=stack))
    return msgspec.structs.replace(plan, network=msgspec.structs.replace(plan.network, **network))


def program(plan: Plan) -> Callable[[], None]:
    from stacks.deploy import deploy

    return lambda: deploy(plan)


class Site:
    """One stack, in a folder and in the account."""

    def __init__(self, folder: Path, url: str, clients: Boto3Clients, stack: str = "") -> None:
        self.folder = folder
        self.url = url
        self.clients = clients
        self.stack = stack or f"t-{uuid.uuid4().hex[:8]}"

    def plan(self, profile: str = "2xh200", **network: Any) -> Plan:
        return plan_of(self.stack, profile, **network)

    def place(self) -> Place:
        return Place(
            folder=self.folder / "pulumi",
            home=self.folder / "pulumi-home",
            environment={"AWS_ENDPOINT_URL": self.url, "AWS_REGION": self.clients.region},
            executables={launcher.NAME: launcher.script()},
        )

    def engine(self, **more: Any) -> RealEngine:
        fields = {"configuration": {"cloister:plan": to_json(self.plan())}, "find": self.find, **more}
        return RealEngine(project="cloister", stack=self.stack, place=self.place(), **fields)

    def in_process(self, folder: Path) -> Engine:
        return Engine(
            project="cloister",
            stack=self.stack,
            state=StateFile(folder / "in-process.json", files.write),
            registry=REGISTRY,
            invokes=INVOKES,
            offline=offline_answers(self.clients.region),
            clients=self.clients,
        )

    def find(self, token: str, inputs: Mapping[str, Any]) -> str | None:
        return REGISTRY[token].find(self.clients, dict(inputs))

    # What exists.

    def tagged(self) -> Counter[str]:
        """Return how often each resource of the program exists, by its name: what comes with an instance apart."""
        names: Counter[str] = Counter()
        pages = self.clients.client("resourcegroupstaggingapi").get_paginator("get_resources")
        for page in pages.paginate(TagFilters=[{"Key": "cloister:stack", "Values": [self.stack]}]):
            for found in page["ResourceTagMappingList"]:
                if not self._ended(found["ResourceARN"]) and not _PARTS.search(found["ResourceARN"]):
                    names.update(tag["Value"] for tag in found["Tags"] if tag["Key"] == "cloister:resource")
        return names

    def _ended(self, arn: str) -> bool:
        """Tell whether something is shown for a while after its end, as AWS does."""
        kind, _, name = arn.rsplit(":", 1)[-1].partition("/")
        if kind == "instance":
            (reservation,) = self.clients.client("ec2").describe_instances(InstanceIds=[name])["Reservations"]
            return str(reservation["Instances"][0]["State"]["Name"]) == "terminated"
        if kind == "key":
            return "DeletionDate" in self.clients.client("kms").describe_key(KeyId=name)["KeyMetadata"]
        return False

    def named(self) -> list[str]:
        """Return what has the stack in its name: also what carries no tags."""
        iam, kms, logs = (self.clients.client(service) for service in ("iam", "kms", "logs"))
        names = [f"role {role['RoleName']}" for role in iam.list_roles()["Roles"]]
        names += [f"profile {one['InstanceProfileName']}" for one in iam.list_instance_profiles()["InstanceProfiles"]]
        names += [one["AliasName"] for one in kms.list_aliases()["Aliases"]]
        names += [one["logGroupName"] for one in logs.describe_log_groups()["logGroups"]]
        return [name for name in names if self.stack in name]

    def vpc(self, **filters: str) -> dict[str, Any]:
        """Return the stack's one VPC."""
        own = [{"Name": "tag:cloister:stack", "Values": [self.stack]}]
        (vpc,) = self.clients.client("ec2").describe_vpcs(Filters=own)["Vpcs"]
        found: dict[str, Any] = vpc
        return found

    def clear(self) -> None:
        """Take away what a failed test left, so that the account does not fill."""
        if self.tagged() or self.named():
            self.engine().destroy()


def kinds(changes: tuple[Change, ...]) -> dict[str, int]:
    return dict(Counter(change.op for change in changes))


def names(changes: tuple[Change, ...], op: str) -> set[str]:
    return {change.name for change in changes if change.op == op}


def graph(resources: tuple[Resource, ...]) -> dict[tuple[str, str], Any]:
    """Return resources in a form in which equal means the same: the engines write URNs differently."""

    def short(urn: str) -> tuple[str, str]:
        kind, name = urn.split("::", 3)[2:]
        return kind.rsplit("$", 1)[-1], name

    def stack_or(urn: str) -> tuple[str, str] | None:
        return None if not urn or "pulumi:pulumi:Stack::" in urn else short(urn)

    return {
        (one.type, one.name): {
            "urn": short(one.urn),
            "inputs": one.inputs,
            "parent": stack_or(one.parent),
            "dependencies": {short(urn) for urn in one.dependencies},
        }
        for one in resources
    }
