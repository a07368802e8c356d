"""The smallest policy under which the verbs run that work on a profile's stack, made from the table of actions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from lifecycle.operator_policy.actions import Action, Table, load_actions
from planner.consumers import balancer_name
from planner.partitions import partition_of
from planner.plan import Plan
from planner.tags import STACK_TAG

LONGEST = 6144
"""Characters of a managed policy, white space not counted (IAM quotas)."""
READS = re.compile(r":(Describe|Get|List|View)")
"""Actions that only look."""
CONTENT = frozenset(
    {
        "s3:GetObject",
        "s3:ListBucketMultipartUploads",
        "s3:ListMultipartUploadParts",
        "secretsmanager:GetSecretValue",
        "ssm:GetParameter",
        "ssm:GetParameters",
    }
)
"""Those among them that tell what is inside: no reviewer needs to know that."""
GIVEN_KINDS = {"vpc", "subnet"}
"""Resource types that a company may give; they carry no tag of ours."""

Statement = dict[str, Any]


class PolicyDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One managed policy."""

    name: str
    document: dict[str, Any]
    """As IAM takes it."""


class IamPolicyReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `iam-policy` prints: attach all of them.

    Attributes:
        actions: how many actions they allow.
        policies: as many as IAM's limit of 6144 characters makes it.

    """

    stack: str
    account: str
    region: str
    actions: int
    policies: tuple[PolicyDocument, ...]


class _Grant(msgspec.Struct, frozen=True):
    """An action on resources, under conditions."""

    action: str
    resources: tuple[str, ...]
    condition: str
    """As canonical JSON, so that grants alike can be put together."""


def operator_policy(
    plan: Plan, account: str, types: Iterable[str], *, more: Iterable[Statement] = (), buys: bool = False
) -> IamPolicyReport:
    """Return the policies for whoever runs the toolkit.

    Args:
        plan: names stack, region and whatever the profile gives.
        account: number of the account.
        types: Pulumi types of the resources that the plan's program registers.
        more: statements of other parts, for example of the tunnel that administrators open.
        buys: let Capacity Blocks be bought and extended, which are paid up front.

    """
    table = load_actions()
    there = {type_.rpartition(":")[2] for type_ in types} | {node.capacity for node in plan.nodes}
    needed = [
        action
        for action in table.policy.actions
        if (not action.only or there & {*action.only}) and (buys or not action.buys)
    ]
    return _report(needed, plan, account, "operator", more)


def audit_policy(plan: Plan, account: str) -> IamPolicyReport:
    """Return the policies for a reviewer, who runs `audit` and may do no more.

    They allow looking at whatever a stack can have, by its name where it has one, and at nothing that it holds: no
    secret, no object, no parameter and no record can be read with them.

    Args:
        plan: names stack, region and whatever the profile gives.
        account: number of the account.

    """
    needed = [
        action for action in load_actions().policy.actions if READS.search(action.name) and action.name not in CONTENT
    ]
    return _report(needed, plan, account, "audit", ())


def _report(
    needed: Iterable[Action], plan: Plan, account: str, purpose: str, more: Iterable[Statement]
) -> IamPolicyReport:
    listed = tuple(needed)
    grants = [grant for action in listed for grant in _grants(action, load_actions(), plan, account)]
    policies = tuple(
        PolicyDocument(name=f"cloister-{plan.stack}-{purpose}-{number}", document=document)
        for number, document in enumerate(_documents([*_statements(grants), *more]), start=1)
    )
    return IamPolicyReport(
        stack=plan.stack,
        account=account,
        region=plan.network.region,
        actions=len({action.name for action in listed}),
        policies=policies,
    )


def _grants(action: Action, table: Table, plan: Plan, account: str) -> Iterator[_Grant]:
    """Return what an action is allowed on: what it makes, what is the stack's own, what is given, and the rest."""
    values = _values(plan, account)

    def grant(kinds: Iterable[str], condition: Mapping[str, Any]) -> Iterator[_Grant]:
        resources = {arn for kind in kinds for arn in _arns(kind, table, values, plan)}
        if resources:
            whole = _both(_filled(action.when, values), condition)
            yield _Grant(action.name, tuple(sorted(resources)), json.dumps(whole, sort_keys=True))

    yield from grant(action.new, {"StringEquals": {f"aws:RequestTag/{STACK_TAG}": plan.stack}})
    own = [kind for kind in action.own if not (plan.network.given and kind in GIVEN_KINDS)]
    yield from grant(own, {"StringEquals": {f"aws:ResourceTag/{STACK_TAG}": plan.stack}})
    yield from grant([f"given-{kind}" for kind in action.own if kind not in own], {})
    boundary = plan.account.permission_boundary if action.boundary else ""
    yield from grant(action.any, {"StringEquals": {"iam:PermissionsBoundary": boundary}} if boundary else {})


def _values(plan: Plan, account: str) -> dict[str, str]:
    region = plan.network.region
    partition = partition_of(region)
    return {
        "account": account,
        "balancer": balancer_name(plan.stack),
        "dns_suffix": partition.dns_suffix,
        "partition": partition.name,
        "region": region,
        "roles": plan.account.role_name_prefix,
        "stack": plan.stack,
    }


def _arns(kind: str, table: Table, values: Mapping[str, str], plan: Plan) -> Iterator[str]:
    """Return the ARNs of a resource type; as many as the plan has of it."""
    given = plan.network.given
    if kind == "*":
        yield "*"
    elif kind.startswith("given-"):
        ids = {"given-vpc": (given.vpc_id,), "given-subnet": given.subnet_ids}[kind] if given else ()
        pattern = table.kind(kind.removeprefix("given-")).arn
        yield from (pattern.format(**values).removesuffix("*") + one for one in ids)
    elif kind == "parameter":
        yield from (table.kind(kind).arn.format(**values, parameter=node.ami_parameter) for node in plan.nodes)
    elif kind == "capacity-reservation":
        held = (node.reservation_id for node in plan.nodes if node.reservation_id)
        yield from (table.kind(kind).arn.format(**values, reservation=one) for one in held)
    else:
        yield table.kind(kind).arn.format(**values)


def _filled(when: Mapping[str, Mapping[str, str | list[str]]], values: Mapping[str, str]) -> dict[str, Any]:
    def fill(value: str | list[str]) -> str | list[str]:
        return value.format(**values) if isinstance(value, str) else [one.format(**values) for one in value]

    return {operator: {key: fill(value) for key, value in keys.items()} for operator, keys in when.items()}


def _both(one: Mapping[str, Mapping[str, Any]], other: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return conditions that hold where both hold."""
    return {operator: {**one.get(operator, {}), **other.get(operator, {})} for operator in {**one, **other}}


def _statements(grants: Iterable[_Grant]) -> Iterator[Statement]:
    """Put together the actions that are allowed on the same resources under the same conditions."""
    together: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for grant in grants:
        together.setdefault((grant.resources, grant.condition), []).append(grant.action)
    for (resources, condition), actions in together.items():
        statement: Statement = {
            "Effect": "Allow",
            "Action": sorted({*actions}),
            "Resource": resources[0] if len(resources) == 1 else list(resources),
        }
        if condition != "{}":
            statement["Condition"] = json.loads(condition)
        yield statement


def _documents(statements: Iterable[Statement]) -> Iterator[dict[str, Any]]:
    """Fill one policy after the other."""
    held: list[Statement] = []
    for statement in statements:
        if held and _length([*held, statement]) > LONGEST:
            yield _document(held)
            held = []
        held.append(statement)
    yield _document(held)


def _document(statements: list[Statement]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": statements}


def _length(statements: list[Statement]) -> int:
    return len(json.dumps(_document(statements), separators=(",", ":")))
